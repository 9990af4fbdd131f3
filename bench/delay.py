"""A TCP proxy that adds a round trip time, as a distant server has it.

In: where the server listens, how many milliseconds a round trip takes more. Out: the port to connect to instead.
May not live here: what is measured through it, any knowledge of IMAP.

Each direction is delayed by half of the time; what is under way keeps its order and its throughput (a line that is long,
not one that is narrow). The connection itself costs one round trip, as the handshake of a distant one does.
It runs in a process of its own, so that its work is not counted as a client's.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

AT_ONCE = 1 << 18


@contextlib.contextmanager
def delayed(port: int, milliseconds: float = 40.0, host: str = "127.0.0.1") -> Iterator[int]:
    """Yield the port of a proxy to `host:port` for as long as the block lasts."""
    arguments = [sys.executable, str(Path(__file__)), host, str(port), str(milliseconds)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            yield int(proxy.stdout.readline())
        finally:
            proxy.kill()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Hand on what comes in, each piece at the instant at which it would arrive."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=4096)

    async def take() -> None:
        data = b"-"
        while data:
            try:
                data = await reader.read(AT_ONCE)
            except OSError:
                data = b""
            await waiting.put((loop.time() + seconds, data))

    taking = asyncio.create_task(take())
    with contextlib.suppress(OSError):
        while True:
            at, data = await waiting.get()
            if (rest := at - loop.time()) > 0:
                await asyncio.sleep(rest)
            if not data:
                break
            writer.write(data)
            await writer.drain()
    taking.cancel()
    with contextlib.suppress(OSError):
        writer.close()


async def _serve(host: str, port: int, seconds: float) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.sleep(seconds)
            there, back = await asyncio.open_connection(host, port, limit=AT_ONCE)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass_on(reader, back, seconds / 2), _pass_on(there, writer, seconds / 2))

    server = await asyncio.start_server(client, "127.0.0.1", 0, limit=AT_ONCE)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000))
