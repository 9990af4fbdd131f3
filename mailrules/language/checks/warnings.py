"""Warnings that pay: what checks and can still not be meant.

In: the definitions of a rule set without errors. Out: problems with W codes; no warning keeps rules from going live.
May not live here: errors; guesses (a warning that is wrong once is read by nobody again).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

from mailrules.language import ast
from mailrules.language.ast import (
    ActionCall,
    Comparison,
    DurationLiteral,
    Expr,
    Junction,
    Name,
    Not,
    Problem,
    Rule,
    Span,
    Text,
)
from mailrules.language.checks.contradictions import clashes
from mailrules.language.checks.session import Session
from mailrules.language.checks.types import demanded_trust
from mailrules.language.definitions import Definitions
from mailrules.world import outside

_EXPECTED = {
    "create task": "task", "notify": "notify", "forward to": "forward", "run": "run", "flag mail": "flag",
    "mark mail": "mark", "label mail": "label", "move mail to": "move",
}  # fmt: skip
_DEADLINE = re.compile(r"\{[{%].*\b(?:expires|days_left)\b.*[%}]\}", re.DOTALL)
_SHOWN = {"minutes": 1 / 1440, "hours": 1 / 24, "days": 1, "weeks": 7}


def warnings(definitions: Definitions, session: Session) -> tuple[Problem, ...]:
    """Return every warning of a rule set that has no errors."""
    found: list[Problem] = []
    facts = {*session.words.facts, *(f.name.value for n in definitions.notices for f in n.fields)}
    for rule in definitions.rules:
        found += _of_rule(rule, session, facts)
    found += _undated(definitions.rules, session)
    found += _untested(definitions)
    found += _shadowed(definitions)
    found += _unused(session)
    return tuple(dict.fromkeys(found))


def _say(code: str, span: Span, message: str, help_: str) -> Problem:
    return Problem(code=code, span=span, message=message, help=help_)


def _of_rule(rule: Rule, session: Session, facts: Container[str]) -> Iterator[Problem]:
    conditions = [rule.when] if rule.when is not None else []
    if isinstance(rule.trigger, ast.WhileTrigger):
        conditions.insert(0, rule.trigger.condition)
    dead = clashes(conditions, session.words.trust, facts)
    for clash in dead:
        earlier = clash.earlier.span
        where = "" if earlier.line == clash.later.span.line else f" of line {earlier.line}"
        yield _say(
            "W001",
            clash.later.span,
            f"this can never hold together with {_text(clash.earlier)}{where}",
            "join the two with `or`, or delete one of them",
        )
    yield from _never_fires(rule, session)
    if not dead:
        yield from _late_rungs(rule, conditions)
    yield from _senders(conditions)
    yield from _outside(rule, conditions, session)


def _text(expr: Expr) -> str:
    """Return a comparison as it is written, for a message."""
    if not isinstance(expr, Comparison) or not isinstance(expr.left, Name):
        return "another condition"
    values = []
    for value in expr.right:
        match value:
            case DurationLiteral(amount=amount, unit=unit):
                values.append(f"{amount} {unit}")
            case Text(value=text):
                values.append(f'"{text}"')
            case _:
                values.append(str(getattr(value, "value", "…")))
    return f"`{expr.left.value} {expr.comparator} {', '.join(values)}`"


def _never_fires(rule: Rule, session: Session) -> Iterator[Problem]:
    if not isinstance(rule.trigger, ast.OnTrigger) or rule.trigger.system is None:
        return
    system = rule.trigger.system.value
    for kind in rule.trigger.kinds:
        if (kind.value, system) not in session.notices and kind.value not in session.words.events:
            having = sorted(s for k, s in session.notices if k == kind.value)
            help_ = f"write `of {having[0]}`, or leave `of {system}` out"
            yield _say(
                "W002", kind.span, f"no notice `{kind.value}` of {system} is defined, so this waits for ever", help_
            )


def _all_of(conditions: list[Expr]) -> Iterator[Expr]:
    """Yield what must hold: conditions joined by `and`, however deep."""
    for condition in conditions:
        if isinstance(condition, Junction) and condition.operator == "and":
            yield from _all_of(list(condition.conditions))
        else:
            yield condition


def _least_days_left(conditions: list[Expr]) -> tuple[float, str] | None:
    """Return the least `days_left` under which the conditions can hold, and the condition that says so."""
    least: tuple[float, str] | None = None
    for condition in _all_of(conditions):
        if not isinstance(condition, Comparison) or not isinstance(condition.left, Name):
            continue
        right = condition.right[0]
        name, sign = condition.left.value, condition.comparator
        if name == "authorization" and sign == "is" and getattr(right, "value", "") == "expiring":
            days = 0.0
        elif name == "days_left" and sign in (">", ">=") and isinstance(right, DurationLiteral):
            days = right.amount * _SHOWN[right.unit] + (sign == ">")
        else:
            continue
        if least is None or days > least[0]:
            least = days, _text(condition)
    return least


def _late_rungs(rule: Rule, conditions: list[Expr]) -> Iterator[Problem]:
    least = _least_days_left(conditions)
    if least is None:
        return
    starts = [(r.offset, "rung") for r in rule.rungs] + [(r.start, "repetition") for r in rule.repeats if r.start]
    for offset, what in starts:
        if offset.anchor.value == "expires" and -offset.days < least[0]:
            yield _say(
                "W003",
                offset.span,
                f"when this {what} is due, {least[1]} holds no longer, so it never comes",
                "give it an earlier day, or drop the condition: while authorization is one of expiring, expired"
                if "expiring" in least[1]
                else "give it an earlier day, or loosen the condition",
            )


def _comparisons(conditions: list[Expr]) -> Iterator[Comparison]:
    waiting = list(reversed(conditions))
    while waiting:
        match waiting.pop():
            case Junction(conditions=parts):
                waiting += reversed(parts)
            case Not(condition=part):
                waiting.append(part)
            case Comparison() as comparison:
                yield comparison


def _senders(conditions: list[Expr]) -> Iterator[Problem]:
    tested = {c.left.value: c for c in reversed(list(_comparisons(conditions))) if isinstance(c.left, Name)}
    if "sender.name" in tested and not tested.keys() & {"sender.address", "sender.domain", "trust"}:
        yield _say(
            "W004",
            tested["sender.name"].left.span,
            "anybody can write this name on a mail, and nothing else here looks at the sender",
            'compare the domain: sender.domain is "amazon.com"; or demand proof: trust is authenticated',
        )
    for comparison in _comparisons(conditions):
        match comparison:
            case Comparison(
                left=Name(value="sender.domain" | "sender.address" as fact),
                comparator=sign,
                right=(Text(value=part), *_),
            ):
                loose = sign in ("contains", "matches", "starts with") or (sign == "ends with" and part[:1] not in "@.")
                if loose and "." in part and not (sign == "matches" and part.startswith(("*@", "*."))):
                    domain = part.strip("*@.")
                    yield _say(
                        "W010",
                        comparison.span,
                        f"`{sign}` also fits a domain such as {domain}.attacker.example or not{domain}",
                        f'write sender.domain is "{domain}"'
                        + (f', or {fact} ends with "@{domain}"' if fact == "sender.address" else ""),
                    )


def _outside(rule: Rule, conditions: list[Expr], session: Session) -> Iterator[Problem]:
    levels = session.words.trust
    demanded = max((levels.index(demanded_trust(c, levels)) for c in conditions), default=0)
    people = session.words.people
    if people is None or "authenticated" not in levels or demanded >= levels.index("authenticated"):
        return
    for call in rule.calls:
        if call.verb == "notify" and isinstance(call.target, Text) and outside(call.target.value, people):
            yield _say(
                "W005",
                call.span,
                f"a mail that nothing proves can make mailrules write to {call.target.value}, which is not in [people]",
                "add `trust is authenticated` to the rule's condition, or the address to [people]",
            )


def _names_deadline(call: ActionCall) -> bool:
    return call.due is not None or bool(call.text and _DEADLINE.search(call.text.value))


def _undated(rules: tuple[Rule, ...], session: Session) -> Iterator[Problem]:
    """Texts about a deadline that do not say when it is, where nothing else does: one that does is enough."""
    told: set[str] = set()  # kinds of notice for which some task names the deadline
    waiting: list[tuple[Rule, ast.OnTrigger]] = []
    for rule in rules:
        if isinstance(rule.trigger, ast.OnTrigger):
            waiting.append((rule, rule.trigger))
            if any(_names_deadline(c) for c in rule.calls):
                told |= {k.value for k in rule.trigger.kinds}
            continue
        starts = [(r.offset, r.action) for r in rule.rungs] + [(r.start, r.action) for r in rule.repeats if r.start]
        calls = [c for start, c in starts if start.anchor.value == "expires" and start.days < -1]
        if not any(_names_deadline(c) for c in rule.calls):
            yield from (_undated_text(c.text) for c in calls if c.text and c.verb in ("create task", "notify"))
    for rule, trigger in waiting:
        if _have_dates(trigger, session) and not told.issuperset(k.value for k in trigger.kinds):
            calls = [c for c in rule.actions if c.verb == "create task" and not _names_deadline(c)]
            yield from (_undated_text(c.text) for c in calls if c.text)


def _undated_text(text: Text) -> Problem:
    help_ = f'name the deadline: "{text.value[:60]} by {{{{ expires }}}}"'
    return _say("W006", text.span, "whoever reads this is not told by when", help_)


def _have_dates(trigger: ast.OnTrigger, session: Session) -> bool:
    """Whether every notice that the rule waits for says when something lapses."""
    system = trigger.system.value if trigger.system else ""
    kinds = {k.value for k in trigger.kinds}
    notices = [n for (kind, of), n in session.notices.items() if kind in kinds and of == (system or of)]
    return bool(notices) and all(any(f.name.value == "expires" for f in n.fields) for n in notices)


def _untested(definitions: Definitions) -> Iterator[Problem]:
    tests: dict[str, set[str]] = {}  # what the tests of each file expect to happen
    for path, test in definitions.tests:
        tests.setdefault(path, set()).update(e.what for e in test.expectations if e.count != 0)
    told: set[str] = set()
    for rule in definitions.rules:
        file = rule.name.span.file
        if rule.disabled or file in told:
            continue
        if file not in tests:
            told.add(file)
            yield _say(
                "W007",
                rule.name.span,
                "no test in this file says what its rules do",
                f'add one: test "{rule.name.value[:40]}" {{ … }} with `mail "notice.eml" at 2024-03-11 09:00` and `expect …`',
            )
            continue
        does = [_EXPECTED[c.verb] for c in rule.calls if c.verb in _EXPECTED]
        if does and tests[file].isdisjoint(does):
            yield _say(
                "W007",
                rule.name.span,
                "no test in this file expects anything that this rule does",
                f"add `expect {does[0]} once` to a test",
            )


def _shadowed(definitions: Definitions) -> Iterator[Problem]:
    seen: dict[object, tuple[ast.NoticeDefinition, ast.Wording]] = {}
    for notice in definitions.notices:
        types = {f.name.value: (f.type.value, f.format.value if f.format else "") for f in notice.fields}
        for wording in notice.wordings:
            clauses = frozenset(_clause(c, types) for c in wording.clauses if not c.optional)
            former, first = seen.setdefault((notice.system.value, clauses), (notice, wording))
            if first is not wording and not any(c.optional for c in wording.clauses):
                shown = f"`{first.language.value}` of {former.kind.value}"
                yield _say(
                    "W008",
                    wording.language.span,
                    f"the wording {shown} asks for the same and comes first, so this one is never used",
                    "delete one of them, or give this one a line that the other lacks",
                )


def _clause(clause: ast.Clause, types: dict[str, tuple[str, str]]) -> tuple[object, ...]:
    pieces: list[object] = []
    for piece in (piece for pattern in clause.patterns for piece in ("or", *pattern.pieces)):
        if isinstance(piece, str):
            pieces.append(" ".join(piece.split()).casefold())
        else:
            pieces.append((piece.type, piece.format or "") if piece.type else types.get(piece.name))
    return (clause.place, *pieces)


def _unused(session: Session) -> Iterator[Problem]:
    for name, let in session.named.items():
        if name not in session.lets.used:
            yield _say("W009", let.name.span, f"nothing uses `{name}`", "delete it, or use it")
    used = {(path, step.sample.value) for path, test in session.tests for step in test.mails if step.sample}
    for path, samples in session.samples.items():
        for name, sample in samples.items():
            if (path, name) not in used:
                help_ = f"write `mail {name} at 2024-03-11 09:00` in a test"
                yield _say("W009", sample.name.span, f"no test of this file delivers the sample `{name}`", help_)
