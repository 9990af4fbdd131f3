"""What the passing of days does, and how things stand on one day.

In: a Ledger and each account's present day. Out: the Ledger with lapsed and newly opened deadlines; states; snoozes.
May not live here: the clock, notices, rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

from mailrules.ledger.fold import state_on
from mailrules.ledger.records import OVER, Authorization, AuthorizationState, Event, Ledger, Obligation

WARN_DAYS = 30
SPOKEN_OF = timedelta(days=45)
"""A date that is only assumed, and a named one that is so much earlier and still waits, are the same renewal."""


def grow(
    ledger: Ledger, today_of: Mapping[str, date], at: str, *, warn_days: Mapping[str, int] | None = None
) -> tuple[Ledger, tuple[Event, ...]]:
    """Let time pass: dates lapse, known dates come near and open their obligation without any mail."""
    events = []
    for item in tuple(ledger.obligations.values()):
        today = today_of.get(ledger.authorizations[item.authorization].account)
        if today is None or not item.dated or not item.waiting:
            continue
        state = state_on(item.due, today)
        if state != item.state:
            ledger = ledger.with_(obligation=replace(item, state=state))
            events.append(Event(authorization=item.authorization, due=item.due, at=at, what=state))
    for subject in ledger.live():
        today = today_of.get(subject.account)
        days = (warn_days or {}).get(subject.account, WARN_DAYS)
        if today is None or not subject.expires or subject.revoked or _spoken_of(ledger, subject):
            continue
        if date.fromisoformat(subject.expires) - today <= timedelta(days=days):
            state = state_on(subject.expires, today)
            opened = Obligation(
                authorization=subject.id, due=subject.expires, dated=True, state=state, trust=subject.trust, opened=at,
                history=state == "missed", source=subject.source, written=subject.told,
            )  # fmt: skip
            ledger = ledger.with_(obligation=opened)
            events.append(
                Event(authorization=subject.id, due=opened.due, at=at, what="opened", detail={"by": "the calendar"})
            )
    return ledger, tuple(events)


def _spoken_of(ledger: Ledger, subject: Authorization) -> bool:
    """Whether the expiry date, or one that stands for it, has its obligation already."""
    expires = subject.expires or ""
    if (subject.id, expires) in ledger.obligations:
        return True
    early = (date.fromisoformat(expires) - SPOKEN_OF).isoformat()
    return subject.assumed and any(o.waiting and o.dated and early <= o.due < expires for o in ledger.of(subject.id))


def state_of(
    subject: Authorization, owed: Obligation | None, today: date, *, warn_days: int = WARN_DAYS
) -> AuthorizationState:
    """Return how an authorization stands on one day, in the light of what is owed (Ledger.current)."""
    if subject.revoked:
        return "revoked"
    if owed and owed.waiting and owed.notice in OVER and owed.due <= today.isoformat():
        return "expired"
    if owed and not owed.dated:
        return "expiring"
    expires = owed.due if owed else subject.expires
    if not expires:
        return "active" if subject.endless else "unknown"
    left = (date.fromisoformat(expires) - today).days
    return "expired" if left < 0 else "expiring" if left <= warn_days else "active"


def snoozed_until(subject: Authorization, today: date) -> str:
    """Return the day until which time rules hold back, or "" where they do not."""
    return subject.snoozed if subject.snoozed > today.isoformat() else ""
