"""Whether a reader would see an element of HTML, by the declarations that hold for it.

In: declarations. Out: hidden with all that is in it; or what hides its text, which an element in it may take back.
May not live here: the sheets of a document, lines, links, anything about notices.

A mail may be read by its text alone; so what only a browser could know (scripts, images, sizes of windows) is not asked.
Where it cannot be told, the element counts as seen: a genuine notice must not vanish by a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

DROPPED = frozenset(
    (
        "head",
        "style",
        "script",
        "title",
        "template",
        "noembed",
        "noframes",
        "iframe",
        "object",
        "audio",
        "video",
        "datalist",
        "canvas",
        "progress",
        "meter",
        "rp",
        "desc",
        "metadata",
    )
)
FAR, BEYOND = 500.0, 5_000.0
"""So many pixels before the page begins, and behind where one ends, nobody looks."""
TINY, FAINT = 2.0, 0.05
LONGEST_COLOR = 60
_NUMBER = re.compile(r"([+-]?[0-9]{0,9}\.?[0-9]{0,9})(px|pt|em|rem|%|vh|vw|ex|ch|in|cm|mm)?")
_PIXELS = {"": 1.0, "px": 1.0, "pt": 1.33, "em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0, "in": 96.0, "cm": 38.0, "mm": 3.8, "%": 6.0, "vh": 10.0, "vw": 10.0}  # fmt: skip
_NAMES = {"white": (255, 255, 255), "black": (0, 0, 0), "snow": (255, 250, 250), "ivory": (255, 255, 240), "whitesmoke": (245, 245, 245), "ghostwhite": (248, 248, 255)}  # fmt: skip
_ESCAPE = re.compile(r"\\([0-9a-f]{1,6})\s?", re.IGNORECASE)
COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
Color = tuple[int, int, int]
Paint = tuple[Color | None, Color | None] | None
"""The color of a text and of what is behind it."""


def declared(style: str) -> dict[str, str]:
    """Return the declarations of a style; of each name the last counts, and before it what is said to be important."""
    text = COMMENT.sub("", style) if "/*" in style else style
    if "\\" in text:
        text = _ESCAPE.sub(lambda m: chr(min(int(m[1], 16), 0x10FFFF) or 32), text)
    text = " ".join(text.lower().split()).replace("! important", "!important")
    found: dict[str, str] = {}
    for piece in text.split(";"):
        name, colon, value = piece.partition(":")
        name, value = name.strip(), value.strip()
        if colon and ("!important" in value or "!important" not in found.get(name, "")):
            found.pop(name, None)  # why: the order tells which of `font` and `font-size` holds
            found[name] = value
    return found


def hides(rules: Mapping[str, str], tag: str = "") -> bool:
    """Whether declarations take an element out of sight with all that is in it, the color of what is behind it aside."""
    for name in rules.keys() & _HIDING.keys():
        if _HIDING[name](_said(rules, name)):
            return True
    flowing = "overflow" in rules or "overflow-x" in rules or "overflow-y" in rules
    if flowing and any(_said(rules, name).startswith(("hidden", "clip")) for name in _OVERFLOWS):
        # why not of tables: what is in one makes it as large as it must be
        least = {size: _pixels(_said(rules, f"min-{size}")) or 0.0 for size in ("height", "width")}
        small = (name for name in _SIZES if _at_most(_said(rules, name), TINY) and not least[name.removeprefix("max-")])
        if (tag not in TABLES and any(small)) or (_pixels(_said(rules, "text-indent")) or 0.0) >= FAR:
            return True
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
    return "-" in value and any((_pixels(piece) or 0.0) <= -FAR for piece in value.split())


_AWAY = re.compile(r"scale[xy]?\(0(?:\.0\d*)?[,)]|translate[xy]?\(-\d{3}(?:\d|vw|vh|%)|rotate[xy]\(90deg")
_HIDING: Mapping[str, Callable[[str], bool]] = {
    "display": lambda value: value == "none",
    "content-visibility": lambda value: value == "hidden",
    "mso-hide": lambda value: value == "all",
    "opacity": lambda value: _at_most(value, FAINT),
    "text-indent": _far,
    "letter-spacing": _far,
    "margin": _far,
    "margin-left": _far,
    "margin-top": _far,
    "translate": _far,
    "scale": lambda value: re.match(r"0(?:\.0\d*)?(?: |$)", value) is not None,
    "filter": lambda value: re.search(r"opacity\((?:0?\.)?0+%?\)", value) is not None,
    "clip-path": lambda value: value.startswith(("inset(100%", "inset(50%", "circle(0", "ellipse(0")),
    "transform": lambda value: _AWAY.search(value) is not None,
}


def color(text: str) -> Color | None:
    """Return a plainly written color that nothing shines through, None where it is none."""
    return _color(text) if len(text) <= LONGEST_COLOR else None


@lru_cache(maxsize=256)
def _color(text: str) -> Color | None:
    text = text.removesuffix("!important").strip().lower()
    if text in _NAMES:
        return _NAMES[text]
    if match := re.fullmatch(r"#?([0-9a-f]{6})(?:ff)?", text):
        return int(match[1][:2], 16), int(match[1][2:4], 16), int(match[1][4:], 16)
    if match := re.fullmatch(r"#([0-9a-f])([0-9a-f])([0-9a-f])f?", text):
        return int(match[1] * 2, 16), int(match[2] * 2, 16), int(match[3] * 2, 16)
    if match := re.fullmatch(
        r"rgba?\((\d{1,3}%?)[, ]+(\d{1,3}%?)[, ]+(\d{1,3}%?)(?:[,/ ]+(?:1(?:\.0*)?|100%))?\)", text
    ):
        red, green, blue = (int(n[:-1]) * 255 // 100 if n.endswith("%") else int(n) for n in match.groups())
        return red, green, blue
    if match := re.fullmatch(r"hsl\([0-9.]+(?:deg)?[, ]+[0-9.]+%[, ]+(0|100)%\)", text):
        return _NAMES["white" if match[1] == "100" else "black"]
    return None


def _clear(value: str) -> bool:
    """Whether a color is none that anybody sees."""
    if value[:1] == "#":
        return len(value) in (5, 9) and re.fullmatch(r"#(?:[0-9a-f]{3}|[0-9a-f]{6}0)0", value) is not None
    match = (
        re.fullmatch(r"(?:rgb|hsl)a?\((?:[^,/ )]+[,/ ]+){3}([0-9]*\.?[0-9]+)(%?)\)", value) if "(" in value else None
    )
    return value == "transparent" or (match is not None and float(match[1]) <= (5 if match[2] else FAINT))


_SIZES = ("height", "max-height", "width", "max-width")
_OVERFLOWS = ("overflow", "overflow-x", "overflow-y")
TABLES = ("td", "th", "tr", "tbody", "thead", "table")
_FONT_SIZE = re.compile(r"(?:^|(?<=[^/] ))(?:0+|[0-9]*\.?[0-9]+(?:px|pt|r?em|%))(?=[ /])")
_ABSOLUTE = re.compile(r"(?:^|(?<= ))[0-9]*\.?[0-9]+(?:px|pt|rem|in|cm|mm)(?=[ /]|$)")
_SIZE_WORDS = frozenset(("xx-small", "x-small", "small", "medium", "large", "x-large", "xx-large"))


def _sizes(value: str) -> bool:
    """Whether a font is given a size of its own: none that is a part of the size around it, which may be 0."""
    found = _ABSOLUTE.search(value)
    return value in _SIZE_WORDS or (found is not None and (_pixels(found[0]) or 0.0) > TINY)


INHERITED: Mapping[str, tuple[str, Callable[[str], bool], Callable[[str], bool]]] = {
    "visibility": ("visibility", lambda value: value in ("hidden", "collapse"), lambda value: value == "visible"),
    "font": ("size", lambda value: any(_at_most(size, TINY) for size in _FONT_SIZE.findall(value)), _sizes),
    "font-size": ("size", lambda value: _at_most(value, TINY), _sizes),
    "color": (
        "color",
        _clear,
        lambda value: color(value) is not None,
    ),
}
"""What hides a text until an element in it says otherwise, in words that every reader takes: many programs put a size of 0
around texts that have their own. Each: what it is about, whether a value hides, whether it takes that back."""


def concealed(before: frozenset[str], rules: Mapping[str, str]) -> frozenset[str]:
    """Return which properties hide the text of an element, given those of the element around it."""
    for name in rules:
        if name in INHERITED:
            kind, hiding, showing = INHERITED[name]
            value = _said(rules, name)
            if hiding(value):
                before = before | {kind}
            elif kind in before and showing(value):
                before = before - {kind}
    return before


def _alike(one: Color, other: Color) -> bool:
    """Whether nobody tells two colors apart."""
    return all(abs(a - b) <= 8 for a, b in zip(one, other, strict=True))


_AROUND = ("inherit", "unset", "currentcolor")
_CLEAR = ("transparent", "none", "initial", *_AROUND)
"""Words for a color, and for a ground, that are those of the element around."""


def painted(paint: Paint, attributes: Mapping[str, str | None], rules: Mapping[str, str]) -> Paint:
    """Return the colors of text in an element, None where they cannot be told."""
    if paint is None:
        return None
    text, ground = paint
    said = rules.get("color") or attributes.get("color") or attributes.get("text")
    said = said or ("#0000ee" if "href" in attributes else "")
    if said and said.removesuffix("!important").strip() not in _AROUND:
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
