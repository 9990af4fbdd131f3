"""A ledger while one sighting or one act is being folded into it: what it is about, and the story so far.

In: a Ledger and the authorization in question. Out: Draft, and from it Observed.
May not live here: what a notice means (fold.py, evidence.py) or what a person may say (acts.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from mailrules.ledger.records import (
    HISTORY_AFTER,
    Authorization,
    Event,
    Grade,
    Ledger,
    Obligation,
    Observed,
    Sighting,
    better,
    enough,
    newest,
)

EVIDENCE: tuple[Grade, ...] = ("later date", "confirmed by notice", "script verified", "a person said so")


@dataclass(slots=True, kw_only=True)
class Draft:
    """The only thing of the ledger that changes in place; it lives as long as one call."""

    ledger: Ledger
    subject: Authorization
    at: str
    events: list[Event] = field(default_factory=list)

    def note(self, what: str, due: str = "", **detail: Any) -> None:
        """Add a line to the story."""
        self.events.append(Event(authorization=self.subject.id, due=due, at=self.at, what=what, detail=detail))

    def change(self, **values: Any) -> None:
        """Put values into the authorization."""
        self.subject = replace(self.subject, **values)

    def keep(self, obligation: Obligation) -> Obligation:
        """Put an obligation in place of its former self."""
        self.ledger = self.ledger.with_(obligation=obligation)
        return obligation

    def waiting(self, *, dated: bool | None = None) -> list[Obligation]:
        """Return what is owed: all of it, the deadlines, or the episodes."""
        return [o for o in self.ledger.of(self.subject.id) if o.waiting and dated in (None, o.dated)]

    def settle(self, items: Iterable[Obligation], grade: Grade, *, trust: str, day: str, **detail: Any) -> None:
        """Close what the evidence is believed enough for. `day` is the day of the renewal, as far as it is known."""
        closed = [o for o in items if enough(trust, o.trust)]
        for item in closed:
            self.keep(replace(item, state="settled", closed=self.at, grade=grade, proof=trust))
            self.note("settled", item.due, grade=grade, trust=trust, **detail)
        if closed and grade in EVIDENCE:
            self.renewed_on(day, trust)

    def renewed_on(self, day: str, trust: str) -> None:
        """Remember when it was renewed, and how far that is believed."""
        self.change(acted_on=max(self.subject.acted_on, day), settled_at=self.at, proof=trust)

    def old_date(self) -> str:
        """Return the last date that somebody named, "" where nobody did; a later one means that it was renewed."""
        if self.subject.expires and not self.subject.assumed:
            return self.subject.expires
        named = [o.due for o in self.ledger.of(self.subject.id) if o.dated and o.notice and o.grade != "overruled"]
        return max(named, default="")

    def long_past(self, seen: Sighting) -> bool:
        """Return whether the known date passed so long ago that it guards nothing any more."""
        return (
            bool(self.subject.expires) and seen.today - date.fromisoformat(self.subject.expires or "") > HISTORY_AFTER
        )

    def yields(self, seen: Sighting) -> bool:
        """Return whether another system has named another date, and its word goes first."""
        known = self.subject
        return (
            known.expires is not None
            and known.expires != seen.expires
            and not known.assumed
            and known.source in seen.yields
            and enough(known.trust, seen.trust)
            and not self.long_past(seen)
        )

    def tell(self, seen: Sighting, expires: str) -> None:
        """Take a source's word for the expiry date, where it is believed enough."""
        known = self.subject
        if known.expires and not enough(seen.trust, known.trust) and not self.long_past(seen):
            return
        same = known.expires == expires
        keeps = same and known.told and not known.assumed and known.source not in seen.overrules
        self.change(
            expires=expires, assumed=False, revoked=False, endless=False, source=known.source if keeps else seen.source,
            trust=better(known.trust, seen.trust) if same else seen.trust,
            told=newest(known.told, known.trust, seen) if same else seen.day,
        )  # fmt: skip

    def contradiction(self, seen: Sighting) -> None:
        """Write down that two words about the date do not go together; both are shown."""
        self.note(
            "contradiction", seen.expires or "", says=seen.expires, system=seen.system, written=seen.day, trust=seen.trust,
            message=seen.message, known=self.subject.expires, known_from=self.subject.source or "a person",
        )  # fmt: skip

    def done(self, obligation: Obligation | None = None, held: str = "") -> Observed:
        """Return the ledger with the authorization in it, and the story."""
        return Observed(
            ledger=self.ledger.with_(authorization=self.subject), authorization=self.subject, obligation=obligation,
            events=tuple(self.events), held=held,
        )  # fmt: skip
