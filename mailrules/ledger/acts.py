"""What a person, or a script that verified, may say of an authorization.

In: a Ledger, the authorization's id, the instant and the account's day. Out: Observed; what makes no sense is refused
in a sentence (UsageError). May not live here: notices; arguments as they were typed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from mailrules.errors import UsageError
from mailrules.ledger.draft import Draft
from mailrules.ledger.fold import observe
from mailrules.ledger.joining import draft_about
from mailrules.ledger.records import ASSUMED_TERM, ENTERED, Grade, Ledger, Observed, Sighting

FARTHEST_YEARS = 6
"""An authorization lasts a year; what somebody teaches may last five, and be renewed early. What is farther off was mistyped."""


def enter(ledger: Ledger, seen: Sighting) -> Observed:
    """Enter an authorization by hand: a deadline is then watched as if a notice had named it, with trust `confirmed`."""
    seen = replace(seen, kind=ENTERED, trust="confirmed", message="")
    if seen.expires:
        _refuse_far(date.fromisoformat(seen.expires), seen.today)
        return observe(ledger, seen)
    draft = draft_about(ledger, seen)
    draft.note("entered")
    return draft.done()


def renewed(
    ledger: Ledger, authorization: str, *, at: str, day: date, expires: str | None = None, who: str = "a person"
) -> Observed:
    """Take a person's word that it was renewed on `day`: settle what waits and assume a year, or the date given."""
    return _renewed(ledger, authorization, at=at, day=day, expires=expires, grade="a person said so", who=who)


def verified(
    ledger: Ledger,
    authorization: str,
    due: str,
    *,
    at: str,
    day: date,
    expires: str | None = None,
    who: str = "a script",
) -> Observed:
    """Take a script's word that it made sure of the renewal that the deadline `due` asked for."""
    waiting = ledger.obligations.get((authorization, due))
    if waiting is None or not waiting.waiting:
        return Draft(ledger=ledger, subject=ledger.authorizations[authorization], at=at).done()
    return _renewed(ledger, authorization, at=at, day=day, expires=expires, grade="script verified", who=who)


def _renewed(
    ledger: Ledger, authorization: str, *, at: str, day: date, expires: str | None, grade: Grade, who: str
) -> Observed:
    draft = Draft(ledger=ledger, subject=ledger.authorizations[authorization], at=at)
    old = draft.old_date()
    until = expires or (day + ASSUMED_TERM).isoformat()
    if expires:
        _refuse_far(date.fromisoformat(expires), day)
    if expires and expires <= day.isoformat():
        raise UsageError(f"{expires} is not later than the day of the renewal, {day}")
    if old and until <= old:
        raise UsageError(
            f"{until} is not later than {old}, so nothing was renewed",
            help=f"`--until` takes the new expiry date{'' if expires else f'; without it {until}, a year later, is assumed'}",
        )
    draft.settle(draft.waiting(), grade, trust="confirmed", day=day.isoformat(), by=who)
    draft.change(
        expires=until, assumed=expires is None, revoked=False, endless=False, source="", trust="confirmed",
        told=day.isoformat(), snoozed="",
    )  # fmt: skip
    draft.renewed_on(day.isoformat(), "confirmed")
    draft.note("renewed", expires=until, assumed=expires is None, on=day.isoformat(), by=who, grade=grade)
    return draft.done()


def revoked(ledger: Ledger, authorization: str, *, at: str, day: date, who: str = "a person") -> Observed:
    """Take a person's word that access was taken away on purpose: nothing is owed until a newer notice says otherwise."""
    draft = Draft(ledger=ledger, subject=ledger.authorizations[authorization], at=at)
    draft.settle(draft.waiting(), "a person said so", trust="confirmed", day=day.isoformat(), by=who, revoked=True)
    draft.change(
        revoked=True,
        trust="confirmed",
        acted_on=max(draft.subject.acted_on, day.isoformat()),
        snoozed="",
        endless=False,
    )
    draft.note("revoked", on=day.isoformat(), by=who)
    return draft.done()


def snooze(
    ledger: Ledger, authorization: str, until: date | None, *, at: str, day: date, who: str = "a person"
) -> Observed:
    """Let time rules hold back until a day; None ends it now. Notices that arrive are taken as ever."""
    draft = Draft(ledger=ledger, subject=ledger.authorizations[authorization], at=at)
    if until and until <= day:
        raise UsageError(f"{until} is not ahead: a snooze ends on a day after today")
    if until:
        _refuse_far(until, day)
    draft.change(snoozed=until.isoformat() if until else "")
    draft.note("snoozed" if until else "snooze ended", until=draft.subject.snoozed, by=who)
    return draft.done()


def _refuse_far(until: date, day: date) -> None:
    if until > day + timedelta(days=366 * FARTHEST_YEARS):
        raise UsageError(f"{until} is more than {FARTHEST_YEARS} years ahead", help="check the year")
