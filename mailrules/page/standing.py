"""How all authorizations stand: the most pressing first, with what is counted and drawn of them.

In: a Look. Out: Standing rows in order, and how many are in each state. May not live here: HTML, words, what a state means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from mailrules.ledger import Authorization, Obligation, snoozed_until, state_of
from mailrules.page.look import Look

PRESSING = ("expired", "expiring")
ORDER = {"expired": 0, "expiring": 1, "active": 2, "unknown": 3, "revoked": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One authorization as it stands. `due` is the day that counts (what is owed, else the expiry date), None where none is known.

    `since` tells that `due` is the day on which waiting began, and no deadline. `waits` tells that something is owed.
    """

    id: str
    name: str
    number: str
    account: str
    system: str
    region: str
    state: str
    due: date | None
    left: int | None
    since: bool
    waits: bool
    trust: str
    assumed: bool
    snoozed: str


@dataclass(frozen=True, slots=True)
class Overview:
    """All of them in order, and how many are in each state."""

    rows: Sequence[Standing]
    counts: Mapping[str, int]

    @property
    def next(self) -> Standing | None:
        """The next one to lapse."""
        return next((row for row in self.rows if row.left is not None and row.left >= 0 and not row.since), None)

    @property
    def pressing(self) -> int:
        """How many have lapsed or will soon, and wait for somebody."""
        return sum(row.waits and row.state in PRESSING for row in self.rows)


def overview(it: Look) -> Overview:
    """Return how all authorizations stand."""
    days, warn, otherwise = it.days(), it.warn_days(), it.today()
    rows = [
        _standing(row, days.get(row["account"], otherwise), warn.get(row["account"], 30)) for row in it.store.standing()
    ]
    rows.sort(key=lambda r: (not r.waits, ORDER[r.state] if not r.waits else 0, r.due or date.max, r.name, r.id))
    return Overview(rows, Counter(row.state for row in rows))


def _standing(row: Mapping[str, Any], today: date, warn_days: int) -> Standing:
    subject = Authorization(
        id=row["id"], account=row["account"], system=row["system"], developer_id=row["developer_id"],
        developer=row["developer"], region=row["region"], expires=row["expires"], revoked=bool(row["revoked"]),
        endless=bool(row["endless"]), snoozed=row["snoozed"],
    )  # fmt: skip
    owed = None
    if row["owed"]:
        due, dated, notice = row["owed"].split(" ", 2)
        owed = Obligation(authorization=subject.id, due=due, dated=dated == "1", notice=notice)
    chosen = owed.due if owed else subject.expires
    day = date.fromisoformat(chosen) if chosen else None
    since = owed is not None and not owed.dated
    return Standing(
        id=subject.id, name=subject.developer or subject.developer_id or subject.id, number=grouped(subject.developer_id),
        account=subject.account, system=subject.system, region=subject.region or "",
        state=state_of(subject, owed, today, warn_days=warn_days), due=day,
        left=(day - today).days if day and not since else None, since=since, waits=owed is not None, trust=row["trust"],
        assumed=bool(row["assumed"]), snoozed=snoozed_until(subject, today),
    )  # fmt: skip


def grouped(number: str | None) -> str:
    """Return a Developer ID as people read it: 4-4-4."""
    return "-".join((number[:4], number[4:8], number[8:])) if number else ""
