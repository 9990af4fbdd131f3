"""Whether a reader would see an element of HTML: what its own style, its colors and the sheets in the document say.

In: an element, the sheets. Out: hidden with all that is in it; or what hides its text, which an element in it may take back.
May not live here: lines, links, anything about notices.

A mail may be read by its text alone; so what only a browser could know (scripts, images, sizes of windows) is not asked.
Where it cannot be told, the element counts as seen: a genuine notice must not vanish by a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from selectolax.lexbor import LexborHTMLParser, LexborNode

DROPPED = frozenset(
    ("head", "style", "script", "title", "template", "noembed", "noframes", "iframe", "object", "audio", "video")
)
SHEETS_CAP = 200_000
SELECTORS_CAP, ELEMENTS_CAP = 60, 20_000
"""So many selectors of sheets are followed; where one reaches more elements, it cannot be told in time what is seen."""
FAR, BEYOND = 500.0, 5_000.0
"""So many pixels before the page begins, and behind where one ends, nobody looks."""
TINY = 2.0
_NUMBER = re.compile(r"([+-]?[0-9]{0,9}\.?[0-9]{0,9})(px|pt|em|rem|%|vh|vw|ex|ch|in|cm|mm)?")
_PIXELS = {"": 1.0, "px": 1.0, "pt": 1.33, "em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0, "in": 96.0, "cm": 38.0, "mm": 3.8, "%": 6.0, "vh": 10.0, "vw": 10.0}  # fmt: skip
_NAMES = {"white": (255, 255, 255), "black": (0, 0, 0), "snow": (255, 250, 250), "ivory": (255, 255, 240), "whitesmoke": (245, 245, 245), "ghostwhite": (248, 248, 255)}  # fmt: skip
_ESCAPE = re.compile(r"\\([0-9a-f]{1,6})\s?", re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_BRACE = re.compile("[{}]")
_ANY_WINDOW = re.compile(r"@media\s+(?:only\s+)?(?:all|screen)", re.IGNORECASE)
_SIMPLE = re.compile(
    r"[A-Za-z][A-Za-z0-9]{0,20}(?:[.#][A-Za-z_][\w-]{0,60}){0,4}|(?:[.#][A-Za-z_][\w-]{0,60}){1,4}", re.ASCII
)
Color = tuple[int, int, int]
Paint = tuple[Color | None, Color | None] | None
"""The color of a text and of what is behind it."""


def declared(style: str) -> dict[str, str]:
    """Return the declarations of a style; the last of each name counts."""
    text = _COMMENT.sub("", style) if "/*" in style else style
    if "\\" in text:
        text = _ESCAPE.sub(lambda m: chr(min(int(m[1], 16), 0x10FFFF) or 32), text)
    text = " ".join(text.lower().split())
    found: dict[str, str] = {}
    for piece in text.split(";"):
        name, colon, value = piece.partition(":")
        if colon:
            found[name.strip()] = value.strip()
    return found


def hides(rules: Mapping[str, str], tag: str = "") -> bool:
    """Whether declarations take an element out of sight with all that is in it, the color of what is behind it aside."""
    for name in rules.keys() & _HIDING.keys():
        if _HIDING[name](_said(rules, name)):
            return True
    if "overflow" in rules and _said(rules, "overflow").startswith(("hidden", "clip")):
        # why not of cells: there it means "what is left of the width", as tables that cut long texts off have it
        sizes = _SIZES if tag not in ("td", "th") else _SIZES[:-1]
        least = {size: _pixels(_said(rules, f"min-{size}")) or 0.0 for size in ("height", "width")}
        return any(_at_most(_said(rules, name), 0) and not least[name.removeprefix("max-")] for name in sizes)
    if _said(rules, "position") in ("absolute", "fixed", "relative"):
        cut = re.match(r"rect\((?:[01](?:px)?[, ]*){4}\)", _said(rules, "clip"))
        left, top, right, bottom = (_pixels(_said(rules, name)) or 0.0 for name in ("left", "top", "right", "bottom"))
        return cut is not None or min(left, top) <= -FAR or max(left, abs(right), abs(bottom)) >= BEYOND
    return False


def _said(rules: Mapping[str, str], name: str) -> str:
    return rules.get(name, "").removesuffix("!important").strip()


def _pixels(value: str) -> float | None:
    match = _NUMBER.fullmatch(value)
    try:
        return float(match[1]) * _PIXELS[match[2] or ""] if match else None
    except ValueError:
        return None


def _at_most(value: str, most: float) -> bool:
    length = _pixels(value)
    return length is not None and 0 <= length <= most


def _far(value: str) -> bool:
    return value.startswith("-") and (_pixels(value) or 0.0) <= -FAR


_HIDING: Mapping[str, Callable[[str], bool]] = {
    "display": lambda value: value == "none",
    "content-visibility": lambda value: value == "hidden",
    "mso-hide": lambda value: value == "all",
    "opacity": lambda value: _at_most(value, 0.05),
    "text-indent": _far,
    "margin-left": _far,
    "margin-top": _far,
    "clip-path": lambda value: value.startswith(("inset(100%", "inset(50%")),
    "transform": lambda value: re.search(r"scale[xy]?\(0[,)]|translate[xy]?\(-\d{4}", value) is not None,
}
_SIZES = ("height", "max-height", "width", "max-width")
_ABSOLUTE = re.compile(r"(?:^|(?<= ))[0-9]*\.?[0-9]+(?:px|pt|rem|in|cm|mm)(?=[ /]|$)")
_SIZE_WORDS = frozenset(("xx-small", "x-small", "small", "medium", "large", "x-large", "xx-large"))


def _sizes(value: str) -> bool:
    """Whether a font is given a size of its own: none that is a part of the size around it, which may be 0."""
    found = _ABSOLUTE.search(value)
    return value in _SIZE_WORDS or (found is not None and (_pixels(found[0]) or 0.0) > TINY)


_INHERITED: Mapping[str, tuple[str, Callable[[str], bool], Callable[[str], bool]]] = {
    "visibility": ("visibility", lambda value: value in ("hidden", "collapse"), lambda value: value == "visible"),
    "font": ("size", lambda value: re.match(r"0(?:px|pt)?[ /]", value) is not None, _sizes),
    "font-size": ("size", lambda value: _at_most(value, TINY), _sizes),
    "color": (
        "color",
        lambda value: value == "transparent" or re.fullmatch(r"rgba\([^)]*, ?0?\.?0+\)", value) is not None,
        lambda value: color(value) is not None,
    ),
}
"""What hides a text until an element in it says otherwise, in words that every reader takes: many programs put a size of 0
around texts that have their own. Each: what it is about, whether a value hides, whether it takes that back."""
_MAY_CONCEAL = (
    re.compile(r"font(?:-size)?\s*:\s*\+?[012]?(?:\.\d+)?(?:px|pt|r?em|%)?\s*[;\"'!}/]"),
    re.compile(r"visibility\s*:\s*[hc]"),
    re.compile(r"color\s*:\s*(?:transparent|rgba)"),
)
"""In small letters, and each beginning with the same word: so they are searched for ten times as fast as one pattern would be."""


def concealed(before: frozenset[str], rules: Mapping[str, str]) -> frozenset[str]:
    """Return which properties hide the text of an element, given those of the element around it."""
    for name, (kind, hiding, showing) in _INHERITED.items() if rules else ():
        value = _said(rules, name)
        if value and hiding(value):
            before = before | {kind}
        elif kind in before and showing(value):
            before = before - {kind}
    return before


def color(text: str) -> Color | None:
    """Return a plainly written color, None where it is none."""
    text = text.removesuffix("!important").strip().lower()
    if text in _NAMES:
        return _NAMES[text]
    if match := re.fullmatch(r"#?([0-9a-f]{6})", text):
        return int(match[1][:2], 16), int(match[1][2:4], 16), int(match[1][4:], 16)
    if match := re.fullmatch(r"#([0-9a-f])([0-9a-f])([0-9a-f])", text):
        return int(match[1] * 2, 16), int(match[2] * 2, 16), int(match[3] * 2, 16)
    if match := re.fullmatch(r"rgba?\((\d{1,3})[, ]+(\d{1,3})[, ]+(\d{1,3})(?:[,/ ]+[0-9.]+%?)?\)", text):
        return int(match[1]), int(match[2]), int(match[3])
    return None


def _alike(one: Color, other: Color) -> bool:
    """Whether nobody tells two colors apart."""
    return all(abs(a - b) <= 8 for a, b in zip(one, other, strict=True))


@dataclass(slots=True)
class Sheets:
    """What the style sheets in a document say of elements (by their identity), whatever the window's size.

    Selectors of one element each are followed: the cost of others grows with the depth, to the power of their length.
    """

    tree: LexborHTMLParser
    hidden: set[int] = field(default_factory=set)
    says: dict[int, dict[str, tuple[tuple[object, ...], str]]] = field(default_factory=dict)
    over: bool = False
    """Whether a selector reaches more elements than ELEMENTS_CAP."""

    def read(self, html: str) -> Sheets:
        """Read what hides; and what takes it back, only where anything hides in a way that can be taken back."""
        text = "\n".join(node.text() or "" for node in self.tree.css("style"))[:SHEETS_CAP]
        sheet = [(selectors, declared(body)) for selectors, body in _rules(_COMMENT.sub("", text))]
        found = [(n, *rule) for n, rule in enumerate(sheet) if hides(rule[1]) or concealed(frozenset(), rule[1])]
        self._follow(found)
        small = html.lower() if sheet else ""
        if sheet and any(pattern.search(small) for pattern in _MAY_CONCEAL):
            known = {n for n, *_ in found}
            self._follow(
                [(n, *rule) for n, rule in enumerate(sheet) if n not in known and rule[1].keys() & _INHERITED.keys()]
            )
        return self

    def effective(self, node: LexborNode, own: Mapping[str, str]) -> Mapping[str, str]:
        """Return what holds for an element: its own style, but for what a sheet says to be important."""
        said = self.says.get(node.mem_id)
        if not said:
            return own
        weak = {name: value for name, (_, value) in said.items() if name not in own or "!important" in value}
        return {**own, **weak}

    def _follow(self, rules: Iterable[tuple[int, str, Mapping[str, str]]]) -> None:
        simple = ((n, s.strip(), said) for n, selectors, said in rules for s in selectors.split(","))
        followed = (rule for rule in simple if _SIMPLE.fullmatch(rule[1]))
        own: dict[int, dict[str, str]] = {}
        for number, selector, said in islice(followed, SELECTORS_CAP):
            strong = any(value.endswith("!important") for value in said.values())
            hiding = {tag: hides(said, tag) for tag in ("td", "th", "")}
            weight = selector.count("#"), selector.count("."), selector[0].isalpha(), number
            inherited = {
                name: (("!important" in said[name], *weight), said[name]) for name in said.keys() & _INHERITED.keys()
            }
            nodes = self.tree.css(selector)
            if len(nodes) > ELEMENTS_CAP:
                self.over = True
                return
            for node in nodes:
                key = node.mem_id
                if key not in own:
                    own[key] = declared((node.attributes or {}).get("style") or "")
                if hiding.get(node.tag or "", hiding[""]) and (strong or not own[key].keys() & said.keys()):
                    self.hidden.add(key)
                known = self.says.setdefault(key, {})
                for name, ranked in inherited.items():
                    if name not in known or ranked[0] > known[name][0]:
                        known[name] = ranked


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


def first_paint(tree: LexborHTMLParser) -> Paint:
    """Return the colors that a text has before anybody says one; none are known where a sheet may say others."""
    sheets = any(
        "color" in text or "background" in text for node in tree.css("style") if (text := (node.text() or "").lower())
    )
    return None if sheets else ((0, 0, 0), (255, 255, 255))


_CLEAR = ("transparent", "none", "inherit", "initial", "unset")
"""Words for a ground that is that of the element around."""


def painted(paint: Paint, attributes: Mapping[str, str | None], rules: Mapping[str, str]) -> Paint:
    """Return the colors of text in an element, None where they cannot be told."""
    if paint is None:
        return None
    text, ground = paint
    said = rules.get("color") or (attributes.get("color") or attributes.get("text") or "")
    if said:
        text = color(said)
    behind = rules.get("background-color") or rules.get("background") or attributes.get("bgcolor") or ""
    behind = "" if behind.removesuffix("!important").strip() in _CLEAR else behind
    if behind or "background-image" in rules or attributes.get("background"):
        ground = None if attributes.get("background") or "background-image" in rules else color(behind)
    return text, ground


@lru_cache(maxsize=256)
def faded(paint: Paint) -> bool:
    """Whether a text has the color of what is behind it."""
    return paint is not None and paint[0] is not None and paint[1] is not None and _alike(paint[0], paint[1])
