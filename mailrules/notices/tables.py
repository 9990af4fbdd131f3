"""Tables in text: lines whose cells are parted by tabs or bars, under a line of headings.

In: the Lines of a text and the clauses of a wording. Out: for each row the lines that a person reads: "heading: cell".
May not live here: HTML (mail/html.py makes the tabs), reading of values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailrules.notices.lines import Line
from mailrules.notices.patterns import CompiledClause, cell

MAX_CELLS = 30
_DASHES = " -–—―−/"
LONGEST_HEADING = 80


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text and where in its line it begins."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Row:
    """One row under headings: `lines` as a person reads them, the known headings it stands under, what is wrong."""

    index: int
    lines: tuple[Line, ...]
    headings: frozenset[str]
    fault: str


class Tables:
    """The tables of one text: which lines have cells, and where each heading stands."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self._cells = {
            i: cells
            for i, line in enumerate(lines)
            if ("\t" in line.text or "|" in line.text) and len(cells := _cells(line.text)) > 1
        }
        self.headings: dict[str, list[int]] = {}
        folded: dict[str, str] = {}
        for index, cells in self._cells.items():
            for one in cells:
                if one.text and len(one.text) <= LONGEST_HEADING:
                    if one.text not in folded:
                        folded[one.text] = cell(one.text)
                    self.headings.setdefault(folded[one.text], []).append(index)

    def knows(self, headings: frozenset[str]) -> bool:
        """Whether a line holds two of these headings, so that there can be rows for a wording that has them."""
        if len(self.headings) < 2:
            return False
        lines: dict[int, str] = {}
        return any(
            lines.setdefault(index, heading) != heading
            for heading in headings & self.headings.keys()
            for index in self.headings[heading]
        )

    def rows(self, clauses: Sequence[CompiledClause], most: int) -> tuple[list[Row], set[int]]:
        """Return the rows under headings that at least two clauses know, and the indexes of all lines of such tables.

        Two, because in a table of labels and values side by side every line has one label of its own.
        """
        wanted = {clause.heading for clause in clauses if clause.heading}
        if len(wanted & self.headings.keys()) < 2:
            return [], set()
        known: dict[int, set[str]] = {}
        for heading in wanted:
            for index in self.headings.get(heading, ()):
                known.setdefault(index, set()).add(heading)
        heads = sorted(index for index, found in known.items() if len(found) > 1)
        rows: list[Row] = []
        inside: set[int] = set()
        for head in heads:
            inside.add(head)
            titles = self._cells[head]
            names = frozenset(cell(title.text) for title in titles)
            index = head + 1
            while index in self._cells and len(rows) <= most:
                if len(known.get(index, ())) > 1:
                    break
                inside.add(index)
                cells = self._cells[index]
                if any(cell(one.text) for one in cells):
                    rows.append(_row(index, self.lines[index], titles, cells, names & wanted))
                index += 1
        return rows, inside


def _row(index: int, line: Line, titles: Sequence[Cell], cells: Sequence[Cell], names: frozenset[str]) -> Row:
    if len(cells) != len(titles):
        # why: a cell that is missing anywhere but at the end would put every value under its neighbor's heading
        fault = f"the row has {len(cells)} cells and the line of headings {len(titles)}"
        return Row(index, (line,), names, fault)
    read = []
    for number, (title, one) in enumerate(zip(titles, cells, strict=True), 1):
        if cell(title.text) not in names:
            continue
        label = title.text.rstrip(" :\uff1a") + ": "
        at = line.place(min(one.offset, len(line.text) - 1))
        pieces = ((0, at.line, at.column), (len(label), at.line, at.column))
        read.append(Line(label + one.text, pieces, line.part, line.open and number == len(cells)))
    return Row(index, (*read, line), names, "")


def _cells(text: str) -> list[Cell]:
    bar = "\t" if "\t" in text else "|" if text.count("|") > 1 else ""
    if not bar:
        return []
    found: list[Cell] = []
    at = 0
    for piece in text.split(bar)[: MAX_CELLS + 1]:
        bare = piece.strip(" \xa0>*")
        if not bare.strip(_DASHES):
            bare = ""  # why: a dash in a cell says that there is nothing
        found.append(Cell(bare, at + (piece.find(bare) if bare else 0)))
        at += len(piece) + 1
    if bar == "|":  # why: bars mostly stand at both ends of a line, too
        if found and not found[0].text:
            found = found[1:]
        if found and not found[-1].text:
            found = found[:-1]
    return found if len(found) <= MAX_CELLS else []
