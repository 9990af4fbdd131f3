"""Expression and facts to a truth value and its trace. Total on checked rules: it never raises.

In: a checked expression, facts by name. Out: whether it holds, and what came of each condition, told in words when asked.
May not live here: I/O, the clock, names of facts (but that `trust` has an order is a type, "ordered word").
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from mailrules.language.ast import (
    Arithmetic,
    Comparison,
    DateLiteral,
    DurationLiteral,
    Expr,
    InstantLiteral,
    Junction,
    Keyword,
    Name,
    Not,
    Number,
    Offset,
    Span,
    Text,
)  # fmt: skip
from mailrules.language.values import Value, comparable, fold, glob

ORDERED = ("forged", "unverified", "authenticated", "bound", "confirmed")
_RANKS: Mapping[Value, int] = {word: rank for rank, word in enumerate(ORDERED)}
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
MAX_DAYS = 1_000_000
_DAYS = {"minutes": 1 / 1440, "hours": 1 / 24, "days": 1, "weeks": 7}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One condition of a rule: as written, whether it held, what was wanted and what was found."""

    text: str
    held: bool
    wanted: str
    found: str
    span: Span
    because: str = ""


class Answer(NamedTuple):
    """What came of one condition: the value that stood on its left. Nearly all are never told to anybody."""

    condition: Comparison | Name
    held: bool
    value: Value

    def told(self) -> Leaf:
        """Return it in words."""
        if isinstance(self.condition, Name):
            text, wanted, because = self.condition.value, "is yes", ""
        else:
            wanted = f"{self.condition.comparator} {', '.join(written(r) for r in self.condition.right)}"
            text = f"{written(self.condition.left)} {wanted}"
            because = self.condition.because.value if self.condition.because else ""
        found = shown(self.value)
        return Leaf(text=text, held=self.held, wanted=wanted, found=found, span=self.condition.span, because=because)


def evaluate(expr: Expr, facts: Mapping[str, Any]) -> tuple[bool, tuple[Answer, ...]]:
    """Evaluate a condition. Every part of it is looked at, so that all that failed can be told."""
    match expr:
        case Comparison():
            left = value_of(expr.left, facts)
            held = _compare(left, expr, facts)
            return held, (Answer(expr, held, left),)
        case Junction(operator=word, conditions=conditions):
            answers: tuple[Answer, ...] = ()
            helds = []
            for part in conditions:
                held, more = evaluate(part, facts)
                helds.append(held)
                answers += more
            return all(helds) if word == "and" else any(helds), answers
        case Not(condition=condition):
            held, answers = evaluate(condition, facts)
            return not held, answers
        case Name(value=name):  # a fact that is yes or no, standing alone
            held = facts.get(name) is True
            return held, (Answer(expr, held, facts.get(name)),)
        case _:
            return False, ()


def _compare(left: Value, expr: Comparison, facts: Mapping[str, Any]) -> bool:
    if expr.comparator == "is not":
        return not _holds(left, "is", value_of(expr.right[0], facts, word=True))
    held = False
    for right in expr.right:
        held = held or _holds(left, expr.comparator, value_of(right, facts, word=True))
    return held


def _holds(left: Value, comparator: str, right: Value) -> bool:
    one, other = _RANKS.get(left), _RANKS.get(right)
    if one is not None and other is not None:
        # why: `trust is bound` asks for enough trust, and more is enough
        order = _ORDERS.get(">=" if comparator in ("is", "is one of") else comparator)
        return order is not None and order(one, other)
    if left is None or right is None:
        return left is None and right is None and comparator in ("is", "is one of")
    if comparator in _ORDERS:
        same = type(left) is type(right) and not isinstance(left, str | bool)
        return bool(same and _ORDERS[comparator](left, right))
    if isinstance(left, str) and isinstance(right, str):
        if comparator in ("is", "is one of"):
            return left == right or comparable(left) == comparable(right)
        one_text, other_text = fold(left), fold(right)
        match comparator:
            case "contains":
                return other_text in one_text
            case "starts with":
                return one_text.startswith(other_text)
            case "ends with":
                return one_text.endswith(other_text)
            case _:
                return glob(other_text, one_text)
    return left == right and type(left) is type(right)


def value_of(expr: Expr, facts: Mapping[str, Any], *, word: bool = False) -> Value:
    """Return the value of an operand; on the right of a comparison a name that is no fact is a word."""
    match expr:
        case Name(value=name):
            if name in facts:
                return facts[name]  # type: ignore[no-any-return]
            return name if word else None
        case Text(value=text):
            return text
        case Number(value=number):
            return number
        case DateLiteral(value=day):
            return date.fromisoformat(day)
        case InstantLiteral(value=moment):
            # why: an instant is written in the account's time, and `now` is the fact that carries that zone
            now = facts.get("now")
            zone = now.tzinfo if isinstance(now, datetime) else UTC
            return datetime.fromisoformat(moment).replace(tzinfo=zone)
        case DurationLiteral(amount=amount, unit=unit):
            return timedelta(days=min(amount * _DAYS[unit], MAX_DAYS))
        case Keyword(value=keyword):
            return {"yes": True, "no": False}.get(keyword)
        case Arithmetic(left=left, operator=sign, right=right):
            return _reckon(value_of(left, facts), sign, value_of(right, facts))
        case _:
            return None


def _reckon(left: Any, sign: str, right: Any) -> Value:
    try:
        result: Value = left + right if sign == "+" else left - right
        return result
    except (TypeError, OverflowError):
        return None


def offset_date(offset: Offset, facts: Mapping[str, Any]) -> date | None:
    """Return the day an offset means, or None where its anchor is nothing."""
    anchor = facts.get(offset.anchor.value)
    if isinstance(anchor, datetime) or not isinstance(anchor, date):
        return None
    try:
        return anchor + timedelta(days=offset.days)
    except OverflowError:
        return None


def shown(value: Value) -> str:
    """Return a value as a person reads it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case timedelta():
            days = value.total_seconds() / 86400
            return f"{days:g} day{'' if days == 1 else 's'}"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M")
        case date():
            return value.isoformat()
        case str():
            return f'"{value}"'
        case _:
            return str(value)


def written(expr: Expr) -> str:
    """Return an expression as it is written in a rule."""
    match expr:
        case Name(value=value) | Keyword(value=value) | DateLiteral(value=value):
            return value
        case Text(value=value):
            escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
            return f'"{escaped}"'
        case InstantLiteral(value=value):
            return value.replace("T", " ")
        case Number(value=number):
            return str(number)
        case DurationLiteral(amount=amount, unit=unit):
            return f"{amount} {unit[:-1] if amount == 1 else unit}"
        case Arithmetic(left=left, operator=sign, right=right):
            return f"{written(left)} {sign} {written(right)}"
        case Comparison(left=left, comparator=comparator, right=right, because=because):
            return f"{written(left)} {comparator} {', '.join(written(r) for r in right)}" + (
                f" because {written(because)}" if because else ""
            )
        case Not(condition=condition):
            inner = written(condition)
            return f"not ({inner})" if isinstance(condition, Junction) else f"not {inner}"
        case Junction(operator=word, conditions=conditions):
            return f" {word} ".join(f"({written(c)})" if isinstance(c, Junction) else written(c) for c in conditions)
