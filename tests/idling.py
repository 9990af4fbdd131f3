"""An IMAP server with IDLE that behaves as badly as servers, routers and sleeping laptops do."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from datetime import datetime

from mailrules.demo.imap_server import MailServer, _Handler

TROUBLES = ("told", "split", "joined", "dropped", "bye", "half-open", "joined", "bye")


class _Idling(_Handler):
    known = 0

    def do_capability(self, words: list[bytes]) -> bytes:
        self._say(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR LITERAL+ ID IDLE")
        return b"OK done"

    def handle(self) -> None:
        say = self._say
        self._say = lambda line: say(line.replace(b"LITERAL+ ID]", b"LITERAL+ ID IDLE]"))  # type: ignore[method-assign]
        super().handle()

    def do_examine(self, words: list[bytes]) -> bytes:
        self.known = len(self.server.owner.messages)
        return super().do_examine(words)

    def do_idle(self, _: list[bytes]) -> bytes:
        owner: IdleServer = self.server.owner  # type: ignore[assignment]
        owner.idles += 1
        count = len(owner.messages)
        if count > self.known and owner.quiet:
            self.wfile.write(b"+ idling\r\n* %d EXISTS\r\n" % count)
            self.known = count
        else:
            self._say(b"+ idling")
        owner.idling.add(self.connection)
        try:
            while self.connection not in owner.cut:
                if self.connection in owner.muted:
                    self._mute()
                if select.select([self.connection], [], [], 0.005)[0]:
                    if self._line() != b"DONE":
                        return b"BAD expected DONE"
                    return b"OK done"
                count = len(owner.messages)
                if count > self.known and not owner.quiet:
                    self.known = count
                    self._tell(count, owner)
        finally:
            owner.idling.discard(self.connection)
        raise EOFError

    def _tell(self, count: int, owner: IdleServer) -> None:
        if not owner.splitting:
            self._say(b"* %d EXISTS" % count)
            return
        for piece in (b"* %d E" % count, b"XIS", b"TS\r", b"\n* 0 REC", b"ENT\r\n"):
            self.wfile.write(piece)
            time.sleep(0.01)

    def _mute(self) -> None:
        """Take what comes and say nothing, until the other side has had enough."""
        while self.connection.recv(4096):
            pass
        raise EOFError


class IdleServer(MailServer):
    """`deliver` puts a message into INBOX in the midst of one of TROUBLES."""

    def __init__(self, user: str, password: str) -> None:
        super().__init__(user, password)
        self.idling: set[socket.socket] = set()
        self.cut: set[socket.socket] = set()
        self.muted: set[socket.socket] = set()
        self.quiet = self.splitting = False
        self.idles = 0

    def start(self) -> None:
        super().start()
        assert self._server is not None
        self._server.RequestHandlerClass = _Idling

    def deliver(self, content: bytes, moment: datetime, trouble: str = "told") -> None:
        listening = list(self.idling)
        self.splitting, self.quiet = trouble == "split", trouble == "joined"
        if trouble == "bye":
            for sock in listening:
                with contextlib.suppress(OSError):
                    sock.sendall(b"* BYE Autologout; idle for too long\r\n")
        if trouble in ("dropped", "bye"):
            self.cut.update(listening)
            for sock in listening:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        if trouble == "half-open":
            self.muted.update(listening)
        self.messages.append((content, moment))
