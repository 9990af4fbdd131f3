"""Which messages of an account's mailboxes are to be read: what is new, what waited, what a listing overlooked.

In: an Account, an open session, the store's cursors, the present instant; the bounds of a plan, where there are any.
Out: a Visit for each mailbox, and how far it was read.
May not live here: what a message says, reading the clock by itself, commands of IMAP (sources/).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailrules.config import Account, Config
from mailrules.secret import secret
from mailrules.sources.imap import ImapSession, ImapSettings, MailboxState
from mailrules.spine.plan import Seen
from mailrules.spine.pool import away
from mailrules.store import Store

RELIST, RELIST_SOON = timedelta(days=1), timedelta(hours=1)
"""So often a mailbox is listed as a whole: a server may have left a message out."""


def imap_settings(account: Account, max_message: int) -> ImapSettings:
    """Return what the IMAP source needs to know of an account."""
    return ImapSettings(
        account=account.name,
        host=account.host,
        port=account.port,
        tls=account.tls,
        user=account.user,
        ca_file=account.ca_file,
        max_message=max_message,
    )


def session_of(config: Config, account: Account) -> ImapSession:
    """Return the account's connection, not yet open."""
    return ImapSession(
        imap_settings(account, config.max_message), secret(account.password, config.folder, f"account {account.name}")
    )


@asynccontextmanager
async def opened(session: ImapSession) -> AsyncIterator[ImapSession]:
    """Log in on entry and say good-bye on leaving, while other accounts go on."""
    await away(session.__enter__)
    try:
        yield session
    except BaseException as error:  # nothing is waited for then
        session.__exit__(type(error), error, error.__traceback__)
        raise
    await away(session.__exit__, None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One opened mailbox. `uids` are to be read, ascending; `low` and all below it was read before."""

    mailbox: str
    uidvalidity: int
    low: int
    uids: tuple[int, ...]
    reached: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailboxes:
    """What one run reads. `bounds` (of a plan) says how far each mailbox is read; without it, to its end."""

    store: Store
    clock: Callable[[], datetime]
    bounds: Mapping[tuple[str, str], Seen] | None = None

    def wanted(self, account: Account) -> list[str]:
        """Return the mailboxes of an account that this run reads."""
        return [m for m in account.mailboxes if self.bounds is None or (account.name, m) in self.bounds]

    async def visits(self, account: Account, session: ImapSession) -> AsyncIterator[Visit]:
        """Open one mailbox after another, and say what is to be read while it is open."""
        for mailbox in self.wanted(account):
            yield await self._visit(account, mailbox, session)

    def read_to(self, account: Account, visit: Visit, uid: int) -> None:
        """Write down that every message of a visit up to `uid` has its row; within the caller's transaction."""
        now = self.clock().isoformat()
        self.store.set_cursor(account.name, visit.mailbox, visit.uidvalidity, max(visit.low, uid), now)

    async def _visit(self, account: Account, mailbox: str, session: ImapSession) -> Visit:
        state = await away(session.examine, mailbox)
        cursor = self.store.cursor(account.name, mailbox)
        low = cursor.uid if cursor and cursor.uidvalidity == state.uidvalidity else 0
        if state.uidnext <= low:  # why: a server once named a message that cannot be; where it ends is UIDNEXT
            low = state.uidnext - 1
        bound = self.bounds[account.name, mailbox] if self.bounds is not None else None
        uids: list[int] = []
        if (
            bound is None or bound.uidvalidity == state.uidvalidity
        ):  # why: in a renumbered mailbox a bound means nothing
            again = self.store.pending_uids(account.name, mailbox, state.uidvalidity)
            new = await away(session.uids, low) if state.uidnext > low + 1 else []
            if bound is None and self._whole_is_due(account, mailbox, state, len(new)):
                new = [*new, *await self._overlooked(account, mailbox, state, session)]
            last = state.uidnext - 1 if bound is None else bound.uid
            uids = sorted(uid for uid in {*again, *new} if uid <= last)
        reached = bound.uid if bound else max([low, *uids])
        return Visit(mailbox=mailbox, uidvalidity=state.uidvalidity, low=low, uids=tuple(uids), reached=reached)

    def _whole_is_due(self, account: Account, mailbox: str, state: MailboxState, new: int) -> bool:
        """Whether the whole mailbox is to be listed: once a day, and soon where it holds more than is known of it."""
        last = self.store.meta_get(_listed(account.name, mailbox))
        if last is None:
            self._whole_listed(account, mailbox)
            return False
        known = self.store.known_places(account.name, mailbox, state.uidvalidity)
        pause = RELIST_SOON if state.exists > known + new else RELIST
        return self.clock() - datetime.fromisoformat(last) >= pause

    async def _overlooked(
        self, account: Account, mailbox: str, state: MailboxState, session: ImapSession
    ) -> list[int]:
        """Return what a whole listing names and no place is known of, and what was given up; forget what is gone."""
        found = [uid for uid in await away(session.uids, 0) if uid < state.uidnext]
        now = self.clock().isoformat()
        with self.store.transaction():
            overlooked = self.store.compare_listing(account.name, mailbox, state.uidvalidity, found, now)
        self._whole_listed(account, mailbox)
        return overlooked

    def _whole_listed(self, account: Account, mailbox: str) -> None:
        now = self.clock().isoformat()
        self.store.meta_set(_listed(account.name, mailbox), now, now)


def _listed(account: str, mailbox: str) -> str:
    return f"listed {account} {mailbox}"
