"""What a misspelt word was meant to be.

In: a word and the words that exist. Out: the nearest, or nothing. May not live here: the words.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_WORDS = 300  # why: the search costs time in proportion to the words; nobody reads on after thousands of mistakes


def meant(word: str, known: Iterable[str], cutoff: float = 0.65) -> str:
    """Return the known word that `word` is nearest to, or ""."""
    names = list(known)[:MAX_WORDS]
    small = word.lower()[:60]
    for name in names:
        if name.lower() == small:
            return name
    for name in names:
        if len(name) == len(small) and len(name) < 8 and sorted(name.lower()) == sorted(small):
            return name
    folded = {name.lower(): name for name in names}
    near = difflib.get_close_matches(small, folded, 1, cutoff)
    return folded[near[0]] if near else ""


def suggestion(word: str, known: Iterable[str], most: int = 12) -> str:
    """Return a help line: the near name as an edit, or some of what exists."""
    names = sorted(known)
    near = meant(word, names, 0.6)
    if near:
        return f"did you mean `{near}`?"
    if not names:
        return ""
    return "known here: " + ", ".join(names[:most]) + (" …" if len(names) > most else "")
