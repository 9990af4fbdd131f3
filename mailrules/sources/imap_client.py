"""The client library under an IMAP session, on our own connection. The one importer of imapclient.

In: a Wire that is logged in. Out: Client, and the library's readers of what servers write.
May not live here: connecting and signing in (imap_connection.py), mailboxes and messages (imap.py).
"""

from __future__ import annotations

import imaplib
import logging
from typing import Any

import imapclient
from imapclient.datetime_util import format_criteria_date, parse_to_datetime
from imapclient.response_parser import gen_parsed_response, parse_response

from mailrules.sources.imap_types import ImapSettings
from mailrules.sources.imap_wire import Wire

__all__ = ["Client", "encoded_name", "format_criteria_date", "gen_parsed_response", "parse_to_datetime", "read_status"]

# why: it would print bytes of hostile mail to standard error
logging.getLogger("imapclient").addHandler(logging.NullHandler())
logging.getLogger("imapclient").propagate = False


class Client(imapclient.IMAPClient):  # type: ignore[misc]
    """IMAPClient on a connection that is there already, with commands that it lacks."""

    def __init__(self, settings: ImapSettings, wire: Wire) -> None:
        self._ready = wire
        timeout = imapclient.SocketTimeout(settings.connect_timeout, settings.read_timeout)
        super().__init__(settings.host, settings.port, ssl=settings.tls == "implicit", timeout=timeout)
        self.normalise_times = False
        self._cached_capabilities = tuple(word.encode() for word in wire.offered())
        wire.debug = 0  # IMAPClient sets 5, which formats every line for a log that nobody reads: 12 times slower

    def _create_IMAP4(self) -> Wire:  # noqa: N802 - IMAPClient's name
        return self._ready

    def uid_command(self, name: str, *arguments: str) -> list[Any]:
        """Send a UID command and return its untagged data unparsed; NO and BAD raise."""
        kind, data = self._imap.uid(name, *arguments)
        if kind != "OK":
            raise imaplib.IMAP4.error(str(data[-1]))
        return [item for item in data if item is not None]


def encoded_name(name: str) -> bytes:
    """Return a mailbox name in modified UTF-7."""
    return bytes(imapclient.imap_utf7.encode(name))


def read_status(line: Any) -> tuple[bytes, dict[bytes, Any]]:
    """Read an answer to STATUS of whatever form: the mailbox and what is said of it; b"" and nothing where it says none."""
    try:
        name, pairs = parse_response([line])[:2]
        return bytes(name), {k.upper(): v for k, v in zip(pairs[::2], pairs[1::2], strict=True)}
    except (ValueError, TypeError, AttributeError, RecursionError, imapclient.exceptions.ProtocolError):
        return b"", {}
