"""Rules and a situation to decisions and complete effects.

In: checked rules, one frozen Situation, the World (people, scripts). Out: a Decision for every rule, also for those
that held back, and why. May not live here: performing, storing, reading mail, the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from mailrules.effects import ActionKind, Effect, EffectState, effect_key
from mailrules.language.ast import ActionCall, Name, OnTrigger, Rule, Text, WhileTrigger
from mailrules.language.evaluate import Leaf, evaluate, offset_date
from mailrules.notices.notice import TRUST_LEVELS
from mailrules.templates import TemplateProblem, render
from mailrules.vocabulary import ACTIONS

KINDS = {word.verb: word for word in ACTIONS}
MAX_ARGUMENT = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script declared in the configuration. `timeout` in seconds; `retry` is "never" or "safe"."""

    argv: tuple[str, ...]
    timeout: float = 60.0
    retry: str = "never"
    changes_nothing: bool = False
    cwd: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """What rules need to know of an account."""

    name: str
    zone: ZoneInfo
    language: str = "en"
    region: str | None = None
    day_starts: time = time(8)
    warn_days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What effects are made with: people by name, scripts by name, accounts by name."""

    people: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, Script] = field(default_factory=dict)
    accounts: Mapping[str, AccountFacts] = field(default_factory=dict)
    developers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything one rule may look at, frozen before any rule runs.

    `kind` is the notice's kind or event, "" on a tick. `message` is the digest of the newest message, "" if none.
    """

    account: AccountFacts
    kind: str
    system: str
    authorization: str
    due: str
    message: str
    now: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one rule concluded. `leaves` are its conditions with wanted and found; `reason` says why it held back."""

    rule: str
    fired: bool
    reason: str = ""
    leaves: tuple[Leaf, ...] = ()
    effects: tuple[Effect, ...] = ()


def decide(rules: tuple[Rule, ...], situation: Situation, world: World) -> tuple[Decision, ...]:
    """Let every rule look at the same frozen situation; no rule sees what another does."""
    return tuple(_decide_one(rule, situation, world) for rule in rules)


def _decide_one(rule: Rule, situation: Situation, world: World) -> Decision:
    name = rule.name.value
    if rule.disabled:
        return Decision(rule=name, fired=False, reason="it is disabled")
    leaves: tuple[Leaf, ...] = ()
    match rule.trigger:
        case OnTrigger(kinds=kinds, system=system):
            wanted = [kind.value for kind in kinds]
            if situation.kind not in wanted:
                return Decision(
                    rule=name,
                    fired=False,
                    reason=f"it waits for {' or '.join(wanted)}, and this is {situation.kind or 'a tick'}",
                )
            if system and system.value != situation.system:
                return Decision(
                    rule=name, fired=False, reason=f"it waits for {system.value}, and this is {situation.system}"
                )
        case WhileTrigger(condition=condition):
            if situation.kind:
                return Decision(rule=name, fired=False, reason="it looks at the ledger at every poll, not at a notice")
            held, leaves = evaluate(condition, situation.facts)
            if not held:
                return Decision(rule=name, fired=False, reason=_first_failed(leaves), leaves=leaves)
    if rule.when is not None:
        held, more = evaluate(rule.when, situation.facts)
        leaves += more
        if not held:
            return Decision(rule=name, fired=False, reason=_first_failed(leaves), leaves=leaves)
    calls: list[tuple[ActionCall, str, EffectState]] = [(action, "", "planned") for action in rule.actions]
    calls += _rungs_due(rule, situation)
    if not calls:
        return Decision(rule=name, fired=False, reason="none of its rungs is due yet", leaves=leaves)
    effects, problems = _effects(rule, calls, situation, world)
    fired = any(e.state == "planned" for e in effects)
    return Decision(rule=name, fired=fired, reason="; ".join(problems), leaves=leaves, effects=effects)


def _first_failed(leaves: tuple[Leaf, ...]) -> str:
    failed = next((leaf for leaf in leaves if not leaf.held), None)
    return (
        f"`{failed.text}` does not hold: wanted {failed.wanted}, found {failed.found}"
        if failed
        else "its condition does not hold"
    )


def _rungs_due(rule: Rule, situation: Situation) -> list[tuple[ActionCall, str, EffectState]]:
    """Return the rungs whose time has come: the latest day's fire, those before it have been passed over by a gap."""
    account = situation.account
    passed: list[tuple[date, ActionCall, str]] = []
    for rung in rule.rungs:
        day = offset_date(rung.offset, situation.facts)
        if day is None or situation.now < datetime.combine(day, account.day_starts, account.zone):
            continue
        days = abs(rung.offset.days)
        stage = (
            f"{days} days {'before' if rung.offset.days < 0 else 'after'} {rung.offset.anchor.value}"
            if days
            else f"at {rung.offset.anchor.value}"
        )
        passed.append((day, rung.action, stage))
    latest = max((day for day, _, _ in passed), default=None)
    return [(action, stage, "planned" if day == latest else "missed") for day, action, stage in passed]


