"""Around a poll: whether its clock can be right; who answered and who did not, said once a change; bytes kept long enough.

In: an open store, the reports of a poll, the present instant. Out: what is new to say, as a sentence or a mark on a report.
May not live here: the clock, printing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mailrules.config import Config
from mailrules.errors import EXIT_DONE, TemporaryError
from mailrules.store import Store

if TYPE_CHECKING:
    from mailrules.spine.intake import Report

EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
"""A clock that says less was never set: a machine without a battery begins in 1970, or when it was made."""
AHEAD, BACKWARDS = timedelta(days=366), timedelta(hours=1)
"""From here on the clock has jumped since the last poll: by more than an authorization lasts, or back."""
PURGE_STEP = 50
PURGE_MOST = 2_000
"""So many messages lose their bytes in one poll at most: purging a long backlog must not hold up the mail."""


def look_at_clock(store: Store, now: datetime) -> str:
    """Return that the clock was set back, "" where it was not. Raises TemporaryError where nothing may be done by it yet.

    A poll that is years ahead would let every deadline pass, for good: so the one after it has to say the same.
    """
    if now < EARLIEST:
        raise TemporaryError(
            f"the clock says {_minute(now)}, so nothing was done", help="set the clock of this machine"
        )
    told = store.meta_get("last_poll")
    last = datetime.fromisoformat(told) if told else now
    if now - last > AHEAD:
        store.meta_set("last_poll", now.isoformat(), now.isoformat())
        raise TemporaryError(
            f"the clock says {_minute(now)}, and at the last poll it was {_minute(last)}: nothing was done yet",
            help="set the clock if it is wrong; if it is right, the next poll goes on",
        )
    if last - now > BACKWARDS:
        return (
            f"the clock says {_minute(now)}, and at the last poll it was {_minute(last)}: deadlines are reckoned by it"
        )
    return ""


def _minute(instant: datetime) -> str:
    return f"{instant.isoformat()[:16]} UTC"


def beat(config: Config, store: Store, reports: Iterable[Report], rules_error: str, now: datetime) -> bool:
    """Write down how each account's poll ended, and mark what has changed; return whether the rules' state has."""
    at = now.isoformat()
    for report in reports:
        error = report.error
        code = error.exit_code if error else EXIT_DONE
        before = store.beat(report.account, at, code=code, error=config.secrets.redacted(str(error or "")))
        report.changed = before.get("code", EXIT_DONE) != code
        report.down_since = before["failed"] if report.changed and not error else ""
    changed = rules_error != (store.meta_get("rules_error") or "")
    if changed:
        store.meta_set("rules_error", rules_error, at)
    store.meta_set("last_poll", at, at)
    return changed


def purge(config: Config, store: Store, now: datetime) -> None:
    """Remove the bytes of messages that were kept for the time of retention; looked for once a day, in small steps."""
    day = now.date().isoformat()
    if store.meta_get("purged") == day:
        return
    before = (now - timedelta(days=config.retention)).isoformat()
    for _ in range(PURGE_MOST // PURGE_STEP):
        if store.purge(before, PURGE_STEP) < PURGE_STEP:
            store.meta_set("purged", day, now.isoformat())
            return
