"""Changing one message on its server: a flag, a keyword, a label, another mailbox. The only place that uses SELECT.

In: an open session, a UID. Out: whether the message was there, or an error of mailrules.errors.
May not live here: which message and why; a plain EXPUNGE, which would remove what somebody else has marked as deleted.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
from collections.abc import Iterator

from mailrules.errors import ConfigError
from mailrules.sources.faults import absent, forbidden, full
from mailrules.sources.imap import Header, ImapSession
from mailrules.sources.imap_types import Full

FLAGGED = "\\Flagged"
KEYWORD = re.compile(r"\\Flagged|[A-Za-z0-9$][A-Za-z0-9$_.-]*")


class Changes(ImapSession):
    """A session that changes messages, one at a time."""

    _kept: set[str] | None = None

    def select(self, mailbox: str) -> int:
        """Open a mailbox for changes and return its UIDVALIDITY; 0 where there is no such mailbox any more."""
        client = self._open()
        self._introduce()
        with self._changing(f"opening {self._clean(mailbox, 'the mailbox name')} for changes"):
            try:
                found = client.select_folder(mailbox)
            except imaplib.IMAP4.readonly as error:  # why first: for imaplib it is an end of the connection
                raise ConfigError(
                    f"{self._place}: {mailbox} may only be read", help="give this login the right to change it"
                ) from error
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                if absent(self._words(error)):
                    return 0
                raise
            self._mailbox, self._sizes = mailbox, {}
            self._state = self._read_state(found, b"EXISTS")
        flags = found.get(b"PERMANENTFLAGS")  # None: all are kept (RFC 9051, 7.1), whatever was said of another mailbox
        self._kept = None if flags is None else {f.decode("ascii", "replace").lower() for f in flags}
        return self._state.uidvalidity

    def has(self, uid: int) -> bool:
        """Whether the message is in the open mailbox, now."""
        with self._doing(f"looking for a message in {self._mailbox}"):
            return any(found == uid for found, _ in self._fetch(str(uid), "(UID FLAGS)"))

    def flag(self, uid: int, word: str) -> None:
        """Set a flag or a keyword; refused where the server would forget it with the session."""
        if not KEYWORD.fullmatch(word):
            raise ConfigError(f"{self._place}: `{word}` is no keyword", help="use one word of plain letters and digits")
        if self._kept is not None and word.lower() not in self._kept and (word == FLAGGED or "\\*" not in self._kept):
            raise ConfigError(
                f"{self._place}: the server keeps no `{word}` in {self._mailbox}",
                help=f"`move mail to`{'' if word == FLAGGED else ' or `flag mail`'} may work instead",
            )
        with self._changing(f"marking a message in {self._mailbox}"):
            self._open().add_flags([uid], [word], silent=True)

    def label(self, uid: int, label: str) -> None:
        """Add a label, which only Gmail has."""
        if "X-GM-EXT-1" not in self.capabilities:
            raise ConfigError(
                f"{self._place}: this server has no labels; only Gmail has", help="use `mark mail` or `move mail to`"
            )
        with self._changing(f"labelling a message in {self._mailbox}"):
            self._open().add_gmail_labels([uid], [self._clean(label, "the label")], silent=True)

    def move(self, uid: int, mailbox: str, *, again: bool) -> None:
        """Move a message; `again`: an earlier try may have copied it already."""
        offered = self.capabilities
        self._clean(mailbox, "the mailbox name")
        if "MOVE" not in offered and "UIDPLUS" not in offered:
            raise ConfigError(
                f"{self._place}: the server can move no single message (it offers neither MOVE nor UIDPLUS)",
                help="use `flag mail` or `mark mail`",
            )
        source = self._mailbox
        there = again and "MOVE" not in offered and self._copied(uid, mailbox)
        if self._mailbox != source:
            self.select(source)
        with self._changing(f"moving a message to {mailbox}"):
            client = self._open()
            try:
                if "MOVE" in offered:
                    client.move([uid], mailbox)
                    return
                if not there:
                    client.copy([uid], mailbox)
                client.add_flags([uid], ["\\Deleted"], silent=True)
                client.uid_expunge([uid])
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                if absent(self._words(error)):
                    raise ConfigError(
                        f"{self._place}: there is no mailbox `{mailbox}`: {self._words(error)}",
                        help="make it, then `mailrules effects retry ID`",
                    ) from error
                raise

    @contextlib.contextmanager
    def _changing(self, doing: str) -> Iterator[None]:
        """One step that changes something: where right or room is missing, that is no matter of the whole account."""
        with self._doing(doing):
            try:
                yield
            except imaplib.IMAP4.error as error:
                words = self._words(error)
                if forbidden(words):
                    raise ConfigError(
                        f"{self._place}: {doing}: no permission: {words}",
                        help="give this login the right to it, then `mailrules effects retry ID`",
                    ) from error
                if full(words):
                    raise Full(f"{self._place}: {doing}: {words}", help="make room there") from error
                raise

    def _copied(self, uid: int, mailbox: str) -> bool:
        """Whether another mailbox holds a message with the same fields and size; leaves that mailbox open to read."""
        (mine,) = self.headers([uid])
        if not isinstance(mine, Header):
            return False
        self.examine(mailbox)
        same = (h for h in self.headers(self.uids(0)) if isinstance(h, Header) and h.size == mine.size)
        return any(h.block == mine.block for h in same)
