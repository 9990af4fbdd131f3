"""Message to Notices: which wording fits, what it says, and whether all of it agrees.

In: a Message and compiled wordings. Out: one Notice for each object in the document, always at least one.
May not live here: trust, rules, the ledger; anything about one particular system.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mailrules.language.ast import System
from mailrules.language.values import fold
from mailrules.mail.message import Message, TextPart
from mailrules.notices.fields import Unreadable, read_value
from mailrules.notices.notice import Evidence, Notice
from mailrules.notices.patterns import FORWARDED, CompiledWording, Found, Searched
from mailrules.notices.regions import region_of

NEARLY = 0.5
"""A body that has at least this share of a wording's clauses is meant to be that notice."""


@dataclass(slots=True)
class _Reading:
    """What one part gave for one wording."""

    values: dict[str, dict[str, Evidence]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def take(self, found: Found, text: Searched, part: str) -> None:
        raw = (
            text.text[found.start : found.end].strip(" \t*_|:").rstrip(".,;。")
            if part != "subject"
            else text.text[found.start : found.end]
        )
        value = read_value(found.hole.type, found.hole.format, raw)
        if isinstance(value, Unreadable):
            self.problems.append(f"{found.hole.field}: {value.why}")
            return
        offset = text.text.find(raw, found.start)
        line, column = text.place(max(offset, found.start))
        evidence = Evidence(field=found.hole.field, part=part, line=line, column=column, text=raw)
        self.values.setdefault(found.hole.field, {}).setdefault(value, evidence)


def recognize(
    message: Message, wordings: tuple[CompiledWording, ...], systems: tuple[System, ...]
) -> tuple[Notice, ...]:
    """Return what the document is: its own notice, then those of attached messages; one `unrecognized` if there is none."""
    own = _recognize_one(message, wordings, {s.name.value: s for s in systems})
    notices = [own]
    for attached in message.attached:
        notices.extend(recognize(attached, wordings, systems))
    known = tuple(n for n in notices if n.status != "unrecognized")
    return known or (replace(own, path=""),) if not message.path else known or (own,)


def _recognize_one(message: Message, wordings: tuple[CompiledWording, ...], systems: dict[str, System]) -> Notice:
    path = f"#{message.path}" if message.path else ""
    subject = FORWARDED.sub("", message.subject)
    searched = [(part, Searched(part.text)) for part in message.parts]
    best: tuple[float, Notice] | None = None
    for wording in wordings:
        result = _fit(message, wording, subject, searched, systems.get(wording.definition.system.value))
        if result is None:
            continue
        score, notice = result
        notice = replace(notice, path=path)
        if notice.status in ("read", "refused"):
            return replace(notice, region=region_of(message))
        if best is None or score > best[0]:
            best = score, notice
    if best:
        return replace(best[1], region=region_of(message))
    return Notice(status="unrecognized", path=path, reason="no wording fits")


def _fit(
    message: Message,
    wording: CompiledWording,
    subject: str,
    parts: list[tuple[TextPart, Searched]],
    system: System | None,
) -> tuple[float, Notice] | None:
    kind, owner = wording.definition.kind.value, wording.definition.system.value
    heading = _Reading()
    about = Searched(subject)
    for clause in wording.subject:
        matches = list(about.find(clause))
        if not matches:
            heading.missing.append(clause.source)
        for match in matches:
            for found in match:
                heading.take(found, about, "subject")
    titled = bool(wording.subject) and not heading.missing
    if wording.reads_nothing and not titled and not _speaks_for(system, message):
        return None
    readings = [_read_part(wording, part, text) for part, text in parts] or [
        _Reading(missing=[c.source for c in wording.body])
    ]
    complete = [r for r in readings if not r.missing]
    if not wording.body:
        return (1.0, _concluded(wording, kind, owner, [heading])) if titled else None
    if complete and (titled or not wording.reads_nothing or not wording.subject):
        return 1.0, _concluded(wording, kind, owner, [*readings, heading])
    nearest = min(readings, key=lambda r: len(r.missing))
    score = 1 - len(nearest.missing) / len(wording.body)
    if wording.definition.refuse or wording.reads_nothing or not (titled or score >= NEARLY):
        return None
    reason = "missing: " + "; ".join(f'"{source}"' for source in nearest.missing)
    return score + titled, Notice(
        status="unparsed", kind=kind, system=owner, wording=wording.wording.language.value, reason=reason
    )


def _speaks_for(system: System | None, message: Message) -> bool:
    """Whether a wording without values may be believed to be about this system: its sender, or its title in the text."""
    if system is None:
        return False
    if message.sender and message.sender.domain in {d.value.lower() for d in system.domains}:
        return True
    title = fold(system.title.value)
    return any(title in fold(text) for text in (message.subject, *(part.text for part in message.parts)))


def _read_part(wording: CompiledWording, part: TextPart, text: Searched) -> _Reading:
    reading = _Reading()
    for clause in wording.body:
        matched = False
        for match in text.find(clause):
            matched = True
            for found in match:
                reading.take(found, text, part.path)
        if not matched:
            reading.missing.append(clause.source)
    return reading


def _concluded(wording: CompiledWording, kind: str, system: str, readings: list[_Reading]) -> Notice:
    """Join what the parts say: each must read, and all must agree."""
    language = wording.wording.language.value
    common = {"kind": kind, "system": system, "wording": language}
    if wording.definition.refuse:
        return Notice(status="refused", reason=wording.definition.refuse.value, **common)  # type: ignore[arg-type]
    problems = list(dict.fromkeys(p for r in readings for p in r.problems))
    values: dict[str, str] = {}
    evidence: list[Evidence] = []
    names = dict.fromkeys(name for r in readings for name in r.values)
    for name in names:
        said: dict[str, Evidence] = {}
        for reading in readings:
            for value, place in reading.values.get(name, {}).items():
                said.setdefault(value, place)
                evidence.append(place)
        if len(said) > 1:
            places = " and ".join(f"`{value}` ({place.part}:{place.line})" for value, place in list(said.items())[:3])
            problems.append(f"{name} is said differently: {places}")
        else:
            values[name] = next(iter(said))
    if problems:
        return Notice(status="unparsed", reason="; ".join(problems[:4]), evidence=tuple(evidence), **common)  # type: ignore[arg-type]
    return Notice(status="read", fields=values, evidence=tuple(evidence), **common)  # type: ignore[arg-type]
