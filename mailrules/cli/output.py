"""Rows to text: JSON Lines for programs, aligned columns for people.

In: rows with stable keys. Out: lines on stdout. Control and direction characters of mail never reach a terminal.
May not live here: what a row means.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

UNSAFE = ("Cc", "Cf", "Zl", "Zp", "Cs")


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
    widths = [max(width(line[i]) for line in table) for i in range(len(columns))]
    for line in table:
        cells = (cell + " " * (widths[i] - width(cell)) for i, cell in enumerate(line))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
