"""How all authorizations stand: the most pressing first, with what is counted and drawn of them.

In: a Look. Out: Standing rows in order, and how many are in each state. May not live here: HTML, words, what a state means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache
from sqlite3 import Row
from typing import NamedTuple

from mailrules.ledger import Authorization, Obligation, state_of
from mailrules.page.look import Look
from mailrules.page.pictures import Mark, Strip, strip

WIDE, NARROW, SOON = 960, 360, 30
ORDER = {"expired": 0, "expiring": 1, "active": 2, "unknown": 3, "revoked": 4}


class Standing(NamedTuple):
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


@dataclass(frozen=True)
class Overview:
    """All of them in order, and how many are in each state."""

    rows: Sequence[Standing]
    counts: Mapping[str, int]
    remembered: dict[tuple[object, ...], str] = field(default_factory=dict)
    """Parts of pages that show this and nothing else, once they were written."""

    @cached_property
    def drawn(self) -> Sequence[Mark]:
        """What stands on the strip: all that have a day."""
        return [
            Mark(left=r.left, name=r.name, state=r.state)
            for r in self.rows
            if r.left is not None and r.state != "revoked"
        ]

    @cached_property
    def strips(self) -> Sequence[Strip]:
        """The strip for a desk and for a phone."""
        return [strip(self.drawn, width) for width in (WIDE, NARROW)]

    @cached_property
    def soon(self) -> int:
        """How many lapse within the next days."""
        return sum(0 <= mark.left <= SOON for mark in self.drawn)

    @cached_property
    def pressing(self) -> Sequence[Standing]:
        """What has lapsed or lapses soon, and nobody has put off."""
        near = ("expired", "expiring")
        return [r for r in self.rows if r.state in near and (r.waits or r.state == "expiring") and not r.snoozed]

    @cached_property
    def next(self) -> Standing | None:
        """The next one to lapse."""
        ahead = (r for r in self.rows if r.left is not None and r.left >= 0 and r.state != "revoked")
        return min(ahead, key=lambda r: r.left or 0, default=None)


def overview(it: Look) -> Overview:
    """Return how all authorizations stand. Nothing of it changes without a line in a story, or a new day."""
    holds = (it.store.newest_line(), it.days(), it.warn_days(), it.today())
    if it.memory.stand[0] != holds:
        rows = _standings(it, it.store.standing())
        rows.sort(key=lambda r: (not r.waits, ORDER[r.state] if not r.waits else 0, r.due or date.max, r.name, r.id))
        it.memory.stand = (holds, Overview(rows, Counter(row.state for row in rows)))
    found: Overview = it.memory.stand[1]
    return found


def standing(it: Look, name: str) -> Standing:
    """Return how one stands that stands for itself."""
    (found,) = _standings(it, it.store.standing(name))
    return found


def _standings(it: Look, rows: Iterable[Row]) -> list[Standing]:
    days, warn, otherwise = it.days(), it.warn_days(), it.today()
    return [_standing(row, days.get(row["account"], otherwise), warn.get(row["account"], 30)) for row in rows]


def _standing(row: Row, today: date, warn_days: int) -> Standing:
    state, due, since = _state(
        row["expires"], bool(row["revoked"]), bool(row["endless"]), row["owed"], today, warn_days
    )
    return Standing(
        id=row["id"], name=row["developer"] or row["developer_id"] or row["id"], number=grouped(row["developer_id"]),
        account=row["account"], system=row["system"], region=row["region"] or "", state=state, due=due,
        left=(due - today).days if due and not since else None, since=since, waits=row["owed"] is not None, trust=row["trust"],
        assumed=bool(row["assumed"]), snoozed=row["snoozed"] if row["snoozed"] > today.isoformat() else "",
    )  # fmt: skip


@lru_cache(maxsize=8192)
def _state(
    expires: str | None, revoked: bool, endless: bool, waiting: str | None, today: date, warn_days: int
) -> tuple[str, date | None, bool]:
    """Return the state, the day that counts, and whether that is the day since which it waits.

    Remembered, because a thousand authorizations have a few hundred dates among them.
    """
    subject = Authorization(
        id="", account="", system="", developer_id=None, developer="", region=None, expires=expires, revoked=revoked, endless=endless,
    )  # fmt: skip
    owed = None
    if waiting:
        due, dated, notice = waiting.split(" ", 2)
        owed = Obligation(authorization="", due=due, dated=dated == "1", notice=notice)
    chosen = owed.due if owed else expires
    since = owed is not None and not owed.dated
    return state_of(subject, owed, today, warn_days=warn_days), date.fromisoformat(chosen) if chosen else None, since


def grouped(number: str | None) -> str:
    """Return a Developer ID as people read it: 4-4-4."""
    return "-".join((number[:4], number[4:8], number[8:])) if number else ""
