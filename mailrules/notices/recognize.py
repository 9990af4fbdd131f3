"""Message to Notices: which wordings fit, what they say, and whether all of it agrees.

In: a Message and compiled wordings. Out: one Notice for each object in the document, always at least one.
May not live here: trust, rules, the ledger; anything about one particular system.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

from mailrules.language.ast import System
from mailrules.mail.message import Message
from mailrules.notices.drift import difference, draft
from mailrules.notices.groups import Group, Text, groups_of
from mailrules.notices.notice import Evidence, Notice
from mailrules.notices.objects import MAX_OBJECTS, Object, Reading, objects_of
from mailrules.notices.patterns import CompiledClause, CompiledWording, Wordings
from mailrules.notices.regions import REGIONS, region_of
from mailrules.notices.search import Searched
from mailrules.notices.structure import unknown_wording
from mailrules.notices.tables import Tables
from mailrules.notices.tried import Order, Tried, may_part, touched

NEARLY = 0.5
"""A body that has at least this share of a wording's clauses, and two of them, is meant to be that notice."""
DAYS_AND_DATE = ("days", "expires")
"""The fields of the cross-check: a number of days that the subject names, and the date that the body names."""
LEEWAY = 2
MAX_DRAFTS = 3
_NOON = time(12)  # why: a quoted date names no time zone, and noon is the same day in nearly all of them


Place = tuple[int, range]
"""Lines of a text of the group, by the text's number."""


@dataclass(slots=True)
class _Item:
    """One object as one wording sees it: the lines of which texts it stands on; `split` ones are some of several.

    `drifted` are the lines that the difference is about, where they are not the whole group.
    """

    places: Sequence[Place]
    notice: Notice
    tried: Tried
    split: bool
    complete: bool
    weight: float
    own: int = 0
    missing: Sequence[CompiledClause] = ()
    drifted: Searched | None = None

    def overlaps(self, other: _Item) -> bool:
        """Whether both take up a line."""
        return any(
            text == other_text and mine.start < theirs.stop and theirs.start < mine.stop
            for text, mine in self.places
            for other_text, theirs in other.places
        )

    @property
    def rank(self) -> tuple[bool, float, int, bool]:
        """What decides between wordings: fitting wholly, by more clauses, more in the very place, with values that read."""
        return self.complete, self.weight, self.own, self.notice.status != "unparsed"

    @property
    def order(self) -> Order:
        """Its rank; of equals the one defined first comes first."""
        return *self.rank, -self.tried.number

    def contradicts(self, other: _Item) -> bool:
        """Whether both fit equally well and read the same, and only the wordings themselves say different things."""
        mine, theirs = ({n.value: t.value for n, t in i.tried.wording.wording.constants} for i in (self, other))
        if self.tried.wording.definition is not other.tried.wording.definition or self.rank != other.rank:
            return False
        return any(mine[n] != theirs[n] for n in mine.keys() & theirs.keys()) and (
            self.notice.fields.items() - mine.items() == other.notice.fields.items() - theirs.items()
        )

    def undecided(self, other: _Item) -> Notice:
        """Return the notice of this item where another contradicts it: nobody can tell which holds."""
        said = (", ".join(f"`{t.value}`" for _, t in i.tried.wording.wording.constants) for i in (self, other))
        reason = f"two wordings fit equally well, and say {' and '.join(said)}"
        return replace(self.notice, status="unparsed", fields={}, reason=reason)


def recognize(
    message: Message, wordings: tuple[CompiledWording, ...], systems: tuple[System, ...]
) -> tuple[Notice, ...]:
    """Return what the document is: its own notices, then those of attached messages; one `unrecognized` if there is none."""
    found = _without_echoes(_recognize(message, Wordings.of(wordings), {s.name.value: s for s in systems}))
    if len(found) > MAX_OBJECTS:
        found = [*found[:MAX_OBJECTS], _overflow(found[MAX_OBJECTS])]
    several = Counter(notice.path for notice in found)
    numbers: Counter[str] = Counter()
    for index, notice in enumerate(found):
        section = notice.path
        if several[section] > 1:
            numbers[section] += 1
            found[index] = replace(notice, path=f"{section}{'/' if section else '#'}notice{numbers[section]}")
    if not message.parts and not message.attached and message.defects:
        # why: nothing stands there because it was not looked at
        found = [replace(n, reason=message.defects[0]) if n.status == "unparsed" else n for n in found]
        return tuple(found) or (Notice(status="unrecognized", reason=message.defects[0]),)
    return tuple(found) or (Notice(status="unrecognized", reason="no wording fits"),)


