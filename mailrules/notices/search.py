"""Clauses against lines: where each is found, and the raw values that stand in its holes.

In: Lines and compiled clauses. Out: Hits with the place of every value.
May not live here: reading of values, which wording wins.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from mailrules.language.values import fold_lines, fold_with_map
from mailrules.notices.lines import Line
from mailrules.notices.notice import Place
from mailrules.notices.patterns import INDEXED, CompiledClause, HoleType, squeeze

MAX_LINE = 2000
"""A longer line is prose: only `says` is tried on it."""
MAX_HITS = 1000
MAX_LABEL = 200
_EDGE = " \t\n\xa0*_|:"
_STOPS = ".,;。"
_LATIN = "\u2e7f"
"""Behind this character come the Chinese and Japanese ones."""


@dataclass(frozen=True, slots=True)
class Found:
    """One value found: its raw text and place. `below` a label, not beside it; `cut` where the text just stops behind."""

    hole: HoleType
    text: str
    place: Place
    below: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """One match of a clause: the index of the line it begins on, and its values."""

    line: int
    values: tuple[Found, ...]


class Searched:
    """Lines made ready to be searched by many clauses: folded once, indexed by how they begin."""

    def __init__(self, lines: Sequence[Line], folded: Sequence[str] | None = None) -> None:
        self.lines = list(lines)
        self.folded = list(folded) if folded is not None else fold_lines([_read(line) for line in self.lines])
        bodies = [text.lstrip("> ") for text in self.folded]
        self._starts: list[int] = []
        pieces: list[str] = []
        at = 0
        for body in bodies:
            if pieces and body and (body[0] <= _LATIN or not _written_together(pieces[-1], body)):
                pieces.append(" ")
                at += 1
            self._starts.append(at)
            pieces.append(body)
            at += len(body)
        self.running = "".join(pieces)
        self.squeezed = squeeze(self.running)
        self._known: dict[int, list[Hit]] = {}
        self._counts: dict[str, int] = {}
        self._labels: dict[int, str] = {}
        self._headed: dict[str, list[int]] = {}
        self._maps: dict[int, Sequence[int]] = {}

    def some(self, indexes: Sequence[int]) -> Searched:
        """Return some of the lines, ready to be searched."""
        return Searched([self.lines[i] for i in indexes], [self.folded[i] for i in indexes])

    def find(self, clause: CompiledClause) -> list[Hit]:
        """Return the matches of a clause in the order of the text, MAX_HITS at most."""
        key = id(clause)
        known = self._known.get(key)
        if known is None:
            known = []
            if self.holds(clause):
                for hit in self._says(clause) if clause.place == "says" else self._lines(clause):
                    known.append(hit)
                    if len(known) == MAX_HITS:
                        break
            self._known[key] = known
        return known

    def _count(self, must: str) -> int:
        """Return how often a squeezed text stands in the lines."""
        count = self._counts.get(must)
        if count is None:
            count = self._counts[must] = self.squeezed.count(must)
        return count

    def holds(self, clause: CompiledClause) -> bool:
        """Whether that stands there without which a clause is found nowhere, in no part of the lines either."""
        if clause.place != "says" and not self._beginning(clause.begins):
            return False
        return self._count(clause.must) > 0

    def may_repeat(self, clause: CompiledClause) -> bool:
        """Whether that stands there twice without which a clause is found nowhere."""
        return self._count(clause.must) > 1

    def beginning_with(self, heading: str) -> Sequence[int]:
        """Return the indexes of the lines that begin with a label, whatever stands behind it."""
        if heading not in self._headed:
            self._headed[heading] = [
                index
                for index in (self._beginning(heading[:INDEXED]) if heading else ())
                if self._label(index) == heading
            ]
        return self._headed[heading]

    def _label(self, index: int) -> str:
        label = self._labels.get(index)
        if label is None:
            written = self.folded[index][:MAX_LABEL].lstrip("> ").partition(":")[0]
            label = self._labels[index] = squeeze(written).rstrip(_STOPS)
        return label

    def _says(self, clause: CompiledClause) -> Iterator[Hit]:
        for match in clause.pattern.finditer(self.running):
            values = tuple(self._running(hole, *match.span(n)) for n, hole in enumerate(clause.holes, 1))
            yield Hit(self._line_at(match.start()), values)

    def _lines(self, clause: CompiledClause) -> Iterator[Hit]:
        empty: list[Hit] = []
        filled = False
        for index in self._beginning(clause.begins):
            folded = self.folded[index]
            if len(folded) > MAX_LINE:
                continue
            if match := clause.pattern.fullmatch(folded):
                filled = True
                yield Hit(
                    index, tuple(self.value(index, hole, *match.span(n)) for n, hole in enumerate(clause.holes, 1))
                )
            elif clause.label and len(empty) < MAX_HITS and clause.label.fullmatch(folded):
                below = self._below(clause, index)
                if below.text:
                    filled = True
                    yield Hit(index, (below,))
                else:
                    empty.append(Hit(index, (below,)))
        if not filled:
            yield from empty

    def _below(self, clause: CompiledClause, index: int) -> Found:
        """Return the value on the line under a label, empty where that line is none of the label's."""
        hole, label = clause.holes[0], self.lines[index]
        nothing = Found(hole, "", label.place(len(label.text) - 1))
        if "\t" in label.text.rstrip(" ") or index + 1 == len(self.lines):
            return nothing
        under = self.lines[index + 1]
        gap = under.number - label.pieces[-1][1]
        if not 1 <= gap <= 2 or under.part != label.part or len(under.text) > MAX_LINE:
            return nothing
        if clause.stop and clause.stop.match(self.folded[index + 1]):
            return nothing
        # why: below an empty line any words could be a name; between two labels they are that of the upper one
        if gap == 2 and hole.type == "text" and not self._stands_at(clause.stop, index + 2):
            return nothing
        start = len(under.text) - len(under.text.lstrip("> \t|*_:"))
        return _trimmed(hole, under, start, len(under.text), below=True)

    def _stands_at(self, label: re.Pattern[str] | None, index: int) -> bool:
        return bool(label and index < len(self.folded) and label.match(self.folded[index]))

    def _beginning(self, begins: str) -> Sequence[int]:
        return self.begins.get(begins, ()) if len(begins) >= INDEXED else range(len(self.folded))

    @cached_property
    def begins(self) -> Mapping[str, list[int]]:
        """The indexes of the lines by how they begin."""
        found: dict[str, list[int]] = {}
        for index, folded in enumerate(self.folded):
            begins = folded[:INDEXED]
            # why: letters and digits are never squeezed away, and most lines begin with some
            if not begins.isalnum():
                begins = squeeze(folded.lstrip(" >*_|•·:-")[:24])[:INDEXED]
            found.setdefault(begins, []).append(index)
        return found

    def _map(self, index: int) -> Sequence[int]:
        if index not in self._maps:
            text = _read(self.lines[index])
            # why: where nothing was dropped, every character stands where it stood, and most lines are like that
            same = text.isascii() and len(self.folded[index]) == len(text.rstrip())
            self._maps[index] = range(len(text)) if same else fold_with_map(text)[1]
        return self._maps[index]

    def _line_at(self, offset: int) -> int:
        return bisect_right(self._starts, offset) - 1

    def value(self, index: int, hole: HoleType, start: int, end: int) -> Found:
        """Return what stands between two places of a folded line."""
        places = self._map(index)
        return _trimmed(hole, self.lines[index], places[start], places[end - 1] + 1)

    def _running(self, hole: HoleType, start: int, end: int) -> Found:
        """Return a value of the running text; it may go over several lines."""
        first, last = self._line_at(start), self._line_at(end - 1)
        pieces: list[Found] = []
        for index in range(first, last + 1):
            folded = self.folded[index]
            skipped = len(folded) - len(folded.lstrip("> "))
            low = max(start - self._starts[index], 0) + skipped
            high = min(end - self._starts[index] + skipped, len(folded))
            if low < high:
                places = self._map(index)
                pieces.append(_trimmed(hole, self.lines[index], places[low], places[high - 1] + 1))
        if not pieces:
            return Found(hole, "", self.lines[first].place(0))
        text = pieces[0].text
        for before, piece in pairwise(pieces):
            text += piece.text if _written_together(before.text, piece.text) else f" {piece.text}"
        return Found(hole, text.strip(), pieces[0].place, cut=pieces[-1].cut)


def _written_together(before: str, after: str) -> bool:
    """Whether a line break between two texts stands for nothing: in the middle of Chinese or Japanese."""
    return (
        bool(before and after)
        and before[-1] > _LATIN
        and after[0] > _LATIN
        and (unicodedata.east_asian_width(before[-1]) in "WF" and unicodedata.east_asian_width(after[0]) in "WF")
    )


def _read(line: Line) -> str:
    """Return a line as it is searched: what a tab parts are a label and its value."""
    return line.text.replace("\t", ":")


def _trimmed(hole: HoleType, line: Line, start: int, end: int, *, below: bool = False) -> Found:
    """Return the value between two offsets without the marks and stops around it; a name may end with a point."""
    raw = line.text[start:end]
    bare = raw.rstrip(_EDGE)
    bare = bare.rstrip("。;") if hole.type == "text" else bare.rstrip(_STOPS + _EDGE)
    text = bare.lstrip(_EDGE)
    begin = start + len(bare) - len(text)
    cut = line.open and not line.text[start + len(bare) :].strip(_EDGE + _STOPS)
    return Found(hole, text, line.place(min(begin, max(len(line.text) - 1, 0))), below, cut)
