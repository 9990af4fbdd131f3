"""What the overview says in a sentence: the headline, the line below it, the picture in words.

In: Words, the overview's rows. Out: texts. May not live here: looking things up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mailrules.page.render import Words, fragment
from mailrules.page.standing import SOON


def headlines(words: Words, values: Mapping[str, Any], *, linked: bool = True) -> dict[str, Any]:
    """Return the texts of the overview, and the strip and the list, which are written once for as long as nothing changes."""
    seen = values["seen"]

    def kept(template: str, *key: object) -> Any:
        name = (template, words.language, *key)
        if name not in seen.remembered:
            told = " ".join(
                words.say("strip_one", name=row.name, left=words.left(row.left)) for row in values["spoken"]
            )
            spoken = words.say("strip_words", n=values["drawn"], told=told)
            seen.remembered[name] = fragment(template, words, {**values, "strip_words": spoken, "linked": linked})
        return seen.remembered[name]

    return {
        "headline": _headline(words, seen), "subline": _subline(words, seen),
        "timeline": kept("timeline.html") if values["drawn"] else "",
        "standing": kept("standing.html", values["pages"]["number"], linked),
    }  # fmt: skip


def _headline(words: Words, seen: Any) -> str:
    lapsed = sum(row.waits and row.state == "expired" for row in seen.rows)
    waiting = sum(row.since for row in seen.rows)
    if lapsed:
        one = next(row.name for row in seen.rows if row.waits and row.state == "expired")
        return (
            words.say("headline_lapsed_one", name=one) if lapsed == 1 else words.say("headline_lapsed_many", n=lapsed)
        )
    if seen.next and seen.next.left <= SOON:
        return _next(words, seen.next)
    if waiting:
        return words.many("headline_waiting", waiting)
    return words.say("headline_calm") if seen.rows else words.say("headline_empty")


def _next(words: Words, row: Any) -> str:
    key = "today" if row.left == 0 else "one" if row.left == 1 else "many"
    return words.say(f"headline_next_{key}", name=row.name, n=row.left)


def _subline(words: Words, seen: Any) -> str:
    """Return how many there are; before it the next to lapse, where the headline tells of something worse."""
    if not seen.rows:
        return words.say("subline_empty")
    known = words.say("subline", all=len(seen.rows), soon=seen.soon)
    worse = any(row.waits and row.state == "expired" for row in seen.rows)
    return words.say("subline_next", next=_next(words, seen.next), known=known) if worse and seen.next else known
