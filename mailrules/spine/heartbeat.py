"""After a poll: who answered and who did not, said once a change; and bytes that have been kept long enough.

In: an open store, the reports of a poll, the present instant. Out: marks on the reports about what is new to say.
May not live here: the clock, printing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from mailrules.config import Config
from mailrules.errors import EXIT_DONE
from mailrules.spine.intake import Report
from mailrules.store import Store

PURGE_STEP = 50
PURGE_MOST = 2_000
"""So many messages lose their bytes in one poll at most: purging a long backlog must not hold up the mail."""


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
