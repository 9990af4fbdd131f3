"""Rules and a situation to decisions and complete effects.

In: checked rules, one frozen Situation, the World (people, scripts). Out: a Decision for every rule, also for those
that held back, and why. May not live here: performing, storing, reading mail, the clock.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

from mailrules.decide.compose import Situation, arguments
from mailrules.decide.schedule import due, may_write_from
from mailrules.effects import ON_MAIL, ActionKind, Effect, EffectState, effect_key
from mailrules.language.ast import ActionCall, OnTrigger, Rule, Text, WhileTrigger
from mailrules.language.evaluate import Answer, Leaf, evaluate
from mailrules.notices.notice import TRUST_LEVELS
from mailrules.templates import TemplateProblem
from mailrules.vocabulary import ACTIONS
from mailrules.world import World, outside

KINDS = {word.verb: word for word in ACTIONS}
Known = Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one rule concluded. `answers` are what came of its conditions.

    `why` says why it held back, None where its conditions do: it is put in words only where somebody asks.
    """

    rule: str
    fired: bool
    why: str | None = ""
    answers: tuple[Answer, ...] = ()
    effects: tuple[Effect, ...] = ()

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """Its conditions in words, with wanted and found."""
        return tuple(answer.told() for answer in self.answers)

    @property
    def reason(self) -> str:
        """The sentence why it held back, "" where it did not."""
        return _first_failed(self.answers) if self.why is None else self.why


def decide(
    rules: tuple[Rule, ...], situation: Situation, world: World, known: Known = frozenset()
) -> tuple[Decision, ...]:
    """Let every rule look at the same frozen situation; no rule sees what another does.

    `known` are keys of effects that were asked for before: they are left out, so that nothing is composed in vain.
    """
    return tuple(_decide_one(rule, situation, world, known) for rule in rules)


def _decide_one(rule: Rule, situation: Situation, world: World, known: Known) -> Decision:
    name = rule.name.value
    if rule.disabled:
        return Decision(rule=name, fired=False, why="it is disabled")
    answers: tuple[Answer, ...] = ()
    match rule.trigger:
        case OnTrigger(kinds=kinds, system=system):
            wanted = [kind.value for kind in kinds]
            if situation.kind not in wanted:
                return Decision(
                    rule=name,
                    fired=False,
                    why=f"it waits for {' or '.join(wanted)}, and this is {situation.kind or 'a tick'}",
                )
            if system and system.value != situation.system:
                return Decision(
                    rule=name, fired=False, why=f"it waits for {system.value}, and this is {situation.system}"
                )
        case WhileTrigger(condition=condition):
            if situation.kind:
                return Decision(rule=name, fired=False, why="it looks at the ledger at every poll, not at a notice")
            held, answers = evaluate(condition, situation.facts)
            if not held:
                return Decision(rule=name, fired=False, why=None, answers=answers)
    if rule.when is not None:
        held, more = evaluate(rule.when, situation.facts)
        answers += more
        if not held:
            return Decision(rule=name, fired=False, why=None, answers=answers)
    calls: list[tuple[ActionCall, str, EffectState]] = [(action, "", "planned") for action in rule.actions]
    calls += due(rule, situation.facts, situation.account, situation.now)
    if not calls:
        return Decision(rule=name, fired=False, why="none of its rungs is due yet", answers=answers)
    effects, problems = _effects(rule, calls, situation, world, known)
    fired = any(e.state == "planned" for e in effects)
    return Decision(rule=name, fired=fired, why="; ".join(problems), answers=answers, effects=effects)


def _first_failed(answers: tuple[Answer, ...]) -> str:
    failed = next((answer.told() for answer in answers if not answer.held), None)
    return (
        f"`{failed.text}` does not hold: wanted {failed.wanted}, found {failed.found}"
        if failed
        else "its condition does not hold"
    )


def _effects(
    rule: Rule, calls: list[tuple[ActionCall, str, EffectState]], situation: Situation, world: World, known: Known
) -> tuple[tuple[Effect, ...], list[str]]:
    effects: list[Effect] = []
    taken: set[str] = set()
    problems = []
    for call, stage, state in calls:
        kind: ActionKind = KINDS[call.verb].kind  # type: ignore[assignment]
        target = call.target.value if call.target else ""
        needed = needed_trust(call, world)
        if TRUST_LEVELS.index(situation.facts["trust"]) < TRUST_LEVELS.index(needed):
            problems.append(f"`{call.verb}` needs trust {needed}, and this is {situation.facts['trust']}")
            continue
        key, count = "", 1
        while not key or key in taken:  # a rule may do the same to the same person twice; each is its own effect
            named = target if count == 1 else f"{target}#{count}"
            if kind in ON_MAIL and not stage:  # why: five reminders of one deadline are five mails to be put away
                named = f"{named} {situation.message}"
            key = effect_key(situation.authorization, situation.due, rule.name.value, kind, named, stage)
            count += 1
        taken.add(key)
        if key in known:
            continue
        args: dict[str, Any] = {}
        becomes: EffectState = state
        if state == "planned":
            try:
                args = arguments(rule, call, kind, situation, world)
            except (TemplateProblem, ValueError) as error:
                problems.append(str(error))
                becomes, args = "failed", {"why": str(error)}
        effects.append(
            Effect(
                key=key, account=situation.account.name, rule=rule.name.value, action=kind, target=target, stage=stage,
                authorization=situation.authorization, due=situation.due, args=args, state=becomes,
                not_before=_not_before(kind, situation) if becomes == "planned" else "",
            )
        )  # fmt: skip
    return tuple(effects), problems


def _not_before(kind: ActionKind, situation: Situation) -> str:
    """Return the instant before which nobody is to be written to, "" for at once."""
    if kind not in ("notify", "forward"):
        return ""
    expires = situation.facts.get("expires")
    at = may_write_from(situation.account, situation.now, expires if isinstance(expires, date) else None)
    return at.astimezone(UTC).isoformat() if at else ""


def needed_trust(call: ActionCall, world: World) -> str:
    """Return the least trust at which an action may be reached (design, "Trust levels")."""
    match KINDS[call.verb].kind:
        case "run_script":
            script = world.scripts.get(call.target.value) if call.target else None
            return "authenticated" if script and script.changes_nothing else "bound"
        case "forward" if isinstance(call.target, Text) and outside(call.target.value, world.people):
            return "authenticated"
        case _:
            return "unverified"
