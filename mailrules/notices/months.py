"""The names of the months in English, German, French, Spanish and Italian.

In: a word. Out: the month's number, or None. The table is all there is: a word that it does not have is no month, and
no word in it means two months. Letter case and accents do not matter ("Août", "AOUT").
May not live here: dates, formats, guessing.
"""

from __future__ import annotations

import unicodedata

_FULL = (
    "january januar janner janvier enero gennaio",
    "february februar fevrier febrero febbraio",
    "march marz maerz mars marzo",
    "april avril abril aprile",
    "may mai mayo maggio",
    "june juni juin junio giugno",
    "july juli juillet julio luglio",
    "august aout agosto",
    "september septembre septiembre setiembre settembre",
    "october oktober octobre octubre ottobre",
    "november novembre noviembre",
    "december dezember decembre diciembre dicembre",
)
# why: names of four letters and less are often left whole where the others are cut
_SHORT = (
    "jan jann janv ene gen", "feb febr fevr fev", "mar marz mars mrz", "apr avr abr", "may mai mag",
    "jun june juni juin giu", "jul july juli juil lug", "aug aout ago", "sep sept set", "oct okt ott",
    "nov", "dec dez dic",
)  # fmt: skip


def _numbers(months: tuple[str, ...]) -> dict[str, int]:
    return {name: number for number, names in enumerate(months, 1) for name in names.split()}


_NUMBERS = {"MMMM": _numbers(_FULL), "MMM": _numbers(_SHORT)}


def month(name: str, token: str) -> int | None:
    """Return the number of a month by its full (`MMMM`) or short name (`MMM`, with or without a point behind it)."""
    if token == "MMM":  # noqa: S105 - a word of date formats
        name = name.removesuffix(".")
    plain = unicodedata.normalize("NFKD", name.casefold())
    return _NUMBERS[token].get("".join(c for c in plain if not unicodedata.combining(c)))


def any_month(name: str) -> int | None:
    """Return the number of a month by its full or short name."""
    return month(name, "MMMM") or month(name, "MMM")
