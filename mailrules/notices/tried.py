"""Which wordings are worth a try on a text, in which turn, and when none that is left can matter.

In: a Group and the compiled wordings. Out: numbers of wordings, and for each the best that it can come to.
May not live here: reading values, what an object is (objects.py), which wording wins (recognize.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mailrules.notices.groups import Group, Text
from mailrules.notices.objects import may_list
from mailrules.notices.patterns import CompiledWording, Wordings

Order = tuple[bool, float, int, bool, int]
"""What decides between wordings: fitting wholly, by more clauses, more in the very place, with values that read; the first."""


def touched(group: Group, wordings: Wordings) -> list[int]:
    """Return the numbers of the wordings of which anything stands in a group, or their title; the others, nearly all, can give nothing."""
    found = set(wordings.always)
    about = group.subject.squeezed
    for text in group.texts:
        for begins in text.searched.begins.keys() & wordings.by_beginning.keys():
            found.update(wordings.by_beginning[begins])
    for must, numbers in wordings.by_title.items():
        if must in about:
            found.update(numbers)
    said = "\n".join(text.searched.squeezed for text in group.texts)
    for must, numbers in wordings.by_words.items():
        if must in said:
            found.update(numbers)
    for text in group.texts:
        above = text.tables.headings.keys() & wordings.by_heading.keys()
        columns = Counter(number for heading in above for number in wordings.by_heading[heading])
        found.update(number for number, known in columns.items() if known > 1)
    return sorted(found)


class Tried:
    """One wording that is worth a try on a group; `best` is the order that it can reach at most."""

    def __init__(self, number: int, wording: CompiledWording, group: Group) -> None:
        self.number = number
        self.wording = wording
        about = group.subject
        self.titled = bool(wording.titles) and all(c.must in about.squeezed and about.find(c) for c in wording.titles)
        clauses = len(wording.required)
        self.best: Order = True, clauses + self.titled, clauses, True, -number

    @property
    def turn(self) -> tuple[bool, Order]:
        """When it is tried, the highest first: what is refused by name, then what may fit best, so that most need no try."""
        return self.wording.definition.refuse is not None, self.best

    def may_matter(self, whole: Order, group: Group) -> bool:
        """Whether it can outdo what fits already, or find several objects where that is one."""
        if self.wording.definition.refuse or not group.texts or self.best > whole:
            return True
        return may_part(group.texts, self.wording)


def may_part(texts: Sequence[Text], wording: CompiledWording) -> bool:
    """Whether several objects can stand in a text, or one that drifted: True where in doubt."""
    return any(text.tables.knows(wording.headings) or may_list(text.searched, wording) for text in texts)
