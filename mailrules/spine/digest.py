"""The weekly digest: what lapses soon, also where nothing does; a silent poller and a quiet month look alike otherwise.

In: a Config, an open store, the present instant. Out: one notify effect a week, planned like those of rules.
May not live here: sending (actions/), the clock, the sentences (catalogues/digest.*.toml).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mailrules.config import Config
from mailrules.store import Store
from mailrules.words import counted, say

if TYPE_CHECKING:
    from mailrules.effects import Effect

RULE = "weekly digest"


def plan_digest(config: Config, store: Store, now: datetime) -> list[Effect]:
    """Write down that this week's digest is to be sent, where it is time and it was not before; return what is new."""
    wanted = config.digest
    if wanted is None or not config.accounts:
        return []
    from mailrules.decide.schedule import may_write_from
    from mailrules.effects import Effect, effect_key
    from mailrules.ledger.listing import by_deadline
    from mailrules.pipeline import Ingest

    facts = config.accounts[0].facts
    today = now.astimezone(facts.zone).date()
    day = today - timedelta(days=(today.weekday() - wanted.weekday) % 7)
    key = effect_key("", day.isoformat(), RULE, "notify", wanted.to, "")
    if now < datetime.combine(day, facts.day_starts, facts.zone) or key in store.effect_keys():
        return []
    ledger = store.ledger()
    days = {name: now.astimezone(one.zone).date() for name, one in config.world.accounts.items()}
    warn = {name: one.warn_days for name, one in config.world.accounts.items()}
    rows = by_deadline(ledger, days, warn, today)
    subject, body = digest_text(config.language, rows, store.tasks("open"), wanted.days, today)
    later = may_write_from(facts, now, None)
    effect = Effect(
        key=key, account=facts.name, rule=RULE, action="notify", target=wanted.to, stage="", authorization="",
        due=day.isoformat(), args={"to": [config.world.people[wanted.to]], "subject": subject, "body": body},
        not_before=later.astimezone(UTC).isoformat() if later else "",
    )  # fmt: skip
    with store.transaction():
        store.commit(Ingest(ledger=ledger, effects=(effect,)), now=now.isoformat())
    return [effect]


def digest_text(
    language: str, rows: Sequence[dict[str, Any]], tasks: Sequence[dict[str, Any]], days: int, today: date
) -> tuple[str, str]:
    """Return the subject and the text of a digest. `rows` are listed authorizations, the nearest deadline first."""
    soon = [r for r in rows if r["expires"] and 0 <= r["days_left"] <= days and r["state"] != "revoked"]
    lapsed = [r for r in rows if r["state"] == "expired"]
    later = [r for r in rows if r["expires"] and r["days_left"] > days]
    subject = (
        counted(language, "digest.some", len(soon), days=days) if soon else say(language, "digest.none", days=days)
    )
    parts = [subject, *(_line(language, row) for row in soon)]
    if lapsed:
        parts += ["", say(language, "digest.lapsed")]
        parts += [_line(language, row) for row in lapsed]
    if later:
        parts += ["", say(language, "digest.next"), _line(language, later[0])]
    if tasks:
        parts += ["", say(language, "digest.tasks", count=len(tasks))]
        parts += [say(language, "digest.task", title=t["title"], due=t["due"] or "-") for t in tasks[:20]]
    parts += ["", say(language, "digest.watched", count=len(rows), day=today.isoformat())]
    return subject, "\n".join(parts)


def _line(language: str, row: dict[str, Any]) -> str:
    weekday = say(language, f"digest.weekday_{date.fromisoformat(row['expires']).weekday()}") if row["expires"] else ""
    name = row["developer"] or row["developer_id"] or row["id"]
    if not row["expires"]:
        return say(language, "digest.undated", name=name)
    if row["days_left"] < 0:
        return say(language, "digest.past", name=name, day=row["expires"], weekday=weekday)
    left = counted(language, "digest.left", row["days_left"]) if row["days_left"] else say(language, "digest.today")
    return say(language, "digest.line", name=name, day=row["expires"], weekday=weekday, left=left)
