"""Connecting, signing in and asking how mailboxes stand: all that a poll does which finds nothing new.

In: ImapSettings and a way to the secret. Out: Connection, logged in; the client library's Client where mail is to be read.
May not live here: mailboxes and messages (imap.py), sockets and limits in time (imap_wire.py), anything that imports the
client library before mail is to be read: its import takes as long as all the rest of a poll that finds nothing.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import socket
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mailrules import __version__
from mailrules.errors import AuthError, ConfigError, TemporaryError
from mailrules.redact import Secrets
from mailrules.sasl import MECHANISMS, Exchange
from mailrules.sources.faults import passing, words_of
from mailrules.sources.imap_types import ImapSettings, Refused
from mailrules.sources.imap_wire import Guarded, Wire, tls_context
from mailrules.sources.line import Line

if TYPE_CHECKING:
    from mailrules.sources.imap_client import Client

IDENTITY = b'("name" "mailrules" "version" "%s")' % __version__.encode()
_PLAIN = re.compile(r"[ -%'-~]*")
"""A mailbox name that is written in modified UTF-7 as it is: ASCII without "&" (RFC 3501 section 5.1.3)."""
_STATUS = re.compile(rb'(?:"([^"\\\r\n]*)"|([^ "(){%*\\\]\x00-\x1f\x7f-\xff]+)) \(((?:[A-Za-z]+ [0-9]{1,20} ?)*)\) ?')


class Connection(Guarded):
    """A connection that logs in on entry, and is left without waiting for the good-bye. `line` may be under way already."""

    def __init__(self, settings: ImapSettings, secret: Callable[[], str], line: Line | None = None) -> None:
        super().__init__(settings)
        self._secret, self._line = secret, line
        self._wire: Wire | None = None
        self._client: Client | None = None
        self._introduced = False
        self.login_method = ""

    def __enter__(self) -> Self:
        self._deadline.arm(self._settings.deadline)
        try:
            self._connect()
            self._login()
        except BaseException:
            self._close(polite=False)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(polite=kind is None)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the server says it can do, now."""
        with self._doing("asking for capabilities"):
            return self._connected().offered()

    @property
    def received(self) -> int:
        """So many bytes came from the server."""
        return self._deadline.received

    def _connect(self) -> None:
        settings = self._settings
        self._deadline.patience = settings.connect_timeout
        with self._doing("connecting"):
            context = None
            with self._line or Line(settings.host, settings.port, settings.connect_timeout) as line:
                self._line = None
                if settings.tls != "none":
                    context = tls_context(settings.ca_file)
                self._wire = Wire(settings, context if settings.tls == "implicit" else None, self._deadline, line)
            self._wire.sock.settimeout(settings.read_timeout)
        self._deadline.patience = settings.read_timeout
        if settings.tls == "starttls":
            with self._doing("starting TLS"):
                if "STARTTLS" not in self._connected().capabilities:
                    raise ConfigError(
                        f"{self._place}: the server does not offer STARTTLS",
                        help='set `tls = "implicit"` (usually port 993)',
                    )
                try:
                    self._connected().starttls(context)
                except imaplib.IMAP4.error as error:
                    if isinstance(error, imaplib.IMAP4.abort) or passing(words_of(error)):
                        raise
                    # RFC 9051 section 11.1: a PREAUTH greeting would keep the session in the clear.
                    raise ConfigError(f"{self._place}: TLS could not be started: {words_of(error)}") from error

    def _login(self) -> None:
        wire, offered, settings = self._connected(), set(self.capabilities), self._settings
        if wire.state == "AUTH":  # why: a tunnel has signed in for us; over the network only TLS comes this far
            self.login_method = "PREAUTH"
            return
        user, secret = self._clean(settings.user, "`user`"), self._clean(self._secret(), "the secret")
        self._sent = (secret,)
        mechanism = MECHANISMS.get(settings.auth, "PLAIN")
        exchange = Exchange(mechanism, user, secret, settings.host, settings.port)
        if f"AUTH={mechanism}" in offered:
            self.login_method = f"AUTHENTICATE {mechanism}"
        elif mechanism != "PLAIN":
            ways = ", ".join(sorted(c[5:] for c in offered if c.startswith("AUTH="))) or "LOGIN"
            raise ConfigError(
                f"{self._place}: the server does not take {mechanism}, but {ways}", help="change `auth` of this account"
            )
        elif "LOGINDISABLED" in offered:
            raise AuthError(
                f"{self._place}: the server takes no password here (LOGINDISABLED)",
                help='set `tls = "implicit"` or "starttls"; some providers allow OAuth only',
            )
        else:
            self.login_method = "LOGIN"
        with self._doing("logging in", login=True):
            try:
                if self.login_method == "LOGIN":
                    wire.login(user, secret)
                else:
                    wire.sign_in(exchange, at_once="SASL-IR" in offered)
            except imaplib.IMAP4.error as error:
                if not exchange.refusal or passing(words_of(error)):
                    raise
                said = Secrets(*self._sent).shortened(exchange.refusal)
                raise Refused(
                    f"{self._place}: the server refused the access token: {said}",
                    said=said,
                    help=f"sign in again (`mailrules account login {settings.account}`), or see what `token` names",
                ) from error

    def _introduce(self) -> None:
        """Send ID, once: 163.com refuses EXAMINE before it; GMX and Exchange refuse an empty one (RFC 2971)."""
        if self._introduced or not (self._settings.provider.id_first or "ID" in self.capabilities):
            return
        self._introduced = True
        with self._doing("introducing ourselves"):
            self._connected().together([b"ID " + IDENTITY])

    def _statuses(self, mailboxes: Sequence[str], items: str, *, introduction: bool) -> dict[str, dict[bytes, Any]]:
        """Ask for the status of all mailboxes in one go; those that the server says nothing useful of are left out."""
        wire, names = self._connected(), {_written(name): name for name in mailboxes}
        commands = [b'STATUS "%s" %s' % (_escaped(name), items.encode()) for name in names]
        wire.untagged_responses.pop("STATUS", None)
        wire.together([*([b"ID " + IDENTITY] if introduction else []), *commands])
        found = {}
        for line in wire.untagged_responses.pop("STATUS", []):
            name, pairs = _status(line)
            known = next((n for q, n in names.items() if q == name or q.upper() == name.upper() == b"INBOX"), None)
            if known is not None:
                found[known] = pairs
        return found

    def _connected(self) -> Wire:
        if self._wire is None:
            raise TemporaryError(f"{self._place}: the session is closed")
        return self._wire

    def _open(self) -> Client:
        """Return the client library on this connection; it is imported when mail is to be read."""
        if self._client is None:
            from mailrules.sources.imap_client import Client

            self._client = Client(self._settings, self._connected())
        return self._client

    def _close(self, *, polite: bool) -> None:
        wire, self._wire, self._client = self._wire, None, None
        if wire is not None:
            with contextlib.suppress(Exception):
                if polite and not self._deadline.expired:
                    wire.leave()
            if not polite:  # why: closing waits for a thread that reads, and who stops us waits for nobody's answer
                with contextlib.suppress(Exception):
                    wire.sock.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(Exception):
                wire.shutdown()


def _written(name: str) -> bytes:
    """Return a mailbox name as the protocol writes it."""
    if _PLAIN.fullmatch(name):
        return name.encode()
    from mailrules.sources.imap_client import encoded_name

    return encoded_name(name)


def _escaped(name: bytes) -> bytes:
    return name.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _status(line: Any) -> tuple[bytes, dict[bytes, Any]]:
    """Return the mailbox and what is said of it; a line that is not of the usual form is the library's to read."""
    usual = _STATUS.fullmatch(line) if isinstance(line, bytes) else None
    if usual:
        words = usual[3].upper().split()
        name = usual[2] if usual[1] is None else usual[1]
        return name, dict(zip(words[::2], map(int, words[1::2]), strict=True))
    from mailrules.sources.imap_client import read_status

    return read_status(line)
