"""What one text gives for one wording: an object for each authorization it speaks of, with its values.

In: a Text, a CompiledWording. Out: Objects, each with what was read and what is missing.
May not live here: which wording wins, joining of parts, anything about one particular system.

Several objects or one contradiction? A text is parted only where it is beyond doubt that it lists several:
- lines, where the wording has one clause `line`, which says all there is to say of an object;
- rows of a table, under headings that at least two clauses of the wording know;
- records one under the other, each with the same labels of the wording, where a word beside a label decides (`Status: OK`);
- a digest: each clause `line` with a hole that must be found stands equally often, at least twice, in the same turn, so
  that every object has a complete set of its own; and what tells authorizations apart (IDENTITY) differs.
Anything else (two dates for one id, two ids and one date, a second half of a set) is one object that contradicts
itself. Objects of the same identity are one object, and must agree. What tells authorizations apart is never taken from
the text around a table, which would give every row the same id; except where there is one row, and one such value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mailrules.notices.fields import Unreadable, normalize, read_value
from mailrules.notices.groups import Text
from mailrules.notices.notice import Evidence
from mailrules.notices.patterns import IDENTITY, CompiledClause, CompiledWording, HoleType, squeeze
from mailrules.notices.search import Found, Hit, Searched
from mailrules.notices.tables import Row

MAX_OBJECTS = 200
Shared = Callable[[CompiledClause], list[Hit]]
_OPEN_DATE = re.compile(r"(?<!D)D\Z|(?<!M)M\Z")


@dataclass(slots=True)
class Reading:
    """What was read for one wording in one place. `found` counts the clauses that must be found and say something.

    `own` counts those of them that stand in the very place, not in the text around it.
    """

    values: dict[str, dict[str, Evidence]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    missing: list[CompiledClause] = field(default_factory=list)
    found: int = 0
    own: int = 0

    def read(self, clauses: Sequence[CompiledClause], own: Searched, shared: Shared | None = None) -> Reading:
        """Read all clauses, in `own` or, where a clause is not found there, in what the text around it gives."""
        beside = False
        below: list[Found] = []
        for clause in clauses:
            mine = own.find(clause)
            hits = mine or (shared(clause) if shared else [])
            if hits:
                # why: a label without anything beside it does not make a mail more like a notice
                told = not clause.holes or any(value.text for hit in hits for value in hit.values)
                self.found += told and not clause.optional
                self.own += told and not clause.optional and bool(mine)
            elif not clause.optional:
                self.missing.append(clause)
            for hit in hits:
                for value in hit.values:
                    beside = beside or (clause.label is not None and not value.below)
                    if value.below and value.hole.type == "text":
                        below.append(value)
                    else:
                        self._take(value, optional=clause.optional)
        for value in below:
            if beside:
                # why: labels have their values beside them here, so what is under a bare label is something else
                self.problems.append(f"{value.hole.field}: nothing stands beside its label")
            else:
                self._take(value, optional=False)
        return self

    def _take(self, found: Found, *, optional: bool) -> None:
        hole = found.hole
        if optional and not normalize(found.text).strip("-–—−/."):
            return
        if found.cut and open_ended(hole):
            self.problems.append(f"{hole.field}: the text stops behind `{found.text[:60]}`, which may be half a value")
            return
        value = read_value(hole.type, hole.format, found.text)
        if isinstance(value, Unreadable):
            self.problems.append(f"{hole.field}: {value.why}")
            return
        place = found.place
        evidence = Evidence(field=hole.field, part=place.part, line=place.line, column=place.column, text=found.text)
        self.values.setdefault(hole.field, {}).setdefault(value, evidence)


@dataclass(slots=True)
class Object:
    """One object: `key` tells it from the others of its text, None for the only one; `lines` are where it stands.

    `drifted` are its lines where all of it fits but a word beside a known label, in whose place others were expected.
    """

    reading: Reading
    lines: list[range]
    key: str | None = None
    drifted: Searched | None = None


def open_ended(hole: HoleType) -> bool:
    """Whether the beginning of a value may be a value, too: of a date only where its day or month may have one digit."""
    return hole.type != "date" or _OPEN_DATE.search(hole.format or "YYYY-MM-DD") is not None


def may_list(text: Searched, wording: CompiledWording) -> bool:
    """Whether several objects, or one that drifted, can stand in lines of a text: False only where none does."""
    if wording.words:
        for heading in wording.headings:
            if len(text.beginning_with(heading)) > 1:
                return True
        if any(text.beginning_with(c.heading) for c in wording.words) and all(
            text.holds(c) for c in wording.required if c.holes
        ):
            return True
    if wording.lone:
        return text.holds(wording.lone)
    return wording.identity is not None and text.may_repeat(wording.identity) and len(text.find(wording.identity)) > 1


def objects_of(text: Text, wording: CompiledWording) -> tuple[list[Object], bool]:
    """Return the objects of one text, and whether there are more than MAX_OBJECTS."""
    rows, inside = text.tables.rows(wording.body, MAX_OBJECTS)
    if rows:
        around = text.searched.some([i for i in range(len(text.searched.lines)) if i not in inside])
        made = [_of_row(row, wording, around, alone=len(rows) == 1) for row in rows[:MAX_OBJECTS]]
        return _joined([one for one in made if one]), len(rows) > MAX_OBJECTS
    lone = _lone_lines(text.searched, wording)
    if lone:
        return _joined(lone[:MAX_OBJECTS]), len(lone) > MAX_OBJECTS
    blocks, unlike = _blocks(text.searched, wording), False
    if not blocks:
        blocks, unlike = _records(text.searched, wording)
    if not blocks:
        reading = Reading().read(wording.body, text.searched)
        if unlike and not reading.missing:
            reading.problems.append("its labels stand there several times, and which belong together is not certain")
        names = frozenset(c.heading for c in reading.missing if text.searched.beginning_with(c.heading))
        drifted = text.searched if _drifted(reading, wording, names) else None
        return [Object(reading, [range(len(text.searched.lines))], None, drifted)], False
    head = text.searched.some(range(blocks[0].start))
    made = []
    for block in blocks[:MAX_OBJECTS]:
        own = text.searched.some(block)
        reading = Reading().read(wording.body, own, head.find)
        names = frozenset(c.heading for c in reading.missing if own.beginning_with(c.heading))
        made.append(_told(reading, wording, names, own, block))
    return _joined([one for one in made if one]), len(blocks) > MAX_OBJECTS


def _lone_lines(text: Searched, wording: CompiledWording) -> list[Object]:
    """Return an object for each line that fits, where a wording has one clause `line`, which says it all."""
    lone = wording.lone
    hits = text.find(lone) if lone else []
    if any(value.below for hit in hits for value in hit.values):
        return []
    found = []
    for hit in hits[: MAX_OBJECTS + 1]:
        place = range(hit.line, hit.line + 1)
        own = text.some(place)
        reading = Reading().read(wording.body, own, lambda clause: [] if clause is lone else text.find(clause))
        found.append(Object(reading, [place], _key(reading, wording, own)))
    return found


def _of_row(row: Row, wording: CompiledWording, around: Searched, *, alone: bool) -> Object | None:
    """Return the object of a row; None where the row says something else under the headings that the wording knows."""
    place = range(row.index, row.index + 1)
    if row.fault:
        return Object(Reading(problems=[row.fault]), [place], f"row {row.index}")

    def shared(clause: CompiledClause) -> list[Hit]:
        if clause.heading in row.headings:
            return []  # why: what has a column of its own is not said for the row by the text around it
        hits = around.find(clause)
        tells_apart = any(hole.field in IDENTITY for hole in clause.holes)
        return hits if not tells_apart or (alone and len(hits) == len(_readable(hits)) == 1) else []

    own = Searched(row.lines)
    return _told(Reading().read(wording.body, own, shared), wording, row.headings, own, place)


def _told(
    reading: Reading, wording: CompiledWording, names: frozenset[str], own: Searched, place: range
) -> Object | None:
    """Return the object that stands under known labels; None where it is another wording's matter."""
    key = _key(reading, wording, own)
    if not any(clause.label is None and clause.heading in names for clause in reading.missing):
        return Object(reading, [place], key)
    return Object(reading, [place], key, own) if _drifted(reading, wording, names) else None


