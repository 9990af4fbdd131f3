"""Checked definitions as plain lists of texts and numbers, and back: what can be written down and read without parsing.

In: dataclasses of ast.py, story.py and definitions.py, or what `plain` made of them. Out: the other of the two.
May not live here: files, where it is kept, whether it may be believed (spine/kept.py); names of single classes or fields.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from mailrules.language import ast, definitions, story

_TUPLE, _SET, _MAP, _FIRST = range(4)
_KINDS = sorted(
    {
        value
        for module in (ast, definitions, story)
        for value in vars(module).values()
        if isinstance(value, type) and is_dataclass(value)
    },
    key=lambda kind: kind.__name__,
)
_FIELDS = [[field.name for field in fields(kind)] for kind in _KINDS]
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS, _FIRST)}
# why: the slots are filled directly, as unpickling does it; a constructor of a frozen class takes twice as long
_SETTERS = [[getattr(kind, name).__set__ for name in names] for kind, names in zip(_KINDS, _FIELDS, strict=True)]

SHAPE = repr([(kind.__name__, names) for kind, names in zip(_KINDS, _FIELDS, strict=True)])
"""What the numbers in a plain value mean: programs whose shapes differ cannot read each other's."""


def plain(value: object) -> Any:
    """Return a value as JSON can hold it: every list begins with the number of what it was."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, tuple):
        return [_TUPLE, *map(plain, value)]
    if isinstance(value, frozenset):
        return [_SET, *sorted(value)]
    if isinstance(value, dict):
        return [_MAP, *map(plain, value.items())]
    number = _NUMBERS[type(value)]  # type: ignore[index]  # a KeyError tells what has no place here
    return [number, *(plain(getattr(value, name)) for name in _FIELDS[number - _FIRST])]


def rebuilt(value: Any) -> Any:
    """Return what `plain` was given. What it did not make may raise anything, or come out as anything."""
    if value.__class__ is not list:
        return value
    number, *parts = [rebuilt(part) if part.__class__ is list else part for part in value]
    if number < _FIRST:
        return tuple(parts) if number == _TUPLE else frozenset(parts) if number == _SET else dict(parts)
    node = object.__new__(_KINDS[number - _FIRST])
    for fill, part in zip(_SETTERS[number - _FIRST], parts, strict=True):
        fill(node, part)
    return node
