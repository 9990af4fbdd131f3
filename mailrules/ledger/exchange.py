"""The list of authorizations as a table to take along: CSV for spreadsheets, JSON for programs, there and back.

In: exported rows, or the text of a file. Out: text; or the Ledger with the rows taken in, or every problem with its row.
May not live here: opening files; what a row means in the listing (listing.py).
"""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from mailrules.errors import UsageError
from mailrules.ledger.acts import enter
from mailrules.ledger.joining import find
from mailrules.ledger.listing import EXPORTED, KEPT
from mailrules.ledger.records import Authorization, Event, Ledger, Obligation, Sighting
from mailrules.notices.fields import Unreadable, normalize, read_value
from mailrules.notices.notice import TRUST_LEVELS

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "'")
"""Beginnings that make a cell a formula; the full-width ones do in East Asian spreadsheets."""
NEEDED = ("account", "system", "developer")
REGIONS = ("na", "eu", "fe")
STATES = ("", "active", "expiring", "expired", "revoked", "unknown")
DAYS = ("expires", "told", "acted_on", "snoozed", "owed")
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What an import came to. Where there are `problems` the ledger is the former one: all rows or none."""

    ledger: Ledger
    events: tuple[Event, ...] = ()
    new: int = 0
    changed: int = 0
    problems: tuple[str, ...] = ()


# --- out --------------------------------------------------------------------------------------------------------


def to_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return one JSON object a line."""
    return "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows)


