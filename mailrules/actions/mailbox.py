"""What is done to a mail on its server: flag, keyword, label, another mailbox.

In: an effect, the places where its message was read, a way to a session. Out: Outcome.
May not live here: commands of IMAP; changing anything whose UIDVALIDITY and UID are not what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from typing import Protocol

from mailrules.effects import Effect, Outcome
from mailrules.errors import AuthError, TemporaryError
from mailrules.mail.message import MessageKey

FLAGGED = "\\Flagged"


class Session(Protocol):
    """A connection that may change messages (sources/imap_change.py)."""

    def select(self, mailbox: str) -> int:
        """Open a mailbox; its UIDVALIDITY, 0 where there is none."""

    def has(self, uid: int) -> bool:
        """Whether the message is there."""

    def flag(self, uid: int, word: str) -> None:
        """Set a flag or a keyword."""

    def label(self, uid: int, label: str) -> None:
        """Add a label."""

    def move(self, uid: int, mailbox: str, *, again: bool) -> None:
        """Move the message."""


Places = Callable[[str, str], Sequence[MessageKey]]
"""Account and digest of a message to the places where it was read."""
Sessions = Callable[[str], AbstractContextManager[Session]]
"""Account to a connection."""


def change(effect: Effect, attempt: int, places: Places, sessions: Sessions) -> Outcome:
    """Do it to every copy of the message that is still where it was read; doing it twice changes nothing more."""
    digest = effect.args.get("message")
    found = [p for p in places(effect.account, digest) if p.mailbox != effect.target] if digest else []
    if not found:
        return Outcome(result="done", why="no mailbox holds this mail: it was handed over, or moved there before")
    changed = []
    try:
        with sessions(effect.account) as session:
            for mailbox, keys in groupby(sorted(found, key=lambda p: p.mailbox), key=lambda p: p.mailbox):
                validity = session.select(mailbox)
                for key in keys:
                    if validity and key.uidvalidity == validity and session.has(key.uid):
                        _change(session, effect, key.uid, again=attempt > 1)
                        changed.append(f"message {key.uid} of {mailbox}")
    except (
        TemporaryError,
        AuthError,
    ) as error:  # why both: with a new password it is done without being asked for again
        return Outcome(result="retry", why=str(error))
    return Outcome(result="done", why=", ".join(changed) or "it is not on the server any more")


def _change(session: Session, effect: Effect, uid: int, *, again: bool) -> None:
    match effect.action:
        case "flag_mail":
            session.flag(uid, FLAGGED)
        case "mark_mail":
            session.flag(uid, effect.target)
        case "label_mail":
            session.label(uid, effect.target)
        case _:
            session.move(uid, effect.target, again=again)
