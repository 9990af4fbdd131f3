"""The connection under an IMAP session, and the limits in time that hold for every single read.

In: ImapSettings. Out: imaplib's connection with commands sent together, SASL in one step, and a Deadline.
May not live here: which commands, and what their answers mean.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import imaplib
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from mailrules.errors import ConfigError, TemporaryError
from mailrules.hosts import is_loopback
from mailrules.sasl import Exchange
from mailrules.sources.faults import fault, throttling, words_of
from mailrules.sources.imap_types import UNKNOWN_UIDNEXT, ImapSettings, MailboxState, Throttled
from mailrules.sources.line import Line

LARGEST = 2**63
"""From here on a number is none that a server may name (RFC 7162, section 7), nor that the store could keep."""
MOST_ANSWERS = 200_000
SLACK = 1_000_000
_NAMED = re.compile(rb"\* (?:[0-9]+ )?[A-Z-]*[a-z]+(?![^ ])")
_FETCHED = re.compile(rb"\* ([0-9]{1,15}) FETCH (?=\()")
SLOWEST = 5_000
"""Bytes a second: a command may take the time of one read, and the time that its answer takes at this speed."""


class Deadline:
    """A time-out per read does not end a server that trickles: here every read gets what is left of three times.

    `patience` is for one read, a step for one command with its whole answer, and the deadline for the session.
    """

    def __init__(self) -> None:
        self.patience: float | None = None
        self.received = 0
        self._end = self._step = float("inf")

    def arm(self, seconds: float) -> None:
        """Start counting, or start again with another time; a step begun before is over."""
        self._end, self._step = time.monotonic() + seconds, float("inf")

    def step(self, seconds: float) -> None:
        """Begin a step."""
        self._step = time.monotonic() + seconds

    @property
    def expired(self) -> bool:
        """Whether the time of the session is up."""
        return time.monotonic() >= self._end

    def left(self) -> float | None:
        """Return how long the next read may take; raises TimeoutError where none may."""
        until = min(self._end, self._step)
        if until == float("inf"):
            return self.patience
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is up")
        return left if self.patience is None else min(left, self.patience)


class _Limited:
    """A socket that asks the deadline before every read."""

    deadline = Deadline()

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(self.deadline.left())  # type: ignore[attr-defined]
        count: int = super().recv_into(*args, **kwargs)  # type: ignore[misc]
        self.deadline.received += count
        return count

    def recv(self, *args: Any, **kwargs: Any) -> bytes:  # imaplib reads by it from Python 3.14 on
        self.settimeout(self.deadline.left())  # type: ignore[attr-defined]
        data: bytes = super().recv(*args, **kwargs)  # type: ignore[misc]
        self.deadline.received += len(data)
        return data


class _Plain(_Limited, socket.socket):
    pass


class _Tls(_Limited, ssl.SSLSocket):
    pass


_READING = threading.Lock()


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return the one context for all connections: reading all certificates takes longer than a handshake."""
    with _READING:  # why: many connections begin at once, and each would read them
        return _tls_context(ca_file)


@functools.cache
def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        why = "holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(f"`ca_file` {ca_file}: {why}", help="name a PEM file of certificates") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _Tls
    return context


