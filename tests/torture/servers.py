"""What stands between mailrules and the world: mailboxes, a proxy that breaks and lies, an SMTP sink that refuses.

In: orders of the faults. Out: what was on the wire, what was delivered. All on loopback, in this process (Dovecot beside it).
May not live here: which fault is tried when.
"""

from __future__ import annotations

import contextlib
import imaplib
import os
import re
import shutil
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mailrules.demo.imap_server import MailServer
from tests.servers import PASSWORD, Dovecot, dovecot_available
from tests.torture.checker import Sent
from tests.torture.scenario import Mail

UP, DOWN = "up", "down"


class Mailbox(Protocol):
    """A server with one mailbox, and a way to look into it that does not pass through the server."""

    port: int
    real: bool

    def fill(self, mails: Sequence[Mail]) -> None: ...
    def add(self, mail: Mail) -> None: ...
    def remove(self, content: bytes) -> None: ...
    def renumber(self) -> None: ...
    def snapshot(self) -> dict[str, bytes]: ...
    def listing(self) -> tuple[int, dict[int, bytes]]: ...
    def stop(self) -> None: ...


class RealMailbox:
    """Dovecot. What is in the mailbox is read from the Maildir and from the server's own list of UIDs."""

    real = True

    def __init__(self) -> None:
        self.server = Dovecot()
        self.port = self.server.port

    def fill(self, mails: Sequence[Mail]) -> None:
        for path in self._files():
            path.unlink()
        for index in self.server.maildir.glob("dovecot*"):
            index.unlink()
        for mail in mails:
            self._put(mail)
        self.server._own()

    def add(self, mail: Mail) -> None:
        self.server._own()
        self._put(mail)
        self.server._own()

    def _put(self, mail: Mail) -> None:
        content, moment = mail
        self.server.count += 1
        path = self.server.maildir / "new" / f"{1_700_000_000 + self.server.count}.M{self.server.count}.test"
        path.write_bytes(content)
        os.utime(path, (moment.timestamp(), moment.timestamp()))

    def remove(self, content: bytes) -> None:
        next(path for path in self._files() if path.read_bytes() == content).unlink()

    def renumber(self) -> None:
        for path in self.server.maildir.glob("dovecot*"):
            path.unlink()
        time.sleep(1.05)  # why: UIDVALIDITY is a time in seconds

    def snapshot(self) -> dict[str, bytes]:
        return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in self._files()}

    def listing(self) -> tuple[int, dict[int, bytes]]:
        files = {path.name.partition(":")[0]: path for path in self._files()}
        for _ in range(20):  # why: the server writes its list down a moment after the client has gone
            validity, names = self._listed()
            if files.keys() <= set(names.values()):
                break
            time.sleep(0.02)
        else:
            self._look()
            validity, names = self._listed()
        missing = files.keys() - set(names.values())
        if missing:
            raise RuntimeError(f"Dovecot itself does not list {sorted(missing)}")
        return validity, {uid: files[name].read_bytes() for uid, name in names.items() if name in files}

    def _listed(self) -> tuple[int, dict[int, str]]:
        try:
            lines = (self.server.maildir / "dovecot-uidlist").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return 0, {}
        head = re.search(r" V(\d+)", lines[0]) if lines else None
        split = [line.partition(" ") for line in lines[1:]]
        names = {int(uid): rest.partition(":")[2].partition(":")[0] for uid, _, rest in split}
        return int(head[1]) if head else 0, names

    def _look(self) -> None:
        """Make the server look at its Maildir: it lists what came in since the last client."""
        with imaplib.IMAP4("127.0.0.1", self.port) as client:
            client.authenticate("PLAIN", lambda _: f"\0{Dovecot.user}\0{PASSWORD}".encode())
            client.select(readonly=True)
            client.uid("SEARCH", "ALL")

    def _files(self) -> list[Path]:
        return [path for name in ("new", "cur") for path in sorted((self.server.maildir / name).iterdir())]

    def stop(self) -> None:
        self.server.stop()


class OwnMailbox:
    """The demo's server, where Dovecot is not installed."""

    real = False

    def __init__(self) -> None:
        self.server = MailServer("seller", PASSWORD)
        self.server.start()
        self.port = self.server.port

    def fill(self, mails: Sequence[Mail]) -> None:
        self.server.messages = list(mails)

    def add(self, mail: Mail) -> None:
        self.server.messages.append(mail)

    def remove(self, content: bytes) -> None:
        raise NotImplementedError

    def renumber(self) -> None:
        self.server.uidvalidity += 1

    def snapshot(self) -> dict[str, bytes]:
        return {str(i): content for i, (content, _) in enumerate(self.server.messages)}

    def listing(self) -> tuple[int, dict[int, bytes]]:
        return self.server.uidvalidity, {i + 1: content for i, (content, _) in enumerate(self.server.messages)}

    def stop(self) -> None:
        self.server.stop()


def mailbox() -> Mailbox:
    return RealMailbox() if dovecot_available() else OwnMailbox()


# --- the proxy ----------------------------------------------------------------------------------------------------

Lie = Callable[[bytes, bytes, bytes], bytes | None]
"""(command without its tag, tag, the whole answer) -> what is passed on instead; None = the connection is dropped."""


@dataclass
class Order:
    """How the proxy behaves. `cut`: after so many bytes in a direction the connection ends; once."""

    cut: tuple[str, int] | None = None
    reset: bool = False
    piece: int = 0
    delay: float = 0.0
    stall: tuple[str, int] | None = None
    greeting: bytes | None = None
    lie: Lie | None = None
    passed: dict[str, int] = field(default_factory=lambda: {UP: 0, DOWN: 0})
    done: bool = False


