"""Checked definitions as bytes, and back: what can be written down and read without parsing.

In: values of ast.py, story.py and definitions.py, or what `plain` made of them. Out: the other of the two.
May not live here: files, where it is kept, whether it may be believed (spine/kept.py); names of single classes or fields.

Every value stands once, in one row: None, no and yes, whole numbers, texts, then the values of each class, class by class,
then tuples and the like, a part before its whole. What it is made of is told by numbers, the places in that row. A class
is a table of such numbers, one column for each field: Python takes a step for each column and none for each value.
"""

from __future__ import annotations

from array import array
from itertools import accumulate, chain, islice, repeat
from types import NoneType
from typing import Any

from mailrules.language import ast, definitions, story
from mailrules.language.frozen import Frozen

_GROUPS = (tuple, frozenset, dict)
_NAMED = chain.from_iterable(vars(module).values() for module in (ast, story, definitions))
_KINDS = [*dict.fromkeys(kind for kind in _NAMED if isinstance(kind, type) and issubclass(kind, Frozen))]
SHAPE = repr([(kind.__name__, [*kind.setters]) for kind in _KINDS])
"""What the numbers mean: programs whose shapes differ cannot read each other's."""
_END = 0


def plain(whole: object) -> bytes:
    """Return a tuple, and all that it is made of, as bytes."""
    constants: dict[Any, int] = {None: 0, False: 1, True: 2}
    numbers: dict[Any, int] = {}
    texts: dict[Any, int] = {}
    tables: dict[Any, dict[Any, int]] = {kind: {} for kind in _KINDS}
    groups: dict[Any, int] = {}
    lists = {NoneType: constants, bool: constants, int: numbers, str: texts, **tables, **dict.fromkeys(_GROUPS, groups)}

    def place(value: Any) -> tuple[int, int]:
        """Return where a value stands: in which of these, and where there; its parts are put before it."""
        kind, entry = type(value), value
        if kind in tables:
            entry = tuple(place(getattr(value, field)) for field in kind.setters)
        elif kind in _GROUPS:
            parts = value.items() if kind is dict else sorted(value) if kind is frozenset else value
            entry = (_GROUPS.index(kind), *map(place, parts))
        entries = lists[kind]  # a KeyError tells what has no place here
        return id(entries), entries.setdefault(entry, len(entries))

    place(whole)
    row = (constants, numbers, texts, *tables.values(), groups)
    begins = dict(zip(map(id, row), accumulate(map(len, row), initial=0), strict=False))
    words = [*map(str, numbers), *texts]
    told = [len(numbers), len(words), len(groups), *map(len, words), *map(len, tables.values())]
    for kind, *parts in groups:
        told += [kind, len(parts), *(begins[entries] + at for entries, at in parts)]
    for column in chain.from_iterable(zip(*entries, strict=True) for entries in tables.values()):
        told += (begins[entries] + at for entries, at in column)
    content = array("I", [*told, _END]).tobytes()
    return b"%d\n%b%b" % (len(content), content, "".join([SHAPE, *words]).encode())


def rebuilt(kept: bytes) -> Any:
    """Return what `plain` was given. What it did not make may raise anything, or come out as anything."""
    size, _, rest = kept.partition(b"\n")
    told, text = array("I", rest[: int(size)]), rest[int(size) :].decode()
    stream = iter(told)
    numbers, spoken, grouped = islice(stream, 3)
    ends = [*accumulate(islice(stream, spoken), initial=len(SHAPE))]
    words = [*map(text.__getitem__, map(slice, ends, ends[1:]))]
    lengths = [*islice(stream, len(_KINDS))]
    if not text.startswith(SHAPE) or sum(lengths) > len(told):
        raise ValueError("another program wrote it")
    tables = [[*map(object.__new__, repeat(kind, length))] for kind, length in zip(_KINDS, lengths, strict=True)]
    row: list[Any] = [None, False, True, *map(int, words[:numbers]), *words[numbers:], *chain.from_iterable(tables)]
    for _ in range(grouped):
        group, length = islice(stream, 2)
        row.append(_GROUPS[group](map(row.__getitem__, islice(stream, length))))
    for kind, values in zip(_KINDS, tables, strict=True):
        for fill in kind.setters.values():
            column = map(row.__getitem__, islice(stream, len(values)))
            any(map(fill, values, column))  # why any: filling returns nothing, so it goes through to the end
    if [*stream] != [_END] or ends[-1] != len(text):
        raise ValueError("something is missing, or over")
    return row[-1]