def _effects(
    rule: Rule, calls: list[tuple[ActionCall, str, EffectState]], situation: Situation, world: World
) -> tuple[tuple[Effect, ...], list[str]]:
    effects: dict[str, Effect] = {}
    problems = []
    for call, stage, state in calls:
        word = KINDS[call.verb]
        kind: ActionKind = word.kind  # type: ignore[assignment]
        target = call.target.value if call.target else ""
        needed = needed_trust(call, world)
        if TRUST_LEVELS.index(situation.facts["trust"]) < TRUST_LEVELS.index(needed):
            problems.append(f"`{call.verb}` needs trust {needed}, and this is {situation.facts['trust']}")
            continue
        args: dict[str, Any] = {}
        becomes: EffectState = state
        if state == "planned":
            try:
                args = _arguments(call, kind, situation, world)
            except (TemplateProblem, ValueError) as error:
                problems.append(str(error))
                becomes, args = "failed", {"why": str(error)}
        key, count = "", 1
        while not key or key in effects:  # a rule may do the same to the same person twice; each is its own effect
            named = target if count == 1 else f"{target}#{count}"
            key = effect_key(situation.authorization, situation.due, rule.name.value, kind, named, stage)
            count += 1
        effects[key] = Effect(
            key=key, account=situation.account.name, rule=rule.name.value, action=kind, target=target, stage=stage,
            authorization=situation.authorization, due=situation.due, args=args, state=becomes,
        )  # fmt: skip
    return tuple(effects.values()), problems


def needed_trust(call: ActionCall, world: World) -> str:
    """Return the least trust at which an action may be reached (design, "Trust levels")."""
    match KINDS[call.verb].kind:
        case "run_script":
            script = world.scripts.get(call.target.value) if call.target else None
            return "authenticated" if script and script.changes_nothing else "bound"
        case "forward" if isinstance(call.target, Text) and call.target.value not in world.people.values():
            return "authenticated"
        case _:
            return "unverified"


def _arguments(call: ActionCall, kind: ActionKind, situation: Situation, world: World) -> dict[str, Any]:
    facts = situation.facts
    mark = "[unverified] " if facts["trust"] == "unverified" else ""
    text = render(call.text.value, facts) if call.text else ""
    line = " ".join(text.split())
    if kind == "create_task":
        due = offset_date(call.due, facts) if call.due else None
        return {"title": mark + line, "due": due.isoformat() if due else None, "body": _about(facts)}
    if kind == "run_script":
        return _script_arguments(call, situation, world)
    address = (
        call.target.value
        if isinstance(call.target, Text)
        else world.people.get(call.target.value if call.target else "", "")
    )
    if not address:
        raise ValueError(f"nobody is called `{call.target.value if isinstance(call.target, Name) else ''}` in [people]")
    subject = line or f"{facts['developer']}: authorization {facts['authorization']}"
    args: dict[str, Any] = {
        "to": [address],
        "subject": mark + subject,
        "body": f"{mark}{text or subject}\n\n{_about(facts)}",
    }
    if kind == "forward":
        args["message"] = situation.message or None
    return args


def _about(facts: Mapping[str, Any]) -> str:
    """Return what a person needs to act: which authorization, until when, where and how to renew it."""
    lines = [
        f"Authorization: {facts['developer']}"
        + (f" (Developer ID {facts['developer_id']})" if facts["developer_id"] else ""),
        f"Account: {facts['account']}",
        f"Expires: {facts['expires'] or 'no date was given'}",
        f"Trust: {facts['trust']}",
    ]
    if facts["renew_at"]:
        lines.append(f"Renew at: {facts['renew_at']}")
    if facts["how"]:
        lines.append(f"How: {facts['how']}")
    return "\n".join(lines)


def _script_arguments(call: ActionCall, situation: Situation, world: World) -> dict[str, Any]:
    name = call.target.value if call.target else ""
    script = world.scripts.get(name)
    if script is None:
        raise ValueError(f"no script `{name}` is declared under [scripts]")
    argv = [script.argv[0]]
    for template in script.argv[1:]:
        argument = render(template, situation.facts)
        if len(argument) > MAX_ARGUMENT or any(ord(c) < 32 or ord(c) == 127 for c in argument):
            raise ValueError(f"an argument of `{name}` is too long or holds control characters")
        if argument.startswith("-") and not template.startswith("-"):
            raise ValueError(
                f"an argument of `{name}` would begin with `-`; a value from mail may not look like an option"
            )
        argv.append(argument)
    plain = {
        k: (v.isoformat() if isinstance(v, date) else v.days if hasattr(v, "days") else v)
        for k, v in situation.facts.items()
    }
    return {
        "argv": argv, "timeout": script.timeout, "retry": script.retry, "cwd": script.cwd, "stdin": plain,
        "settle_hours": _hours(call),
    }  # fmt: skip


def _hours(call: ActionCall) -> int | None:
    if call.settle is None:
        return None
    return call.settle.amount * {"minutes": 0, "hours": 1, "days": 24, "weeks": 168}[call.settle.unit]
