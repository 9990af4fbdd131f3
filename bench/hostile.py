"""P11: thirteen hostile shapes of mail at n and at 4 n: what reading them costs may grow by 4, and hardly more.

In: whether it is to be quick. Out: a figure for each shape. Read in this process (the guard's child is not needed for this),
counted in processor time.
May not live here: caps, what becomes of such mail.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from bench.table import Figure, seconds, side_by_side
from mailrules.mail.message import RawMessage
from mailrules.pipeline import read
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules

NOW = datetime(2024, 3, 11, tzinfo=UTC)
_TO = b"To: seller@shop.example\r\nDate: Mon, 11 Mar 2024 00:05:00 +0000\r\n"
_FROM = b"From: Amazon <seller-notification@amazon.com>\r\nSubject: ACTION REQUIRED\r\nMIME-Version: 1.0\r\n" + _TO
_TEXT = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"


def _nested(n: int, opened: str = "multipart/mixed", *, ends: bool = True) -> bytes:
    head = b"".join(f'Content-Type: {opened}; boundary="b{i}"\r\n\r\n--b{i}\r\n'.encode() for i in range(n))
    tail = b"".join(f"\r\n--b{i}--\r\n".encode() for i in reversed(range(n))) if ends else b""
    return _FROM + head + _TEXT + b"text" + tail


def _parts(n: int) -> bytes:
    return _FROM + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\n" * n + b"--b--\r\n"


SHAPES: tuple[tuple[str, Callable[[int], bytes], int], ...] = (
    ("semicolons in Content-Type", lambda n: _FROM + b"Content-Type: text/plain" + b";" * n + b"\r\n\r\ntext", 20_000),
    ("a From of dots", lambda n: b"From: " + b"." * n + b"@amazon.com\r\n" + _TO + _TEXT + b"text", 20_000),
    ("a From of brackets", lambda n: b"From: " + b"(" * n + b" a@amazon.com\r\n" + _TO + _TEXT + b"text", 20_000),
    ("multiparts inside one another", _nested, 100),
    ("multiparts that never end", lambda n: _nested(n, ends=False), 100),
    ("mails inside one another", lambda n: _FROM + b"Content-Type: message/rfc822\r\n\r\n" * n + _TEXT + b"text", 100),
    ("empty parts", _parts, 20_000),
    ("header fields", lambda n: b"X-Field: value\r\n" * n + _FROM + _TEXT + b"text", 20_000),
    ("encoded words in the Subject", lambda n: b"Subject:" + b" =?utf-8?Q?=41?=\r\n" * n + _TO + _TEXT + b"text", 3_000),
    ("addresses in From", lambda n: b"From: " + b"a@amazon.com, " * n + b"b@amazon.com\r\n" + _TO + _TEXT + b"text", 5_000),
    ("elements of HTML", lambda n: _FROM + b"Content-Type: text/html\r\n\r\n" + b"<div>" * n + b"text", 20_000),
    ("labels without values", lambda n: _FROM + _TEXT + b"Developer ID:\r\n" * n, 5_000),
    ("one line of a wording's words", lambda n: _FROM + _TEXT + b"That access will expire on " * n, 5_000),
)  # fmt: skip


def figures(*, quick: bool, only: frozenset[str] = frozenset()) -> Iterator[Figure]:  # noqa: ARG001 - every part has it
    """Read each shape at both sizes."""
    rules = load(shipped_rules(), grammar_text())
    gc.collect()
    gc.freeze()  # why: what other figures left in memory would be looked through again and again, and counted here

    def reading(content: bytes) -> Callable[[], float]:
        raw = RawMessage(source="bench", content=content, received_at=NOW)
        return lambda: 1000 * seconds(lambda: read(raw, rules), time.process_time)

    for name, make, size in SHAPES:
        n = size // 4 if quick else size
        found = side_by_side(1 if quick else 7, {"one": reading(make(n)), "four": reading(make(4 * n))})
        yield Figure(
            number="P11",
            work=f"{name}, 4 × {n:,}",
            ours=found["four"],
            against=f"{n:,}",
            theirs=found["one"],
            unit="ms",
            goal=5,
        )
