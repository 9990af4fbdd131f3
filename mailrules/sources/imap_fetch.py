"""Answers to FETCH read quickly: exactly the forms that we ask for; whatever looks different is the library's to read.

In: what imaplib hands over for one FETCH. Out: (UID, items by name) of each answer, or None where one is of another form.
May not live here: commands, what an item means. The bytes are a stranger's: what is accepted here is read as the library
reads it, and a test holds the two side by side.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

Items = dict[bytes, Any]
_NUMBER = rb"(0|[1-9][0-9]{0,14})"
_ANSWER = re.compile(
    rb"[0-9]{1,15} \((?:(?:UID " + _NUMBER + rb"|RFC822\.SIZE " + _NUMBER + rb'|INTERNALDATE "([^"\\\r\n]{1,60})") ?)*'
    rb"(?:(?<= )(BODY\[[A-Z. ()\-]{0,200}\](?:<[0-9]{1,15}>)?) \{([0-9]{1,15})\}|(?<! )\))"
)
_LITERAL8 = re.compile(rb"~(\{[0-9]+\})\Z")
_DATE = re.compile(
    rb"([ 0-3][0-9])-([A-Z][a-z]{2})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"
)
_MONTHS = {
    name: number
    for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)
}  # fmt: skip


def answers(data: Sequence[Any]) -> list[tuple[int, Items]] | None:
    """Return what each answer says, in their order; those without a UID are left out. None: ask the library."""
    found: list[tuple[int, Items]] = []
    at = 0
    while at < len(data):
        line, literal = data[at] if isinstance(data[at], tuple) else (data[at], None)
        match = _ANSWER.fullmatch(line)
        if match is None:
            return None
        uid, size, date, section, length = match.groups()
        if (section is None) != (literal is None):
            return None
        items: Items = {}
        if size is not None:
            items[b"RFC822.SIZE"] = int(size)
        if date is not None:
            items[b"INTERNALDATE"] = date
        if literal is not None:
            if int(length) != len(literal) or at + 1 == len(data) or data[at + 1] != b")":
                return None
            items[section] = literal
            at += 1
        at += 1
        if uid is not None:
            items[b"UID"] = number = int(uid)
            found.append((number, items))
    return found


def plain_literals(data: Sequence[Any]) -> list[Any]:
    """Return the same with a literal8 (RFC 3516) announced as any other: the library takes `~{230}` for a text."""
    return [(_LITERAL8.sub(rb"\1", item[0]), item[1]) if isinstance(item, tuple) else item for item in data]


def came(written: object) -> datetime | None:
    """Return an INTERNALDATE in UTC, however it is written; None where nobody understands it."""
    found = instant(written)
    if found is None and isinstance(written, bytes):
        from mailrules.sources.imap_client import parse_to_datetime

        with contextlib.suppress(ValueError, OverflowError, TypeError):
            read: datetime = parse_to_datetime(written, normalise=False)
            found = read.astimezone(UTC)
    return found


def instant(written: object) -> datetime | None:
    """Return an INTERNALDATE in UTC; None where it is not written as RFC 9051 section 9 has it."""
    match = _DATE.fullmatch(written) if isinstance(written, bytes) else None
    if match is None or match[2] not in _MONTHS:
        return None
    day, _, year, hour, minute, second, _, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        told = datetime(int(year), _MONTHS[match[2]], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        return told + offset if match[7] == b"-" else told - offset
    except (ValueError, OverflowError):
        return None
