"""Readers of typed values: raw text from a mail to a normalized value, or the sentence why not.

In: a type word, a declared format, raw text. Out: Value or Unreadable. Nothing here guesses (design section 5).
May not live here: where in a mail a value is looked for; any date-guessing library.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache

from mailrules.notices.months import month

MAX_TEXT = 200
DATE_TOKENS = re.compile("YYYY|MMMM|MMM|MM|DD|M|D")
"""What a date format is made of, besides the signs between."""
_WRITTEN = {
    "YYYY": "[0-9]{4}", "MMMM": r"[^\W\d_]{3,12}", "MMM": r"[^\W\d_]{3,5}\.?", "MM": "[0-9]{2}", "M": "[0-9]{1,2}",
    "DD": "[0-9]{2}", "D": "[0-9]{1,2}",
}  # fmt: skip
_TIME = r"(?:(?:T|,? (?:um |at |à )?)[0-9]{1,2}(?::|時 ?|时|h)[0-9]{2}(?:(?::|分 ?)[0-9]{2}(?:\.[0-9]{1,6})?秒?|分)?(?: ?(?:[AaPp][Mm]|Uhr|Z|[A-Z]{2,5}|[+\-][0-9]{2}:?[0-9]{2}))?)?"
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")
_HONORIFIC = re.compile(r"\s*(?:様|殿|御中)$")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that stands there but cannot be taken: `why` is a sentence."""

    why: str


def normalize(raw: str) -> str:
    """Return `raw` in NFKC with runs of space made one and invisible characters dropped."""
    if raw.isascii() and raw.isprintable():
        return " ".join(raw.split())
    visible = "".join(
        c for c in unicodedata.normalize("NFKC", raw) if unicodedata.category(c) not in ("Cf", "Cc") or c in "\t\n\r"
    )
    return " ".join(visible.split())


@cache
def date_pattern(form: str) -> str:
    """Return the regular expression of a declared date format: `YYYY-MM-DD`, `D.M.YYYY`, `YYYY年M月D日`, `MMMM D, YYYY`."""
    pattern, end = "", 0
    for token in DATE_TOKENS.finditer(form):
        pattern += re.escape(form[end : token.start()]) + f"(?P<{token[0]}>{_WRITTEN[token[0]]})"
        end = token.end()
    return pattern + re.escape(form[end:])


def _read_date(text: str, form: str) -> str | Unreadable:
    """Read a date; a time of day behind it is passed over."""
    found = re.fullmatch(date_pattern(normalize(form).translate(_DASHES)) + _TIME, text.translate(_DASHES))
    if not found:
        return Unreadable(f"`{text[:60]}` is not a date written as {form}")
    said = found.groupdict()
    year, day = int(said["YYYY"]), int(said.get("DD") or said["D"])
    try:
        value = date(year, _month(said), day)
    except ValueError:
        return Unreadable(f"`{text}` is no day of the calendar")
    if not 2000 <= year <= 2100:
        return Unreadable(f"`{text}` is no year that an authorization can end in")
    return value.isoformat()


def _month(said: dict[str, str]) -> int:
    """Return the month of a date; 0, which no calendar has, for a name that is none."""
    token = next(t for t in ("MMMM", "MMM", "MM", "M") if t in said)
    return int(said[token]) if token in ("MM", "M") else month(said[token], token) or 0


def _read_developer_id(text: str) -> str | Unreadable:
    digits = re.sub(r"[ \-]", "", text.translate(_DASHES))
    if re.fullmatch(r"[0-9]{12}", digits):
        return digits
    if re.fullmatch(r"[0-9]+", digits):
        return Unreadable(f"`{text[:60]}` has {len(digits)} digits; a Developer ID has 12")
    return Unreadable(f"`{text[:60]}` is not a Developer ID of 12 digits")


@lru_cache(maxsize=500)  # why: many wordings read the same value of the same mail
def read_value(kind: str, form: str, raw: str) -> str | Unreadable:
    """Read one value. `kind` is a word of vocabulary.FIELD_TYPES; `form` the declared date format, else ""."""
    text = normalize(raw)
    if not text:
        return Unreadable("nothing stands there")
    if "\ufffd" in text:
        return Unreadable(f"`{text[:60]}` has characters that could not be read")
    match kind:
        case "date":
            return _read_date(text, form or "YYYY-MM-DD")
        case "developer_id":
            return _read_developer_id(text)
        case "number":
            return text if re.fullmatch(r"[0-9]{1,9}", text) else Unreadable(f"`{text[:60]}` is not a number")
        case "address" | "domain":
            pattern = r"[^@\s<>]+@[a-z0-9.\-]+" if kind == "address" else r"[a-z0-9.\-]+"
            lower = text.lower()
            return (
                lower
                if re.fullmatch(pattern, lower)
                else Unreadable(f"`{text[:60]}` is not {'an' if kind[0] == 'a' else 'a'} {kind}")
            )
        case _:
            text = _HONORIFIC.sub("", text)
            return text if len(text) <= MAX_TEXT else Unreadable(f"{len(text)} characters are too many for a name")
