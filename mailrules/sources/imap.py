"""An IMAP mailbox, read and never changed: EXAMINE and PEEK only.

In: ImapSettings and a way to the secret. Out: Header, Missing and bytes, or an error of mailrules.errors.
May not live here: which message is a candidate, what is remembered, any command that changes a mailbox.
"""

from __future__ import annotations

import imaplib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from mailrules.errors import ConfigError, TemporaryError
from mailrules.sources.faults import absent, passing, words_of
from mailrules.sources.imap_connection import Connection
from mailrules.sources.imap_fetch import answers, came, plain_literals
from mailrules.sources.imap_types import (
    UNKNOWN_UIDNEXT,
    Header,
    ImapSettings,
    MailboxState,
    Missing,
    Unfetchable,
    ascending,
    members,
    ranges,
    windows,
)
from mailrules.sources.imap_wire import LARGEST

if TYPE_CHECKING:
    from mailrules.mail.message import MessageKey
    from mailrules.sources.line import Line

__all__ = ["Header", "ImapSession", "ImapSettings", "MailboxState", "Missing", "Unfetchable"]

HEADERS = "BODY.PEEK[HEADER.FIELDS (FROM SUBJECT MESSAGE-ID CONTENT-TYPE)]"
"""What decides whether a message is a candidate, and what it was; the answer repeats every name for every message."""
HEADERS_GIVEN = HEADERS.replace(".PEEK", "").encode()
HEADER_ITEMS = f"(UID RFC822.SIZE INTERNALDATE {HEADERS})"
HEADER_BATCH = 1_000
STATUS_WORTH = 20_000
"""A status may take as long as so many bytes: some servers count all messages for it."""
ANSWER_WORTH = 1_000
"""So long is what is told of one message beside its body."""
BODY_BATCH = 50
BODY_BATCH_BYTES = 8_000_000


