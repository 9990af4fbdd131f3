"""Our own reading of FETCH answers beside the library's: where ours answers at all, both say the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from imapclient.datetime_util import parse_to_datetime
from imapclient.response_parser import gen_parsed_response

from mailrules.sources.imap_fetch import answers, instant

SECTIONS = [
    b"BODY[]",
    b"BODY[]<0>",
    b"BODY[HEADER.FIELDS (FROM SUBJECT MESSAGE-ID CONTENT-TYPE)]",
    b"body[]",
    b"BODY[1]",
]
ITEMS = [
    b"UID 7", b"UID 007", b"UID 123456789", b"UID x", b"UID", b"RFC822.SIZE 12", b"RFC822.SIZE -1", b"FLAGS (\\Seen)",
    b'INTERNALDATE "22-Nov-2026 23:24:25 +0100"', b'INTERNALDATE " 1-Jan-2024 00:00:00 +0000"', b'INTERNALDATE "a\\"b"',
    b"INTERNALDATE NIL", b"uid 9", b"BODY[] NIL", b'BODY[] "text"',
]  # fmt: skip
LITERALS = st.binary(max_size=40)


def theirs(data: list[Any]) -> list[tuple[int, dict[bytes, Any]]]:
    atoms = gen_parsed_response(data)
    found = []
    for _, pairs in zip(atoms, atoms, strict=False):
        item = dict(zip([name.upper() for name in pairs[::2]], pairs[1::2], strict=True))
        if isinstance(item.get(b"UID"), int):
            found.append((item[b"UID"], item))
    return found


@st.composite
def answer(draw: st.DrawFn) -> list[Any]:
    number = draw(st.integers(1, 99))
    items = b" ".join(draw(st.lists(st.sampled_from(ITEMS), max_size=4)))
    if not draw(st.booleans()):
        return [b"%d (%s)" % (number, items)]
    literal = draw(LITERALS)
    size = len(literal) + draw(st.sampled_from([0, 0, 0, 0, 1]))
    line = b"%d (%s {%d}" % (number, b" ".join([items, draw(st.sampled_from(SECTIONS))]).lstrip(), size)
    end = draw(st.sampled_from([b")", b")", b")", b" UID 3)", b" FLAGS ())"]))
    return [(line, literal), end]


@given(st.lists(answer(), max_size=5))
@settings(max_examples=600, deadline=None)
def test_what_we_read_of_an_answer_is_what_the_library_reads(made: list[list[Any]]) -> None:
    data = [piece for one in made for piece in one]
    found = answers(data)
    if found is not None:
        assert found == theirs(data)


def test_the_answers_that_we_ask_for_are_read_without_the_library() -> None:
    section = b"BODY[HEADER.FIELDS (FROM SUBJECT MESSAGE-ID CONTENT-TYPE)]"
    told = b'UID 5 RFC822.SIZE 321 INTERNALDATE "22-Nov-2026 23:24:25 +0100"'
    data = [
        (b"1 (%s %s {6}" % (told, section), b"a: b\r\n"),
        b")",
        (b"2 (UID 6 BODY[]<0> {2}", b"hi"),
        b")",
        b"3 (UID 7)",
    ]
    found = answers(data)
    assert found == theirs(data)
    assert found is not None
    assert [uid for uid, _ in found] == [5, 6, 7]


def test_bytes_that_are_no_answer_are_left_to_the_library() -> None:
    whole = (b"1 (UID 5 BODY[] {2}", b"hi")
    for data in (
        [whole],
        [whole, b")", b")"],
        [(b"1 (UID 5 BODY[] {3}", b"hi"), b")"],
        [b"1 (UID 5"],
        [b"nonsense"],
        [b"1 (UID 5 )"],
    ):
        assert answers(data) is None


@given(
    st.from_regex(
        rb"\A[ 0-3][0-9]-(Jan|Feb|Nov|Dec|Xyz)-20[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} [+-][01][0-9][0-5][0-9]\Z"
    )
)
@settings(max_examples=400, deadline=None)
def test_an_instant_that_we_read_is_the_one_that_the_library_reads(written: bytes) -> None:
    found = instant(written)
    if found is not None:
        assert found == parse_to_datetime(written, normalise=False)
