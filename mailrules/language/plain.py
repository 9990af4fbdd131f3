"""Checked definitions as plain lists of texts and numbers, and back: what can be written down and read without parsing.

In: dataclasses of ast.py, story.py and definitions.py, or what `plain` made of them. Out: the other of the two.
May not live here: files, where it is kept, whether it may be believed (spine/kept.py); names of single classes or fields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any

from mailrules.language import ast, definitions, story

_KINDS = tuple(
    sorted(
        {
            value
            for module in (ast, definitions, story)
            for value in vars(module).values()
            if isinstance(value, type) and is_dataclass(value)
        },
        key=lambda kind: kind.__name__,
    )
)
_NAMES = tuple(tuple(field.name for field in fields(kind)) for kind in _KINDS)
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS, 3)}
_TUPLE, _SET, _MAP = 0, 1, 2

SHAPE = repr([(kind.__name__, names) for kind, names in zip(_KINDS, _NAMES, strict=True)])
"""What the numbers in a plain value mean: two programs whose shapes differ cannot read each other's."""


def plain(value: object) -> Any:
    """Return a value as JSON can hold it: a list begins with the number of what it was."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, tuple):
        return [_TUPLE, *map(plain, value)]
    if isinstance(value, frozenset):
        return [_SET, *sorted(value)]
    if isinstance(value, dict | MappingProxyType):
        return [_MAP, *(plain(pair) for pair in value.items())]
    number = _NUMBERS[type(value)]
    return [number, *(plain(getattr(value, name)) for name in _NAMES[number - 3])]


def rebuilt(value: Any) -> Any:
    """Return what `plain` was given. Raises ValueError, TypeError, KeyError or IndexError for anything else."""
    if not isinstance(value, list):
        return value
    number = value[0]
    parts = [rebuilt(part) if part.__class__ is list else part for part in value[1:]]
    if number > _MAP:
        kind: Callable[..., Any] = _KINDS[number - 3]
        return kind(**dict(zip(_NAMES[number - 3], parts, strict=True)))
    return tuple(parts) if number == _TUPLE else frozenset(parts) if number == _SET else dict(parts)
