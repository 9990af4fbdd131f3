"""Notices that are evidence of renewal: a later date, a confirmation; and silence, which is only a hint.

In: a Draft and the Sighting. Out: what was settled, in the draft. Evidence settles only what it is believed enough for,
and only what is not newer than itself.
May not live here: a person's or a script's word (acts.py), warnings (fold.py).
"""

from __future__ import annotations

from datetime import date, timedelta

from mailrules.ledger.draft import Draft
from mailrules.ledger.records import ASSUMED_TERM, Ledger, Sighting, enough, newest

SILENT_AFTER = timedelta(days=10)
"""Reminders come weekly; this long without one is a hint that it was renewed, no more."""


def later(draft: Draft, seen: Sighting) -> None:
    """Settle what a later expiry date overtakes."""
    due = seen.expires or ""
    overtaken = [
        o
        for o in draft.waiting()
        if (o.due < due if o.dated else o.due <= seen.day) and (not o.dated or o.written <= seen.day)
    ]
    draft.settle(overtaken, "later date", trust=seen.trust, day=seen.day, expires=due, message=seen.message)


def renewed(draft: Draft, seen: Sighting) -> str:
    """Take a notice that says that it was renewed, with the new date or without; return why rules should not act."""
    due, known = seen.expires, draft.subject
    if due is None:
        older = [o for o in draft.waiting() if (o.written or o.due) <= seen.day]
        draft.settle(older, "confirmed by notice", trust=seen.trust, day=seen.day, by=seen.kind, message=seen.message)
        reckoned = (date.fromisoformat(seen.day) + ASSUMED_TERM).isoformat()
        if not known.expires or (reckoned > known.expires and enough(seen.trust, known.trust)):
            draft.renewed_on(seen.day, seen.trust)
            draft.change(
                expires=reckoned, assumed=True, revoked=False, source=seen.system, trust=seen.trust, told=seen.day
            )
        return ""
    if draft.yields(seen):
        draft.contradiction(seen)
        return f"{known.source} names {known.expires}, and its word goes first"
    old = draft.old_date()
    if old and due <= old:
        if draft.waiting():
            draft.note("no evidence", due, why=f"{due} is not later than {old}", message=seen.message)
        return ""
    overtaken = [o for o in draft.waiting() if o.due < due and (o.written or o.due) <= seen.day]
    draft.settle(overtaken, "confirmed by notice", trust=seen.trust, day=seen.day, expires=due, message=seen.message)
    if known.assumed or newest(known.told, known.trust, seen) == seen.day:
        draft.tell(seen, due)
    return ""


def silence(ledger: Ledger, authorization: str, today: date) -> timedelta | None:
    """Return for how long no reminder has come although one was due: weak evidence, shown and never acted on."""
    owed = ledger.current(authorization)
    if owed is None or not owed.dated or not owed.noticed or not owed.reminders:
        return None
    quiet = today - date.fromisoformat(owed.noticed[:10])
    return quiet if quiet > SILENT_AFTER and owed.due >= today.isoformat() else None
