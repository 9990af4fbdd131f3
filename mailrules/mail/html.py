"""HTML to the lines that a reader would see, and the addresses of visible links.

In: HTML text, capped. Out: text, links, defects. May not live here: charsets, transfer encodings, anything about notices.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from mailrules.mail.sheets import Sheets
from mailrules.mail.visible import DROPPED, Paint, concealed, faded, hides, painted

HTML_CAP = 1_000_000
DEPTH_CAP = 2_000
FORMATTING_BUDGET = 5_000_000


_BLOCKS = frozenset([
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "dir", "div",
    "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr",
    "html", "li", "main", "menu", "nav", "ol", "option", "p", "pre", "section", "summary", "table", "tbody", "tfoot",
    "thead", "tr", "ul", "td", "th",
])  # fmt: skip
_TOLD = _BLOCKS | {"a", "br"}
_FORMATTING = frozenset([
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
])  # fmt: skip
_VOID = frozenset([
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr", "p",
    "li", "dt", "dd", "tr", "td", "th",
])  # fmt: skip
_RAW = ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript", "plaintext")
_OPEN = re.compile(r"<(?:!--|(/?)([a-z][a-z0-9]{0,19}))", re.IGNORECASE)
_TAG_REST = re.compile(r"=[ \t\r\n\f]{0,20}[\"']|>")
_COMMENT_END = re.compile(r"--!?>")
TAG_CAP = 20_000
ATTRIBUTES_CAP = 2_000
"""More than anybody writes, and than words follow a `<` without any `>` in the scripts of a saved page."""
INSIDE_CAP = 50
"""So many tags may seem to stand inside one another, on the average."""
SMALL = 20_000
"""In so few characters no element can have so many attributes that it takes long."""
_BLANK = " \t\r\n\xa0\u200b\u200c\ufeff"  # what spacer cells hold
Event = tuple[str, str, LexborNode]
_START = re.compile(r"<[a-z]", re.IGNORECASE)
_GAP = r"[ \t\n\f\r/]*+"
_VALUE = r"""(?>(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+(?>(?:"[^"]*+"?+|'[^']*+'?+|[^ \t\n\f\r>"'][^ \t\n\f\r>]*+)?))?)"""
_ATTRIBUTE = rf"{_GAP}[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+{_VALUE}"
_MANY = rf"<[a-z][^ \t\n\f\r/>]*+(?>(?:{_ATTRIBUTE}){{0,{ATTRIBUTES_CAP}}})"
_TAG, _WIDE = re.compile(_MANY + _GAP, re.IGNORECASE), re.compile(_MANY + _ATTRIBUTE, re.IGNORECASE)


def _too_deep(html: str) -> bool:
    """Estimate the tag depth from above, in linear time: the parser's own cost grows with its square.

    End tags inside comments, quotes and raw text do not count, start tags there do; a cap on all nesting tags covers
    what the estimate gets wrong. Formatting elements are reopened in every block (HTML section 13.2.4.3), so they
    have a budget of their own.
    """
    if html.count("<") <= DEPTH_CAP:
        return False  # why: no cap is reached by so few tags, and most mails have fewer
    counts: dict[str, int] = {}
    depth = deepest = formatting = most_formatting = tags = nesting = skip = 0
    lower = html.lower() if html.isascii() else html
    for match in _OPEN.finditer(html):
        outside = match.start() >= skip
        if match[2] is None:
            if outside:
                end = _COMMENT_END.search(html, match.end() - 2)
                skip = end.end() if end else len(html)
            continue
        tag = match[2].lower()
        tags += 1
        if match[1]:
            if outside and counts.get(tag, 0):
                counts[tag] -= 1
                depth -= 1
                formatting -= tag in _FORMATTING
            continue
        if tag not in _VOID:
            counts[tag] = counts.get(tag, 0) + 1
            depth += 1
            nesting += 1
            formatting += tag in _FORMATTING
            deepest, most_formatting = max(deepest, depth), max(most_formatting, formatting)
        if outside:
            skip = _tag_end(html, match.end())
            if tag in _RAW:
                skip = lower.find(f"</{tag}", skip)
                skip = len(html) if skip < 0 else skip
    return deepest > DEPTH_CAP or nesting > TAG_CAP or most_formatting * tags > FORMATTING_BUDGET


def _too_wide(html: str) -> bool:
    """Whether a tag may have more than ATTRIBUTES_CAP attributes: the parser compares each with all before it.

    From wherever a tag may begin it is read as HTML section 13.2.5 does, whatever stands around; where tags seem to
    stand inside one another so often that this would not be linear, the answer is yes.
    """
    budget = INSIDE_CAP * len(html)
    for start in _START.finditer(html) if len(html) > SMALL else ():
        at = start.start()
        tag = _TAG.match(html, at)
        size = tag.end() - at if tag else 0
        budget -= size
        if budget < 0 or (size > 2 * ATTRIBUTES_CAP and _WIDE.match(html, at)):
            return True
    return False


def _tag_end(html: str, at: int) -> int:
    """Return where the start tag that was opened before `at` ends (at the end of all where it does not)."""
    while True:
        found = _TAG_REST.search(html, at)
        if found is None:
            return len(html)
        if found[0] == ">":
            return found.end()
        at = html.find(found[0][-1], found.end()) + 1
        if not at:
            return len(html)


def _events(sheets: Sheets, root: LexborNode) -> Iterator[Event]:
    """Walk the visible tree without recursion: ("open" | "close" | "text", tag or text, node).

    Elements that neither shape lines nor link (`<b>`, `<span>`) are walked through, and not told.
    """
    stack: list[tuple[LexborNode, bool, Paint, frozenset[str]]] = [(root, False, sheets.paint, frozenset())]
    while stack:
        node, leaving, paint, unseen = stack.pop()
        tag = node.tag or ""
        if leaving:
            yield "close", tag, node
            continue
        if node is not root and node.next is not None:
            stack.append((node.next, False, paint, unseen))
        if tag == "-text":
            if not unseen and not faded(paint):
                yield "text", node.text_content or "", node
        elif node.is_element_node:
            attributes = node.attributes
            own, rules = sheets.holding(node, attributes.get("style") or "" if attributes else "")
            if (
                tag in DROPPED
                or (attributes and ("hidden" in attributes or hides(own, tag)))
                or (sheets.hidden and node.mem_id in sheets.hidden)
            ):
                continue
            if tag == "font" and "size" in attributes:
                rules = {"font-size": "medium", **rules}  # why: it is a size of its own, whatever stands around
            unseen = concealed(unseen, rules) if rules else unseen
            if tag in _TOLD and not (unseen and tag == "a"):  # why: nobody follows a link that is not seen
                yield "open", tag, node
                stack.append((node, True, paint, unseen))
            if node.first_child is not None:
                paint = painted(paint, attributes, rules) if attributes or rules else paint
                stack.append((node.first_child, False, paint, unseen))


@dataclass(slots=True)
class _Row:
    """What a table row holds outside of the tables in it: in how many of its cells there is text, in how many lines."""

    place: int
    cells: int = 0
    lines: int = 0
    new_cell: bool = True
    new_line: bool = True

    def end_line(self, *, cell: bool) -> None:
        self.new_line = True
        self.new_cell = self.new_cell or cell

    def say(self) -> None:
        self.cells += self.new_cell
        self.lines += self.new_line
        self.new_cell = self.new_line = False


class _Lines:
    """The lines under construction; a flat table row is one line whose cells are joined by a tab."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.buffer: list[str] = []
        self.cells: list[str] | None = None

    def taken(self) -> str:
        text = " ".join("".join(self.buffer).split())
        self.buffer = []
        return text

    def end_line(self) -> None:
        if self.cells is not None:
            self.buffer.append(" ")
        elif text := self.taken():
            self.lines.append(text)

    def end_row(self) -> None:
        cells, self.cells = self.cells or [], None
        rest = self.taken()
        line = "\t".join([*cells, rest] if rest else cells).strip(" ")
        if line.strip():
            self.lines.append(line)


def _layout(events: Sequence[Event]) -> set[int]:
    """Return the rows (by the place of their event) whose cells are no line.

    Those that contain a table, whose rows are the lines; and those of which one cell says all, and that in several lines.
    """
    layout: set[int] = set()
    rows: list[_Row] = []
    for index, (kind, tag, _) in enumerate(events):
        if kind == "text":
            if rows and tag.strip(_BLANK):
                rows[-1].say()
        elif tag == "tr":
            if kind == "open":
                rows.append(_Row(index))
            elif (row := rows.pop()).cells == 1 and row.lines > 1:
                layout.add(row.place)
        elif rows and tag != "a":
            rows[-1].end_line(cell=kind == "open" and tag in ("td", "th"))
            if kind == "open" and tag == "table":
                layout.update(row.place for row in rows)
    return layout


def html_to_text(html: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return what a reader would see of `html`: its text (one line a block or table row), visible links, defects."""
    defects: tuple[str, ...] = ()
    if len(html) > HTML_CAP:
        html, defects = html[:HTML_CAP], ("The HTML is longer than 1 MB; the rest was not read.",)
    if _too_deep(html):
        return "", (), ("The HTML is nested too deeply to be read.",)
    if _too_wide(html):
        return "", (), ("An element of the HTML has too many attributes to be read.",)
    tree = LexborHTMLParser(html)
    root = tree.root
    if root is None:
        return "", (), defects
    sheets = Sheets(tree).read(html)
    if sheets.over:
        return "", (), ("A style sheet of the HTML is about too many elements to be read.",)
    events = list(_events(sheets, root))
    layout = _layout(events)
    out, links, pre = _Lines(), list[str](), 0
    for index, (kind, tag, node) in enumerate(events):
        if kind == "text":
            first, *rest = tag.split("\n") if pre else (tag,)
            out.buffer.append(first)
            for piece in rest:
                out.end_line()
                out.buffer.append(piece)
            continue
        if kind == "open" and tag == "a":
            link = (node.attributes.get("href") or "").strip()
            if link.lower().startswith(("http://", "https://")):
                links.append(link)
        pre += (kind == "open") - (kind == "close") if tag == "pre" else 0
        if tag == "tr" and kind == "open":
            out.end_line()
            out.cells = None if index in layout else []
        elif tag == "tr" and out.cells is not None:
            out.end_row()
        elif tag in ("td", "th") and out.cells is not None:
            if kind == "close":
                out.cells.append(out.taken())
        elif tag != "a":
            out.end_line()
    out.end_line()
    return "\n".join(out.lines), tuple(links), defects