def _overflow(beyond: Notice) -> Notice:
    reason = f"the document has more than {MAX_OBJECTS} notices; the rest was not read"
    return Notice(
        status="unparsed", kind=beyond.kind, system=beyond.system, wording=beyond.wording, path=beyond.path,
        reason=reason, forwarded=beyond.forwarded, evidence=beyond.evidence[:1],
    )  # fmt: skip


def _recognize(message: Message, wordings: Wordings, systems: dict[str, System]) -> list[Notice]:
    found: list[Notice] = []
    budget, path = MAX_DRAFTS, f"#{message.path}" if message.path else ""
    for group in groups_of(message):
        items = _items(group, wordings, systems)
        made = [item.notice for item in items]
        for index, item in enumerate(items):
            if item.missing and budget:
                budget -= 1
                about = replace(group, texts=[Text(item.drifted, Tables(()))]) if item.drifted else group
                made[index] = replace(
                    item.notice,
                    difference=difference(item.tried.wording, about, item.missing),
                    draft=draft(item.tried.wording, about, item.missing),
                )
        if not made:
            unknown = unknown_wording(group, message, wordings.definitions, tuple(systems.values()))
            made = [unknown] if unknown else []
        forwarded = group.quoted or bool(message.path)
        if group.quoted:
            written = datetime.combine(group.written, _NOON, UTC) if group.written else None
        else:
            written = message.sent_at if message.path else None
        region = region_of(message) if made else None
        found += [
            replace(n, forwarded=forwarded, written=written, notes=_notes(n, group.written), path=path, region=_said_region(n) or region)
            for n in made
        ]  # fmt: skip
    for attached in message.attached:
        found += _recognize(attached, wordings, systems)
    return found


def _said_region(notice: Notice) -> str | None:
    """Return the region that the wording itself names in a field."""
    said = notice.fields.get("region", "").casefold()
    return said if said in REGIONS else None


def _without_echoes(found: list[Notice]) -> list[Notice]:
    """Drop what another notice of the document says better: the same again, or no more than a subject that fits."""
    bodied = {(n.kind, n.system) for n in found if n.evidence}
    kept: list[Notice] = []
    said: dict[tuple[object, ...], int] = {}
    for notice in found:
        if notice.status == "unparsed" and not notice.evidence and (notice.kind, notice.system) in bodied:
            continue
        what = (notice.status, notice.kind, notice.system, tuple(sorted(notice.fields.items())), notice.reason)
        if notice.fields and what in said:
            first = said[what]
            # why: the lesser belief counts, whoever repeats it
            kept[first] = replace(kept[first], forwarded=kept[first].forwarded or notice.forwarded)
            continue
        said[what] = len(kept)
        kept.append(notice)
    return kept


def _notes(notice: Notice, written: date | None) -> tuple[str, ...]:
    days, expires = (notice.fields.get(name) for name in DAYS_AND_DATE)
    if not (written and days and expires and days.isdigit()):
        return ()
    left = (date.fromisoformat(expires) - written).days
    if abs(left - int(days)) <= LEEWAY:
        return ()
    return (f"it speaks of {days} days, and from {written} to {expires} there are {left}",)


