"""A mail's own text with the values that were read from it marked in place.

In: texts of parts, evidence. Out: lines of pieces, each plain or marked; escaping is the template's. Pure.
May not live here: parsing mail, HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST = 40_000
"""Characters shown of one part: what a person reads. What was read further down is shown from there on."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; `field` names the value that was read from it, "" for the rest; `number` counts the marks."""

    text: str
    field: str = ""
    number: int = 0


def marked(text: str, evidence: Sequence[Mapping[str, Any]], first: int = 1) -> tuple[list[Piece], bool]:
    """Return the pieces of one part, and whether its end was cut off. `evidence` is that of this part.

    Marks are numbered from `first` in the order in which they stand. Where two overlap, the one that begins first is shown.
    """
    starts = [0]
    for each in text.split("\n"):
        starts.append(starts[-1] + len(each) + 1)
    spans = []
    for one in evidence:
        line, column = int(one["line"]), int(one["column"])
        if 1 <= line < len(starts):
            begin = starts[line - 1] + column - 1
            end = begin + len(one["text"])
            if text[begin:end] == one["text"]:  # why: what was read by older rules may not stand there any more
                spans.append((begin, end, str(one["field"])))
    shown = max([MOST, *(end + 200 for _, end, _ in spans)])
    pieces, at, number = [], 0, first
    for begin, end, field in sorted(spans):
        if begin < at:
            continue
        pieces += [Piece(text[at:begin]), Piece(text[begin:end], field, number)]
        at, number = end, number + 1
    pieces.append(Piece(text[at:shown]))
    return [piece for piece in pieces if piece.text], len(text) > shown
