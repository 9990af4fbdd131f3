"""What the style sheets in a document say of its elements.

In: the tree of a document. Out: which elements they hide, and what else they say of them that may hide a text or show it.
May not live here: what a declaration means (visible.py), lines, links, anything about notices.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from mailrules.mail.visible import COMMENT, INHERITED, TABLES, Paint, concealed, declared, hides

SHEETS_CAP = 200_000
SELECTORS_CAP, ELEMENTS_CAP = 60, 20_000
"""So many selectors of sheets are followed; where one reaches more elements, it cannot be told in time what is seen."""
COLORS_CAP = 2_000
"""So often may sheets give an element a color; where they do it more often, none is known."""
_BRACE = re.compile("[{}]")
_ANY_WINDOW = re.compile(r"@media\s+(?:only\s+)?(?:all|screen)", re.IGNORECASE)
_ROOT = re.compile(r"(?:(?:html|body)(?:\s*>\s*|\s+))+", re.IGNORECASE)
_SIMPLE = re.compile(
    r"(?:\*(?=[.#\[])|[A-Za-z][A-Za-z0-9]{0,20})?(?:[.#][A-Za-z_][\w-]{0,60}){0,4}(?:\[(?:class|id)[~^*]?=[\"']?[\w-]{1,60}[\"']?\])?",
    re.ASCII,
)
_LAST = re.compile(r"([^\s>+~:]+)(?::[^\s>+~]*)?$")
_MAY_CONCEAL = (
    re.compile(r"font(?:-size)?\s*:\s*\+?[012]?(?:\.\d+)?(?:px|pt|r?em|%)?\s*[;\"'!}/]"),
    re.compile(r"visibility\s*:\s*[hc]"),
)
"""In small letters, and each beginning with the same word: so they are searched for ten times as fast as one pattern would be."""
_PAINTS = {"color": "color", "background": "background-color", "background-color": "background-color", "background-image": "background-image"}  # fmt: skip
"""What colors an element, and what it is kept as."""
_UNKNOWN = "?"
Rule = tuple[int, str, Mapping[str, str]]
Weight = tuple[int, int, bool, int]
_HEAVIEST: Weight = (99, 0, False, 0)


@dataclass(slots=True)
class Sheets:
    """What the style sheets in a document say of elements (by their identity), whatever the window's size.

    Selectors of one element each are followed: the cost of others grows with the depth, to the power of their length.
    """

    tree: LexborHTMLParser
    hidden: set[int] = field(default_factory=set)
    says: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """The numbers of what is said of an element, in `said`."""
    said: list[tuple[Weight, Mapping[str, str]]] = field(default_factory=list)
    known: dict[tuple[str, tuple[int, ...]], tuple[Mapping[str, str], Mapping[str, str]]] = field(default_factory=dict)
    paint: Paint = ((0, 0, 0), (255, 255, 255))
    """The colors that a text has before anybody says one; None where sheets give too many to follow."""
    over: bool = False
    """Whether a selector reaches more elements than ELEMENTS_CAP."""

    def read(self, html: str) -> Sheets:
        """Read what hides, and what colors; and what takes it back, only where anything hides in a way that can be taken back."""
        text = "\n".join(node.text() or "" for node in self.tree.css("style"))[:SHEETS_CAP]
        sheet = [(selectors, declared(body)) for selectors, body in _rules(COMMENT.sub("", text))]
        found = [(n, *rule) for n, rule in enumerate(sheet) if hides(rule[1]) or concealed(frozenset(), rule[1])]
        self._follow(found)
        small = html.lower() if sheet else ""
        if sheet and any(pattern.search(small) for pattern in _MAY_CONCEAL):
            known = {n for n, *_ in found}
            self._follow(
                [(n, *rule) for n, rule in enumerate(sheet) if n not in known and rule[1].keys() & INHERITED.keys()]
            )
        self._color([(n, *rule) for n, rule in enumerate(sheet) if rule[1].keys() & _PAINTS.keys()])
        return self

    def holding(self, node: LexborNode, style: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return what an element says of itself, and what holds for it: that, but for what a sheet says to be important."""
        key = style, self.says.get(node.mem_id, ())
        found = self.known.get(key)
        if found is None:
            own = declared(style)
            found = self.known[key] = own, self._effective(own, key[1])
        return found

    def _effective(self, own: Mapping[str, str], said: Collection[int]) -> Mapping[str, str]:
        if not said:
            return own
        if "background" in own:
            own = {"background-color": own["background"], **own}
        best: dict[str, tuple[tuple[object, ...], str]] = {}
        for weight, rules in (self.said[number] for number in said):
            for name, value in rules.items():
                ranked = ("!important" in value, *weight), value
                if name not in best or ranked[0] > best[name][0]:
                    best[name] = ranked
        return {**own, **{name: value for name, (_, value) in best.items() if name not in own or "!important" in value}}

    def _follow(self, rules: Iterable[Rule]) -> None:
        own: dict[int, dict[str, str]] = {}
        left = SELECTORS_CAP
        for number, selectors, said in rules:
            strong = any(value.endswith("!important") for value in said.values())
            hiding = {tag: hides(said, tag) for tag in (*TABLES, "")}
            inherited = {name: value for name, value in said.items() if name in INHERITED}
            for selector in _each(selectors):
                if not _SIMPLE.fullmatch(selector):
                    continue
                left -= 1
                nodes = self.tree.css(selector) if left >= 0 else ()
                if len(nodes) > ELEMENTS_CAP:
                    self.over = True
                    return
                for node in nodes:
                    key = node.mem_id
                    if key not in own:
                        own[key] = declared((node.attributes or {}).get("style") or "")
                    if hiding.get(node.tag or "", hiding[""]) and (strong or not own[key].keys() & said.keys()):
                        self.hidden.add(key)
                self._say(nodes, _weight(selector, number), inherited)

    def _color(self, rules: Sequence[Rule]) -> None:
        """Take in what sheets say of colors. Where a selector is not followed, those of all that it may be about are unknown."""
        left = COLORS_CAP
        for number, selectors, said in rules:
            kept = {kept: said[name] for name, kept in _PAINTS.items() if name in said}
            for selector in _each(selectors):
                simple = _SIMPLE.fullmatch(selector) is not None
                last = None if simple else _LAST.search(selector)
                about = selector if simple else last[1] if last and _SIMPLE.fullmatch(last[1]) else "*"
                left -= 20
                nodes = self.tree.css(about) if left > 0 else ()
                left -= len(nodes)
                if left < 0:
                    self.paint = None
                    return
                colors = kept if simple else dict.fromkeys(kept, _UNKNOWN)
                self._say(nodes, _weight(selector, number) if simple else _HEAVIEST, colors)

    def _say(self, nodes: Collection[LexborNode], weight: Weight, said: Mapping[str, str]) -> None:
        if said:
            number = (len(self.said),)
            self.said.append((weight, said))
            for node in nodes:
                self.says[node.mem_id] = self.says.get(node.mem_id, ()) + number


def _each(selectors: str) -> Iterator[str]:
    """Yield the selectors of a rule; that all stands in the root of the document says nothing."""
    return (_ROOT.sub("", selector.strip()) for selector in selectors.split(","))


def _weight(selector: str, number: int) -> Weight:
    classes = selector.count(".") + selector.count("[")
    return selector.count("#"), classes, selector[:1].isalpha(), number


def _rules(sheet: str) -> Iterator[tuple[str, str]]:
    """Yield the selectors and the declarations of each rule that stands under no condition (@media), in linear time.

    What stands under one is left alone: it shows one of two versions of the same text.
    """
    at = 0
    while (start := sheet.find("{", at)) >= 0:
        before = sheet[at:start].rpartition(";")[2].strip("} \t\r\n").removeprefix("<!--").removeprefix("-->").strip()
        end = sheet.find("}", start)
        if end < 0:
            return
        if _ANY_WINDOW.fullmatch(before):
            at = start + 1
            continue
        if before.startswith("@"):
            depth = 0
            for brace in _BRACE.finditer(sheet, start):
                depth += 1 if brace[0] == "{" else -1
                end = brace.end() - 1
                if not depth:
                    break
        else:
            yield before, sheet[start + 1 : end]
        at = end + 1