def _items(group: Group, wordings: Wordings, systems: dict[str, System]) -> list[_Item]:
    """Return the objects of a group, each as the wording sees it that fits best; of equals, the one defined first."""
    whole: _Item | None = None
    parted: list[_Item] = []
    tried = [Tried(number, wordings[number], group) for number in touched(group, wordings)]
    for one in sorted(tried, key=lambda t: t.turn, reverse=True):
        if whole and not one.may_matter(whole.order, group):
            continue
        for item in _fit(group, one, systems.get(one.wording.definition.system.value)):
            if item.split:
                parted.append(item)
            elif item.notice.status == "refused":
                return [item]
            elif whole is None or item.order > whole.order:
                whole = item
    taken: list[_Item] = []
    for item in sorted(parted, key=lambda i: i.order, reverse=True):
        rival = next((other for other in taken if item.overlaps(other)), None)
        if rival is not None and item.contradicts(rival):
            rival.notice = rival.undecided(item)
        elif rival is None and len(taken) <= MAX_OBJECTS:
            taken.append(item)
    # why: a wording that reads the whole says more than one that nearly fits a part of it; mere words do not
    if whole and whole.complete and not whole.tried.wording.reads_nothing and not any(i.complete for i in taken):
        taken = []
    if taken:
        return sorted(taken, key=lambda i: [(text, lines.start) for text, lines in i.places])
    return [whole] if whole else []


def _fit(group: Group, tried: Tried, system: System | None) -> list[_Item]:
    """Return what one wording makes of a group: nothing, one object, or several."""
    wording, titled = tried.wording, tried.titled
    if not titled and wording.required and group.texts and not _possible(group.texts, wording):
        return []
    if not titled and wording.reads_nothing and not _speaks_for(system, group):
        return []
    fits = _Fits(tried, Reading().read(wording.subject, group.subject))
    if not group.texts or not wording.required:
        readings = [Reading().read(wording.body, text.searched) for text in group.texts]
        nothing = Reading(missing=[c for c in wording.body if not c.optional])
        return fits.item((), readings or [nothing], split=False)
    texts: list[tuple[int, list[Object]]] = []
    over = False
    for number, text in enumerate(group.texts):
        objects, more = objects_of(text, wording)
        over = over or more
        texts.append((number, objects))
    if not any(objects for _, objects in texts):
        return []
    if not any(o.key is not None for _, objects in texts for o in objects):
        every = [o for _, objects in texts for o in objects]
        drifted = next((o.drifted for o in every if o.drifted), None)
        return fits.item((), [o.reading for o in every], split=False, drifted=drifted)
    telling = [(n, objects) for n, objects in texts if any(_tells(o) for o in objects)]
    if not telling:
        return []
    keyed = [{o.key or _only(o.reading): o for o in objects} for _, objects in telling]
    if any(objects.keys() != keyed[0].keys() for objects in keyed):
        return fits.disagreeing([{key: o.reading for key, o in objects.items()} for objects in keyed])
    numbers = [number for number, _ in telling]
    items = []
    for key, one in keyed[0].items():
        alike = [objects[key] for objects in keyed]
        places = [(number, lines) for number, o in zip(numbers, alike, strict=True) for lines in o.lines]
        items += fits.item(places, [o.reading for o in alike], split=True, drifted=one.drifted)
    if over and items:
        end = len(group.texts[numbers[0]].searched.lines)
        place = (numbers[0], range(end, end + 1))
        items.append(replace(items[-1], places=[place], notice=_overflow(items[-1].notice), complete=True))
    return items


def _possible(texts: Sequence[Text], wording: CompiledWording) -> bool:
    """Whether a wording whose subject does not fit can give anything: True where in doubt, and for most it is False.

    It gives nothing without the rows of a table, objects side by side (whose sets may disagree between the parts), a word
    beside a label that drifted, all of its clauses, or so many of them that it is meant to be that notice.
    """
    total = len(wording.required)
    enough = min(total, max(2, math.ceil(total * NEARLY)))
    held = 0
    for clause in wording.required:
        held += any(text.searched.holds(clause) for text in texts)
    if held >= enough:
        return True
    return may_part(texts, wording)


def _tells(one: Object) -> bool:
    """Whether an object is one of several, or has at least the name of one."""
    return one.key is not None or bool(_only(one.reading))


