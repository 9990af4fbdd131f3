"""Which rules a situation can concern at all: an index over the literal conditions of rules, never seen by an author.

In: checked rules. Out: those that a situation's kind and facts do not rule out. May not live here: evaluation; the index
may only leave out a rule whose condition cannot hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mailrules.language.ast import Comparison, Expr, Junction, Name, OnTrigger, Rule, Text
from mailrules.language.values import comparable

SMALL = 64
"""Up to so many rules all are looked at, so that every one of them can say why it held back."""
_SELECTIVE = ("developer_id", "developer", "sender.address", "account", "sender.domain")
_WORDS = frozenset({"system", "region", "authorization", "renewal", "weekday"})
"""Facts that are compared with bare words; no field of a notice may have the name of such a word."""


class RuleIndex:
    """Rules by the kind they wait for ("" for `while`) and by one literal they demand, where they demand one."""

    def __init__(self, rules: tuple[Rule, ...], *, every: bool = False) -> None:
        self.rules = rules
        self._all = every or len(rules) <= SMALL
        self._free: dict[str, list[Rule]] = {}
        self._bound: dict[str, dict[str, dict[str, list[Rule]]]] = {}
        for rule in () if self._all else rules:
            literal = _literal(rule)
            for kind in kinds_of(rule):
                if literal is None:
                    self._free.setdefault(kind, []).append(rule)
                    continue
                fact, values = literal
                for value in values:
                    self._bound.setdefault(kind, {}).setdefault(fact, {}).setdefault(value, []).append(rule)

    def concerned(self, kind: str, facts: Mapping[str, Any]) -> tuple[Rule, ...]:
        """Return the rules that a situation of this kind ("" for a tick) may concern."""
        if self._all:
            return self.rules
        found = list(self._free.get(kind, ()))
        for fact, rules_by_value in self._bound.get(kind, {}).items():
            value = facts.get(fact)
            if isinstance(value, str):
                found += rules_by_value.get(comparable(value), ())
        return tuple(found)

    def waits_for(self, kind: str) -> bool:
        """Return whether any rule waits for this kind."""
        if self._all:
            return any(kind in kinds_of(rule) for rule in self.rules if not rule.disabled)
        return kind in self._free or kind in self._bound


def kinds_of(rule: Rule) -> tuple[str, ...]:
    """Return the kinds that a rule waits for, "" for one that looks at the ledger."""
    return tuple(kind.value for kind in rule.trigger.kinds) if isinstance(rule.trigger, OnTrigger) else ("",)


def _literal(rule: Rule) -> tuple[str, set[str]] | None:
    """Return the most selective fact that must be one of some literal values for the rule to act."""
    conditions = [rule.when] if rule.when is not None else []
    if not isinstance(rule.trigger, OnTrigger):
        conditions.append(rule.trigger.condition)
    found = [pair for condition in conditions for pair in _demanded(condition)]
    ranks = {name: rank for rank, name in enumerate(_SELECTIVE)}
    return min(found, key=lambda pair: (ranks.get(pair[0], len(ranks)), len(pair[1])), default=None)


def _demanded(expr: Expr) -> Iterator[tuple[str, set[str]]]:
    match expr:
        case Junction(operator="and", conditions=conditions):
            for condition in conditions:
                yield from _demanded(condition)
        case Comparison(left=Name(value=fact), comparator="is" | "is one of", right=right) if fact != "trust":
            values = {
                comparable(r.value) for r in right if isinstance(r, Text) or (isinstance(r, Name) and fact in _WORDS)
            }
            if len(right) and all(isinstance(r, Text) or (isinstance(r, Name) and fact in _WORDS) for r in right):
                yield fact, values
