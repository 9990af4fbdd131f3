"""How an authorization stands, as one row: the listing's, and the one that is exported.

In: a Ledger, an authorization, the account's day. Out: rows of plain JSON data with stable names.
May not live here: files, formats (exchange.py), what is printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from mailrules.ledger.days import WARN_DAYS, state_of
from mailrules.ledger.records import Authorization, Ledger

LISTED = (
    "id",
    "account",
    "system",
    "developer_id",
    "developer",
    "region",
    "expires",
    "days_left",
    "state",
    "trust",
    "assumed",
)
KEPT = ("source", "told", "acted_on", "settled_at", "proof", "snoozed", "first_seen")
EXPORTED = (*LISTED, *KEPT, "owed", "owed_as", "notice")


def listed(ledger: Ledger, subject: Authorization, today: date, *, warn_days: int = WARN_DAYS) -> dict[str, Any]:
    """Return the row of one authorization."""
    owed = ledger.current(subject.id)
    return {
        "id": subject.id, "account": subject.account, "system": subject.system, "developer_id": subject.developer_id,
        "developer": subject.developer, "region": subject.region, "expires": subject.expires,
        "days_left": (date.fromisoformat(subject.expires) - today).days if subject.expires else None,
        "state": state_of(subject, owed, today, warn_days=warn_days), "trust": owed.trust if owed else subject.trust,
        "assumed": subject.assumed,
    }  # fmt: skip


def by_deadline(
    ledger: Ledger, today_of: Mapping[str, date], warn_days: Mapping[str, int], otherwise: date
) -> list[dict[str, Any]]:
    """Return the rows of all authorizations, the nearest deadline first; `otherwise` is the day of unknown accounts."""
    rows = [
        listed(ledger, a, today_of.get(a.account, otherwise), warn_days=warn_days.get(a.account, WARN_DAYS))
        for a in ledger.live()
    ]
    return sorted(rows, key=lambda row: (row["expires"] or "9999", row["id"]))


def exported(ledger: Ledger, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a listed row with what an import needs in order to list the same again."""
    subject, owed = ledger.authorizations[row["id"]], ledger.current(row["id"])
    waits = {
        "owed": owed.due if owed else None,
        "owed_as": ("deadline" if owed.dated else "episode") if owed else None,
        "notice": owed.notice if owed else None,
    }
    return {**row, **{name: getattr(subject, name) for name in KEPT}, **waits}