class Wire(imaplib.IMAP4):
    """imaplib's connection, with the deadline on its socket, and without the round trips that it can do without."""

    def __init__(self, settings: ImapSettings, context: ssl.SSLContext | None, deadline: Deadline, line: Line) -> None:
        self._settings, self._context, self._limit, self._line = settings, context, deadline, line
        self._asked = self._told = False
        self._seen: bytes | None = None
        super().__init__(settings.host, settings.port)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:  # noqa: ARG002 - imaplib's signature
        settings = self._settings
        first = self._line.take()
        sock: _Plain | _Tls = _Plain(first.family, first.type, first.proto, fileno=first.detach())
        sock.settimeout(settings.connect_timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_hostname=settings.host)  # type: ignore[assignment]
        except BaseException:
            sock.close()
            raise
        sock.deadline = self._limit
        return sock  # connect_timeout holds for the greeting, too: a TLS port is silent to a plain client

    def _get_capabilities(self) -> None:
        """Take the list that came with the greeting; after STARTTLS it is asked for again (RFC 9051, 6.2.1)."""
        given = self.untagged_responses.pop("CAPABILITY", None)
        if given and isinstance(given[-1], bytes) and not self._asked:
            self._asked = True
            self.capabilities = tuple(given[-1].decode("ascii", "replace").upper().split())
            return
        if isinstance(self.sock, _Tls):
            self.sock.deadline = self._limit
        self._asked = True
        super()._get_capabilities()  # type: ignore[misc]

    def offered(self) -> tuple[str, ...]:
        """Return what the server says it can do, now: who has signed in is told something else than who has not."""
        given = self.untagged_responses.pop("CAPABILITY", None)
        if given and isinstance(given[-1], bytes):
            self.capabilities = tuple(given[-1].decode("ascii", "replace").upper().split())
            self._told = self.state != "NONAUTH"
        elif self.state != "NONAUTH" and not self._told:
            super()._get_capabilities()  # type: ignore[misc]
            self._told = True
        return self.capabilities

    def _get_response(self, *waiting: Any) -> bytes | None:
        """Take an answer to FETCH as imaplib does, at a quarter of its cost; any other is imaplib's to take."""
        line = b"" if waiting else self._get_line()  # an argument comes from imaplib's own idling, from Python 3.14 on
        fetched = _FETCHED.match(line)
        if fetched is None:
            self._seen = line or None
            return super()._get_response(*waiting)  # type: ignore[misc,no-any-return]
        rest = fetched[1] + b" " + line[fetched.end() :]
        while rest.endswith(b"}") and (size := rest[rest.rfind(b"{") + 1 : -1]).isdigit():
            self._append_untagged("FETCH", (rest, self.read(int(size))))
            rest = self._get_line()
        self._append_untagged("FETCH", rest)
        return line

    def _get_line(self) -> bytes:
        """Give a tagged answer without words the space that imaplib breaks on for want of (Gmail, Exchange).

        And write the name of an answer in capitals: imaplib knows no other, and it may be in any letters (RFC 9051, 9).
        """
        if self._seen is not None:
            line, self._seen = self._seen, None
            return line
        try:
            line = self.readline()
        except self.error as error:  # why: after half a line nothing that follows is where it seems to be
            raise self.abort(str(error)) from error
        if not line.endswith(b"\r\n"):
            self._check_bye()  # why: who has said good-bye has said why
            raise self.abort(f"socket error: unterminated line: {line!r}" if line else "socket error: EOF")
        line = line[:-2]
        if line.startswith(b"* "):
            named = _NAMED.match(line)
            return named[0].upper() + line[named.end() :] if named else line
        mine: Any = self.tagpre  # typeshed calls it a str
        return line + b" " if line.startswith(mine) and line.endswith((b" OK", b" NO", b" BAD")) else line

    def _append_untagged(self, typ: str, dat: Any) -> None:
        """Keep an answer, as long as there are no more of its kind than anything that we ask for has."""
        kept = self.untagged_responses.setdefault(typ, [])
        kept.append(b"" if dat is None else dat)
        if len(kept) > MOST_ANSWERS:
            raise self.abort(f"more than {MOST_ANSWERS} answers {typ} to one command")

    def read(self, size: int) -> bytes:
        """Read a literal; what is larger than any that we ask for would only fill the memory."""
        if size > self._settings.max_message + SLACK:
            raise self.abort(f"{size} bytes were announced, which nobody asked for")
        return super().read(size)

    def sign_in(self, exchange: Exchange, *, at_once: bool) -> None:
        """AUTHENTICATE, with the first answer in the same line where the server takes it (RFC 4959)."""
        words = [exchange.mechanism]
        if at_once:
            words.append(base64.b64encode(exchange.answer(b"")).decode())
        self.literal = _Answering(exchange).process  # type: ignore[assignment]  # why a method: imaplib takes no function
        kind, data = self._simple_command("AUTHENTICATE", *words)
        if kind != "OK":
            raise self.error(str(data[-1]))
        self.state = "AUTH"

    def together(self, commands: Sequence[bytes]) -> None:
        """Send commands in one go and read until each has its answer; a NO counts only where it wants us to go away."""
        tags = [self._new_tag() for _ in commands]
        self.tagged_commands.update(dict.fromkeys(tags))  # None: not answered yet
        self.send(b"".join(tag + b" " + command + b"\r\n" for tag, command in zip(tags, commands, strict=True)))
        while not all(self.tagged_commands[tag] for tag in tags):
            self._get_response()
        self._check_bye()
        for answer in [self.tagged_commands.pop(tag) for tag in tags]:
            kind, said = (str(answer[0]), self.error(str(answer[1]))) if answer else ("", self.error())
            if kind != "OK" and throttling(words_of(said)):
                raise said

    def leave(self) -> None:
        """Say good-bye and go: what the server answers to it changes nothing."""
        self.send(self._new_tag() + b" LOGOUT\r\n")


