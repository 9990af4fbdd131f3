"""What no translation changes: a notice in a language that no wording knows is noticed, never read.

In: a Group that no wording fits, the Message, the definitions. Out: an `unparsed` Notice of the wording "unknown", or None.
May not live here: the hosts of Seller Central (regions.py), wordings.

It needs all three: a link to the page where authorizations are managed, a Developer ID beside a label, an ISO date. What
was found is said in the reason and the evidence; `fields` stays empty, because nothing says what the values mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailrules.language.ast import NoticeDefinition, System
from mailrules.mail.message import Message
from mailrules.notices.fields import Unreadable, read_value
from mailrules.notices.groups import Group, Text
from mailrules.notices.notice import Evidence, Notice
from mailrules.notices.patterns import HoleType
from mailrules.notices.regions import managing_host
from mailrules.notices.search import Found

UNKNOWN = "unknown"
_ID = re.compile(r"[^0-9:]{1,60}:[ :*_|]*+([0-9]{4}-?[0-9]{4}-?[0-9]{4})[ *_|:.,;。]*+")
_DATE = re.compile(r"(?<![0-9\-])[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9\-])")
_ID_HOLE, _DATE_HOLE = HoleType("developer_id", "developer_id", ""), HoleType("expires", "date", "YYYY-MM-DD")


def unknown_wording(
    group: Group, message: Message, notices: Sequence[NoticeDefinition], systems: Sequence[System]
) -> Notice | None:
    """Return the notice that a group seems to be, by its structure alone."""
    host = managing_host(message)
    if host is None:
        return None
    number = _first(group, _ID, 1, _ID_HOLE)
    day = _first(group, _DATE, 0, _DATE_HOLE) if number else None
    definition = _definition(host, notices, systems) if day else None
    if number is None or day is None or definition is None:
        return None
    evidence = tuple(
        Evidence(field=f.hole.field, part=f.place.part, line=f.place.line, column=f.place.column, text=f.text)
        for f in (number, day)
    )
    reason = (
        f"wording unknown: it links to {host}/apps/manage and names `{number.text}` and `{day.text}`, "
        "but fits no wording; look at it, and add its wording"
    )
    return Notice(
        status="unparsed", kind=definition.kind.value, system=definition.system.value, wording=UNKNOWN, reason=reason,
        evidence=evidence,
    )  # fmt: skip


def _first(group: Group, pattern: re.Pattern[str], number: int, hole: HoleType) -> Found | None:
    for text in group.texts:
        for found in _matches(text, pattern, number, hole):
            if not isinstance(read_value(hole.type, hole.format, found.text), Unreadable):
                return found
    return None


def _matches(text: Text, pattern: re.Pattern[str], number: int, hole: HoleType) -> list[Found]:
    searched = text.searched
    found = []
    for index, folded in enumerate(searched.folded):
        match = pattern.fullmatch(folded[:200]) if number else pattern.search(folded)
        if match:
            found.append(searched.value(index, hole, *match.span(number)))
            if len(found) == 50:
                break
    return found


def _definition(host: str, notices: Sequence[NoticeDefinition], systems: Sequence[System]) -> NoticeDefinition | None:
    """Return the first notice of an id and an expiry date, of a system that has the host's domain."""
    owners = {s.name.value for s in systems if any(host.endswith("." + d.value.lower()) for d in s.domains)}
    for notice in notices:
        names = {field.name.value for field in notice.fields}
        if notice.refuse is None and notice.system.value in owners and {"developer_id", "expires"} <= names:
            return notice
    return None