def _drifted(reading: Reading, wording: CompiledWording, names: frozenset[str]) -> bool:
    """Whether nothing is missing but words beside labels, and other words stand there: news that must not pass in silence."""
    named = any(c.holes and c.place == "line" and not c.optional for c in wording.body)
    words = all(c.place == "line" and not c.holes and c.heading in names for c in reading.missing)
    return named and words and bool(reading.missing)


def _key(reading: Reading, wording: CompiledWording, own: Searched) -> str:
    """Return what tells an object from the others; alike in all parts of a mail, so never the number of a line."""
    for name in IDENTITY:
        if values := reading.values.get(name):
            return " ".join(sorted(values))
    fitting = [own.folded[hit.line] for c in wording.body if c.place == "line" for hit in own.find(c)]
    return " ".join(squeeze(text).rstrip(".,;。") for text in fitting or own.folded[:1])


def _joined(objects: list[Object]) -> list[Object]:
    """Return the objects with those of one identity made one, which then must agree."""
    joined: dict[str | None, Object] = {}
    for one in objects:
        first = joined.setdefault(one.key, one)
        if first is one:
            continue
        for name, values in one.reading.values.items():
            for value, place in values.items():
                first.reading.values.setdefault(name, {}).setdefault(value, place)
        first.reading.problems += one.reading.problems
        first.lines += one.lines
    return list(joined.values())


