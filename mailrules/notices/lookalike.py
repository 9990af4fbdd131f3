"""Does a domain pretend to be one that a system declares?

In: a domain as A-labels, the declared domains. Out: the declared domain that it looks like, or None.
May not live here: whether a declared domain really sent the mail (mail/auth.py), how far it is believed (trust.py).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

LONG_BRAND = 6
SHORTEST_BRAND = 4
_SECOND_LEVEL = frozenset(("ac", "co", "com", "edu", "gov", "gr", "ne", "net", "or", "org"))
# Letters that look like ASCII ones, from the Unicode list of confusables: those of the alphabets that registries sell
# beside Latin, Latin letters without a decomposition, and the digits of "amaz0n".
_CONFUSABLE = str.maketrans(
    "аеорсухіјѕӏԁһмткгвнԛԝѵոսαονρτικυεχηωβıɑɡɩøłđħ01358|",  # Cyrillic, Armenian, Greek, Latin, digits
    "aeopcyxijsldhmtkrbhqwvnuaovptikuexnwbiagioldholesbl",
)
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


def look_alike(domain: str, declared: Collection[str]) -> str | None:
    """Return the declared domain that `domain` pretends to be, or None. Sub-domains of a declared one do not pretend."""
    if not domain or any(domain == d or domain.endswith("." + d) for d in declared):
        return None
    plain = skeleton(domain)
    words = [word for label in plain.split(".") for word in (label, *label.split("-"))]
    for real in sorted(declared, key=lambda d: (d not in domain, not domain.endswith(d[d.find(".") :]), len(d), d)):
        wanted, brand = skeleton(real), skeleton(brand_of(real))
        if plain == wanted or f"-{wanted}" in plain or plain.startswith(f"{wanted}.") or f".{wanted}." in plain:
            return real
        if len(brand) >= SHORTEST_BRAND and any(_pretends(word, brand) for word in words):
            return real
    return None


def brand_of(domain: str) -> str:
    """Return the label that a person knows a domain by: the one before "com", "co.uk" and the like."""
    labels = domain.split(".")[:-1]
    while len(labels) > 1 and labels[-1] in _SECOND_LEVEL:
        labels.pop()
    return labels[-1] if labels else domain


def skeleton(domain: str) -> str:
    """Return what a domain looks like at a glance: letters of other alphabets, marks, digits and pairs made plain."""
    shown = ".".join(_letters(label) for label in domain.lower().split("."))
    bare = "".join(c for c in unicodedata.normalize("NFKD", shown) if not unicodedata.combining(c))
    plain = bare.translate(_CONFUSABLE)
    for pair, letter in _PAIRS:
        plain = plain.replace(pair, letter)
    return plain


def _letters(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode").lower()
    except (UnicodeError, ValueError, OverflowError):
        return label


def _pretends(word: str, brand: str) -> bool:
    if word == brand:
        return True
    if len(brand) >= LONG_BRAND and (word.startswith(brand) or word.endswith(brand)):
        return True
    return len(brand) > SHORTEST_BRAND and abs(len(word) - len(brand)) <= 1 and _one_edit(word, brand)


def _one_edit(one: str, other: str) -> bool:
    """Whether one insertion, deletion, change or swap of neighbors makes the two equal."""
    if len(one) > len(other):
        one, other = other, one
    start = 0
    while start < len(one) and one[start] == other[start]:
        start += 1
    if len(one) == len(other):
        rest, more = one[start:], other[start:]
        return rest[1:] == more[1:] or (rest[:2] == more[1::-1] and rest[2:] == more[2:])
    return one[start:] == other[start + 1 :]
