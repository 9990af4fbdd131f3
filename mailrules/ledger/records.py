"""The types of the ledger: what is known of authorizations, what is owed, and what was said about them.

In: nothing. Out: Authorization, Obligation, Event, Ledger, Sighting, Observed, Run, and what counts as believed.
May not live here: how a notice changes them (fold.py and its neighbors); I/O, rules, effects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, Literal

from mailrules.notices.notice import TRUST_LEVELS, Trust

HISTORY_AFTER = timedelta(days=30)
"""An obligation first seen this long after its date is history: recorded and listed, without effects."""
ASSUMED_TERM = timedelta(days=365)
"""A renewal counts from the renewal day (Amazon: one year from the date of renewal)."""
ENTERED = "entered by hand"
"""The kind of a sighting that a person typed in."""
OVER = frozenset({"authorization_expired", "access_token_expired"})
"""Kinds that say access is already gone. It can be restored until it is revoked."""

ObligationState = Literal["open", "settled", "lapsed", "missed"]
AuthorizationState = Literal["active", "expiring", "expired", "revoked", "unknown"]
Grade = Literal["", "later date", "confirmed by notice", "script verified", "a person said so", "overruled", "linked"]
"""What closed an obligation. The first four are evidence of renewal, best first; the last two are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """One developer's access to one selling account in one region. `id` is its own and never changes.

    `developer_id` is 12 digits or None; `expires` the known expiry (YYYY-MM-DD) or None. Days are YYYY-MM-DD, instants
    ISO 8601 in UTC, "" where there is none.
    """

    id: str
    account: str
    system: str
    developer_id: str | None
    developer: str
    region: str | None
    expires: str | None = None
    assumed: bool = False
    """`expires` was reckoned from a renewal day; no source has named it yet."""
    revoked: bool = False
    first_seen: str = ""
    source: str = ""
    """The system that told `expires`; "" for a person."""
    trust: Trust = "unverified"
    """How far the word about `expires` is believed."""
    told: str = ""
    """The day on which the newest word about `expires` was written."""
    acted_on: str = ""
    """The day of the newest renewal or revocation."""
    settled_at: str = ""
    """The instant of the newest evidence of renewal."""
    proof: str = ""
    """How far that evidence is believed."""
    endless: bool = False
    """A source says that it is active and names no end."""
    snoozed: str = ""
    """The day on which time rules look at it again."""
    linked: str = ""
    """The authorization that it turned out to be; this record then only keeps its names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """One authorization and one deadline: `due` is the expiry date, or the opening day of an episode without a date."""

    authorization: str
    due: str
    dated: bool
    state: ObligationState = "open"
    trust: Trust = "unverified"
    notice: str = ""
    """Kind of the newest notice about it; "" for one that the calendar opened."""
    message: str = ""
    """Digest of the newest message about it; "" where there is none."""
    reminders: int = 0
    opened: str = ""
    closed: str = ""
    history: bool = False
    source: str = ""
    """The system that opened it; "" for a person or the calendar."""
    grade: Grade = ""
    """What closed it."""
    proof: str = ""
    """How far the evidence that closed it is believed."""
    noticed: str = ""
    """The instant at which the newest notice about it was taken in."""
    written: str = ""
    """The day on which the newest notice about it was written."""
    origin: str = ""
    """The authorization under which its effects are keyed, where a link has moved it; else ""."""

    @property
    def waiting(self) -> bool:
        """Whether renewal is still owed."""
        return self.state in ("open", "lapsed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of an authorization's story. `at` is an ISO 8601 UTC instant; `detail` is plain JSON data."""

    authorization: str
    due: str
    at: str
    what: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """The newest finished run of a script for one obligation, and until when evidence of it may take (ISO UTC)."""

    finished_at: str
    settle_until: str | None

    @classmethod
    def ended(cls, finished_at: str, settle_hours: float | None) -> Run:
        """Return the run that finished at an instant (ISO UTC), with so many hours for its evidence; None: no limit."""
        hours = timedelta(hours=settle_hours) if settle_hours is not None else None
        return cls(
            finished_at, (datetime.fromisoformat(finished_at) + hours).isoformat() if hours is not None else None
        )