class ImapSession(Connection):
    """One connection, used as a context manager; it logs in on entry. Not for two threads at once."""

    def __init__(self, settings: ImapSettings, secret: Callable[[], str], line: Line | None = None) -> None:
        super().__init__(settings, secret, line)
        self._mailbox, self._state = "", MailboxState(uidvalidity=0, uidnext=UNKNOWN_UIDNEXT, exists=0)
        self._sizes: dict[int, int] = {}

    def states(self, mailboxes: Sequence[str]) -> dict[str, MailboxState | None]:
        """Return the states of mailboxes without opening one, in one round trip; None where only opening it can tell."""
        for name in mailboxes:
            self._clean(name, "the mailbox name")
        if self._settings.provider.id_first:
            self._introduce()
        modseq = " HIGHESTMODSEQ" if "CONDSTORE" in self.capabilities else ""
        introduction = not self._introduced and "ID" in self.capabilities
        with self._doing("asking for the status of the mailboxes", size=len(mailboxes) * STATUS_WORTH):
            self._introduced = True
            items = f"(MESSAGES UIDNEXT UIDVALIDITY{modseq})"
            found = self._statuses(mailboxes, items, introduction=introduction)
        return {name: self._read_state(found[name], b"MESSAGES") if name in found else None for name in mailboxes}

    def examine(self, mailbox: str) -> MailboxState:
        """Open a mailbox read-only (RFC 9051 section 6.3.3)."""
        client = self._open()
        self._introduce()
        with self._doing(f"opening {self._clean(mailbox, 'the mailbox name')}"):
            try:
                found = client.select_folder(mailbox, readonly=True)
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                words = self._words(error)
                if not passing(words) and (absent(words) or not client.list_folders("", mailbox)):
                    raise ConfigError(
                        f"{self._place}: there is no mailbox `{mailbox}`: {words}",
                        help="check `mailboxes` of this account",
                    ) from error
                raise
            self._mailbox, self._sizes = mailbox, {}
            self._state = self._read_state(found, b"EXISTS")
        return self._state

    def uids(self, low: int) -> Sequence[int]:
        """Return every UID above `low` in the examined mailbox, ascending."""
        found = array("Q")
        for window in windows(low + 1, self._state):
            with self._doing(f"listing {self._mailbox}"):
                try:
                    lines = self._open().uid_command("SEARCH", "UID", window)
                    told = [int(word) for line in lines for word in line.split()]
                except (ValueError, AttributeError):
                    lines = []
                if not lines and self._state.exists:  # an unusual SEARCH line (iCloud), or ESEARCH: ask in another way
                    told = [uid for uid, _ in self._fetch(window, "(UID)")]
                found.extend(uid for uid in told if low < uid < LARGEST)  # `n:*` names the last message even below n
        return ascending(found)

    def before(self, day: date) -> list[int]:
        """Return the messages of the examined mailbox that came before a day, as its server counts days; [] if in doubt."""
        from mailrules.sources.imap_client import format_criteria_date

        everything: set[int] = set()
        later: set[int] = set()
        for window in windows(1, self._state):
            with self._doing(f"searching {self._mailbox}"):
                for found, words in ((everything, ()), (later, ("SINCE", format_criteria_date(day).decode()))):
                    try:
                        lines = self._open().uid_command("SEARCH", "UID", window, *words)
                        found.update(int(word) for line in lines for word in line.split())
                    except (ValueError, AttributeError):
                        return []
        return sorted(uid for uid in everything - later if uid < self._state.uidnext)

    def arrivals(self, uids: Sequence[int]) -> list[datetime]:
        """Return when messages came, of those that the server tells."""
        found = self._gather(list(uids), "(UID INTERNALDATE)", lambda _, item: came(item.get(b"INTERNALDATE")))
        return list(found.values())

    def headers(self, uids: Iterable[int]) -> Iterator[Header | Missing]:
        """Yield one answer for every UID asked for, ascending."""
        asked, self._sizes = sorted(set(uids)), {}
        for start in range(0, len(asked), HEADER_BATCH):
            batch = asked[start : start + HEADER_BATCH]
            got = self._gather(batch, HEADER_ITEMS, _header)
            self._sizes.update((uid, header.size) for uid, header in got.items() if header.size is not None)
            for uid in batch:
                yield got.get(uid) or Missing(uid)

    def bodies(self, uids: Iterable[int]) -> Iterator[tuple[int, bytes | None]]:
        """Yield each message's bytes, ascending; None where the server did not give them (whole)."""
        batch: list[int] = []
        weight = 0
        for uid in sorted(set(uids)):
            size = self._sizes.get(uid, 0)
            if batch and (len(batch) >= BODY_BATCH or weight + size > BODY_BATCH_BYTES):
                yield from self._bodies(batch, self._settings.max_message)
                batch, weight = [], 0
            batch.append(uid)
            weight += size
        if batch:
            yield from self._bodies(batch, self._settings.max_message)

    def body(self, uid: int, max_size: int) -> bytes:
        """Return one message's bytes; Unfetchable where it is larger than `max_size`."""
        sizes = self._gather([uid], "(UID RFC822.SIZE)", lambda _, item: item.get(b"RFC822.SIZE"))
        said = sizes.get(uid) or 0
        if said > max_size:
            raise Unfetchable(f"{self._mailbox} UID {uid}: {said} bytes are more than the {max_size} allowed")
        # RFC822.SIZE is a hint: one byte more than allowed is asked for, to see that it is not more.
        [(_, content)] = self._bodies([uid], max_size + 1)
        if content is None:
            raise TemporaryError(f"{self._place}: the server did not give message {uid} of {self._mailbox}")
        if len(content) > max_size:
            raise Unfetchable(f"{self._mailbox} UID {uid}: more than the {max_size} bytes allowed")
        return content

    def _bodies(self, batch: list[int], cap: int) -> Iterator[tuple[int, bytes | None]]:
        def content(uid: int, item: dict[bytes, Any]) -> bytes | None:
            found = next((v for k, v in item.items() if k.startswith(b"BODY[]")), None)
            whole = isinstance(found, bytes) and len(found) <= cap
            return found if whole and (found or self._sizes.get(uid) == 0) else None

        # NIL and an empty body mean "not fetched" (Gmail when it throttles); a mail is empty only where its size says so.
        weight = sum(self._sizes.get(uid, 0) for uid in batch)
        got = self._gather(batch, f"(UID BODY.PEEK[]<0.{cap}>)", content, min(weight, len(batch) * cap))
        for uid in batch:
            found: bytes | None = got.get(uid)
            cut = (
                found is not None and len(found) < min(self._sizes.get(uid, 0), cap) and self._goes_on(uid, len(found))
            )
            yield uid, None if cut else found

    def _goes_on(self, uid: int, length: int) -> bool:
        """Whether a message has more bytes than came: RFC822.SIZE is a hint, so that alone is no proof (Exchange)."""

        def more(_: int, item: dict[bytes, Any]) -> bool:
            return any(k.startswith(b"BODY[]") and v for k, v in item.items())

        return bool(self._gather([uid], f"(UID BODY.PEEK[]<{length}.1>)", more).get(uid))

    def _gather(
        self, batch: list[int], items: str, read: Callable[[int, dict[bytes, Any]], Any], weight: int = 0
    ) -> dict[int, Any]:
        """Fetch a batch and keep what is complete and was asked for; where the server says NO, ask for each half alone.

        `weight` is how many bytes the bodies have that are asked for: a slow line may take its time for them.
        """
        got: dict[int, Any] = {}
        todo = ranges(batch, self._settings.provider.set_characters)
        wanted = set(batch)
        while todo:
            part = todo.pop(0)
            asked = members(part)
            with self._doing(f"fetching from {self._mailbox}", size=len(asked) * ANSWER_WORTH + weight):
                try:
                    answers = self._fetch(part, items)
                except imaplib.IMAP4.abort:
                    raise
                except imaplib.IMAP4.error as error:
                    if passing(words_of(error)):
                        raise
                    if middle := len(asked) // 2:
                        todo += ranges(asked[:middle]) + ranges(asked[middle:])
                    continue
                told: dict[int, dict[bytes, Any]] = {}
                for uid, item in answers:  # why: what is told of one message may come in several answers
                    if uid in wanted:
                        told.setdefault(uid, item).update(item)
                for uid, item in told.items():
                    value = read(uid, item)
                    if value is not None:
                        got[uid] = value
        return got

    def _fetch(self, uid_set: str, items: str) -> list[tuple[int, dict[bytes, Any]]]:
        """Return each FETCH response by the UID *in* it: one without a UID may be about any message, and is dropped."""
        data = self._open().uid_command("FETCH", uid_set, items)
        found = answers(data)
        if found is not None:
            return found
        from mailrules.sources.imap_client import gen_parsed_response

        atoms, found = gen_parsed_response(plain_literals(data)), []
        for _, pairs in zip(atoms, atoms, strict=False):
            if isinstance(pairs, tuple) and len(pairs) % 2 == 0:
                names = [name.upper() if isinstance(name, bytes) else b"" for name in pairs[::2]]
                item = dict(zip(names, pairs[1::2], strict=True))
                uid = item.get(b"UID")
                if isinstance(uid, int):
                    found.append((uid, item))
        return found

    @property
    def place(self) -> tuple[str, str, int]:
        """The account, the examined mailbox and its UIDVALIDITY."""
        return self._settings.account, self._mailbox, self._state.uidvalidity

    def key(self, uid: int) -> MessageKey:
        """Return where a message of the examined mailbox lies."""
        from mailrules.mail.message import MessageKey

        account, mailbox, uidvalidity = self.place
        return MessageKey(account=account, mailbox=mailbox, uidvalidity=uidvalidity, uid=uid)


def _header(uid: int, item: dict[bytes, Any]) -> Header | None:
    block = item.get(HEADERS_GIVEN) or next((v for k, v in item.items() if k.startswith(b"BODY[HEADER")), None)
    if not isinstance(block, bytes):  # an empty one is one: the text says then what the message is, or is not given
        return None
    size, date = item.get(b"RFC822.SIZE"), item.get(b"INTERNALDATE")
    return Header(uid, size if isinstance(size, int) else None, date if isinstance(date, bytes) else None, block)
