"""Which messages of an account's mailboxes are to be read: what is new, what waited, what a listing overlooked.

In: an Account, an open session, the store's cursors, the present instant; the bounds of a plan, where there are any.
Out: a Visit for each mailbox, and how far it was read.
May not live here: what a message says, reading the clock by itself, commands of IMAP (sources/).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from mailrules.config import Account
from mailrules.errors import ConfigError, TemporaryError
from mailrules.sources.imap import ImapSession, MailboxState
from mailrules.sources.imap_types import UNKNOWN_UIDNEXT, Throttled, ascending, members, ranges
from mailrules.spine.pool import away
from mailrules.store import Store

RELIST, RELIST_SOON = timedelta(days=1), timedelta(hours=1)
"""So often a mailbox is listed as a whole: a server may have left a message out."""
AT_ONCE, FEWER = 1_000, 8
"""So many messages are asked for at once; after a turn at which the connection broke, this part of its size."""
NEWEST = 500
"""Of so many messages that are to be passed over by a search, the date is looked at, too."""


class Seen(NamedTuple):
    """How far one mailbox was read."""

    account: str
    mailbox: str
    uidvalidity: int
    uid: int


class Visit(NamedTuple):
    """One opened mailbox. `uids` are to be read, ascending; `low` and all below it was read before.

    When they are read, all up to `ended` is, of which a poll that was stopped may have done a part. `again` are those
    that could not be had before, or were overlooked: they come last, or one at which a server hangs up would end it for all.
    """

    mailbox: str
    uidvalidity: int
    low: int
    uids: Sequence[int]
    again: Sequence[int]
    reached: int
    ended: int


class _Passed(NamedTuple):
    """What was passed over in one mailbox: the day, and the messages that came before it."""

    since: date
    uidvalidity: int
    number: int
    sets: list[str]

    @property
    def uids(self) -> frozenset[int]:
        return frozenset(uid for some in self.sets for uid in members(some))


class Mailboxes(NamedTuple):
    """What one run reads. `bounds` (of a plan) says how far each mailbox is read; without it, to its end.

    `since` is the day from which on a mailbox is read that was never read before.
    """

    store: Store
    clock: Callable[[], datetime]
    bounds: Mapping[tuple[str, str], Seen] | None = None
    since: date | None = None

    def wanted(self, account: Account) -> list[str]:
        """Return the mailboxes of an account that this run reads."""
        return [m for m in account.mailboxes if self.bounds is None or (account.name, m) in self.bounds]

    async def visits(self, account: Account, session: ImapSession) -> AsyncIterator[Visit]:
        """Open one mailbox after another where anything has changed, and say what is to be read while it is open."""
        wanted = self.wanted(account)
        states = await away(session.states, wanted)
        absent: ConfigError | None = None
        for mailbox in wanted:
            state = states[mailbox]
            if state is not None and self._quiet(account, mailbox, state):
                low = self._low(account, mailbox, state)
                bound = self.bounds[account.name, mailbox] if self.bounds is not None else None
                reached = bound.uid if bound else low
                yield Visit(
                    mailbox=mailbox,
                    uidvalidity=state.uidvalidity,
                    low=low,
                    uids=(),
                    again=(),
                    reached=reached,
                    ended=low,
                )
                continue
            try:
                visit = await self._visit(account, mailbox, session)
            except ConfigError as error:  # why later: the other mailboxes are read all the same
                absent = absent or error
                continue
            yield visit
            if state is not None and self.bounds is None:  # only reached once the visit was read to its end
                self._remember(account, mailbox, state)
        if absent is not None:
            raise absent

    def turns(self, account: Account, visit: Visit) -> Iterator[Sequence[int]]:
        """Yield what is to be asked for at once, within `turn`: less where the connection broke, then more and more."""
        left = self.store.meta_get(_turn(account.name, visit.mailbox))
        size = int(left or AT_ONCE)
        for uids in (visit.uids, visit.again):
            start = 0
            while start < len(uids):
                yield uids[start : start + size]
                start, size = start + size, min(2 * size, AT_ONCE)
        if left:
            self.store.meta_set(_turn(account.name, visit.mailbox), "", self.clock().isoformat())

    @contextmanager
    def turn(self, account: Account, visit: Visit, uids: Sequence[int], session: ImapSession) -> Iterator[None]:
        """Where the connection breaks, let the next poll ask for fewer; a message at which it breaks alone is given up in the end."""
        try:
            yield
        except TemporaryError as error:
            if session.failed and not isinstance(error, Throttled):  # why: a full disk is no message's doing
                now = self.clock().isoformat()
                if len(uids) > 1:
                    self.store.meta_set(_turn(account.name, visit.mailbox), str(len(uids) // FEWER or 1), now)
                else:
                    self.store.broke(session.key(uids[0]), str(error), now)
            raise

    def read_to(self, account: Account, visit: Visit, uid: int) -> None:
        """Write down that every message of a visit up to `uid` has its row; within the caller's transaction."""
        now = self.clock().isoformat()
        self.store.set_cursor(account.name, visit.mailbox, visit.uidvalidity, max(visit.low, uid), now)

    async def _visit(self, account: Account, mailbox: str, session: ImapSession) -> Visit:
        state = await away(session.examine, mailbox)
        self.store.renumbered(account.name, mailbox, state.uidvalidity, self.clock().isoformat())
        low = self._low(account, mailbox, state)
        bound = self.bounds[account.name, mailbox] if self.bounds is not None else None
        uids: Sequence[int] = ()
        again: Sequence[int] = ()
        ended = low
        if (
            bound is None or bound.uidvalidity == state.uidvalidity
        ):  # why: in a renumbered mailbox a bound means nothing
            before = await self._before(account, mailbox, state, session)
            new = await away(session.uids, low) if state.uidnext > low + 1 else ()
            ended = max((uid for uid in new if uid < state.uidnext), default=low) if bound is None else low
            done = self.store.done_above(account.name, mailbox, state.uidvalidity, low) if new else frozenset[int]()
            new = ascending(uid for uid in new if uid not in before and uid not in done)
            found: Sequence[int] = ()
            if bound is None and self._whole_is_due(account, mailbox, state, len(new)):
                found = await self._overlooked(account, mailbox, state, session)
            waiting = self.store.pending_uids(account.name, mailbox, state.uidvalidity)  # why now: some may be gone
            last = state.uidnext - 1 if bound is None else bound.uid
            late = {*waiting} | {*found}.difference(before, new)
            again = ascending(uid for uid in late if uid <= last)
            uids = ascending(uid for uid in new if uid <= last and uid not in late)
        reached = bound.uid if bound else max([low, *uids[-1:], *again[-1:]])
        return Visit(
            mailbox=mailbox, uidvalidity=state.uidvalidity, low=low, uids=uids, again=again, reached=reached, ended=ended
        )  # fmt: skip

    async def _before(
        self, account: Account, mailbox: str, state: MailboxState, session: ImapSession
    ) -> Collection[int]:
        """Return the messages that are passed over unseen, because they came before the day that a person named.

        They are written down as a few ranges before anything else is: no whole listing brings them up again.
        """
        known = self._passed(account, mailbox)
        if known is not None and 0 < known.uidvalidity == state.uidvalidity:
            return known.uids
        since = known.since if known else self.since
        if since is None or (known is None and self.store.cursor(account.name, mailbox) is not None):
            return ()
        # why two days: a day of the server's may begin 26 hours before ours, from UTC-12 to UTC+14
        uids = await away(session.before, since - timedelta(days=2))
        newest = uids[-NEWEST:]
        arrived = await away(session.arrivals, newest)
        latest = datetime.combine(since - timedelta(days=1), time.min, UTC)
        if len(arrived) != len(newest) or any(moment >= latest for moment in arrived):
            uids = []  # why: a server whose search errs is not relied on; all is read then
        now = self.clock().isoformat()
        text = json.dumps([since.isoformat(), state.uidvalidity, len(uids), ranges(uids)])
        self.store.meta_set(_since(account.name, mailbox), text, now)
        return frozenset(uids)

    def _passed(self, account: Account, mailbox: str) -> _Passed | None:
        text = self.store.meta_get(_since(account.name, mailbox))
        if text is None:
            return None
        since, uidvalidity, count, sets = json.loads(text)
        return _Passed(date.fromisoformat(since), uidvalidity, count, sets)

    def _known(self, account: Account, mailbox: str, uidvalidity: int) -> int:
        """Return how many messages of a mailbox are accounted for."""
        passed = self._passed(account, mailbox)
        over = passed.number if passed and passed.uidvalidity == uidvalidity else 0
        return over + self.store.known_places(account.name, mailbox, uidvalidity)

    def _low(self, account: Account, mailbox: str, state: MailboxState) -> int:
        """Return the UID up to which all was read; 0 where UIDs have changed, or mean nothing (no UIDVALIDITY)."""
        cursor = self.store.cursor(account.name, mailbox)
        low = cursor.uid if cursor and 0 < cursor.uidvalidity == state.uidvalidity else 0
        return min(low, state.uidnext - 1)  # why: a server once named a message that cannot be

    def _quiet(self, account: Account, mailbox: str, state: MailboxState) -> bool:
        """Whether nothing came since the mailbox was last read to its end, nothing waits, and no listing is due."""
        before = [int(n) for n in (self.store.meta_get(_mark(account.name, mailbox)) or "").split()]
        last = self.store.meta_get(_listed(account.name, mailbox))
        if len(before) != 5 or last is None or before[0] != state.uidvalidity:
            return False
        _, uidnext, exists, modseq, more = before
        if state.uidnext != uidnext or state.exists > exists:
            return False
        if uidnext >= UNKNOWN_UIDNEXT and not 0 < modseq == state.modseq:  # why only then: some servers' stands still
            return False
        if not timedelta() <= self.clock() - datetime.fromisoformat(last) < (RELIST_SOON if more else RELIST):
            return False
        return not self.store.pending_uids(account.name, mailbox, state.uidvalidity)

    def _remember(self, account: Account, mailbox: str, state: MailboxState) -> None:
        """Write down in which state a mailbox was when it was read, and whether it holds more than is known of it."""
        known = self._known(account, mailbox, state.uidvalidity)
        now = f"{state.uidvalidity} {state.uidnext} {state.exists} {state.modseq} {int(state.exists > known)}"
        if now != self.store.meta_get(_mark(account.name, mailbox)):
            self.store.meta_set(_mark(account.name, mailbox), now, self.clock().isoformat())

    def _whole_is_due(self, account: Account, mailbox: str, state: MailboxState, new: int) -> bool:
        """Whether the whole mailbox is to be listed: once a day, and soon where more is in it than is known, or one waits."""
        last = self.store.meta_get(_listed(account.name, mailbox))
        if last is None:
            self._whole_listed(account, mailbox)
            return False
        known = self._known(account, mailbox, state.uidvalidity)
        waiting = self.store.pending_uids(account.name, mailbox, state.uidvalidity)
        pause = RELIST_SOON if waiting or state.exists > known + new else RELIST
        # why both ends: a clock that was wrong for a poll must not put the next listing off for years
        return not timedelta() <= self.clock() - datetime.fromisoformat(last) < pause

    async def _overlooked(self, account: Account, mailbox: str, state: MailboxState, session: ImapSession) -> list[int]:
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


def _mark(account: str, mailbox: str) -> str:
    return f"state {account} {mailbox}"


def _turn(account: str, mailbox: str) -> str:
    return f"turn {account} {mailbox}"


def _since(account: str, mailbox: str) -> str:
    return f"since {account} {mailbox}"


def _listed(account: str, mailbox: str) -> str:
    return f"listed {account} {mailbox}"