class Proxy:
    """Between a client and a server of ours on loopback. Connections go through one order, which a trial sets."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.order = Order()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, self.order), daemon=True).start()

    def _serve(self, client: socket.socket, order: Order) -> None:
        with client:
            if order.greeting is not None:
                with contextlib.suppress(OSError):
                    client.sendall(order.greeting)
                    client.settimeout(0.3)
                    client.recv(1000)
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 10)
            except OSError:
                return
            with server:
                for end in (client, server):
                    end.settimeout(120)
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                talk = _Talk(client, server, order)
                up = threading.Thread(target=talk.up, daemon=True)
                up.start()
                talk.down()
                up.join(5)


COMMAND = re.compile(rb"([A-Za-z]+\d+) (\S.*)")


class _Talk:
    def __init__(self, client: socket.socket, server: socket.socket, order: Order) -> None:
        self.client, self.server, self.order = client, server, order
        self.waiting: list[tuple[bytes, bytes]] = []
        """Commands without an answer as yet, several where the client does not wait for each: (tag, the rest)."""

    def up(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.client.recv(65536):
                if self.order.lie:
                    found = (COMMAND.match(line) for line in data.split(b"\r\n"))
                    self.waiting += [(m[1], m[2]) for m in found if m]
                self._pass(UP, data, self.server)
        self._end()

    def down(self) -> None:
        kept = b""
        with contextlib.suppress(OSError):
            while data := self.server.recv(65536):
                if not self.order.lie:
                    self._pass(DOWN, data, self.client)
                    continue
                told, kept = self._told(kept + data)
                if told is None:
                    break
                self.client.sendall(told)
        self._end()

    def _told(self, kept: bytes) -> tuple[bytes | None, bytes]:
        """Return what to pass on of what came, and what is not whole yet; None = drop the connection."""
        out = b""
        while self.waiting:
            tag, command = self.waiting[0]
            end = re.search(rb"^" + re.escape(tag) + rb" [^\r\n]*\r\n", kept, re.MULTILINE)
            if not end:
                break
            del self.waiting[0]
            whole, kept = kept[: end.end()], kept[end.end() :]
            told = self.order.lie(command, tag, whole) if self.order.lie else whole
            if told is None:
                return None, b""
            out += told
        if not self.waiting or kept.startswith(b"+"):
            out, kept = out + kept, b""
        return out, kept

    def _pass(self, direction: str, data: bytes, to: socket.socket) -> None:
        order = self.order
        before = order.passed[direction]
        order.passed[direction] += len(data)
        for kind in ("cut", "stall"):
            limit = getattr(order, kind)
            if limit and limit[0] == direction and not order.done and before + len(data) > limit[1]:
                order.done = True
                to.sendall(data[: limit[1] - before])
                if kind == "stall":
                    time.sleep(90)
                if order.reset:
                    for end in (self.client, self.server):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise OSError
        if order.delay:
            time.sleep(order.delay)
        step = order.piece or len(data)
        for start in range(0, len(data), step):
            to.sendall(data[start : start + step])

    def _end(self) -> None:
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                if self.order.reset and self.order.done:
                    end.shutdown(
                        socket.SHUT_RD
                    )  # why: it wakes the other thread, whose recv would hold the socket open
                    end.close()
                else:
                    end.shutdown(socket.SHUT_RDWR)


# --- the sink -----------------------------------------------------------------------------------------------------


class Sink:
    """An SMTP server that keeps every mail and delivers none. `plan`: verb -> (how often, answer); see `_answer`."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.plan: dict[str, tuple[int, str]] = {}
        self.commands = 0
        self.on_data: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def reset(self) -> None:
        self.sent, self.plan, self.on_data = [], {}, None

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, self.sent), daemon=True).start()

    def _serve(self, client: socket.socket, sent: list[Sent]) -> None:
        with client, contextlib.suppress(OSError, EOFError):
            client.settimeout(60)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = client.makefile("rb")
            self._answer(client, "CONNECT", "220 torture ESMTP")
            recipients: list[str] = []
            while line := stream.readline(10_000):
                verb = line[:4].upper().decode("latin-1").strip()
                match verb:
                    case "EHLO":
                        self._answer(client, verb, "250-torture\r\n250-8BITMIME\r\n250 SIZE 50000000")
                    case "RCPT":
                        self._answer(client, verb, "250 taken")
                        recipients.append(line.partition(b"<")[2].partition(b">")[0].decode("utf-8", "replace"))
                    case "DATA":
                        self._answer(client, verb, "354 go on")
                        content = self._data(stream.readline)
                        self._answer(client, "TEXT", "")
                        with self._lock:
                            sent.append(Sent(tuple(recipients), content))
                        recipients = []
                        if self.on_data:
                            self.on_data()
                        self._answer(client, "DOT", "250 kept")
                    case "QUIT":
                        self._answer(client, verb, "221 bye")
                        return
                    case _:
                        self._answer(client, verb, "250 yes")

    def _answer(self, client: socket.socket, verb: str, usual: str) -> None:
        """Answer as planned: a reply; "close"; "wait" (longer than the client will)."""
        with self._lock:
            times, answer = self.plan.get(verb, (0, ""))
            if times:
                self.plan[verb] = (times - 1, answer)
        chosen = answer if times else usual
        if chosen == "close":
            raise EOFError
        if chosen == "wait":
            time.sleep(10)
            raise EOFError
        if chosen:
            client.sendall(chosen.encode() + b"\r\n")
            if times and verb == "TEXT":
                raise EOFError

    @staticmethod
    def _data(read: Callable[[], bytes]) -> bytes:
        lines: list[bytes] = []
        while line := read():
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)
        raise EOFError


def has(program: str) -> bool:
    return shutil.which(program) is not None
