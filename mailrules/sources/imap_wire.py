"""The connection under an IMAP session, and the wall-clock deadline that may cut it.

In: ImapSettings. Out: imaplib's connection, and a Deadline that shuts its socket down from another thread.
May not live here: commands, and what their answers mean.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

from mailrules.errors import ConfigError, TemporaryError
from mailrules.hosts import is_loopback
from mailrules.sources.faults import fault
from mailrules.sources.imap_types import UNKNOWN_UIDNEXT, ImapSettings, MailboxState

LOGOUT_SECONDS = 2.0


class Wire(imaplib.IMAP4):
    """imaplib's connection, with its socket shown to the deadline before the first byte is awaited."""

    def __init__(
        self, settings: ImapSettings, context: ssl.SSLContext | None, opened: Callable[[socket.socket], None]
    ) -> None:
        self._settings, self._context, self._opened = settings, context, opened
        super().__init__(settings.host, settings.port)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:  # noqa: ARG002 - imaplib's signature
        settings = self._settings
        sock = socket.create_connection((settings.host, settings.port), settings.connect_timeout)
        try:
            self._opened(sock)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_hostname=settings.host)
        except BaseException:
            sock.close()
            raise
        return sock  # connect_timeout holds for the greeting, too: a TLS port is silent to a plain client


class Deadline:
    """A time-out per read does not end a server that trickles: this one counts the whole session."""

    def __init__(self) -> None:
        self.expired = False
        self._socket: socket.socket | None = None
        self._timer: threading.Timer | None = None

    def arm(self, seconds: float) -> None:
        """Start counting, or start again with another time."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, sock: socket.socket) -> None:
        """Take the socket to cut; a copy, because wrap_socket() detaches the one it is given."""
        self._socket = sock.dup()
        if self.expired:
            self._cut()

    def end(self) -> None:
        """Stop counting and let go of the socket."""
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _cut(self) -> None:
        self.expired = True
        sock = self._socket
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Guarded:
    """What every step of a session goes through: no line ends out, only errors of mailrules.errors back."""

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

    def _clean(self, text: str, what: str) -> str:
        # Neither library escapes a line end: it would begin a second command.
        if re.search(r"[\r\n\0]", text):
            raise ConfigError(f"account {self._settings.account}: {what} has a line break or a NUL in it")
        return text

    @contextlib.contextmanager
    def _doing(self, doing: str, *, login: bool = False) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if self._deadline.expired:
                raise TemporaryError(
                    f"{self._place}: {doing}: the session took longer than {self._settings.deadline:g} seconds",
                    help="the next poll goes on where this one stopped",
                ) from error
            raise fault(self._place, doing, error, tls=self._settings.tls, login=login) from error

    def _read_state(self, found: dict[bytes, Any], count: bytes) -> MailboxState:
        validity = found.get(b"UIDVALIDITY")
        if not isinstance(validity, int) or validity < 1:
            raise TemporaryError(
                f"{self._place}: the server names no UIDVALIDITY, so its messages cannot be told apart"
            )
        uidnext, exists = found.get(b"UIDNEXT"), found.get(count)
        return MailboxState(
            uidvalidity=validity,
            uidnext=uidnext if isinstance(uidnext, int) and uidnext > 0 else UNKNOWN_UIDNEXT,
            exists=exists if isinstance(exists, int) else 0,
        )
