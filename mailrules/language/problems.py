"""Problems as people read them, and as programs do.

In: a Problem and the source it is about. Out: text in the manner of Elm and Cedar; a JSON object; a GitHub annotation.
May not live here: finding problems, the pages of codes (pages.py).
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from mailrules.language.ast import Problem
from mailrules.language.pages import CODES

__all__ = ["CODES", "as_annotation", "as_row", "render_problem", "width"]

_TAB = 4
_INVISIBLE = ("Cf", "Mn", "Me", "Cc")


def width(text: str) -> int:
    """Return how many columns a text takes on a terminal; what joins or modifies the character before it takes none."""
    columns, joined = 0, False
    for char in text:
        if unicodedata.category(char) in _INVISIBLE or "\U0001f3fb" <= char <= "\U0001f3ff":
            joined = char == "\u200d"
            continue
        if not joined:
            columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
        joined = False
    return columns


def severity(problem: Problem) -> str:
    """Return error, warning or note."""
    return "error" if problem.is_error else "warning" if problem.code.startswith("W") else "note"


@lru_cache(maxsize=8)  # why: a file with many problems is cut into lines once
def _lines(source: str) -> list[str]:
    return source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _printable(text: str) -> str:
    """Return a piece of a line as a terminal shows it: tabs as spaces, what it would obey or hide as a space."""
    text = text.replace("\t", " " * _TAB)
    return "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else "" if _turns(c) else c for c in text)


def _turns(char: str) -> bool:
    return (
        unicodedata.bidirectional(char) in ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
        or char in "\u200e\u200f"
    )


def render_problem(problem: Problem, source: str) -> str:
    """Return a problem with its place, its line, an underline and what to do."""
    span = problem.span
    out = [f"{severity(problem)}[{problem.code}]: {problem.message}", f"  --> {span.file}:{span.line}:{span.column}"]
    lines = _lines(source)
    if 1 <= span.line <= len(lines):
        line = lines[span.line - 1]
        end = span.end_column if span.end_line == span.line else len(line) + 1
        before, marked, after = line[: span.column - 1], line[span.column - 1 : end - 1], line[end - 1 :]
        if len(before) > 100:  # a line of a million characters is shown around the mistake
            before = "…" + before[-60:]
        before, marked, after = _printable(before), _printable(marked[:100]), _printable(after[:100])
        gutter = " " * len(str(span.line))
        out += [
            f" {gutter} |",
            f" {span.line} | {before}{marked}{after}",
            f" {gutter} | {' ' * width(before)}{'^' * max(1, width(marked))}",
        ]
    if problem.help:
        out.append(f"  = help: {problem.help}")
    if problem.code in CODES:
        out.append(f"  = see: mailrules explain {problem.code}")
    return "\n".join(out)


def as_row(problem: Problem) -> dict[str, str | int]:
    """Return a problem as an object with stable names: columns count code points from 1, the end is exclusive."""
    span = problem.span
    return {
        "code": problem.code,
        "severity": severity(problem),
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
        "message": problem.message,
        "help": problem.help,
    }


def as_annotation(problem: Problem) -> str:
    """Return a problem as a GitHub workflow command."""
    span = problem.span
    kind = {"note": "notice"}.get(severity(problem), severity(problem))
    help_ = f"\nhelp: {problem.help}" if problem.help else ""
    place = f"file={_property(span.file)},line={span.line},col={span.column}"
    if span.end_line == span.line:  # GitHub refuses a column range over several lines
        place += f",endColumn={span.end_column}"
    else:
        place += f",endLine={span.end_line}"
    return f"::{kind} {place},title={_property(problem.code)}::{_data(problem.message + help_)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
