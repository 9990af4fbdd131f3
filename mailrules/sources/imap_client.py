"""Connecting and signing in, and the client library under an IMAP session. The one importer of imapclient.

In: ImapSettings and a way to the secret. Out: Connection, logged in; Client, the library on our own connection.
May not live here: mailboxes and messages (imap.py), sockets and limits in time (imap_wire.py).
"""

from __future__ import annotations

import contextlib
import imaplib
import socket
import ssl
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import imapclient
from imapclient.datetime_util import format_criteria_date, parse_to_datetime
from imapclient.response_parser import gen_parsed_response, parse_response

from mailrules import __version__
from mailrules.errors import AuthError, ConfigError, TemporaryError
from mailrules.redact import without_tokens
from mailrules.sasl import MECHANISMS, Exchange
from mailrules.sources.faults import Refused, passing, words_of
from mailrules.sources.imap_types import ImapSettings
from mailrules.sources.imap_wire import Deadline, Guarded, Wire, tls_context

__all__ = ["Client", "Connection", "format_criteria_date", "gen_parsed_response", "parse_to_datetime"]

IDENTITY = b'("name" "mailrules" "version" "%s")' % __version__.encode()


class Client(imapclient.IMAPClient):  # type: ignore[misc]
    """IMAPClient on our own connection, with commands that it lacks."""

    def __init__(self, settings: ImapSettings, context: ssl.SSLContext | None, deadline: Deadline) -> None:
        implicit = settings.tls == "implicit"
        self._make: Callable[[], Wire] = lambda: Wire(settings, context if implicit else None, deadline)
        timeout = imapclient.SocketTimeout(settings.connect_timeout, settings.read_timeout)
        super().__init__(settings.host, settings.port, ssl=implicit, timeout=timeout)
        self.normalise_times = False
        self.wire.debug = 0  # IMAPClient sets 5, which formats every line for a log that nobody reads: 12 times slower

    def _create_IMAP4(self) -> Wire:  # noqa: N802 - IMAPClient's name
        return self._make()

    @property
    def wire(self) -> Wire:
        """Imaplib's connection."""
        return self._imap  # type: ignore[no-any-return]

    def states(self, mailboxes: Sequence[str], items: str, *, introduction: bool) -> dict[str, dict[bytes, Any]]:
        """Ask for the status of all mailboxes in one go; those that the server says nothing useful of are left out."""
        quoted = {imapclient.imap_utf7.encode(name): name for name in mailboxes}
        commands = [b"STATUS %s %s" % (self._normalise_folder(name), items.encode()) for name in mailboxes]
        self.wire.untagged_responses.pop("STATUS", None)
        self.wire.together([*([b"ID " + IDENTITY] if introduction else []), *commands])
        found = {}
        for line in self.wire.untagged_responses.pop("STATUS", []):
            try:
                name, pairs = parse_response([line])[:2]
                known = next(n for q, n in quoted.items() if q == name or q.upper() == name.upper() == b"INBOX")
                found[known] = {k.upper(): v for k, v in zip(pairs[::2], pairs[1::2], strict=True)}
            except (
                ValueError,
                TypeError,
                AttributeError,
                StopIteration,
                RecursionError,
                imapclient.exceptions.ProtocolError,
            ):
                continue
        return found

    def uid_command(self, name: str, *arguments: str) -> list[Any]:
        """Send a UID command and return its untagged data unparsed; NO and BAD raise."""
        kind, data = self._imap.uid(name, *arguments)
        if kind != "OK":
            raise imaplib.IMAP4.error(str(data[-1]))
        return [item for item in data if item is not None]


class Connection(Guarded):
    """A connection that logs in on entry, and is left without waiting for the good-bye."""

    def __init__(self, settings: ImapSettings, secret: Callable[[], str]) -> None:
        super().__init__(settings)
        self._secret = secret
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
            return tuple(c.decode("ascii", "replace") for c in self._open().capabilities())

    @property
    def received(self) -> int:
        """So many bytes came from the server."""
        return self._deadline.received

    def _connect(self) -> None:
        settings = self._settings
        self._deadline.patience = settings.connect_timeout
        with self._doing("connecting"):
            context = None
            if settings.tls != "none":
                try:
                    context = tls_context(settings.ca_file)
                except (OSError, ssl.SSLError) as error:
                    raise ConfigError(f"{self._place}: `ca_file` cannot be used: {error}") from error
            self._client = Client(settings, context, self._deadline)
        self._deadline.patience = settings.read_timeout
        if settings.tls == "starttls":
            with self._doing("starting TLS"):
                try:
                    self._open().starttls(context)
                except imapclient.exceptions.CapabilityError as error:
                    raise ConfigError(
                        f"{self._place}: the server does not offer STARTTLS",
                        help='set `tls = "implicit"` (usually port 993)',
                    ) from error
                except imaplib.IMAP4.error as error:
                    if isinstance(error, imaplib.IMAP4.abort) or passing(words_of(error)):
                        raise
                    # RFC 9051 section 11.1: a PREAUTH greeting would keep the session in the clear.
                    raise ConfigError(f"{self._place}: TLS could not be started: {words_of(error)}") from error

    def _login(self) -> None:
        client, offered, settings = self._open(), set(self.capabilities), self._settings
        if client.wire.state == "AUTH":  # why: a tunnel has signed in for us; over the network only TLS comes this far
            self.login_method = "PREAUTH"
            return
        user, secret = self._clean(settings.user, "`user`"), self._clean(self._secret(), "the secret")
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
                    client.login(user, secret)
                else:
                    client.wire.sign_in(exchange, at_once="SASL-IR" in offered)
            except imaplib.IMAP4.error as error:
                if not exchange.refusal or passing(words_of(error)):
                    raise
                raise Refused(
                    f"{self._place}: the server refused the access token: {without_tokens(exchange.refusal)}",
                    said=without_tokens(exchange.refusal),
                    help=f"sign in again (`mailrules account login {settings.account}`), or see what `token` names",
                ) from error

    def _introduce(self) -> None:
        """Send ID, once: 163.com refuses EXAMINE before it; GMX and Exchange refuse an empty one (RFC 2971)."""
        if self._introduced or not (self._settings.provider.id_first or "ID" in self.capabilities):
            return
        self._introduced = True
        with self._doing("introducing ourselves"):
            self._open().wire.together([b"ID " + IDENTITY])

    def _open(self) -> Client:
        if self._client is None:
            raise TemporaryError(f"{self._place}: the session is closed")
        return self._client

    def _close(self, *, polite: bool) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                if polite and not self._deadline.expired:
                    client.wire.leave()
            if not polite:  # why: closing waits for a thread that reads, and who stops us waits for nobody's answer
                with contextlib.suppress(Exception):
                    client.wire.sock.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(Exception):
                client.shutdown()
