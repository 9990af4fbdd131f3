"""The language's values, and how texts are made alike before they are compared.

In: texts. Out: folded texts, with the place of each folded character. Hyphen and dashes, straight and curly and
typewriter quotes, full-width forms, accents written apart, letter case and runs of space are alike. May not live here: evaluation.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, timedelta

_ID = re.compile(r"[0-9]{4}-[0-9]{4}-[0-9]{4}")
Value = str | int | bool | date | datetime | timedelta | None

_ALIKE = {
    **dict.fromkeys("‐‑‒–—―−﹣-", "-"),
    **dict.fromkeys("'‘’‚‛′`´", "'"),
    **dict.fromkeys('"“”„‟″«»「」', '"'),
}
KNOWN_CHARACTERS = 20_000
"""So many characters are remembered as they are folded; a hostile text has more."""
_PRINTABLE = b"\n" + bytes(range(32, 127))
_INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u202a\u202b\u202c\u202d\u202e")


class _Folds(dict[int, str]):
    """What each character is folded to, found out when it is first met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        alike = unicodedata.normalize("NFKC", _ALIKE.get(char, char)).casefold()
        folded = "".join(" " if c.isspace() else _ALIKE.get(c, c) for c in alike) if char not in _INVISIBLE else ""
        if len(self) < KNOWN_CHARACTERS:
            self[code] = folded
        return folded


_FOLDS = _Folds()


def _apart(folded: str) -> bool:
    """Whether letters and their accents stand in a text as characters of their own (NFD), as some mail programs write."""
    return not unicodedata.is_normalized("NFC", folded)


def fold_with_map(text: str) -> tuple[str, list[int]]:
    """Return `text` folded, and for each folded character the index of the character it came from. Linear."""
    out: list[str] = []
    places: list[int] = []
    previous = ""
    apart = not text.isascii() and _apart(text.translate(_FOLDS))
    for index, char in enumerate(text):
        if char in _INVISIBLE:
            continue
        for one in _FOLDS[ord(char)]:
            if one == " " and (not out or out[-1] == " "):
                continue
            if one in (",", "'") and previous == one == char and out and out[-1] == one and places[-1] == index - 1:
                out[-1] = '"'  # typewriter quotes: ,,text''
                continue
            if apart and out and len(whole := unicodedata.normalize("NFC", out[-1] + one)) == 1:
                out[-1] = whole  # a letter and its accent, written as two characters
                continue
            out.append(one)
            places.append(index)
        previous = char
    while out and out[-1] == " ":
        out.pop()
        places.pop()
    return "".join(out), places


def fold(text: str) -> str:
    """Return `text` as it is compared: what `fold_with_map` gives, without the places."""
    quoted = text.replace(",,", '"').replace("''", '"')
    plain = quoted.lower().replace("`", "'") if text.isascii() else quoted.translate(_FOLDS)
    if not text.isascii() and _apart(plain):
        return fold_with_map(text)[0]
    return " ".join(plain.split())


def fold_lines(lines: Sequence[str]) -> list[str]:
    """Return lines folded; plain ones all in one go."""
    text = "\n".join(lines)
    if not text.isascii() or text.count("\n") >= len(lines) > 0:
        return [fold(line) for line in lines]
    plain = text.replace(",,", '"').replace("''", '"').lower().replace("`", "'")
    folded = plain.split("\n") if lines else []
    if "  " not in plain and not plain.encode("ascii").translate(None, _PRINTABLE):
        # why: then there is no run of space to be made one
        return [line.strip(" ") for line in folded]
    return [" ".join(line.split()) for line in folded]


def comparable(text: str) -> str:
    """Return `text` as `is` compares it: folded, and a Developer ID written 4-4-4 as its 12 digits."""
    folded = fold(text)
    return folded.replace("-", "") if _ID.fullmatch(folded) else folded


def glob(pattern: str, text: str) -> bool:
    """Whether folded `text` fits folded `pattern` with `*` and `?`, in time linear in their product."""
    p = t = 0
    star, mark = -1, 0
    while t < len(text):
        if p < len(pattern) and pattern[p] == "*":
            star, mark = p, t
            p += 1
        elif p < len(pattern) and pattern[p] in ("?", text[t]):
            p += 1
            t += 1
        elif star >= 0:
            p, mark = star + 1, mark + 1
            t = mark
        else:
            return False
    return all(char == "*" for char in pattern[p:])
