"""What the tests of rule files exercise: rules, conditions both ways, rungs and repeats, wordings.

In: what a real evaluation came to (Decisions and Notices), the rule set. Out: Seen, and Points: each thing that a test can
exercise, with its place and whether one does. May not live here: evaluating anything a second time, printing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from mailrules.decide import Decision
from mailrules.decide.schedule import stage_of
from mailrules.language.ast import ActionCall, Comparison, Expr, Junction, Name, Not, Rule, Span, WhileTrigger
from mailrules.language.evaluate import written
from mailrules.notices.notice import Notice
from mailrules.ruleset import RuleSet

What = Literal["rule", "condition", "rung", "wording"]
WHATS: tuple[What, ...] = ("rule", "condition", "rung", "wording")
_REPEAT = "every from "
"""So begins the stage of a repeat's effect; the day of the turn follows."""


@dataclass(slots=True)
class Seen:
    """What has been exercised so far. Spans tell conditions and wordings apart, whatever they say."""

    fired: set[str] = field(default_factory=set)
    leaves: set[tuple[str, Span, bool]] = field(default_factory=set)
    turns: set[tuple[str, str, str, str]] = field(default_factory=set)
    wordings: set[str] = field(default_factory=set)

    def decided(self, decision: Decision) -> None:
        """Take what one rule concluded."""
        if decision.fired:
            self.fired.add(decision.rule)
        self.leaves.update((decision.rule, a.condition.span, a.held) for a in decision.answers)
        for effect in decision.effects:
            if effect.state == "planned":
                stage = _REPEAT if effect.stage.startswith(_REPEAT) else effect.stage
                self.turns.add((decision.rule, stage, effect.action, effect.target))

    def read(self, notice: Notice) -> None:
        """Take what one document turned out to be."""
        if notice.fitted and notice.status in ("read", "refused"):
            self.wordings.add(notice.fitted)

    def join(self, other: Seen) -> None:
        """Take all that another test exercised."""
        self.fired |= other.fired
        self.leaves |= other.leaves
        self.turns |= other.turns
        self.wordings |= other.wordings


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One thing that a test can exercise. `missing` says what no test does, "" where one does."""

    what: What
    name: str
    span: Span
    missing: str = ""


def coverage(rules: RuleSet, seen: Seen, files: Iterable[str]) -> tuple[Point, ...]:
    """Return every point of these files in the order of their places."""
    wanted = set(files)
    points = [point for rule in rules.rules if not rule.disabled for point in _of_rule(rule, seen)]
    points += [
        Point(
            what="wording", name=f"{wording.language.value} of {notice.kind.value} of {notice.system.value}",
            span=wording.span, missing="" if str(wording.span) in seen.wordings else "no mail of a test fits it",
        )
        for notice in rules.definitions.notices
        for wording in notice.wordings
    ]  # fmt: skip
    inside = [point for point in points if point.span.file in wanted]
    return tuple(sorted(inside, key=lambda p: (p.span.file, p.span.line, p.span.column, WHATS.index(p.what))))


def _of_rule(rule: Rule, seen: Seen) -> Iterator[Point]:
    name = rule.name.value
    yield Point(what="rule", name=name, span=rule.name.span, missing="" if name in seen.fired else "it never fires")
    conditions = [rule.trigger.condition] if isinstance(rule.trigger, WhileTrigger) else []
    for condition in [*conditions, *([rule.when] if rule.when is not None else [])]:
        for leaf in _leaves(condition):
            never = [
                word
                for word, held in (("never holds", True), ("never fails", False))
                if (name, leaf.span, held) not in seen.leaves
            ]
            missing = f"it {' and '.join(never)}" if never else ""
            yield Point(what="condition", name=written(leaf), span=leaf.span, missing=missing)
    for rung in rule.rungs:
        yield _turn(name, stage_of(rung.offset), stage_of(rung.offset), rung.action, rung.span, seen)
    for repeat in rule.repeats:
        yield _turn(name, _REPEAT, f"every {written(repeat.interval)}", repeat.action, repeat.span, seen)


def _turn(rule: str, stage: str, shown: str, call: ActionCall, span: Span, seen: Seen) -> Point:
    target = call.target.value if call.target else ""
    fired = any(r == rule and s == stage and t == target for r, s, _, t in seen.turns)
    return Point(
        what="rung",
        name=f"{shown}: {call.verb} {target}".rstrip(),
        span=span,
        missing="" if fired else "it never fires",
    )


def _leaves(expr: Expr) -> Iterator[Comparison | Name]:
    match expr:
        case Junction(conditions=conditions):
            for condition in conditions:
                yield from _leaves(condition)
        case Not(condition=condition):
            yield from _leaves(condition)
        case Comparison() | Name():
            yield expr


def percent(points: Iterable[Point]) -> int:
    """Return how much is exercised, rounded down, so that 100 means all of it; 100 where there is nothing."""
    listed = list(points)
    return 100 * sum(not point.missing for point in listed) // len(listed) if listed else 100
