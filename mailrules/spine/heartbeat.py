"""After a poll: who answered and who did not, said once a change; and bytes that have been kept long enough.

In: an open store, the outcome of a poll, the present instant. Out: marks on the outcome about what is new to say.
May not live here: the clock, printing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mailrules.config import Config
from mailrules.errors import EXIT_DONE
from mailrules.store import Store

if TYPE_CHECKING:
    from mailrules.app import Outcome

PURGE_STEP = 50
PURGE_MOST = 2_000
"""So many messages lose their bytes in one poll at most: purging a long backlog must not hold up the mail."""


def beat(store: Store, outcome: Outcome, now: datetime) -> None:
    """Write down how each account's poll ended, and mark what has changed since the last one."""
    at = now.isoformat()
    for report in outcome.reports:
        error = report.error
        before = store.beat(report.account, at, code=error.exit_code if error else 0, error=str(error or ""))
        code = before.get("code", EXIT_DONE)
        report.changed = code != (error.exit_code if error else EXIT_DONE)
        report.down_since = before["failed"] if report.changed and not error else ""
    rules = str(outcome.rules_error or "")
    outcome.rules_changed = rules != (store.meta_get("rules_error") or "")
    if outcome.rules_changed:
        store.meta_set("rules_error", rules, at)
    store.meta_set("last_poll", at, at)


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
