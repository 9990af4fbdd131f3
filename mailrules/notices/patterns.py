"""Wordings to matchers: a pattern with holes against folded text.

In: a wording's clauses and the fields they fill. Out: compiled clauses; matches with the raw place of every value.
May not live here: which notice wins, trust, reading of values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mailrules.language.ast import Clause, FieldDefinition, Hole, NoticeDefinition, Wording
from mailrules.language.values import fold, fold_with_map

# why possessive (*+): these runs are hostile input and must not be tried twice
_LEAD = r"[ >*_|•·:\-]*+"
_SEPARATOR = r"[ *_|]*+:[ *_|:]*+"
_TRAIL = r"[ *_|:.,;。]*+"
MAX_LINE = 2000

FORWARDED = re.compile(r"^(?:\s*(?:fwd?|fw|wg|tr|rv|i|enc|doorst|vs|vb|転送|转发|轉寄)\s*[::]\s*)+", re.IGNORECASE)
"""Prefixes that mail programs put before the subject of a forward (en, de, fr, es, it, nl, fi, sv, ja, zh)."""


@dataclass(frozen=True, slots=True)
class HoleType:
    """What fills a hole: the field's name, its type and date format."""

    field: str
    type: str
    format: str


@dataclass(frozen=True, slots=True)
class Found:
    """One value found: the field, and where its raw text stands in the text that was searched."""

    hole: HoleType
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CompiledClause:
    """A clause ready to match. `label` fits the line that ends where the last hole would begin, where there is one."""

    place: str
    source: str
    pattern: re.Pattern[str]
    holes: tuple[HoleType, ...]
    label: re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class CompiledWording:
    """One wording of one notice, ready to match."""

    definition: NoticeDefinition
    wording: Wording
    subject: tuple[CompiledClause, ...]
    body: tuple[CompiledClause, ...]

    @property
    def reads_nothing(self) -> bool:
        """Whether no clause of the body has a hole: such a wording proves little by itself."""
        return not any(clause.holes for clause in self.body)


def _literal(text: str, *, line: bool) -> str:
    """Return the expression of a plain piece: spaces may be missing; in a line a colon may be a table's next cell."""
    out = []
    for char in fold(f"x{text}x")[1:-1]:  # the x keep outer spaces from being trimmed
        if char == " ":
            out.append(" ?")
        elif char == ":" and line:
            out.append(_SEPARATOR)
        else:
            out.append(re.escape(char))
    return re.sub(r"(?: \?)*" + re.escape(_SEPARATOR) + r"(?: \?)*", lambda _: _SEPARATOR, "".join(out))


def _hole(hole: HoleType, *, last: bool, line: bool) -> str:
    if hole.type == "number":
        return r"([0-9]{1,9})"
    if line:
        return r"([^ ].{0,400}?)"
    if not last:
        return r"([^ ].{0,200}?)"
    if hole.type == "date" and " " in hole.format:
        return f"([^ ].{{{len(hole.format) - 1}}})"
    return r"([^.。]{1,200})" if hole.type == "text" else r"([^ ]{1,60})"


def compile_clause(clause: Clause, fields: Mapping[str, FieldDefinition]) -> CompiledClause:
    """Compile one clause; a hole's type is given in place or by the notice's field."""
    pattern, holes, before_last = "", [], None
    whole = clause.place != "says"
    pieces = clause.pattern.pieces
    for index, piece in enumerate(pieces):
        if isinstance(piece, Hole):
            declared = fields.get(piece.name)
            kind = piece.type or (declared.type.value if declared else "text")
            form = declared.format.value if declared and declared.format else ""
            hole = HoleType(piece.name, kind, form)
            before_last = pattern
            pattern += _hole(hole, last=index == len(pieces) - 1, line=whole)
            holes.append(hole)
        else:
            pattern += _literal(piece, line=clause.place == "line")
    label = None
    if clause.place == "line" and len(holes) == 1 and before_last and isinstance(pieces[-1], Hole):
        label = re.compile(_LEAD + before_last.replace(_SEPARATOR, r"[ *_|:]*+") + _TRAIL)
    ready = re.compile(_LEAD + pattern + _TRAIL if whole else pattern)
    return CompiledClause(clause.place, clause.pattern.source.value, ready, tuple(holes), label)


def compile_wordings(notices: tuple[NoticeDefinition, ...]) -> tuple[CompiledWording, ...]:
    """Compile every wording of every notice, look-alikes first: what is refused by name can never be read."""
    compiled = []
    for notice in sorted(notices, key=lambda n: n.refuse is None):
        fields = {field.name.value: field for field in notice.fields}
        for wording in notice.wordings:
            clauses = [compile_clause(clause, fields) for clause in wording.clauses]
            compiled.append(CompiledWording(
                notice, wording,
                tuple(c for c in clauses if c.place == "subject"), tuple(c for c in clauses if c.place != "subject"),
            ))  # fmt: skip
    return tuple(compiled)


class Searched:
    """One text made ready to be searched by many clauses: its lines and its running text, folded, with their places."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines: list[tuple[str, list[int], int]] = []
        start = 0
        for line in text.split("\n"):
            if line.strip():
                folded, places = fold_with_map(line[:MAX_LINE].replace("\t", ":"))
                self.lines.append((folded, places, start))
            start += len(line) + 1
        running, self._places = [], []
        for folded, places, start in self.lines:
            body = folded.lstrip("> ")
            skipped = len(folded) - len(body)
            running.append(body)
            self._places.extend([start + p for p in places[skipped:]] + [start + (places[-1] if places else 0)])
        self.running = " ".join(running)

    def find(self, clause: CompiledClause) -> Iterator[tuple[Found, ...]]:
        """Yield each match of a clause as the places of its values."""
        if clause.place == "says":
            for match in clause.pattern.finditer(self.running):
                yield tuple(self._found(clause, match, n, self._places, 0) for n in range(1, len(clause.holes) + 1))
            return
        for index, (folded, places, start) in enumerate(self.lines):
            whole = clause.pattern.fullmatch(folded)
            if whole:
                yield tuple(self._found(clause, whole, n, places, start) for n in range(1, len(clause.holes) + 1))
            elif clause.label and index + 1 < len(self.lines) and clause.label.fullmatch(folded):
                following, below, after = self.lines[index + 1]
                value = following.strip(" *_|:")
                at = following.find(value)
                if value:
                    yield (Found(clause.holes[0], after + below[at], after + below[at + len(value) - 1] + 1),)

    @staticmethod
    def _found(clause: CompiledClause, match: re.Match[str], n: int, places: list[int], start: int) -> Found:
        first, last = match.start(n), match.end(n)
        return Found(clause.holes[n - 1], start + places[first], start + places[last - 1] + 1)

    def place(self, offset: int) -> tuple[int, int]:
        """Return (line, column) of an offset, both 1-based, in code points."""
        line = self.text.count("\n", 0, offset) + 1
        return line, offset - (self.text.rfind("\n", 0, offset) + 1) + 1
