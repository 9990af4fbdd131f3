"""Notices to authorizations and obligations: an append-only fold, pure.

In: what was read, by whom it came, the present day. Out: a new Ledger and the Events that explain the difference.
May not live here: I/O, rules, effects; nothing is ever deleted, events only come on top.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Literal

from mailrules.notices.notice import TRUST_LEVELS, Trust

HISTORY_AFTER = timedelta(days=30)
"""An obligation first seen this long after its date is history: recorded and listed, without effects."""
ASSUMED_TERM = timedelta(days=365)
"""A renewal counts from the renewal day (Amazon: one year from the date of renewal)."""

RENEWED = frozenset({"authorization_renewed"})
"""Kinds that are evidence of renewal; every other kind warns."""
OVER = frozenset({"authorization_expired", "access_token_expired"})
"""Kinds without a date that say access is already gone."""

ObligationState = Literal["open", "settled", "lapsed", "missed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """One developer's access to one selling account in one region. `id` is its own and never changes.

    `developer_id` is 12 digits or None; `expires` the latest known expiry (YYYY-MM-DD) or None; `assumed` says that
    `expires` was reckoned from a person's word and no source has spoken yet.
    """

    id: str
    account: str
    system: str
    developer_id: str | None
    developer: str
    region: str | None
    expires: str | None = None
    assumed: bool = False
    revoked: bool = False
    first_seen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """One authorization and one deadline: `due` is the expiry date, or the opening day of an episode without a date."""

    authorization: str
    due: str
    dated: bool
    state: ObligationState = "open"
    trust: Trust = "unverified"
    notice: str = ""
    """Kind of the newest notice about it; "" for one entered by hand."""
    message: str = ""
    """Digest of the newest message about it; "" where there is none."""
    reminders: int = 0
    opened: str = ""
    closed: str = ""
    history: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of an authorization's story. `at` is an ISO 8601 UTC instant; `detail` is plain JSON data."""

    authorization: str
    due: str
    at: str
    what: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ledger:
    """All authorizations by id, and all obligations by (authorization id, due)."""

    authorizations: Mapping[str, Authorization] = field(default_factory=dict)
    obligations: Mapping[tuple[str, str], Obligation] = field(default_factory=dict)

    def of(self, authorization: str) -> tuple[Obligation, ...]:
        """Return the obligations of one authorization, by deadline."""
        return tuple(
            sorted((o for o in self.obligations.values() if o.authorization == authorization), key=lambda o: o.due)
        )

    def current(self, authorization: str) -> Obligation | None:
        """Return the obligation that waits for renewal: the best believed, then the latest; None where nothing is owed."""
        waiting = [o for o in self.of(authorization) if o.state in ("open", "lapsed")]
        return max(waiting, key=lambda o: (TRUST_LEVELS.index(o.trust), o.due), default=None)

    def with_(self, *, authorization: Authorization | None = None, obligation: Obligation | None = None) -> Ledger:
        """Return this ledger with one authorization or obligation put in place of its former self."""
        authorizations, obligations = self.authorizations, self.obligations
        if authorization:
            authorizations = {**authorizations, authorization.id: authorization}
        if obligation:
            obligations = {**obligations, (obligation.authorization, obligation.due): obligation}
        return Ledger(authorizations, obligations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one notice says, reduced to what the ledger keeps. `at` is an ISO UTC instant, `today` the account's day."""

    account: str
    system: str
    kind: str
    developer_id: str | None
    developer: str
    region: str | None
    expires: str | None
    trust: Trust
    message: str
    at: str
    today: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The ledger after a sighting, what it was about, and what changed."""

    ledger: Ledger
    authorization: Authorization
    obligation: Obligation | None
    events: tuple[Event, ...]


def authorization_id(account: str, system: str, developer: str, region: str | None) -> str:
    """Return the stable id made at the first sighting; `developer` is the 12 digits, or the name where none are known."""
    return "auth-" + hashlib.sha256("\x1f".join((account, system, developer, region or "")).encode()).hexdigest()[:10]


def find(ledger: Ledger, seen: Sighting) -> Authorization | None:
    """Return the authorization that a sighting speaks of: by id and region, then by name where one side has no id."""
    mine = [a for a in ledger.authorizations.values() if a.account == seen.account]
    name = seen.developer.casefold()
    if seen.developer_id:
        same = [a for a in mine if a.developer_id == seen.developer_id]
        exact = [a for a in same if a.region == seen.region]
        if exact:
            return exact[0]
        loose = same if seen.region is None else [a for a in same if a.region is None]
        if len(loose) == 1:
            return loose[0]
        same = [a for a in mine if a.developer_id is None]
    else:
        same = [a for a in mine if a.system == seen.system or a.developer_id is None] or mine
    named = [a for a in same if name and a.developer.casefold() == name]
    named = [a for a in named if None in (a.region, seen.region) or a.region == seen.region]
    return named[0] if len(named) == 1 else None


def better(one: Trust, other: Trust) -> Trust:
    """Return the higher of two trust levels."""
    return max(one, other, key=TRUST_LEVELS.index)


def observe(ledger: Ledger, seen: Sighting) -> Observed:
    """Fold one notice into the ledger. The same notice twice changes only the count of reminders."""
    events: list[Event] = []

    def note(what: str, due: str, **detail: Any) -> None:
        events.append(Event(authorization=subject.id, due=due, at=seen.at, what=what, detail=detail))

    known = find(ledger, seen)
    if known is None:
        subject = Authorization(
            id=authorization_id(seen.account, seen.system, seen.developer_id or seen.developer, seen.region),
            account=seen.account, system=seen.system, developer_id=seen.developer_id, developer=seen.developer,
            region=seen.region, first_seen=seen.at,
        )  # fmt: skip
        note("first seen", "")
    else:
        subject = replace(
            known,
            developer_id=known.developer_id or seen.developer_id,
            developer=seen.developer or known.developer,
            region=known.region or seen.region,
        )
    obligation: Obligation | None = None
    if seen.kind in RENEWED:
        ledger, closed = _settle_all(ledger, subject.id, seen.at, before=None, trust=seen.trust)
        for item in closed:
            note("settled", item.due, by=seen.kind, message=seen.message)
        if seen.expires and ledger.current(subject.id) is None:
            subject = replace(subject, expires=seen.expires, assumed=False, revoked=False)
    elif seen.trust != "forged":
        ledger, subject, obligation = _warned(ledger, subject, seen, note)
    note(
        "notice",
        obligation.due if obligation else "",
        kind=seen.kind,
        trust=seen.trust,
        message=seen.message,
        expires=seen.expires,
    )
    ledger = ledger.with_(authorization=subject, obligation=obligation)
    return Observed(ledger=ledger, authorization=subject, obligation=obligation, events=tuple(events))


def _warned(
    ledger: Ledger, subject: Authorization, seen: Sighting, note: Any
) -> tuple[Ledger, Authorization, Obligation]:
    """Open or repeat the obligation that a warning speaks of."""
    dated = seen.expires is not None
    due = seen.expires or next(
        (o.due for o in ledger.of(subject.id) if not o.dated and o.state == "open"), seen.today.isoformat()
    )
    former = ledger.obligations.get((subject.id, due))
    if former:
        repeated = replace(
            former,
            trust=better(former.trust, seen.trust),
            notice=seen.kind,
            message=seen.message,
            reminders=former.reminders + 1,
        )
        return ledger, subject, repeated
    state: ObligationState = "open"
    history = False
    if dated:
        day = date.fromisoformat(due)
        history = seen.today - day > HISTORY_AFTER
        if _overtaken(ledger, subject, due, seen.trust):
            state = "settled"  # a later date has been seen already: this mail is older than the renewal
        elif seen.today > day:
            state = "missed" if history else "lapsed"
        if state != "settled":
            ledger, closed = _settle_all(ledger, subject.id, seen.at, before=due, trust=seen.trust)
            for item in closed:
                note("settled", item.due, by="later expiry date", expires=due, message=seen.message)
            better_known = ledger.current(subject.id)
            if better_known is None or _rank(better_known.trust) <= _rank(seen.trust):
                subject = replace(subject, expires=due, assumed=False, revoked=False)
    opened = Obligation(
        authorization=subject.id, due=due, dated=dated, state=state, trust=seen.trust, notice=seen.kind,
        message=seen.message, reminders=1, opened=seen.at, closed=seen.at if state == "settled" else "", history=history,
    )  # fmt: skip
    note("opened", due, state=state)
    return ledger, subject, opened


def _rank(trust: Trust) -> int:
    return TRUST_LEVELS.index(trust)


def _overtaken(ledger: Ledger, subject: Authorization, due: str, trust: Trust) -> bool:
    """Whether a later date has been seen from a source that is believed at least as much as this one.

    why: a stranger's mail with a far date must not silence the genuine warning that comes after it.
    """
    if not subject.expires or subject.assumed or due >= subject.expires:
        return False
    later = ledger.obligations.get((subject.id, subject.expires))
    return later is None or _rank(later.trust) >= _rank(trust)


def _settle_all(
    ledger: Ledger, authorization: str, at: str, *, before: str | None, trust: Trust = "confirmed"
) -> tuple[Ledger, list[Obligation]]:
    """Close what waits: everything, or (with `before`) the dated obligations that an expiry date overtook."""
    closed = []
    for item in ledger.of(authorization):
        if item.state not in ("open", "lapsed") or (before is not None and item.due >= before):
            continue
        if _rank(item.trust) > _rank(trust):  # why: what is less believed is no evidence of renewal
            continue
        done = replace(item, state="settled", closed=at)
        ledger = ledger.with_(obligation=done)
        closed.append(done)
    return ledger, closed


def renewed(
    ledger: Ledger, authorization: str, *, at: str, day: date, expires: str | None = None, who: str = "a person"
) -> Observed:
    """Take a person's word that it was renewed on `day`: settle what waits and assume a year, or the date given."""
    subject = ledger.authorizations[authorization]
    ledger, closed = _settle_all(ledger, authorization, at, before=None)
    subject = replace(
        subject, expires=expires or (day + ASSUMED_TERM).isoformat(), assumed=expires is None, revoked=False
    )
    events = [Event(authorization=authorization, due=o.due, at=at, what="settled", detail={"by": who}) for o in closed]
    events.append(
        Event(
            authorization=authorization, due="", at=at, what="renewed", detail={"expires": subject.expires, "by": who}
        )
    )
    ledger = ledger.with_(authorization=subject)
    return Observed(ledger=ledger, authorization=subject, obligation=None, events=tuple(events))


def enter(ledger: Ledger, seen: Sighting) -> Observed:
    """Enter an authorization by hand: a deadline is then watched as if a notice had named it, with trust `confirmed`."""
    return observe(ledger, replace(seen, kind="entered by hand", trust="confirmed", message=""))


def grow(
    ledger: Ledger, today_of: Mapping[str, date], at: str, *, warn_days: int = 30
) -> tuple[Ledger, tuple[Event, ...]]:
    """Let time pass: dates lapse, assumed or confirmed dates come near and open their obligation without any mail."""
    events = []
    for item in tuple(ledger.obligations.values()):
        today = today_of.get(ledger.authorizations[item.authorization].account)
        if today is None or not item.dated or item.state not in ("open", "lapsed"):
            continue
        day = date.fromisoformat(item.due)
        state: ObligationState = "open" if today <= day else "missed" if today - day > HISTORY_AFTER else "lapsed"
        if state != item.state:
            ledger = ledger.with_(obligation=replace(item, state=state))
            events.append(Event(authorization=item.authorization, due=item.due, at=at, what=state))
    for subject in tuple(ledger.authorizations.values()):
        today = today_of.get(subject.account)
        if today is None or not subject.expires or (subject.id, subject.expires) in ledger.obligations:
            continue
        if date.fromisoformat(subject.expires) - today <= timedelta(days=warn_days):
            opened = Obligation(authorization=subject.id, due=subject.expires, dated=True, trust="confirmed", opened=at)
            ledger = ledger.with_(obligation=opened)
            events.append(
                Event(authorization=subject.id, due=opened.due, at=at, what="opened", detail={"by": "the calendar"})
            )
    return ledger, tuple(events)


def state_of(subject: Authorization, owed: Obligation | None, today: date, *, warn_days: int = 30) -> str:
    """Return active, expiring, expired, revoked or unknown for one authorization on one day."""
    if subject.revoked:
        return "revoked"
    if owed and not owed.dated:
        return "expired" if owed.notice in OVER else "expiring"
    if not subject.expires:
        return "unknown"
    left = (date.fromisoformat(subject.expires) - today).days
    return "expired" if left < 0 else "expiring" if left <= warn_days else "active"
