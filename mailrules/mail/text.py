"""From bytes to text: transfer encodings, character sets, and HTML as a reader would see it.

In: the bytes of one part and the label its sender gave them. Out: text with LF line ends, and sentences about defects.
May not live here: header fields, MIME structure, anything that knows Amazon.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

import webencodings
from selectolax.lexbor import LexborHTMLParser, LexborNode

HTML_CAP = 1_000_000
DEPTH_CAP = 2_000
FORMATTING_BUDGET = 5_000_000
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_UNDECLARED = ("", "us-ascii", "ascii", "ansi_x3.4-1968", "utf-8", "utf8", "unknown-8bit")
_KOREAN_CHINESE_7BIT = {"iso-2022-kr": "iso2022_kr", "hz-gb-2312": "hz"}


def transfer(data: bytes, encoding: str) -> tuple[bytes, tuple[str, ...]]:
    """Undo a Content-Transfer-Encoding (RFC 2045 section 6), reading as much of a broken one as there is."""
    name = encoding.strip().lower()
    if name == "base64":
        out = bytearray()
        for chunk in data.translate(None, _NOT_BASE64).split(b"="):
            usable = chunk[:-1] if len(chunk) % 4 == 1 else chunk
            out += binascii.a2b_base64(usable + b"=" * (-len(usable) % 4))
        clean = len(data.translate(None, _NOT_BASE64)) % 4 == 0 and not data.translate(None, b"\r\n\t ").translate(
            None, bytes(set(range(256)) - set(_NOT_BASE64))
        )
        return bytes(out), () if clean else ("The base64 text is damaged.",)
    if name == "quoted-printable":
        # RFC 2045 section 6.7 rule 3: white space at a line's end was added in transport.
        return binascii.a2b_qp(b"\n".join(line.rstrip(b" \t\r") for line in data.split(b"\n"))), ()
    if name in ("", "7bit", "8bit", "binary"):
        return data, ()
    return data, ("The transfer encoding is not known.",)


def _jis_pairs(data: bytes) -> bytes:
    """Turn JIS row/cell pairs into Shift_JIS bytes, where CP932 also has the NEC and IBM rows."""
    out = bytearray()
    for high, low in zip(data[::2], data[1::2], strict=False):
        if not (0x21 <= high <= 0x7E and 0x21 <= low <= 0x7E):
            raise ValueError("not a JIS pair")
        row = high - 0x21
        lead = row // 2 + (0x81 if row < 62 else 0xC1)
        out.append(lead)
        out.append(low + 0x7E if row % 2 else low + (0x1F if low < 0x60 else 0x20))
    if len(data) % 2:
        raise ValueError("half a JIS pair")
    return bytes(out)


def _iso2022jp(data: bytes) -> str:
    """Decode ISO-2022-JP (RFC 1468) with the vendor rows that no CPython codec knows."""
    out: list[str] = []
    for line in data.splitlines(keepends=True):
        first, *rest = line.split(b"\x1b")
        out.append(first.decode("ascii"))
        for piece in rest:
            end = b"\n" if piece.endswith(b"\n") else b""
            if piece[:2] in (b"$B", b"$@"):
                out.append(_jis_pairs(piece[2:].rstrip(b"\r\n")).decode("cp932") + end.decode())
            elif piece[:2] in (b"(B", b"(J"):
                out.append(piece[2:].decode("ascii"))
            elif piece[:2] == b"(I":
                out.append(bytes(b | 0x80 if b >= 0x21 else b for b in piece[2:]).decode("cp932"))
            elif piece[:3] == b"$(D":
                pairs = piece[3:].rstrip(b"\r\n")
                out.append((b"\x1b$(D" + pairs + b"\x1b(B").decode("iso2022_jp_2") + end.decode())
            else:
                raise ValueError("unknown escape")
    return "".join(out)


def _euc_jp(data: bytes) -> str:
    """Decode EUC-JP whose NEC rows the CPython codec refuses: each run of pairs goes through CP932."""
    out: list[str] = []
    for run in re.split(rb"((?:[\xa1-\xfe]{2})+)", data):
        if run[:1] >= b"\xa1":
            out.append(_jis_pairs(bytes(b & 0x7F for b in run)).decode("cp932"))
        else:
            out.append(run.decode("euc_jp"))
    return "".join(out)


def _attempts(data: bytes, label: str) -> Iterator[str]:
    """Yield the ways to read `data`, most believable first, as names that `_try` knows."""
    name = label.strip().lower()
    found = webencodings.lookup(name)
    codec = found.codec_info.name if found else ""
    web = found.name if found else ""
    if web == "iso-2022-jp" or (b"\x1b$" in data and (name in _UNDECLARED or web in ("windows-1252", "shift_jis"))):
        yield "iso-2022-jp"
    if name in _KOREAN_CHINESE_7BIT:
        yield _KOREAN_CHINESE_7BIT[name]
    if not codec or name in _UNDECLARED or web == "windows-1252" or web in ("replacement", "x-user-defined"):
        yield "utf-8"
    if codec and name not in _UNDECLARED and web not in ("replacement", "x-user-defined", "iso-2022-jp"):
        yield codec
    if web == "euc-jp":
        yield "euc-jp-nec"
    if web == "gbk":
        yield "gb18030"
    yield "utf-8"


def _try(data: bytes, codec: str) -> str | None:
    try:
        if codec == "iso-2022-jp":
            return _iso2022jp(data)
        if codec == "euc-jp-nec":
            return _euc_jp(data)
        return data.decode(codec)
    except (ValueError, LookupError):
        return None


def decode(data: bytes, label: str) -> tuple[str, tuple[str, ...]]:
    """Decode `data` labelled `label`; a label that lies or is unknown is a defect, never an error."""
    defects: list[str] = []
    if data.startswith(b"\xef\xbb\xbf"):
        data, label = data[3:], "utf-8"
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")) and label.lower() in ("", "utf-16"):
        label, data = ("utf-16le" if data[0] == 0xFF else "utf-16be"), data[2:]
    if label and webencodings.lookup(label) is None and label.lower() not in _UNDECLARED:
        defects.append("The character set of a part is not known.")
    text: str | None = None
    for codec in _attempts(data, label):
        text = _try(data, codec)
        if text is not None:
            break
    if text is None:
        found = webencodings.lookup(label)
        usable = found.codec_info.name if found and found.name not in ("replacement", "iso-2022-jp") else "utf-8"
        text = data.decode(usable, "replace")
        defects.append("Some characters could not be read in the character set that the part declares.")
    return text.replace("\r\n", "\n").replace("\r", "\n"), tuple(defects)


_BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 header hr html li main menu nav ol option p pre section summary table tbody "
    "tfoot thead tr ul td th".split()
)
_DROPPED = frozenset("head style script title template noembed noframes iframe object audio video".split())
_FORMATTING = frozenset("a b big code em font i nobr s small strike strong tt u".split())
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr p li dt dd tr td th".split())
_RAW = ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript", "plaintext")
_OPEN = re.compile(r"<(?:!--|(/?)([a-z][a-z0-9]{0,19}))", re.IGNORECASE)
_TAG_REST = re.compile(r"=[ \t\r\n\f]{0,20}[\"']|>")
_COMMENT_END = re.compile(r"--!?>")
TAG_CAP = 20_000


def _too_deep(html: str) -> bool:
    """Estimate the tag depth from above, in linear time: the parser's own cost grows with its square.

    End tags inside comments, quotes and raw text do not count, start tags there do; a cap on all nesting tags covers
    what the estimate gets wrong. Formatting elements are reopened in every block (HTML section 13.2.4.3), so they
    have a budget of their own.
    """
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


def _hidden(node: LexborNode) -> bool:
    if node.tag in _DROPPED:
        return True
    attributes = node.attributes
    if not attributes:
        return False
    if "hidden" in attributes:
        return True
    style = re.sub(r"\s+", "", (attributes.get("style") or "").lower())
    if not style:
        return False
    rules: dict[str, str] = {}
    for rule in "".join(piece.rpartition("*/")[2] for piece in style.split("/*")).split(";"):
        name, _, value = rule.partition(":")
        rules[name] = value.removesuffix("!important")
    nothing = re.compile(r"[+-]?0*\.?0*(px|pt|em|rem|%|vh|vw|ex|ch|in|cm|mm)?$")

    def zero(name: str) -> bool:
        return "0" in rules.get(name, "") and nothing.match(rules[name]) is not None

    return (
        rules.get("display") == "none"
        or rules.get("visibility") in ("hidden", "collapse")
        or rules.get("mso-hide") == "all"
        or zero("font-size")
        or zero("opacity")
        or (rules.get("overflow") == "hidden" and (zero("max-height") or zero("height")))
    )


def _events(root: LexborNode) -> Iterator[tuple[str, str, LexborNode]]:
    """Walk the visible tree without recursion: ("open" | "close" | "text", tag or text, node)."""
    stack: list[tuple[LexborNode, bool]] = [(root, False)]
    while stack:
        node, leaving = stack.pop()
        tag = node.tag or ""
        if leaving:
            yield "close", tag, node
            continue
        if node is not root and node.next is not None:
            stack.append((node.next, False))
        if tag == "-text":
            yield "text", node.text_content or "", node
        elif node.is_element_node and not _hidden(node):
            yield "open", tag, node
            stack.append((node, True))
            if node.first_child is not None:
                stack.append((node.first_child, False))


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


def html_to_text(html: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return what a reader would see of `html`: its text (one line a block or table row), visible links, defects."""
    defects: tuple[str, ...] = ()
    if len(html) > HTML_CAP:
        html, defects = html[:HTML_CAP], ("The HTML is longer than 1 MB; the rest was not read.",)
    if _too_deep(html):
        return "", (), ("The HTML is nested too deeply to be read.",)
    root = LexborHTMLParser(html).root
    if root is None:
        return "", (), defects
    events = list(_events(root))
    layout: set[int] = set()  # rows that contain a table: their nested rows are the lines
    rows: list[int] = []
    for index, (kind, tag, _) in enumerate(events):
        if kind == "open" and tag == "table":
            for row in reversed(rows):
                if row in layout:
                    break
                layout.add(row)
        elif tag == "tr" and kind == "open":
            rows.append(index)
        elif tag == "tr" and kind == "close":
            rows.pop()
    out, links, pre = _Lines(), list[str](), 0
    for index, (kind, tag, node) in enumerate(events):
        if kind == "text":
            for number, piece in enumerate(tag.split("\n") if pre else [tag]):
                if number:
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
        elif tag == "br" or tag in _BLOCKS:
            out.end_line()
    out.end_line()
    return "\n".join(out.lines), tuple(links), defects
