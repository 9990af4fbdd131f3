"""When the rungs and repeats of a time rule come, and when people may be written to.

In: a rule, its facts, the account's day, working days and quiet hours, the present instant. Out: what is due, what a gap
passed over; the instant from which a mail may go out. May not live here: what an action does, the ledger, the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from mailrules.effects import EffectState
from mailrules.language.ast import ActionCall, Offset, Repeat, Rule
from mailrules.language.evaluate import offset_date
from mailrules.world import AccountFacts

MAX_TURNS = 1000
"""So often may one repeat come at most; a year of days and more."""


class Turn(NamedTuple):
    """One coming of a rung or a repeat: the day it falls on, what is done, the name of the stage in the effect's key."""

    day: date
    call: ActionCall
    stage: str


def due(
    rule: Rule, facts: Mapping[str, Any], account: AccountFacts, now: datetime
) -> list[tuple[ActionCall, str, EffectState]]:
    """Return the turns whose time has come: the latest of the rungs and of each repeat fires, a gap passed over the rest."""
    rungs = [turn for turn in _rungs(rule, facts, account) if _has_come(turn, account, now)]
    latest = max((turn.day for turn in rungs), default=None)
    found: list[tuple[ActionCall, str, EffectState]] = [
        (turn.call, turn.stage, "planned" if turn.day == latest else "missed") for turn in rungs
    ]
    opened = facts.get("opened")
    for repeat in rule.repeats:
        turns = [turn for turn in _turns(repeat, facts, account, now) if _has_come(turn, account, now)]
        for turn in turns:
            if turn is turns[-1]:
                found.append((turn.call, turn.stage, "planned"))
            elif isinstance(opened, date) and turn.day >= opened:  # what came before it was known was not missed
                found.append((turn.call, turn.stage, "missed"))
    return found


def _has_come(turn: Turn, account: AccountFacts, now: datetime) -> bool:
    return now >= datetime.combine(turn.day, account.day_starts, account.zone)


def _rungs(rule: Rule, facts: Mapping[str, Any], account: AccountFacts) -> Iterator[Turn]:
    for rung in rule.rungs:
        day = offset_date(rung.offset, facts)
        if day is not None:
            yield Turn(_working_day(day, account, later=rung.offset.days > 0), rung.action, stage_of(rung.offset))


def stage_of(offset: Offset) -> str:
    """Return the name of a rung, which is part of its effect's identity: `14 days before expires`, `at expires`."""
    if not offset.days:
        return f"at {offset.anchor.value}"
    return f"{abs(offset.days)} days {'before' if offset.days < 0 else 'after'} {offset.anchor.value}"


def _turns(repeat: Repeat, facts: Mapping[str, Any], account: AccountFacts, now: datetime) -> Iterator[Turn]:
    start = offset_date(repeat.start, facts) if repeat.start else facts.get("opened")
    gap = timedelta(**{repeat.interval.unit: repeat.interval.amount})
    if isinstance(start, datetime) or not isinstance(start, date) or gap < timedelta(days=1):
        return
    today = now.astimezone(account.zone).date()
    day, count = start, 0
    while day <= today and count < min(repeat.times or MAX_TURNS, MAX_TURNS):
        # why the day: the turns of a repeat whose interval is changed later are still the same turns
        yield Turn(_working_day(day, account, later=True), repeat.action, f"every from {day.isoformat()}")
        day, count = day + gap, count + 1
        gap *= 2 if repeat.doubling else 1


def _working_day(day: date, account: AccountFacts, *, later: bool) -> date:
    """Return the nearest working day: later for what comes after a deadline, else sooner, so that no warning is late."""
    if not account.working_days:
        return day
    step = timedelta(days=1 if later else -1)
    while day.weekday() not in account.working_days:
        day += step
    return day


def may_write_from(account: AccountFacts, now: datetime, deadline: date | None) -> datetime | None:
    """Return from when people may be written to, None for now: not in quiet hours, not on a day off.

    A day off is waited for only where the deadline is still ahead after it.
    """
    at = _after_quiet(account, now.astimezone(account.zone))
    day = _working_day(at.date(), account, later=True)
    if day != at.date() and (deadline is None or day < deadline):
        at = _after_quiet(account, datetime.combine(day, account.day_starts, account.zone))
    return at if at > now else None


def _after_quiet(account: AccountFacts, local: datetime) -> datetime:
    if account.quiet is None:
        return local
    begin, end = account.quiet
    clock = local.timetz().replace(tzinfo=None)
    over_midnight = begin > end
    within = (clock >= begin or clock < end) if over_midnight else begin <= clock < end
    if not within:
        return local
    day = local.date() + timedelta(days=1 if over_midnight and clock >= begin else 0)
    return datetime.combine(day, end, account.zone)
