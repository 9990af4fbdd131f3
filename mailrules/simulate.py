"""Time played through the pipeline: mails, people's words and daily polls in order, from an empty ledger.

In: steps with their instants, a checked rule set, the World. Out: Played: each effect with the day it would have come.
May not live here: I/O, the clock, performing: a simulated effect is asked for once, and a simulated script ends well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from mailrules.effects import Effect, changed
from mailrules.errors import UsageError
from mailrules.ledger import Ledger, Sighting, enter, link, renewed, revoked, snooze
from mailrules.pipeline import Ingest, Reading, conclude, tick
from mailrules.ruleset import RuleSet
from mailrules.world import AccountFacts, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a person, or a script that verified, said of an authorization: `what` and `detail` as the ledger's events have it."""

    authorization: str
    what: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened: a mail as it was read, an authorization entered by hand, or what was said of one."""

    at: datetime
    what: Reading | Sighting | Said
    name: str = ""
    """Which mail it is; "" for the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An effect, when it would have come, and which mail brought it ("" = a poll that looked at the deadlines)."""

    effect: Effect
    at: datetime
    name: str = ""


@dataclass(slots=True)
class Played:
    """What came of a simulation. `fired` counts for each rule how often it asked for something new."""

    ledger: Ledger = field(default_factory=Ledger)
    asked: dict[str, Asked] = field(default_factory=dict)
    fired: Counter[str] = field(default_factory=Counter)
    unplayed: int = 0

    def take(self, ingest: Ingest, at: datetime, name: str = "") -> None:
        """Go on with what one step changed."""
        self.ledger = ingest.ledger
        for decision in ingest.decisions:
            new = [e for e in decision.effects if e.key not in self.asked]
            self.asked.update({e.key: Asked(effect=e, at=at, name=name) for e in new})
            for effect in new:
                if effect.action == "run_script" and effect.state == "planned":
                    self.ledger = self.ledger.ran(
                        effect.authorization, effect.due, at.isoformat(), effect.args.get("settle_hours")
                    )
            self.fired[decision.rule] += any(e.state == "planned" for e in new)


def daily(first: datetime, last: datetime, accounts: Iterable[AccountFacts]) -> Iterator[datetime]:
    """Yield the instants of the polls at which rungs fire: each account's `day_starts`, every day, in order."""
    starts = sorted({(str(a.zone), a.day_starts) for a in accounts})
    zones = {str(a.zone): a.zone for a in accounts}
    day, end = first.date() - timedelta(days=1), last.date() + timedelta(days=1)
    while day <= end:
        instants = sorted(datetime.combine(day, start, zones[zone]).astimezone(first.tzinfo) for zone, start in starts)
        yield from (at for at in instants if first < at <= last)
        day += timedelta(days=1)


def play(steps: Iterable[Step], rules: RuleSet, world: World, until: datetime) -> Played:
    """Play steps in the order of time, a poll after each and one a day, up to `until`."""
    ordered = sorted(steps, key=lambda step: step.at)
    played = Played()
    if not ordered:
        return played
    polls = daily(ordered[0].at, until, world.accounts.values())
    due = next(polls, None)
    for step in ordered:
        while due is not None and due < step.at:
            played.take(tick(played.ledger, rules, world, due, played.asked), due)
            due = next(polls, None)
        touched = _play_one(step, played, rules, world)
        _look_at(touched, played, rules, world, step.at)
    while due is not None:
        played.take(tick(played.ledger, rules, world, due, played.asked), due)
        due = next(polls, None)
    return played


def _look_at(touched: Collection[str], played: Played, rules: RuleSet, world: World, at: datetime) -> None:
    """Let the `while` rules look at some authorizations only: the daily polls look at all, and are many times dearer."""
    whole = played.ledger
    authorizations = {name: whole.authorizations[name] for name in touched}
    obligations = {key: owed for key, owed in whole.obligations.items() if owed.authorization in touched}
    ingest = tick(
        replace(whole, authorizations=authorizations, obligations=obligations), rules, world, at, played.asked
    )
    played.take(ingest, at)
    played.ledger = replace(
        played.ledger,
        authorizations={**whole.authorizations, **played.ledger.authorizations},
        obligations={**whole.obligations, **played.ledger.obligations},
    )


def _play_one(step: Step, played: Played, rules: RuleSet, world: World) -> Collection[str]:
    """Play one step; return the authorizations that it touched."""
    before = played.ledger
    match step.what:
        case Reading() as reading if reading.raw.account in world.accounts:
            played.take(conclude(reading, played.ledger, rules, world, step.at), step.at, step.name)
        case Sighting() as seen:
            played.ledger = enter(played.ledger, seen).ledger
        case Said() as said if said.authorization in played.ledger.authorizations:
            account = world.accounts.get(played.ledger.authorizations[said.authorization].account)
            try:
                played.ledger = _said(played.ledger, said, step.at, account)
            except (UsageError, KeyError):  # why: with other rules the ledger may be one in which it makes no sense
                played.unplayed += 1
        case _:
            played.unplayed += 1
    after = played.ledger
    changed_ones = {name for name, a in after.authorizations.items() if before.authorizations.get(name) is not a}
    return changed_ones | {key[0] for key, owed in after.obligations.items() if before.obligations.get(key) is not owed}


def _said(ledger: Ledger, said: Said, at: datetime, account: AccountFacts | None) -> Ledger:
    now, day = at.isoformat(), at.astimezone(account.zone if account else None).date()
    match said.what:
        case "renewed":
            expires = None if said.detail.get("assumed") else said.detail.get("expires")
            return renewed(ledger, said.authorization, at=now, day=day, expires=expires).ledger
        case "revoked":
            return revoked(ledger, said.authorization, at=now, day=day).ledger
        case "snoozed":
            until = date.fromisoformat(said.detail["until"])
            return snooze(ledger, said.authorization, until, at=now, day=day).ledger
        case "linked":
            return link(ledger, said.authorization, said.detail["other"], at=now).ledger
        case _:
            return snooze(ledger, said.authorization, None, at=now, day=day).ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One effect that two rule sets do not share: `change` is "only old", "only new" or "changed"."""

    change: str
    old: Asked | None
    new: Asked | None
    details: tuple[str, ...] = ()

    @property
    def asked(self) -> Asked:
        """The effect it is about, as it is with the new rules where they have it."""
        found = self.new or self.old
        assert found is not None  # noqa: S101 - one of the two is always there
        return found


def compare(old: Played, new: Played, zones: Mapping[str, AccountFacts]) -> list[Difference]:
    """Return every effect that would differ, in the order of time; one that would come on another day differs, too."""
    found = []
    for key in {**old.asked, **new.asked}:
        before, after = old.asked.get(key), new.asked.get(key)
        if before is None or after is None:
            found.append(Difference(change="only new" if before is None else "only old", old=before, new=after))
            continue
        details = changed(before.effect, after.effect)
        days = [a.at.astimezone(zones[a.effect.account].zone).date().isoformat() for a in (before, after)]
        if days[0] != days[1]:
            details.append(f"day was {days[0]}, is {days[1]}")
        if details:
            found.append(Difference(change="changed", old=before, new=after, details=tuple(details)))
    return sorted(found, key=lambda d: (d.asked.at, d.asked.effect.rule, d.asked.effect.key))