def _only(reading: Reading) -> str:
    values = [value for name in ("developer_id", "developer") for value in reading.values.get(name, {})]
    return values[0] if values else ""


def _speaks_for(system: System | None, group: Group) -> bool:
    """Whether a wording without values may be believed to be about this system: its sender, or its title in the text."""
    if system is None:
        return False
    return group.domain in {d.value.lower() for d in system.domains} or group.names(system.title.value)


@dataclass(slots=True)
class _Fits:
    """One wording and its subject's reading: makes items of what the body says."""

    tried: Tried
    heading: Reading

    def item(
        self, places: Sequence[Place], readings: Sequence[Reading], *, split: bool, drifted: Searched | None = None
    ) -> list[_Item]:
        """Return the item of one object as its parts read it; [] where it is none."""
        wording, titled = self.tried.wording, self.tried.titled
        nearest = min(readings, key=lambda r: len(r.missing))
        total = len(wording.required)
        subject = any(not c.optional for c in wording.subject)
        whole = not nearest.missing and (titled or not subject or not wording.reads_nothing)
        weight = nearest.found + titled
        if whole:
            return [_Item(places, self._concluded(readings), self.tried, split, True, weight, nearest.own)]
        share = nearest.own / total if total else 0.0
        if wording.definition.refuse or wording.reads_nothing:
            return []
        if not titled and not drifted and (nearest.own < 2 or share < NEARLY):
            return []
        reason = "missing: " + "; ".join(f'"{clause.source}"' for clause in nearest.missing)
        reason = "; ".join(dict.fromkeys([reason, *nearest.problems[:3]]))
        evidence = tuple(e for values in nearest.values.values() for e in values.values())[:20]
        notice = replace(self._blank(), reason=reason, evidence=evidence)
        missing = tuple(nearest.missing)
        return [_Item(places, notice, self.tried, split, False, share + titled, 0, missing, drifted)]

    def disagreeing(self, keyed: Sequence[dict[str, Reading]]) -> list[_Item]:
        """Return the one item of parts that do not speak of the same objects."""
        sides = " and ".join(", ".join(f"`{key}`" for key in list(readings)[:3]) for readings in keyed[:2])
        notice = replace(self._blank(), reason=f"the parts speak of different objects: {sides}")
        found = max(r.found for readings in keyed for r in readings.values())
        return [_Item((), notice, self.tried, False, True, found + self.tried.titled)]

    def _blank(self) -> Notice:
        definition, language = self.tried.wording.definition, self.tried.wording.wording.language.value
        return Notice(
            status="unparsed", kind=definition.kind.value, system=definition.system.value, wording=language,
            fitted=str(self.tried.wording.wording.span),
        )  # fmt: skip

    def _concluded(self, readings: Sequence[Reading]) -> Notice:
        """Join what the parts and the subject say: each must read, and all must agree."""
        blank = self._blank()
        if self.tried.wording.definition.refuse:
            return replace(blank, status="refused", reason=self.tried.wording.definition.refuse.value)
        telling = [*(r for r in readings if r.found or r.problems or r.values), self.heading]
        problems = list(dict.fromkeys(p for r in telling for p in r.problems))
        values: dict[str, str] = {}
        evidence: list[Evidence] = []
        for name in dict.fromkeys(name for r in telling for name in r.values):
            said: dict[str, Evidence] = {}
            for reading in telling:
                for value, place in reading.values.get(name, {}).items():
                    said.setdefault(value, place)
                    evidence.append(place)
            if len(said) > 1:
                places = " and ".join(f"`{value}` ({e.part}:{e.line})" for value, e in list(said.items())[:3])
                problems.append(f"{name} is said differently: {places}")
            else:
                values[name] = next(iter(said))
        if problems:
            return replace(blank, reason="; ".join(problems[:4]), evidence=tuple(evidence[:50]))
        values.update({name.value: text.value for name, text in self.tried.wording.wording.constants})
        return replace(blank, status="read", fields=values, evidence=tuple(evidence[:50]))
