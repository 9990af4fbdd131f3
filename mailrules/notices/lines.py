"""The lines of a text part with the place of each: what wordings are tried on.

In: a TextPart or a subject. Out: Lines; a value wrapped behind a hyphen stands on one of them.
May not live here: patterns, what a line means, folding.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mailrules.mail.message import TextPart
from mailrules.notices.notice import Place

_BROKEN = re.compile(r"(?<!\d)\d{4}(?:[-‐‑‒–—−-]\d{2,4})?[-‐‑‒–—−-]\Z")
_GOES_ON = re.compile(r"[ >|\t]*(\d.*)", re.DOTALL)


class Line(NamedTuple):
    """One line: its text, and the pieces of it, each (offset in the text, line number, column), first piece at 0.

    `open` tells that the text of the part just stops here, perhaps in the middle of a value.
    """

    text: str
    pieces: tuple[tuple[int, int, int], ...]
    part: str
    open: bool = False

    @property
    def number(self) -> int:
        """The line's number in its part."""
        return self.pieces[0][1]

    def place(self, offset: int) -> Place:
        """Return where the character at an offset of the text stands."""
        index = len(self.pieces) - 1
        while self.pieces[index][0] > offset:
            index -= 1
        start, number, column = self.pieces[index]
        return Place(part=self.part, line=number, column=column + offset - start)

    def behind(self, offset: int) -> Line:
        """Return the rest of the line from an offset on."""
        at = self.place(offset)
        return Line(self.text[offset:], ((0, at.line, at.column),), self.part, self.open)


def lines_of(part: TextPart) -> list[Line]:
    """Return the lines of a part that say something, in order."""
    path, texts = part.path, part.text.split("\n")
    stopping = 0 if part.ended else len(texts)
    lines: list[Line] = []
    for number, text in enumerate(texts, 1):
        bare = text.strip()
        if not bare:
            continue
        stops = number == stopping
        if bare[0] in "> |0123456789０１２３４５６７８９" and lines and lines[-1].number == number - 1:
            before = lines[-1]
            head = before.text.rstrip()
            rest = _GOES_ON.fullmatch(text)
            if rest and len(before.pieces) == 1 and _BROKEN.search(head[-12:]):
                pieces = (*before.pieces, (len(head), number, rest.start(1) + 1))
                lines[-1] = Line(head + rest[1], pieces, path, stops)
                continue
        lines.append(Line(text, ((0, number, 1),), path, stops))
    return lines


def subject_line(subject: str, prefix: int) -> Line:
    """Return a message's subject behind what mail programs put before it."""
    return Line(subject[prefix:], ((0, 1, prefix + 1),), "subject")
