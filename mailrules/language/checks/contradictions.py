"""Conditions that can never hold, whatever the mail: found by comparing the literals that must hold together.

In: conditions. Out: the comparison that contradicts an earlier one, and that earlier one. It speaks only where it is sure.
May not live here: facts that follow from other facts, except what a state says about the days left.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mailrules.language.ast import (
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
    Text,
)  # fmt: skip
from mailrules.language.frozen import replace
from mailrules.language.values import fold, glob

MOST = 200  # why: pairs are compared, and nobody writes so many by hand
_MINUTES = {"minutes": 1, "hours": 60, "days": 1440, "weeks": 10080}
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "starts with": lambda text, part: text.startswith(part),
    "ends with": lambda text, part: text.endswith(part),
    "matches": lambda text, pattern: glob(pattern, text),
}
# why only these: with `nothing` on the left, `not x < 3` holds and `x >= 3` does not
_OPPOSITE = {"is": "is not", "is not": "is"}
_TODAY_OR_LATER = Comparison(
    left=Name(value="days_left"), comparator=">=", right=(DurationLiteral(amount=0, unit="days"),)
)


@dataclass(frozen=True, slots=True)
class Clash:
    """`later` can never hold together with `earlier`."""

    later: Expr
    earlier: Expr


def clashes(conditions: Sequence[Expr], levels: Sequence[str], facts: Container[str]) -> list[Clash]:
    """Return every branch that can never hold among conditions that must all hold. `facts` are the names that are no words."""
    return _all(list(conditions), [], levels, facts)


def _all(conditions: list[Expr], given: list[Comparison], levels: Sequence[str], facts: Container[str]) -> list[Clash]:
    atoms, branches, implied = list(given), list[Junction](), dict[int, Comparison]()
    for condition in _flat(conditions):
        match condition:
            case Junction():
                branches.append(condition)
            case Comparison() if not any(isinstance(r, Name) and r.value in facts for r in condition.right):
                atoms.append(condition)
                if _says(condition, "authorization", "expiring"):
                    atoms.append(replace(_TODAY_OR_LATER, span=condition.span))
                    implied[id(atoms[-1])] = condition
    if any(_says(a, "days_left", "\0nothing") for a in atoms):  # a status without a date is expiring, too
        atoms = [a for a in atoms if id(a) not in implied and a.right is not _TODAY_OR_LATER.right]
    clash = _first(atoms[:MOST], levels)
    if clash:
        return [Clash(implied.get(id(clash.later), clash.later), implied.get(id(clash.earlier), clash.earlier))]
    return [c for branch in branches for one in branch.conditions for c in _all([one], atoms, levels, facts)][:MOST]


def _flat(conditions: Sequence[Expr]) -> Iterator[Expr]:
    """Yield what must hold, with every `and` opened and every `not` carried to the comparison it denies."""
    for condition in conditions:
        match condition:
            case Junction(operator="and", conditions=parts):
                yield from _flat(parts)
            case Not(condition=Comparison(comparator=sign, left=left) as inner) if sign in _OPPOSITE and not _is(
                left, "trust"
            ):
                yield replace(inner, comparator=_OPPOSITE[sign])
            case Not(condition=Name() as name):
                yield Comparison(left=name, comparator="is", right=(Keyword(value="no"),), span=condition.span)
            case Name():
                yield Comparison(left=condition, comparator="is", right=(Keyword(value="yes"),), span=condition.span)
            case _:
                yield condition


def _is(expr: Expr, name: str) -> bool:
    return isinstance(expr, Name) and expr.value == name


def _says(condition: Comparison, fact: str, word: str) -> bool:
    return _is(condition.left, fact) and condition.comparator == "is" and _value(condition.right[0]) == word


def _first(atoms: list[Comparison], levels: Sequence[str]) -> Clash | None:
    by_fact: dict[str, list[Comparison]] = {}
    for atom in atoms:
        if not isinstance(atom.left, Name):
            continue
        former = by_fact.setdefault(atom.left.value, [])
        for other in former:
            if _clash(atom, other, levels):
                return Clash(atom, other)
        former.append(atom)
    return None


def _clash(one: Comparison, other: Comparison, levels: Sequence[str]) -> bool:
    if _is(one.left, "trust"):
        return _levels(one, levels).isdisjoint(_levels(other, levels))
    for first, second in ((one, other), (other, one)):
        if first.comparator in ("is", "is one of"):
            return all(_excludes(second, value) for value in first.right)
    return _gap(one, other) or _gap(other, one)


def _excludes(test: Comparison, wanted: Expr) -> bool:
    """Whether a fact that is `wanted` cannot pass `test`."""
    value, others = _value(wanted), [_value(r) for r in test.right]
    if value is None or any(o is None for o in others):
        return False
    if test.comparator in ("is", "is one of"):
        return value not in others
    if test.comparator == "is not":
        return value == others[0]
    if value == "\0nothing":
        return True
    if test.comparator in _ORDERS:
        return type(value) is type(others[0]) and not _ORDERS[test.comparator](value, others[0])
    return isinstance(value, str) and not _TEXTS[test.comparator](value, str(others[0]))


def _gap(low: Comparison, high: Comparison) -> bool:
    """Whether nothing is above `low` and below `high`."""
    if low.comparator not in (">", ">=") or high.comparator not in ("<", "<="):
        return False
    least, most = _value(low.right[0]), _value(high.right[0])
    if least is None or most is None or type(least) is not type(most):
        return False
    strict = (low.comparator, high.comparator) != (">=", "<=")
    return bool(least > most or (strict and least == most))  # type: ignore[operator]


def _levels(test: Comparison, levels: Sequence[str]) -> set[int]:
    """Return the levels of trust that pass a test; `is X` means X or more."""
    every = set(range(len(levels)))
    named = [levels.index(v) for r in test.right if (v := _value(r)) in levels]
    if len(named) != len(test.right):
        return every
    if test.comparator in ("is", "is one of"):
        return {n for n in every if n >= min(named)}
    if test.comparator in _ORDERS:
        return {n for n in every if _ORDERS[test.comparator](n, named[0])}
    return every


def _value(expr: Expr) -> str | int | None:
    """Return a literal as something to compare: texts and words folded, durations in minutes; None for anything else."""
    match expr:
        case Text(value=text) | Name(value=text):
            return fold(text)
        case Number(value=number):
            return number
        case DurationLiteral(amount=amount, unit=unit):
            return amount * _MINUTES[unit]
        case DateLiteral(value=day) | InstantLiteral(value=day):
            return f"\0{day}"
        case Keyword(value=word):
            return f"\0{word}"
        case _:
            return None
