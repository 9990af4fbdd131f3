"""The deadline strip: all authorizations on one line of time, drawn as SVG. Pure.

In: marks (how many days are left, name, state), a width, the words for its axis. Out: shapes with their places; a template
writes them down, so that every text is escaped in one way. May not live here: HTML, words, what a state means.

Time is drawn by its square root: the next weeks, in which something can be done, get most of the room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import copysign, sqrt
from unicodedata import east_asian_width

BEFORE, AFTER = -30, 370
TICKS = (-30, -7, 0, 7, 14, 30, 60, 90, 180, 365)
MARGIN, TOP, LANE, AXIS = 14, 14, 22, 34
NAMED, NEAREST = 14, 8
"""Up to so many marks are all drawn with their names, each on a lane of its own; of more, those nearest to today, and the rest is heaped up."""
COLUMN, APART = 12, 46
TALLEST, LEAST = 80, 5
"""The height of the tallest heap, and of one of a few."""
BESIDE, BROADEST = 62, 240
"""The room beside a name, for its dot and the days that are left; the most that a name gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One authorization on the strip."""

    left: int
    name: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A circle with its name beside it, left of it where `end`; its line from today ends where the name begins."""

    x: float
    y: float
    line: float
    state: str
    name: str
    left: int
    end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """So many authorizations of one state that lapse at about the same time, on top of those of other states."""

    x: float
    y: float
    height: float
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """The whole picture. `today` and `soon` are places on the axis; `ticks` are places with the days that they stand for."""

    width: int
    height: float
    floor: float
    today: float
    soon: float
    ticks: Sequence[tuple[float, int]]
    dots: Sequence[Dot] = ()
    bars: Sequence[Bar] = ()
    bar: float = COLUMN - 2


def strip(marks: Sequence[Mark], width: int, *, soon: int = 30) -> Strip:
    """Draw the marks; those beyond the ends stand at the ends."""
    few = len(marks) <= NAMED
    named = marks if few else sorted(sorted(marks, key=lambda m: abs(m.left))[:NEAREST], key=lambda m: m.left)
    rows = max(len(named), 1) * LANE
    told = {id(mark) for mark in named}
    heaps = _heaps([mark for mark in marks if id(mark) not in told], width)
    tallest = max((heap.total() for heap in heaps.values()), default=0)
    floor = TOP + rows + (min(TALLEST, tallest * LEAST) + LANE / 2 if heaps else 0)
    return Strip(
        width=width, height=floor + AXIS, floor=floor, today=_place(0, width), soon=_place(soon, width),
        ticks=_ticks(width), dots=_named(named, width), bars=_heaped(heaps, floor, min(TALLEST / max(tallest, 1), LEAST)),
    )  # fmt: skip


def _root(day: float) -> float:
    return copysign(sqrt(abs(day)), day)


def _place(day: int, width: int) -> float:
    low, high = _root(BEFORE), _root(AFTER)
    inside = _root(min(max(day, BEFORE), AFTER))
    return round(MARGIN + (inside - low) / (high - low) * (width - 2 * MARGIN), 1)


def _ticks(width: int) -> list[tuple[float, int]]:
    """Return the days written under the axis: today and the ends first, others where there is room."""
    found: list[tuple[float, int]] = []
    for day in sorted(TICKS, key=lambda d: (d not in (0, 30, 365), d not in (7, 90), d)):
        if all(abs(_place(day, width) - x) >= APART for x, _ in found):
            found.append((_place(day, width), day))
    return sorted(found)


def _named(marks: Sequence[Mark], width: int) -> list[Dot]:
    dots = []
    for lane, mark in enumerate(marks):
        x, name = _place(mark.left, width), _cut(mark.name, min(width / 2 - BESIDE, BROADEST))
        room = sum(map(_broad, name)) + BESIDE
        end = x + room > width or (mark.left < 0 and x > room)  # beside what has passed, rather than across today
        dots.append(
            Dot(
                x=x, y=TOP + lane * LANE + LANE / 2, line=x - room if end else x, state=mark.state, name=name, left=mark.left,
                end=end,
            )
        )  # fmt: skip
    return dots


def _broad(letter: str) -> float:
    """Return about how wide a letter is; a little more than it mostly is."""
    return 13.5 if east_asian_width(letter) in "WF" else 8


def _cut(name: str, room: float) -> str:
    """Return as much of a name as fits."""
    if sum(map(_broad, name)) <= room:
        return name
    while sum(map(_broad, name)) > room - _broad("…"):
        name = name[:-1]
    return name.rstrip() + "…"


def _heaps(marks: Sequence[Mark], width: int) -> dict[int, Counter[str]]:
    """Heap up what lapses at about the same time."""
    heaps: dict[int, Counter[str]] = {}
    for (left, state), count in Counter((mark.left, mark.state) for mark in marks).items():
        heaps.setdefault(int(_place(left, width) // COLUMN), Counter())[state] += count
    return heaps


def _heaped(heaps: dict[int, Counter[str]], floor: float, step: float) -> list[Bar]:
    """Draw the heaps, what has lapsed at the bottom of each."""
    bars = []
    for column, heap in sorted(heaps.items()):
        top = floor
        for state in sorted(heap, reverse=True):
            top -= heap[state] * step
            bars.append(Bar(x=column * COLUMN + 1, y=round(top, 1), height=round(heap[state] * step, 1), state=state))
    return bars
