"""One taxonomy for everything that may go wrong between us and an IMAP server.

In: an exception of imapclient, imaplib, ssl or socket. Out: AuthError, TemporaryError or ConfigError, with a sentence.
May not live here: any talking to a server, and anything that swallows an error.
"""

from __future__ import annotations

import imaplib
import re
import socket
import ssl
from collections.abc import Sequence

from mailrules.errors import AuthError, ConfigError, MailrulesError, TemporaryError
from mailrules.redact import Secrets
from mailrules.sources.imap_types import QUARTER, Refused, Throttled

# RFC 5530 response codes, and the words of servers that send none (Exchange, Gmail, Yahoo, 163.com).
_PASSING = re.compile(
    r"\[(?:UNAVAILABLE|INUSE|LIMIT|OVERQUOTA|THROTTLED|SERVERBUG|CONTACTADMIN)\b|throttl|too many|try again|temporar"
    r"|back-?off|not connected|bandwidth|rate limit|internal error",
    re.IGNORECASE,
)
_FULL = re.compile(r"\[OVERQUOTA\b(?!.*(?:throttl|back-?off|bandwidth|rate limit))", re.IGNORECASE)
_REFUSED = re.compile(
    r"\[(?:NOPERM|AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED|PRIVACYREQUIRED)\b|unsafe login|permission|not permitted",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"\[(?:NONEXISTENT|TRYCREATE)\b|n[o']t exist|no such|unknown mailbox|unknown folder|not found|invalid mailbox",
    re.IGNORECASE,
)

_THROTTLED = re.compile(r"\[(?:OVERQUOTA|THROTTLED)\b|throttl|back-?off|bandwidth|rate limit", re.IGNORECASE)
_COMMAND = re.compile(r"\A(?:command: \w+ => |select failed: |None\Z)")
"""What the libraries put before what ended a command, or in its place."""
_SECONDS = re.compile(r"back-?off time: ?(\d{1,12}) milliseconds", re.IGNORECASE)


def passing(words: str) -> bool:
    """Say whether a server's words mean "not now": throttling, a quota, a fault of its own."""
    return _PASSING.search(words) is not None


def throttling(words: str) -> bool:
    """Say whether a server's words mean that it wants to be left alone."""
    return _THROTTLED.search(words) is not None


def absent(words: str) -> bool:
    """Say whether a server's words mean that there is no such mailbox."""
    return _ABSENT.search(words) is not None


def forbidden(words: str) -> bool:
    """Say whether a server's words mean that we have no right to it."""
    return _REFUSED.search(words) is not None


def full(words: str) -> bool:
    """Say whether the words in answer to a change mean that there is no room (RFC 9051), and not that we ask too much."""
    return _FULL.search(words) is not None


def words_of(error: BaseException, sent: Sequence[str] = ()) -> str:
    """Return what the server said, as one short line without control characters, and without the secrets that it was sent."""
    text = _COMMAND.sub("", str(error))
    if not text and not isinstance(error, imaplib.IMAP4.error):
        text = type(error).__name__
    quoted = re.search(r"""b(['"])(.*)\1""", text, re.DOTALL)  # imaplib puts the repr of bytes into its messages
    text = quoted.group(2) if quoted else text
    return Secrets(*sent).shortened("".join(c if c.isprintable() else " " for c in text))


def fault(
    place: str, doing: str, error: BaseException, *, tls: str, login: bool = False, sent: Sequence[str] = ()
) -> MailrulesError:
    """Return the error to raise; `place` is "account main, imap.example:993", `doing` is "reading INBOX"."""
    if isinstance(error, MailrulesError):
        return error
    words = words_of(error, sent)
    where = f"{place}: {doing}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConfigError(
            f"{where}: the server's certificate was refused: {error.verify_message or words}",
            help="check `host`; for a server with a certificate of its own authority set `ca_file`",
        )
    if isinstance(error, ssl.SSLError):
        if "WRONG_VERSION_NUMBER" in words or "RECORD_LAYER" in words or "UNKNOWN_PROTOCOL" in words:
            return ConfigError(
                f"{where}: this port does not speak TLS from the first byte",
                help='set `tls = "starttls"` (usually port 143), or `port = 993` with `tls = "implicit"`',
            )
        return TemporaryError(
            f"{where}: TLS failed: {words}", help="try again; if it stays, check `host`, `port`, `tls`"
        )
    if isinstance(error, ssl.CertificateError):
        return ConfigError(f"{where}: the server's certificate was refused: {words}", help="check `host`")
    if isinstance(error, socket.gaierror):
        return TemporaryError(
            f"{where}: the host name does not resolve ({words})", help="check the spelling of `host` and the network"
        )
    if isinstance(error, TimeoutError):
        helps = "the next poll tries again"
        if tls != "implicit" and doing == "connecting":
            helps = (
                'a port that expects TLS at once is silent like this: then set `tls = "implicit"` (usually port 993)'
            )
        return TemporaryError(f"{where}: the server did not answer in time", help=helps)
    if isinstance(error, OSError):
        return TemporaryError(
            f"{where}: {words}", help="check `host`, `port` and the network; the next poll tries again"
        )
    if isinstance(error, UnicodeError):
        return ConfigError(
            f"{where}: a name or a password has characters that this server cannot be sent",
            help="the server offers no AUTH=PLAIN; use a password of ASCII characters only",
        )
    # IMAPClient turns an abort during login into its LoginError: the cause tells them apart.
    broken = any(isinstance(e, imaplib.IMAP4.abort | OSError) for e in (error, error.__context__))
    if isinstance(error, imaplib.IMAP4.error) and not broken and not passing(words):
        if login:
            return Refused(
                f"{where}: the server refused the login: {words or 'it does not say why'}",
                said=words,
                help="check `user` and the password; many providers want an app password and IMAP enabled in the settings",
            )
        if forbidden(words):
            return AuthError(
                f"{where}: no permission: {words}", help="allow IMAP access for this account at the provider"
            )
    if isinstance(error, imaplib.IMAP4.error) and throttling(words):
        told = _SECONDS.search(words)
        return Throttled(f"{where}: {words}", seconds=int(told[1]) / 1000 if told else QUARTER)
    if isinstance(error, MemoryError):
        return TemporaryError(
            f"{where}: the server announced more data than there is memory", help="the next poll tries again"
        )
    helps = "the next poll tries again"
    if doing == "connecting" and "* BYE" not in str(error):  # why: a server that is full speaks IMAP
        helps = f"what answers there does not speak IMAP as it should: check `host`, `port` and `tls`; {helps}"
    return TemporaryError(f"{where}: {_broken(error, words)}", help=helps)


def _broken(error: BaseException, words: str) -> str:
    """Return what to say of a connection that cannot go on, without the library's own words for it."""
    text = _COMMAND.sub("", str(error))
    if (
        "socket error: EOF" in text
        or "unterminated line" in text
        or (not text and isinstance(error, imaplib.IMAP4.abort))
    ):
        return "the server closed the connection"
    if text.startswith("unexpected ") or not isinstance(error, imaplib.IMAP4.error):
        return f"the server's answer makes no sense: {words[:80]}"
    return words or "the server refused without a word"
