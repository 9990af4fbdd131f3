"""A small SMTP receiver of our own, on loopback, in this process: it takes every mail and delivers none (RFC 5321).

In: nothing. Out: `received`, what clients handed over. May not live here: anything that sends mail.
"""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import threading
from dataclasses import dataclass
from typing import Self

_PATH = re.compile(rb"^(?:FROM|TO):\s*<([^>]*)>", re.IGNORECASE)
MAX_SIZE = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One mail with its envelope; `content` is what stood between DATA and the final dot, unstuffed."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.connections.add(self.connection)
        with contextlib.suppress(OSError):
            self._talk()
        self.server.connections.discard(self.connection)

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def _talk(self) -> None:
        self._say("220 mailrules demo ESMTP")
        sender: str | None = None
        recipients: list[str] = []
        while line := self.rfile.readline(10_000):
            verb, _, rest = line.strip().partition(b" ")
            path = _PATH.match(rest)
            match verb.upper():
                case b"EHLO":
                    self._say(f"250-mailrules demo\r\n250-8BITMIME\r\n250 SIZE {MAX_SIZE}")
                case b"HELO" | b"NOOP":
                    self._say("250 yes")
                case b"RSET":
                    sender, recipients = None, []
                    self._say("250 forgotten")
                case b"MAIL" if path:
                    sender, recipients = path[1].decode("utf-8", "replace"), []
                    self._say("250 sender taken")
                case b"RCPT" if path and sender is not None:
                    recipients.append(path[1].decode("utf-8", "replace"))
                    self._say("250 recipient taken")
                case b"DATA" if recipients and sender is not None:
                    self._say("354 end with a dot on a line")
                    content = self._data()
                    if content is None:
                        return
                    self.server.received.append(Delivered(sender=sender, recipients=tuple(recipients), content=content))
                    sender, recipients = None, []
                    self._say("250 kept")
                case b"QUIT":
                    self._say("221 bye")
                    return
                case b"MAIL" | b"RCPT" | b"DATA":
                    self._say("503 not now")
                case _:
                    self._say("502 unknown command")

    def _data(self) -> bytes | None:
        lines: list[bytes] = []
        while line := self.rfile.readline():
            if line in (b".\r\n", b".\n"):
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)
        return None  # the client went away before the final dot: nothing was handed over


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, received: list[Delivered]) -> None:
        self.received = received
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)


class SmtpSink:
    """The receiver as a context manager."""

    def __init__(self) -> None:
        self.received: list[Delivered] = []
        self.host, self.port = "127.0.0.1", 0
        self._server: _Server | None = None

    def start(self) -> None:
        """Listen on a free port of loopback."""
        self._server = _Server(self.received)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Close the port and every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            for connection in list(server.connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