@dataclass(frozen=True)
class Ledger:
    """All authorizations by id, and all obligations by (authorization id, due)."""

    authorizations: Mapping[str, Authorization] = field(default_factory=dict)
    obligations: Mapping[tuple[str, str], Obligation] = field(default_factory=dict)
    runs: Mapping[tuple[str, str], Run] = field(default_factory=dict)
    """The newest finished script run of an obligation, by (authorization of its effects' keys, due)."""

    def live(self) -> tuple[Authorization, ...]:
        """Return the authorizations that stand for themselves: those not linked to another."""
        return tuple(a for a in self.authorizations.values() if not a.linked)

    def of(self, authorization: str) -> tuple[Obligation, ...]:
        """Return the obligations of one authorization, by deadline."""
        return self._owed.get(authorization, ())

    @cached_property
    def _owed(self) -> Mapping[str, tuple[Obligation, ...]]:
        owed: dict[str, list[Obligation]] = {}
        for item in sorted(self.obligations.values(), key=lambda o: o.due):
            owed.setdefault(item.authorization, []).append(item)
        return {name: tuple(items) for name, items in owed.items()}

    def current(self, authorization: str) -> Obligation | None:
        """Return what is owed first: of what is believed, else of the rest, the earliest; None where nothing is owed."""
        return _first([o for o in self.of(authorization) if o.waiting])

    def watched(self, authorization: str) -> tuple[Obligation, ...]:
        """Return what time rules look at: the deadline and the episode that wait, so that neither hides the other."""
        waiting = [o for o in self.of(authorization) if o.waiting]
        chosen = (_first([o for o in waiting if o.dated is dated]) for dated in (True, False))
        return tuple(o for o in chosen if o)

    def with_(self, *, authorization: Authorization | None = None, obligation: Obligation | None = None) -> Ledger:
        """Return this ledger with one authorization or obligation put in place of its former self."""
        authorizations, obligations = self.authorizations, self.obligations
        if authorization:
            authorizations = {**authorizations, authorization.id: authorization}
        if obligation:
            obligations = {**obligations, (obligation.authorization, obligation.due): obligation}
        return replace(self, authorizations=authorizations, obligations=obligations)

    def ran(self, authorization: str, due: str, finished_at: str, settle_hours: float | None) -> Ledger:
        """Return this ledger with the newest finished script run of an obligation; its evidence may take some hours."""
        return replace(self, runs={**self.runs, (authorization, due): Run.ended(finished_at, settle_hours)})


def _first(waiting: list[Obligation]) -> Obligation | None:
    # why: among believed sources the earliest deadline is the safe one, but a stranger's must not stand before theirs
    return min(waiting, key=lambda o: (rank(o.trust) < rank("authenticated"), o.due), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one notice says, reduced to what the ledger keeps. `at` is an ISO UTC instant, `today` the account's day.

    `status` is what the row of a page says (active, ok, expired); `written` the account's day on which the document
    says that it was written (None: today). `quiet` is how long a renewal takes to show in this system. `yields` are the
    systems whose word about a date goes before this one's, `overrules` those that yield to this one.
    """

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
    status: str = ""
    granted: str | None = None
    confirmed: str | None = None
    written: date | None = None
    quiet: timedelta | None = None
    yields: frozenset[str] = frozenset()
    overrules: frozenset[str] = frozenset()

    @property
    def day(self) -> str:
        """The day of its writing; one that lies ahead is taken for today."""
        return min(self.written or self.today, self.today).isoformat()

    @property
    def source(self) -> str:
        """The system that says it; "" for a person."""
        return "" if self.kind == ENTERED else self.system


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The ledger after a sighting or an act, what it was about, and what changed.

    `held` says why rules have nothing to do about it, "" where they may act.
    """

    ledger: Ledger
    authorization: Authorization
    obligation: Obligation | None
    events: tuple[Event, ...]
    held: str = ""


def rank(trust: str) -> int:
    """Return the place of a trust level, lowest first."""
    return TRUST_LEVELS.index(trust)


def better(one: Trust, other: Trust) -> Trust:
    """Return the higher of two trust levels."""
    return max(one, other, key=rank)


def enough(evidence: str, claim: str) -> bool:
    """Return whether evidence is believed enough to stand against a claim: at least as much as the claim itself.

    why: a person's own entry names a date, it does not deny what an authenticated source says later.
    """
    return rank(evidence or "forged") >= rank("authenticated" if claim == "confirmed" else claim)


def newest(day: str, trust: str, seen: Sighting) -> str:
    """Return the day of the newest word among the best believed: of a former one, and of a sighting that agrees."""
    gain = rank(seen.trust) - rank(trust)
    return seen.day if gain > 0 else day if gain < 0 else max(day, seen.day)
