"""Why, and why not: every rule looked at by itself, with each of its conditions, what was wanted and what was found.

In: checked rules, a Situation or the reason why there is none, the World. Out: Judged, the nearest miss first.
May not live here: deciding (decide.py does, and is asked rule by rule: no shortcut of a poll can hide a rule here), I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from mailrules.decide import decide
from mailrules.decide.compose import Situation
from mailrules.effects import Effect
from mailrules.language.ast import Expr, Junction, OnTrigger, Rule
from mailrules.language.evaluate import Leaf, evaluate
from mailrules.ledger import Ledger, snoozed_until
from mailrules.pipeline import Ingest, tick
from mailrules.ruleset import RuleSet
from mailrules.simulate import Asked, Played, daily
from mailrules.situations import of_deadline
from mailrules.world import World

LOOK_AHEAD = timedelta(days=40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one rule says to one situation. `fired` = it asks for something; `conditions` begin with its trigger."""

    rule: Rule
    fired: bool
    reason: str
    conditions: tuple[Leaf, ...]
    failed: int
    """How many conditions would have to change for it to hold; of an `or`, only its nearest branch counts."""
    effects: tuple[Effect, ...] = ()


def of_message(ingest: Ingest, rules: RuleSet, world: World, now: datetime) -> tuple[Judged, ...]:
    """Judge every rule on one message: `on` rules on each notice in it, `while` rules on each deadline it speaks of."""
    judged = [_judge(rule, s, world) for s in ingest.situations for rule in rules.rules if _waits(rule)]
    spoken_of = dict.fromkeys(
        s.authorization for s in ingest.situations if s.authorization in ingest.ledger.authorizations
    )
    judged += [j for name in spoken_of for j in of_authorization(name, ingest.ledger, rules, world, now)]
    told = {j.rule.name.value for j in judged}
    why = next((d.reason for d in ingest.decisions if d.reason and not ingest.situations), "it names no authorization")
    judged += [_unmoved(rule, why) for rule in rules.rules if rule.name.value not in told]
    return ranked(judged)


def of_authorization(
    authorization: str, ledger: Ledger, rules: RuleSet, world: World, now: datetime, *, only: str | None = None
) -> tuple[Judged, ...]:
    """Judge every `while` rule, or the one called `only`, on what is owed for one authorization as it stands now."""
    timed = [rule for rule in rules.rules if not _waits(rule) and only in (None, rule.name.value)]
    subject = ledger.authorizations[authorization]
    account = world.accounts.get(subject.account)
    if account is None:
        return ranked(_unmoved(rule, f"account {subject.account} is not configured any more") for rule in timed)
    until = snoozed_until(subject, now.astimezone(account.zone).date())
    watched = [owed for owed in ledger.watched(authorization) if not owed.history]
    if until or not watched:
        why = f"it is snoozed until {until}" if until else "nothing is owed: no deadline waits"
        return ranked(_unmoved(rule, why) for rule in timed)
    situations = [of_deadline(ledger, subject, owed, account, rules, now) for owed in watched]
    return ranked(_judge(rule, situation, world) for situation in situations for rule in timed)


def to_come(ledger: Ledger, rules: RuleSet, world: World, now: datetime) -> tuple[Asked, ...]:
    """Return what daily polls would ask for later if nothing else happened, to LOOK_AHEAD after the last deadline."""
    last = max([now.date(), *(date.fromisoformat(owed.due) for owed in ledger.obligations.values())])
    until = now + (last - now.date()) + LOOK_AHEAD
    played = Played(ledger=ledger)
    played.take(tick(ledger, rules, world, now), now)
    before = set(played.asked)
    for at in daily(now, until, world.accounts.values()):
        played.take(tick(played.ledger, rules, world, at, played.asked), at)
    return tuple(asked for key, asked in played.asked.items() if key not in before and asked.effect.state == "planned")


def ranked(judged: Iterable[Judged]) -> tuple[Judged, ...]:
    """Put rules that fired first, then the nearest misses: fewest failed conditions, then by name."""
    return tuple(sorted(judged, key=lambda j: (not j.fired, j.rule.disabled, j.failed, j.rule.name.value)))


def _waits(rule: Rule) -> bool:
    return isinstance(rule.trigger, OnTrigger)


def _on(trigger: OnTrigger, found: str, *, held: bool) -> Leaf:
    wanted = ", ".join(kind.value for kind in trigger.kinds) + (f" of {trigger.system.value}" if trigger.system else "")
    return Leaf(text=f"on {wanted}", held=held, wanted=wanted, found=found, span=trigger.span)


def _unmoved(rule: Rule, why: str) -> Judged:
    """Return the judgment where there is no situation to look at."""
    trigger = rule.trigger
    conditions = (_on(trigger, why, held=False),) if isinstance(trigger, OnTrigger) else ()
    return Judged(
        rule=rule, fired=False, reason="it is disabled" if rule.disabled else why, conditions=conditions, failed=1
    )


def _judge(rule: Rule, situation: Situation, world: World) -> Judged:
    decision = decide((rule,), situation, world)[0]
    trigger = rule.trigger
    leaves: list[Leaf] = []
    failed = 0
    if isinstance(trigger, OnTrigger):
        fits = situation.kind in [kind.value for kind in trigger.kinds] and (
            trigger.system is None or trigger.system.value == situation.system
        )
        found = f"{situation.kind} of {situation.system}" if situation.system else situation.kind
        leaves.append(_on(trigger, found, held=fits))
        failed += not fits
    for condition in (None if isinstance(trigger, OnTrigger) else trigger.condition, rule.when):
        if condition is not None:
            leaves.extend(answer.told() for answer in evaluate(condition, situation.facts)[1])
            failed += _misses(condition, situation.facts)
    reason = decision.reason or ("" if decision.fired else "what it asks for was passed over by a gap between polls")
    return Judged(
        rule=rule,
        fired=decision.fired,
        reason=reason,
        conditions=tuple(leaves),
        failed=failed,
        effects=decision.effects,
    )


def _misses(condition: Expr, facts: Mapping[str, Any]) -> int:
    if evaluate(condition, facts)[0]:
        return 0
    if isinstance(condition, Junction):
        inner = [_misses(c, facts) for c in condition.conditions]
        return sum(inner) if condition.operator == "and" else min(inner)
    return 1
