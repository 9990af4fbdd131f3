"""Sightings for the tests of the ledger: one account, one developer, days in 2024."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from mailrules.ledger import Authorization, Ledger, Obligation, Observed, Sighting, observe

NUMBER = "446453545547"
DUE = "2024-04-10"
START = date(2024, 3, 11)


def instant(day: date | str, hour: int = 9) -> str:
    day = date.fromisoformat(day) if isinstance(day, str) else day
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC).isoformat()


def sight(on: date | str = START, *, hour: int = 9, **changes: Any) -> Sighting:
    """Return a reminder of DUE, taken in on a day and written that day unless `written` says otherwise."""
    day = date.fromisoformat(on) if isinstance(on, str) else on
    plain = Sighting(
        account="shop", system="amazon", kind="authorization_expiring", developer_id=NUMBER, developer="Never Settle",
        region="na", expires=DUE, trust="bound", message=f"m-{day}", at=instant(day, hour), today=day,
    )  # fmt: skip
    return replace(plain, **changes)


def status(on: date | str, text: str, expires: str | None = None, **changes: Any) -> Sighting:
    return sight(on, kind="authorization_status", status=text, expires=expires, **changes)


def token_error(on: date | str, **changes: Any) -> Sighting:
    return sight(on, **{"kind": "access_token_expired", "expires": None, **changes})


def told(ledger: Ledger, *sights: Sighting) -> Ledger:
    for one in sights:
        ledger = observe(ledger, one).ledger
    return ledger


def seen(*sights: Sighting) -> Ledger:
    return told(Ledger(), *sights)


def only(ledger: Ledger) -> Authorization:
    (subject,) = ledger.live()
    return subject


def owed(ledger: Ledger, due: str = DUE) -> Obligation:
    return ledger.obligations[only(ledger).id, due]


def words(observed: Observed) -> list[str]:
    return [event.what for event in observed.events]


def days_after(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
