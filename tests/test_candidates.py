"""Which messages are fetched: the quick way over the bytes beside the plain way over what they say."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailrules.mail.headers import header_fields, only, read_from, subject_of
from mailrules.notices.candidates import Candidates
from mailrules.notices.lines import subject_line
from mailrules.notices.patterns import FORWARDED
from mailrules.notices.search import Searched
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules

PEOPLE = frozenset({"owner@shop.example", "agency@outside.example"})
PIECES = [
    b"From: ", b"from :", b"Subject: ", b"subject:", b"\r\n", b"\n", b"\r\n ", b"\n\t", b"\r", b"@", b"a@", b'"', b"\\", b"<", b">",
    b"(c)", b" ", b"owner@shop.example", b"owner@shop.", b"example", b"Fwd: ", b"WG: ", b"amazon", b".com", b"AMAZON.DE", b"ama",
    b"zon.com", b"amazon.co.jp", b"=?utf-8?Q?ACTION_REQUIRED?=", b"Content-Type: message/rfc822", b"Content-Type: multipart/mixed",
    b"ACTION REQUIRED - Your software application authorization will expire in 30 days", b"\xc3\xa9", b"\x1b$B", b"\xe3\x80\x80",
]  # fmt: skip


@cache
def candidates() -> Candidates:
    rules = load(shipped_rules(), grammar_text())
    return Candidates(systems=rules.systems, wordings=rules.wordings, people=PEOPLE)


def plainly(asked: Candidates, block: bytes) -> bool:
    """Say whether a message is a candidate, as the design says it (section 6)."""
    if not block.strip():
        return True
    fields = header_fields(block)
    sender, _ = read_from(fields)
    written = b" ".join(value for name, value in fields if name == "from").decode("latin-1").lower()
    domains = [domain.value.lower() for system in asked.systems for domain in system.domains]
    if any((sender and sender.domain == domain) or f"@{domain}" in written for domain in domains):
        return True
    subject = subject_of(fields)
    bare = FORWARDED.sub("", subject)
    about = Searched([subject_line(bare, 0)])
    if any(about.find(clause) for wording in asked.wordings for clause in wording.subject):
        return True
    kind = only(fields, "content-type").lower()
    forwards = bare != subject or any(k in kind for k in (b"message/rfc822", b"multipart/mixed", b"multipart/digest"))
    return bool(sender and sender.address in PEOPLE and forwards)


@given(st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join), st.booleans())
@example(b'a@"amazon".com\r\n\r\n', True)
@example(b"a@amazon.com (c)\r\n", True)
@example(b'"a@ama\r\n zon.com" <x@shop.example>', True)
@example(b"owner@shop.example\r\nSubject: Fwd: lamp", True)
@settings(max_examples=500, deadline=None)
def test_the_scan_of_the_bytes_misses_no_candidate_and_makes_none(pieces: bytes, leading: bool) -> None:
    block = (b"From: " if leading else b"") + pieces
    assert (candidates().reason(block) is not None) == plainly(candidates(), block)


@pytest.mark.parametrize(
    ("subject", "charset"),
    [
        ("需要采取措施 - 您的软件应用程序授权将在 23 天后过期", "gb18030"), ("Aviso: Desactivación de MWS", "iso-8859-1"),
        ("アクションが必要 - お使いのソフトウェアアプリケーション認証は、あと 23日で有効期限切れになります。", "shift_jis"),
    ],
)  # fmt: skip
def test_a_subject_in_the_character_set_of_the_body_fits_before_the_body_is_fetched(subject: str, charset: str) -> None:
    block = f"From: a@shop.example\r\nSubject: {subject}\r\nContent-Type: text/plain; CHARSET={charset}\r\n\r\n"
    assert "the subject fits" in (candidates().reason(block.encode(charset)) or "")


def test_the_reason_names_what_made_it_one() -> None:
    reason = candidates().reason
    assert reason(b"From: a@amazon.com\r\n\r\n") == "sender domain amazon.com belongs to amazon"
    assert reason(b"From: a@shop.example\r\nSubject: lamp\r\n\r\n") is None
    assert reason(b"\r\n") == "the server named none of its header fields"
    told = reason(b"From: owner@shop.example\r\nSubject: Fwd: lamp\r\n\r\n")
    assert told == "a forward from owner@shop.example, who is listed under [people]"


BLOCKS = st.lists(
    st.tuples(st.booleans(), st.lists(st.sampled_from([*PIECES, b"\0"]), max_size=8).map(b"".join)), max_size=6
)


@given(BLOCKS)
@example([(True, b"a@amazon"), (False, b".com"), (True, b"a@amazon.de\0"), (False, b"\0")])
@example([(False, b"Subject: ACTION REQUIRED - Your software application"), (False, b"authorization will expire in 3")])
@settings(max_examples=300, deadline=None)
def test_messages_looked_at_together_are_judged_as_each_alone(made: list[tuple[bool, bytes]]) -> None:
    blocks = [(b"From: " if leading else b"") + pieces for leading, pieces in made]
    alone = {place: reason for place, block in enumerate(blocks) if (reason := candidates().reason(block))}
    assert candidates().among(blocks) == alone