def to_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = EXPORTED) -> str:
    """Return a table that a spreadsheet opens as it is meant: no cell is a formula, no id becomes a number."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_guarded(_cell(name, row[name])) for name in columns])
    return out.getvalue()


def _cell(name: str, value: Any) -> str:
    if name == "developer_id" and value:
        return "-".join((value[:4], value[4:8], value[8:]))  # why: a spreadsheet would round 12 digits and drop a zero
    return _text(value)


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) and not cell.lstrip("-").isdigit() else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(FORMULA) else cell


# --- in ---------------------------------------------------------------------------------------------------------


def table(text: str) -> list[tuple[int, Row]] | str:
    """Return the rows of a CSV or JSON text with their numbers as a reader counts them, or the sentence why not."""
    text = text.removeprefix("\ufeff").strip("\r\n")
    try:
        found = _json_rows(text) if text[:1] in ("{", "[") else _csv_rows(text)
    except (ValueError, csv.Error) as error:
        return f"it is neither CSV nor JSON: {error}"
    known = {name for _, row in found for name in row}
    for name in sorted(known - set(EXPORTED)):
        near = difflib.get_close_matches(name, EXPORTED, 1)
        return f"no column is called `{name}`" + (f"; `{near[0]}` is" if near else f"; there are {', '.join(EXPORTED)}")
    missing = [name for name in NEEDED if name not in known]
    return f"the column `{missing[0]}` is missing" if missing and found else found


def _json_rows(text: str) -> list[tuple[int, Row]]:
    items = (
        json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines() if line.strip()]
    )
    if not all(isinstance(item, dict) for item in items):
        raise ValueError("a row is an object with named values")
    return [(n, {str(k): _text(v) for k, v in item.items()}) for n, item in enumerate(items, 1)]


def _csv_rows(text: str) -> list[tuple[int, Row]]:
    head = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    names = [name.strip() for name in next(reader, [])]
    rows: list[tuple[int, Row]] = []
    for number, cells in enumerate(reader, 2):
        if any(cell.strip() for cell in cells):
            if len(cells) > len(names):
                raise ValueError(f"row {number} has {len(cells)} cells, and {len(names)} columns have a name")
            rows.append((number, dict(zip(names, map(_unguarded, cells), strict=False))))
    return rows


def take_in(ledger: Ledger, rows: Iterable[tuple[int, Row]], today_of: Mapping[str, date], at: str) -> Taken:
    """Take rows into the ledger. A row with an id that is not known is restored as it was exported; any other is
    entered as by hand, unless its date is the known one already.
    """
    events: list[Event] = []
    problems: list[str] = []
    new = changed = 0
    before = ledger
    for number, row in rows:
        checked = _checked(row, today_of)
        if isinstance(checked, str):
            problems.append(f"row {number}: {checked}")
            continue
        seen = _sighting(checked, today_of[checked["account"]], at)
        known = ledger.authorizations.get(checked["id"]) or find(ledger, seen)
        if known is None and checked["id"]:
            ledger = _restored(ledger, checked, at)
            events.append(Event(authorization=checked["id"], due="", at=at, what="imported", detail=dict(checked)))
            new += 1
        elif known is None or (seen.expires and seen.expires != known.expires):
            try:
                entered = enter(ledger, seen)
            except UsageError as error:
                problems.append(f"row {number}: `expires`: {error}")
                continue
            ledger, new, changed = entered.ledger, new + (known is None), changed + (known is not None)
            events.extend(entered.events)
    if problems:
        return Taken(ledger=before, problems=tuple(problems))
    return Taken(ledger=ledger, events=tuple(events), new=new, changed=changed)


def _checked(row: Row, today_of: Mapping[str, date]) -> dict[str, str] | str:
    """Return a row with every value in its plain form, or the sentence why it cannot be taken."""
    values = {name: normalize(row.get(name, "")) for name in EXPORTED}
    for name in NEEDED:
        if not values[name] and not (name == "developer" and values["developer_id"]):
            return f"`{name}` is empty"
    if values["account"] not in today_of:
        return f"no account is called `{values['account']}`; there are {', '.join(today_of) or 'none'}"
    for name in ("developer_id", *DAYS):
        value = read_value("developer_id" if name == "developer_id" else "date", "YYYY-MM-DD", values[name] or "-")
        if values[name] and isinstance(value, Unreadable):
            lost = "; a spreadsheet may have dropped a leading zero" if "11 digits" in value.why else ""
            return f"`{name}`: {value.why}{lost}"
        values[name] = value if isinstance(value, str) else ""
    allowed = {
        "region": ("", *REGIONS), "state": STATES, "assumed": ("", "true", "false"), "trust": ("", *TRUST_LEVELS[1:]),
        "proof": ("", *TRUST_LEVELS[1:]), "owed_as": ("", "deadline", "episode"),
    }  # fmt: skip
    for name, words in allowed.items():
        values[name] = values[name].lower()
        if values[name] not in words:
            return f"`{name}` is {', '.join(words[1:])} or empty, not `{values[name][:40]}`"
    for name in ("settled_at", "first_seen"):
        try:
            date.fromisoformat(values[name][:10] or "2000-01-01")
        except ValueError:
            return f"`{name}` is not an instant: `{values[name][:40]}`"
    return values


def _sighting(row: Row, today: date, at: str) -> Sighting:
    return Sighting(
        account=row["account"], system=row["system"], kind="", developer_id=row["developer_id"] or None,
        developer=row["developer"], region=row["region"] or None, expires=row["expires"] or None, trust="confirmed",
        message="", at=at, today=today,
    )  # fmt: skip


def _restored(ledger: Ledger, row: Row, at: str) -> Ledger:
    trust: Any = row["trust"] or "confirmed"
    subject = Authorization(
        id=row["id"], account=row["account"], system=row["system"], developer_id=row["developer_id"] or None,
        developer=row["developer"], region=row["region"] or None, expires=row["expires"] or None,
        assumed=row["assumed"] == "true", revoked=row["state"] == "revoked", trust=trust,
        endless=row["state"] == "active" and not row["expires"], **{name: row[name] for name in KEPT},
    )  # fmt: skip
    subject = replace(subject, first_seen=subject.first_seen or at)
    owed = row["owed"] and Obligation(
        authorization=subject.id, due=row["owed"], dated=row["owed_as"] != "episode", trust=trust, notice=row["notice"],
        opened=at, source=row["source"], written=row["told"],
    )  # fmt: skip
    return ledger.with_(authorization=subject, obligation=owed or None)
