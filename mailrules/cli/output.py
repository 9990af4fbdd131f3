"""Rows to text: JSON Lines for programs, aligned columns for people; on a terminal they fit its width and have colours.

In: rows with stable keys. Out: lines on stdout. Control and direction characters of mail never reach a terminal.
May not live here: what a row means.
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

UNSAFE = ("Cc", "Cf", "Zl", "Zp", "Cs")
BOLD, RED, YELLOW, GREEN = "1", "31", "33", "32"
COLOURED = ("state", "status", "trust", "level")
COLOURS = {
    "expired": RED, "failed": RED, "forged": RED, "expiring": YELLOW, "unknown": YELLOW, "unverified": YELLOW,
    "active": GREEN, "done": GREEN, "bound": GREEN, "confirmed": GREEN,
}  # fmt: skip


def safe(value: object) -> str:
    """Return a value as one line that a terminal shows literally."""
    text = "" if value is None else str(value)
    return "".join(c if unicodedata.category(c) not in UNSAFE else f"\\u{ord(c):04x}" for c in text)


def json_line(value: object) -> str:
    """Return a value as JSON on one line; what a terminal would act on is written as an escape, which means the same."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    if text.isprintable():
        return text
    return "".join(c if unicodedata.category(c) not in UNSAFE else json.dumps(c)[1:-1] for c in text)


def width(text: str) -> int:
    """Return how many columns a text takes (East Asian wide characters take two)."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def emit(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print rows: one JSON object a line, or columns under a heading; `empty` is said to people where there is nothing."""
    if as_json:
        for row in rows:
            sys.stdout.write(json_line(dict(row)) + "\n")
        return
    listed = [[safe(row.get(c)) for c in columns] for row in rows]
    if not listed:
        sys.stdout.write(empty + "\n")
        return
    table = [[c.replace("_", " ") for c in columns], *listed]
    if sys.stdout.isatty():
        _on_terminal(table)
        return
    for line in table:
        sys.stdout.write("  ".join(_aligned(line, _widths(table))).rstrip() + "\n")


def _widths(table: Sequence[Sequence[str]]) -> list[int]:
    return [max(width(line[i]) for line in table) for i in range(len(table[0]))]


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cell + " " * (room - width(cell)) for cell, room in zip(line, widths, strict=True)]


def _on_terminal(table: list[list[str]]) -> None:
    """Print a table that fits: without columns that tell no row from another, else one row below the other."""
    import shutil  # why here: it brings every kind of compression along

    room = shutil.get_terminal_size().columns
    for i in reversed(range(len(table[0]))):
        if _total(table) > room and {line[i] for line in table[1:]} <= {"", "False"}:
            table = [line[:i] + line[i + 1 :] for line in table]
    for i in reversed(range(1, len(table[0]))):  # why from 1: the first is what a row is named by
        if _total(table) > room and len(table) > 2 and len({line[i] for line in table[1:]}) == 1:
            table = [line[:i] + line[i + 1 :] for line in table]
    head, widths = table[0], _widths(table)
    if _total(table) <= room:
        sys.stdout.write(_painted("  ".join(_aligned(head, widths)).rstrip(), BOLD) + "\n")
        for line in table[1:]:
            cells = (_told(head[i], cell, line[i]) for i, cell in enumerate(_aligned(line, widths)))
            sys.stdout.write("  ".join(cells).rstrip() + "\n")
        return
    names = max(map(width, head))
    for number, line in enumerate(table[1:]):
        sys.stdout.write("\n" if number else "")
        for name, cell in zip(head, line, strict=True):
            if cell:
                label = _painted(name + " " * (names - width(name)), BOLD)
                sys.stdout.write(f"{label}  {_told(name, cell, cell)}\n")


def _total(table: Sequence[Sequence[str]]) -> int:
    return sum(_widths(table)) + 2 * (len(table[0]) - 1)


def _told(column: str, cell: str, value: str) -> str:
    return _painted(cell, COLOURS[value]) if column in COLOURED and value in COLOURS else cell


def _painted(text: str, colour: str) -> str:
    """Return a text in a colour, where the terminal has colours and nobody asked for none (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb":
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"
