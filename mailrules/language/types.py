"""Types of expressions, and how much trust a condition demands.

In: expressions, facts with their types. Out: problems; the least trust under which a condition can hold.
May not live here: names of facts, except `trust`, whose order is the gate's.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from mailrules.language.ast import (
    Arithmetic,
    Comparison,
    DateLiteral,
    DurationLiteral,
    Expr,
    Junction,
    Keyword,
    Name,
    Not,
    Number,
    Offset,
    Problem,
    Text,
)  # fmt: skip
from mailrules.language.definitions import FactType, Vocabulary

TEXTS = ("text", "word", "ordered word", "developer_id", "address", "domain")
ORDERS = ("<", "<=", ">", ">=")


def _help(word: str, facts: Mapping[str, FactType]) -> str:
    near = difflib.get_close_matches(word, list(facts), 1, 0.6)
    return f"did you mean `{near[0]}`?" if near else "known here: " + ", ".join(sorted(facts))


def check_condition(expr: Expr, facts: Mapping[str, FactType], words: Vocabulary) -> list[Problem]:
    """Return the problems of a condition, one for each mistake."""
    match expr:
        case Junction(conditions=conditions):
            return [p for c in conditions for p in check_condition(c, facts, words)]
        case Not(condition=condition):
            return check_condition(condition, facts, words)
        case Comparison():
            return _comparison(expr, facts, words)
        case _:
            return [
                Problem(
                    code="E013",
                    span=expr.span,
                    message="this is no condition by itself",
                    help="compare it with something, such as `is yes`",
                )
            ]


def _comparison(expr: Comparison, facts: Mapping[str, FactType], words: Vocabulary) -> list[Problem]:
    left, problems = _type(expr.left, facts)
    if problems:
        return problems
    for right in expr.right:
        fact = facts.get(expr.left.value) if isinstance(expr.left, Name) else None
        if isinstance(right, Keyword) and right.value == "nothing":
            if expr.comparator not in ("is", "is not"):
                return [
                    Problem(
                        code="E013",
                        span=right.span,
                        message=f"`{expr.comparator}` cannot compare with nothing",
                        help="write `is nothing` or `is not nothing`",
                    )
                ]
            continue
        if isinstance(right, Name) and right.value not in facts and left in ("word", "ordered word"):
            values = words.trust if left == "ordered word" else fact.values if fact else ()
            if values and right.value not in values:
                near = difflib.get_close_matches(right.value, values, 1, 0.6)
                return [
                    Problem(
                        code="E012",
                        span=right.span,
                        message=f"`{right.value}` is no value of `{_shown(expr.left)}`",
                        help=f"did you mean `{near[0]}`?" if near else "values: " + ", ".join(values),
                    )
                ]
            continue
        kind, problems = _type(right, facts)
        if problems:
            return problems
        if left == "duration" and kind == "number":
            return [
                Problem(
                    code="E013",
                    span=right.span,
                    message="a duration needs its unit",
                    help=f"write `{right.value} days`" if isinstance(right, Number) else "",
                )
            ]
        alike = (left in TEXTS and kind in TEXTS) or left == kind
        if not alike:
            return [
                Problem(
                    code="E013",
                    span=right.span,
                    message=f"`{_shown(expr.left)}` is a {left}, and this is a {kind}",
                    help=f"compare it with a {left}",
                )
            ]
        if expr.comparator in ORDERS and left in TEXTS and left != "ordered word":
            return [
                Problem(
                    code="E013",
                    span=expr.span,
                    message=f"a {left} has no order, so `{expr.comparator}` says nothing",
                    help="use `is`, `contains`, `starts with` or `ends with`",
                )
            ]
        if expr.comparator in ("contains", "starts with", "ends with", "matches") and left not in TEXTS:
            return [
                Problem(
                    code="E013",
                    span=expr.span,
                    message=f"`{expr.comparator}` compares texts, and `{_shown(expr.left)}` is a {left}",
                    help="use `is` or <, <=, >, >=",
                )
            ]
    return []


def _shown(expr: Expr) -> str:
    return expr.value if isinstance(expr, Name) else "this"


def _type(expr: Expr, facts: Mapping[str, FactType]) -> tuple[str, list[Problem]]:
    match expr:
        case Name(value=name):
            if name in facts:
                return facts[name].type, []
            return "", [
                Problem(code="E012", span=expr.span, message=f"there is no fact `{name}` here", help=_help(name, facts))
            ]
        case Text():
            return "text", []
        case Number():
            return "number", []
        case DateLiteral():
            return "date", []
        case DurationLiteral():
            return "duration", []
        case Keyword():
            return "yes or no", []
        case Arithmetic(left=left, operator=sign, right=right):
            one, problems = _type(left, facts)
            other, more = _type(right, facts)
            if problems or more:
                return "", problems + more
            results = {
                ("date", "+", "duration"): "date",
                ("date", "-", "duration"): "date",
                ("date", "-", "date"): "duration",
                ("duration", "+", "duration"): "duration",
                ("duration", "-", "duration"): "duration",
                ("number", "+", "number"): "number",
                ("number", "-", "number"): "number",
            }
            kind = results.get((one, sign, other))
            if kind is None:
                return "", [
                    Problem(
                        code="E013",
                        span=expr.span,
                        message=f"`{sign}` cannot join a {one} and a {other}",
                        help="write `expires - 7 days`",
                    )
                ]
            return kind, []
        case _:
            return "", [
                Problem(
                    code="E013",
                    span=expr.span,
                    message="a condition cannot be compared",
                    help="join conditions with `and` or `or`",
                )
            ]


def type_of_anchor(offset: Offset, facts: Mapping[str, FactType]) -> Problem | None:
    """Return the problem of an offset whose anchor is no date."""
    anchor = offset.anchor
    if anchor.value not in facts:
        return Problem(
            code="E012",
            span=anchor.span,
            message=f"there is no fact `{anchor.value}` here",
            help=_help(anchor.value, facts),
        )
    if facts[anchor.value].type != "date":
        return Problem(
            code="E013",
            span=anchor.span,
            message=f"`{anchor.value}` is a {facts[anchor.value].type}, and a deadline counts from a date",
            help="write `expires`",
        )
    return None


def demanded_trust(expr: Expr, levels: Sequence[str]) -> str:
    """Return the least level of trust under which `expr` can hold: every branch of an `or` counts, a `not` gives nothing."""
    match expr:
        case Junction(operator=word, conditions=conditions):
            each = [levels.index(demanded_trust(c, levels)) for c in conditions]
            return levels[max(each) if word == "and" else min(each)]
        case Comparison(left=Name(value="trust"), comparator=comparator, right=right):
            named = [levels.index(r.value) for r in right if isinstance(r, Name | Text) and r.value in levels]
            if len(named) != len(right) or comparator not in ("is", "is one of", ">=", ">"):
                return levels[0]
            return levels[min(min(named) + (comparator == ">"), len(levels) - 1)]
        case _:
            return levels[0]


def is_time_zone(name: str) -> bool:
    """Return whether `name` is a time zone such as Asia/Tokyo."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
