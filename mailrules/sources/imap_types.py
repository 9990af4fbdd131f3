"""What the IMAP source takes and gives, and UID sets as text.

In: nothing. Out: ImapSettings, MailboxState, Header, Missing; Unfetchable, Refused, Throttled; `ranges` and back.
May not live here: any talking to a server.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from operator import ge
from typing import NamedTuple

from mailrules.errors import AuthError, TemporaryError
from mailrules.sources.providers import PLAIN, Provider

SET_CHARACTERS = 4_000  # Dovecot refuses a line of 84 KB, others of 8 KB (RFC 7162 section 4 asks for 8,192)
UNKNOWN_UIDNEXT = 2**32  # above every UID: a server that does not say UIDNEXT must be searched
UID_WINDOW = 50_000  # imaplib gives up on a line of 1,000,000 bytes
MAX_WINDOWS = 2_000
QUARTER = 900.0
"""So many seconds an account is left alone whose server says that we come too often, and not for how long."""


class ImapSettings(NamedTuple):
    """How to reach one account. `deadline` is the wall-clock time in seconds that one session may take in all.

    `auth` is "password", "xoauth2" or "oauthbearer"; `budget` is how many bytes the session may receive, 0 for any number.
    """

    account: str
    host: str
    port: int
    tls: str
    user: str
    ca_file: str | None = None
    connect_timeout: float = 15
    read_timeout: float = 60
    deadline: float = 600
    max_message: int = 64 * 2**20
    auth: str = "password"
    provider: Provider = PLAIN
    budget: int = 0


class MailboxState(NamedTuple):
    """What EXAMINE or STATUS said; `uidnext` is above every UID where the server does not say.

    `uidvalidity` and `modseq` (HIGHESTMODSEQ, RFC 7162) are 0 where the server names none.
    """

    uidvalidity: int
    uidnext: int
    exists: int
    modseq: int = 0


class Header(NamedTuple):
    """The header fields that decide whether a message is a candidate, as bytes.

    `size` and `arrived` (INTERNALDATE as it is written) are None where the server does not tell them: neither is a reason to
    leave a message unread.
    """

    uid: int
    size: int | None
    arrived: bytes | None
    block: bytes

    @property
    def received_at(self) -> datetime | None:
        """When the message came, in UTC; None where the server does not tell, or nobody understands it."""
        # why here: most messages are passed over, and nobody asks when they came
        from mailrules.sources.imap_fetch import came

        return came(self.arrived)


class Missing(NamedTuple):
    """A message that was asked for and not (wholly) answered: it stays pending, it is not gone."""

    uid: int


class Unfetchable(TemporaryError):
    """One message that cannot be had as it is; `reason` is for the user."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, help="see `max_message_mb`")
        self.reason = reason


class Refused(AuthError):
    """A server took our name and our proof, and said no: trying again too soon may lock the account. `said` are its words."""

    def __init__(self, message: str, *, said: str = "", help: str = "") -> None:  # noqa: A002 - as its base
        super().__init__(message, help=help)
        self.said = said or message


class Throttled(TemporaryError):
    """A server wants to be left alone for so many `seconds`."""

    def __init__(self, message: str, *, seconds: float = QUARTER, help: str = "") -> None:  # noqa: A002 - as its base
        super().__init__(message, help=help or "the polls until then leave this account alone; nothing is lost")
        self.seconds = seconds


class Full(TemporaryError):
    """A mailbox has no room for what is to be put there."""


def ascending(uids: Iterable[int]) -> array[int]:
    """Return UIDs in order, each once, in no more memory than the numbers take: a mailbox may hold a million."""
    found = array("Q", uids)
    if any(map(ge, found, islice(found, 1, None))):
        return array("Q", sorted(set(found)))
    return found


def ranges(uids: Iterable[int], longest: int = SET_CHARACTERS) -> list[str]:
    """Return ascending UID sets like "1:3,7", each short enough for one command (QQ refuses descending sets)."""
    runs: list[list[int]] = []
    for uid in sorted(set(uids)):
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    sets: list[str] = []
    for first, last in runs:
        text = str(first) if first == last else f"{first}:{last}"
        if sets and len(sets[-1]) + len(text) < longest:
            sets[-1] += "," + text
        else:
            sets.append(text)
    return sets


def members(uid_set: str) -> list[int]:
    """Return the UIDs of a set that `ranges` made."""
    found: list[int] = []
    for run in uid_set.split(","):
        first, _, last = run.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found


def windows(first: int, state: MailboxState) -> list[str]:
    """Return UID ranges from `first` on, the last one open; several where one answer could be too long a line."""
    if state.exists <= UID_WINDOW or not first < state.uidnext < UNKNOWN_UIDNEXT:
        return [f"{first}:*"]
    width = max(UID_WINDOW, -(-(state.uidnext - first) // MAX_WINDOWS))
    starts = range(first, state.uidnext, width)
    return [f"{a}:{a + width - 1}" for a in starts[:-1]] + [f"{starts[-1]}:*"]
