"""What the overview says in a sentence: the headline, the line below it, the picture in words.

In: Words, the overview's rows. Out: texts. May not live here: looking things up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mailrules.page.render import Words
from mailrules.page.standing import SOON


def headlines(words: Words, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of the overview."""
    seen = values["seen"]
    known = len(seen.rows)
    told = " ".join(words.say("strip_one", name=row.name, left=words.left(row.left)) for row in values["spoken"])
    return {
        "headline": _headline(words, seen),
        "subline": words.say("subline", all=known, soon=seen.soon) if known else words.say("subline_empty"),
        "strip_words": words.say("strip_words", n=values["drawn"], told=told),
    }


def _headline(words: Words, seen: Any) -> str:
    lapsed = sum(row.waits and row.state == "expired" for row in seen.rows)
    waiting = sum(row.since for row in seen.rows)
    if lapsed:
        return words.many("headline_lapsed", lapsed)
    if seen.next and seen.next.left <= SOON and seen.next.state != "revoked":
        left = seen.next.left
        key = "today" if left == 0 else "one" if left == 1 else "many"
        return words.say(f"headline_next_{key}", name=seen.next.name, n=left)
    if waiting:
        return words.many("headline_waiting", waiting)
    return words.say("headline_calm") if seen.rows else words.say("headline_empty")