class _Answering:
    """An exchange in base64, as it is on the wire."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def process(self, said: bytes | None) -> bytes:
        try:
            challenge = base64.b64decode(said or b"")
        except ValueError:  # some write words where base64 of nothing belongs
            challenge = said or b""
        return base64.b64encode(self._exchange.answer(challenge))


class Guarded:
    """What every step of a session goes through: no line ends out, only errors of mailrules.errors back.

    `failed`: a step has ended in an error, so that nothing more can be asked for.
    """

    def __init__(self, settings: ImapSettings) -> None:
        if settings.tls not in ("implicit", "starttls", "none"):
            raise ConfigError(f"account {settings.account}: `tls` is implicit, starttls or none, not `{settings.tls}`")
        if settings.tls == "none" and not is_loopback(settings.host):
            raise ConfigError(
                f"account {settings.account}: `tls` = none is allowed for this machine only, not for {settings.host}",
                help='set `tls = "implicit"`',
            )
        self._settings = settings
        self._place = f"account {settings.account}, {settings.host}:{settings.port}"
        self._deadline = Deadline()
        self._sent: tuple[str, ...] = ()
        self.failed = False

    def _words(self, error: BaseException) -> str:
        return words_of(error, self._sent)

    def _clean(self, text: str, what: str) -> str:
        # Neither library escapes a line end: it would begin a second command.
        if re.search(r"[\r\n\0]", text):
            raise ConfigError(
                f"account {self._settings.account}: {what} has a line break or a NUL in it",
                help="write it on one line, the first, with nothing before it",
            )
        return text

    @contextlib.contextmanager
    def _doing(self, doing: str, *, login: bool = False, size: int = 0) -> Iterator[None]:
        """One step; `size` is about how many bytes its answer has."""
        if 0 < self._settings.budget < self._deadline.received:
            raise Throttled(f"{self._place}: {doing}: this day's share of the provider's download limit is used up")
        self._deadline.step(self._settings.read_timeout + size / SLOWEST)
        try:
            yield
        except Exception as error:
            self.failed = True
            if self._deadline.expired:
                raise TemporaryError(
                    f"{self._place}: {doing}: the session took longer than {self._settings.deadline:g} seconds",
                    help="the next poll goes on where this one stopped",
                ) from error
            raise fault(self._place, doing, error, tls=self._settings.tls, login=login, sent=self._sent) from error

    def _read_state(self, found: dict[bytes, Any], count: bytes) -> MailboxState:
        """Return a mailbox's state; a server that names no UIDVALIDITY gets 0, and its numbers are never relied on."""
        validity, uidnext, exists, modseq = (
            value if isinstance(value, int) and value < LARGEST else 0
            for value in (found.get(name) for name in (b"UIDVALIDITY", b"UIDNEXT", count, b"HIGHESTMODSEQ"))
        )
        return MailboxState(
            uidvalidity=max(validity, 0),
            uidnext=uidnext if uidnext > 0 else UNKNOWN_UIDNEXT,
            exists=exists,
            modseq=modseq,
        )