def _blocks(text: Searched, wording: CompiledWording) -> list[range]:
    """Return the line ranges of a digest's objects, [] where the text is not beyond doubt a digest."""
    required = [c for c in wording.required if c.place == "line" and c.holes]
    identity = wording.identity
    count = len(text.find(identity)) if identity else 0
    if identity is None or count < 2:
        return []
    hits = {id(c): text.find(c) for c in wording.body if len(text.find(c)) == count}
    if any(id(clause) not in hits for clause in required) or not _differ(text.find(identity)):
        return []
    for first in sorted(hits.values(), key=lambda found: found[0].line):
        starts = [hit.line for hit in first]
        ends = [*starts[1:], len(text.lines)]
        turns = all(
            start <= hit.line < end
            for clause in required
            for start, end, hit in zip(starts, ends, hits[id(clause)], strict=True)
        )
        if turns:
            return [range(start, end) for start, end in zip(starts, ends, strict=True)]
    return []


def _records(text: Searched, wording: CompiledWording) -> tuple[list[range], bool]:
    """Return the line ranges of records that stand one under the other, [] where there are no two that are alike.

    Also whether there are several that are not alike. Only a wording with a decisive word beside a label needs records:
    it would find the label in one and the word in another.
    """
    required = [c for c in wording.body if c.place == "line" and c.heading and not c.optional]
    names = {c.heading for c in required}
    if len(names) < 2 or all(c.holes for c in required):
        return [], False
    starts: list[int] = []
    seen: list[set[str]] = []
    for index, heading in sorted((i, name) for name in names for i in text.beginning_with(name)):
        if not seen or heading in seen[-1]:
            starts.append(index)
            seen.append(set())
        seen[-1].add(heading)
    if len(starts) < 2 or any(found != seen[0] for found in seen):
        return [], len(starts) > 1
    return [range(start, end) for start, end in zip(starts, [*starts[1:], len(text.lines)], strict=True)], False


def _differ(hits: Sequence[Hit]) -> bool:
    """Whether at least two different identities can be read."""
    return len(_readable(hits)) > 1


def _readable(hits: Sequence[Hit]) -> set[str]:
    readable = set()
    for hit in hits:
        for value in hit.values:
            if value.hole.field in IDENTITY:
                read = read_value(value.hole.type, value.hole.format, value.text)
                if not isinstance(read, Unreadable):
                    readable.add(read)
    return readable
