"""What a message may be at most: looked at before any library sees its bytes, in linear time.

In: header and body as bytes. Out: which cap they exceed, as a sentence. May not live here: reading what a message says.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

MESSAGE_CAP = 25_000_000
HEADERS_CAP = 1_000
HEADER_BYTES_CAP = 1_000_000
FIELD_CAP = 256_000
PARTS_CAP = 500
DEPTH_CAP = 50
STRUCTURED_CAP = 16_384
PARAMETERS_CAP = 100
WORK_CAP = 20_000_000

# why small letters and whole bytes first: a pattern that begins with plain bytes is searched for many times faster than with IGNORECASE
_NESTING = re.compile(rb"\ncontent-type[ \t]*:[ \t\r\n]{0,100}(?:multipart|message)/")
_BOUNDARY = re.compile(rb"boundary[ \t]{0,20}=[ \t]{0,20}\"?([^\"\r\n;]{1,300})")
_CONTENT_FIELD = re.compile(rb"\ncontent-")
_DELIMITER, _DELIMITER_BEHIND_CR = re.compile(rb"\n(--[^\r\n]*)"), re.compile(rb"[\r\n](--[^\r\n]*)")


def over_cap(head: bytes, body: bytes, fields: Sequence[tuple[str, bytes]]) -> str:
    """Say which cap the bytes exceed, "" for none; linear, and before any library sees them."""
    if len(head) + len(body) > MESSAGE_CAP:
        return "The message is larger than 25 MB."
    if len(head) > HEADER_BYTES_CAP:
        return "The header is larger than 1 MB."
    if len(fields) > HEADERS_CAP:
        return "The message has more than 1,000 header fields."
    if any(len(value) > FIELD_CAP for _, value in fields):
        return "A header field is larger than 256 KB."
    content = b"\n" + head + b"\n\n" + body
    lower = content.lower()
    for match in _CONTENT_FIELD.finditer(lower):
        end = match.end()
        semicolons = 0
        while True:
            line_end = content.find(b"\n", end)
            line_end = len(content) if line_end < 0 else line_end
            semicolons += content.count(b";", end, line_end)
            end = line_end + 1
            if semicolons > PARAMETERS_CAP or end - match.start() > STRUCTURED_CAP:
                return "A Content field is too long or has too many parameters."
            if content[end : end + 1] not in (b" ", b"\t"):
                break
    containers = len(_NESTING.findall(lower))
    if containers * (content.count(b"\n") + content.count(b"\r")) > WORK_CAP:
        return "The message has too many parts for its size."
    if containers > 2 * PARTS_CAP:
        return "The message has more than 500 parts."
    if b"boundary" not in lower:
        return ""  # why: nothing parts a message without one
    declared = {content[slice(*found.span(1))].strip() for found in _BOUNDARY.finditer(lower)}
    odd = re.search(rb"boundary\*|\\", b"".join(declared) + b"\n".join(v for _, v in fields)) is not None
    lines = [line.rstrip() for line in (_DELIMITER_BEHIND_CR if b"\r--" in content else _DELIMITER).findall(content)]
    delimiters = Counter(lines)
    parts = sum(n for line, n in delimiters.items() if line[2:] in declared or (odd and n > PARTS_CAP))
    if parts > PARTS_CAP:
        return "The message has more than 500 parts."
    # why not at 50: what is a little too deep is read as far as that, and only the library's cost, a square, must not grow
    if containers > 2 * DEPTH_CAP and _depth(lines, declared) > 2 * DEPTH_CAP:
        return "The message is nested too deeply to be read."
    return ""


def _depth(delimiters: Sequence[bytes], declared: Collection[bytes]) -> int:
    """Return how many multiparts are open at once, as their delimiter lines show it; linear."""
    opened: dict[bytes, None] = {}
    deepest = 0
    for line in delimiters:
        name = line[2:]
        ended = name[:-2] if name.endswith(b"--") and name[:-2] in opened else b""
        if ended or name in opened:
            while next(reversed(opened)) != (ended or name):
                opened.popitem()
            if ended:
                opened.popitem()
        elif name in declared:
            opened[name] = None
            deepest = max(deepest, len(opened))
    return deepest
