"""Frozen values with named fields: what everything that the language defines is made of.

In: class bodies of annotations, with defaults. Out: Frozen and `replace`. A field is a slot; a constructor takes fields by name.
May not live here: any single class; what a rules file says (ast.py, story.py, definitions.py).

Why not dataclasses: they write and compile source for every class at every start, which for the language's 43 was half
of the time that a poll took to have its rules.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Never, TypeVar, dataclass_transform


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Declared(type):
    """The class of these classes: it reads the fields from the annotations; those of a base come after a class's own."""

    setters: dict[str, Callable[[object, object], None]]
    """By field: what fills it in a new value, past its being frozen."""
    defaults: dict[str, Any]
    compared: attrgetter[Any]
    """What two values are equal by: the fields that the class declares itself, not those of its base."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Declared:
        """Declare a class. Its module has `from __future__ import annotations`: they are texts, which none evaluates."""
        own = tuple(body.get("__annotations__", ()))
        defaults = {field: body.pop(field) for field in own if field in body}
        made = super().__new__(cls, name, bases, {**body, "__slots__": (*own, *body.get("__slots__", ()))})
        setters = {field: getattr(made, field).__set__ for field in own}
        for base in bases:
            if isinstance(base, Declared):
                setters |= base.setters
                defaults |= base.defaults
        made.setters, made.defaults, made.compared = setters, defaults, attrgetter(*own or ("__class__",))
        return made


class Frozen(metaclass=Declared):
    """A value that never changes."""

    def __init__(self, **given: Any) -> None:
        kind = type(self)
        values = kind.defaults | given
        if values.keys() != kind.setters.keys():
            odd = ", ".join(sorted(values.keys() ^ kind.setters.keys()))
            raise TypeError(f"{kind.__name__} lacks or does not have: {odd}")
        for name, value in values.items():
            kind.setters[name](self, value)

    def __setattr__(self, name: str, value: Never) -> Never:
        raise AttributeError(f"{name} of a frozen {type(self).__name__} stays as it is")

    def __delattr__(self, name: str) -> Never:
        raise AttributeError(f"{name} of a frozen {type(self).__name__} stays as it is")

    def __eq__(self, other: object) -> bool:
        compared = type(self).compared
        return compared(self) == compared(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(type(self).compared(self))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self).setters)
        return f"{type(self).__name__}({values})"


F = TypeVar("F", bound=Frozen)


def replace(value: F, /, **changes: Any) -> F:
    """Return a value with other values in some of its fields."""
    kind = type(value)
    return kind(**{**{name: getattr(value, name) for name in kind.setters}, **changes})
