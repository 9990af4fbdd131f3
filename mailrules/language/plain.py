"""Checked definitions as lists of texts and numbers, and back: what can be written down and read without parsing.

In: values of ast.py, story.py and definitions.py, or what `plain` made of them. Out: the other of the two.
May not live here: files, where it is kept, whether it may be believed (spine/kept.py); names of single classes or fields.

Every value has a number: first the texts and the like, each once, then the values of each class, class by class, then
tuples and the like, a part before its whole. A class is a table with a column of numbers for each field, so that Python
takes a step for each column, not for each value.
"""

from __future__ import annotations

from itertools import repeat
from typing import Any

from mailrules.language import ast, definitions, story
from mailrules.language.frozen import Frozen

_GROUPS = (tuple, frozenset, dict)
_KINDS = {
    name: kind
    for module in (ast, definitions, story)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, Frozen)
}


def plain(whole: object) -> Any:
    """Return a value that has parts as JSON can hold it."""
    simple: dict[Any, int] = {}
    tables: dict[str, dict[Any, int]] = {name: {} for name in _KINDS}
    groups: dict[Any, int] = {}

    def place(value: Any) -> tuple[int, int]:
        """Return where a value stands: in which list, at which place; its parts are put there before it."""
        kind: Any = type(value)
        entries = tables.get(kind.__name__, groups if kind in _GROUPS else simple)
        if entries is simple:
            entry: list[Any] = [kind, value]  # why the class, too: yes is not 1
        elif entries is groups:
            parts = value.items() if kind is dict else sorted(value) if kind is frozenset else value
            entry = [_GROUPS.index(kind), *map(place, parts)]
        else:
            entry = [place(getattr(value, field)) for field in kind.setters]
        return id(entries), entries.setdefault(tuple(entry), len(entries))

    place(whole)
    begins, count = {}, 0
    for entries in (simple, *tables.values(), groups):
        begins[id(entries)] = count
        count += len(entries)

    def numbers(places: Any) -> list[int]:
        return [begins[entries] + at for entries, at in places]

    return [
        [value for _, value in simple],
        {
            name: dict(zip(_KINDS[name].setters, map(numbers, zip(*entries, strict=True)), strict=True))
            for name, entries in tables.items()
            if entries
        },
        [[kind, *numbers(parts)] for kind, *parts in groups],
    ]


def rebuilt(kept: Any) -> Any:
    """Return what `plain` was given. What it did not make may raise anything, or come out as anything."""
    every, tables, groups = kept
    value_of = every.__getitem__
    made = []
    for name, columns in tables.items():
        kind = _KINDS[name]
        (length,) = {len(column) for column in columns.values()}
        if [*columns] != [*kind.setters]:
            raise ValueError(f"{name} had other fields")
        values: list[object] = [*map(object.__new__, repeat(kind, length))]
        every += values
        made.append((kind, values, columns))
    for kind, *parts in groups:
        every.append(_GROUPS[kind](map(value_of, parts)))
    for kind, values, columns in made:
        for fill, column in zip(kind.setters.values(), columns.values(), strict=True):
            any(map(fill, values, map(value_of, column)))  # why any: nothing is returned, and all are filled
    return every[-1]
