"""Our own check of signatures: what it believes, what it refuses, and what it cannot tell."""

from __future__ import annotations

import re
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from mailrules.mail.dkim import Unreachable, check_signature
from mailrules.mail.message import AuthVerdict, RawMessage
from mailrules.mail.parse import parse_message
from mailrules.sources.dns import key_fetch
from mailrules.world import Receiver
from tests.mails import notice
from tests.signing import HEADERS, key, signed

MAIL = notice("multipart-encoded")[0]
RECORD = key()[1]
Fetch = Callable[[str], bytes | None]


def fetch(name: str) -> bytes | None:
    return RECORD if name == "sel._domainkey.amazon.com" else None


def now() -> datetime:
    return datetime.now(UTC)


def check(content: bytes, keys: Fetch = fetch, came: datetime | None = None) -> AuthVerdict:
    return check_signature(content, came or now(), keys)


def unreachable(name: str) -> bytes | None:
    raise Unreachable("Timeout")


@pytest.mark.parametrize("canonical", [(b"relaxed", b"relaxed"), (b"simple", b"simple"), (b"relaxed", b"simple")])
@pytest.mark.parametrize("form", ["plain", "html", "quoted-printable", "base64", "multipart"])
def test_a_mail_that_its_domain_signed_passes(form: str, canonical: tuple[bytes, bytes]) -> None:
    verdict = check(signed(notice(form)[0], canonicalize=canonical))
    assert (verdict.result, verdict.domain) == ("pass", "amazon.com"), verdict.reason


def test_line_ends_an_envelope_line_and_fields_of_the_way_change_nothing() -> None:
    good = signed(MAIL)
    for content in (
        good.replace(b"\r\n", b"\n"),
        b"From x@y Mon Mar 11 00:05:00 2024\r\n" + good,
        b"Received: by mx.test\r\nAuthentication-Results: evil.test; dkim=fail\r\nReturn-Path: <x@y>\r\n" + good,
    ):
        assert check(content).result == "pass"


def test_the_verdict_counts_for_the_account_that_asks_for_it_and_for_no_other() -> None:
    good = signed(MAIL)
    raw = RawMessage(source="x", content=good, received_at=now())
    own = check(good)
    assert parse_message(raw, Receiver(dkim=True), own).auth.result == "pass"
    assert parse_message(raw, Receiver(dkim=True)).auth.result == "none"
    assert parse_message(raw, Receiver(authserv_id="mx.test"), own).auth.result == "none"
    other = AuthVerdict(result="pass", domain="evil.test")
    assert parse_message(raw, Receiver(dkim=True), other).auth.result == "none"


def change(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new, 1)

    return changed


@pytest.mark.parametrize(
    "changed",
    [
        change(b"expire in 30 days", b"expire in 3 days"),
        change(b"From: Amazon Seller Central", b"From: Amazon"),
        change(b"Date: ", b"Date: Mon, 1 Jan 2024 00:00:00 +0000 ("),
        lambda mail: mail + b"more\r\n",
        change(b"--cut--", b"--cut\r\n\r\nmore\r\n--cut--"),
        change(b"bh=", b"bh=A"),
    ],
)
def test_a_mail_that_was_changed_fails(changed: Callable[[bytes], bytes]) -> None:
    assert check(changed(signed(MAIL))).result in ("fail", "none")
    assert check(changed(signed(MAIL))).result != "pass"


@pytest.mark.parametrize("missing", ["subject", "date", "content-type", "mime-version"])
def test_a_signature_must_cover_what_is_read(missing: str) -> None:
    verdict = check(signed(MAIL, headers=[h for h in HEADERS if h != missing]))
    assert verdict.result == "none"
    assert missing.title() in verdict.reason


def test_a_length_that_leaves_room_for_more_text_is_refused() -> None:
    long = signed(MAIL, length=True)
    assert check(long).result == "none"
    assert "l=" in check(long + b"Developer ID: 666\r\n").reason


@pytest.mark.parametrize("name", ["Subject", "From", "Date", "To", "Content-Type", "Reply-To"])
def test_an_unsigned_duplicate_is_refused(name: str) -> None:
    extra = f"{name}: text/plain\r\n".encode()
    content = extra + signed(MAIL)
    assert check(extra + content if name == "Reply-To" else content).result == "none"


def test_only_the_domain_of_from_itself_counts() -> None:
    for domain in ("amazonses.com", "marketplace.amazon.com", "com", "amazon.com.evil.test"):
        assert check(signed(MAIL, domain), lambda _: RECORD).result == "none"
    both = signed(signed(MAIL, "amazonses.com"))
    assert check(both).result == "pass"
    assert check(signed(signed(MAIL), "amazonses.com")).result == "pass"
    assert check(MAIL).reason == "The message carries no signature of amazon.com."


def test_one_good_signature_beside_a_bad_one_is_enough_and_only_a_few_are_tried() -> None:
    bad = change(b"bh=", b"bh=AAAA")(signed(MAIL)).partition(b"From: ")[0]
    asked: list[str] = []

    def counted(name: str) -> bytes | None:
        asked.append(name)
        return RECORD

    assert check(bad + signed(MAIL), counted).result == "pass"
    asked.clear()
    assert check(bad * 9 + signed(MAIL), counted).result == "fail"
    assert len(asked) == 3


def test_a_weak_key_and_an_old_method_are_refused() -> None:
    weak = check(signed(MAIL, bits=768), lambda _: key(768)[1])
    assert (weak.result, "too small" in weak.reason) == ("fail", True)
    assert check(signed(MAIL, signature_algorithm=b"rsa-sha1")).result == "none"
    assert check(signed(MAIL, bits=2048), lambda _: key(2048)[1]).result == "pass"


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (None, "is not there"), (b"", "is not there"), (b"<html>", "is not there"), (RECORD + b"; p=again", "is not there"),
        (RECORD + b"; n=" + b"x" * 2_000, "is not there"), (b"v=DKIM1; p=", "was revoked"),
        (b"v=DKIM2; " + RECORD[9:], "of a kind"), (RECORD.replace(b"k=rsa", b"k=ed25519"), "of a kind"),
        (RECORD + b"; t=y:s", "for trying out"), (RECORD + b"; s=tlsrpt", "not for mail"), (RECORD + b"; h=sha1", "another method"),
        (b"v=DKIM1; p=!!!", "not written plainly"), (RECORD.replace(b"p=", b"p=\xff"), "not written plainly"),
        (key(1024, 2)[1], "is wrong"), (b"v=DKIM1; p=AAAA", "is wrong"),
    ],
)  # fmt: skip
def test_a_key_that_is_missing_revoked_or_another_one_is_a_failure(record: bytes | None, why: str) -> None:
    found = check(signed(MAIL), lambda _: record)
    assert found.result == "fail"
    assert why in found.reason


def test_a_key_that_cannot_be_fetched_is_no_failure_and_no_pass() -> None:
    verdict = check(signed(MAIL), unreachable)
    assert verdict.result == "unchecked"
    assert "could not be fetched" in verdict.reason


def test_a_signature_must_have_been_valid_when_the_mail_came() -> None:
    good = signed(MAIL)
    assert check(good, came=now() + timedelta(days=400)).result == "pass"
    assert check(good, came=now() - timedelta(days=2)).result == "none"
    head, _, rest = good.partition(b"; h=")
    for times in (
        b"t=%d; x=%d" % (now().timestamp() - 200_000, now().timestamp() - 100_000),
        b"x=1",
        b"x=soon",
        b"t=9; x=8",
    ):
        expired = re.sub(rb"t=\d+", times, head) + b"; h=" + rest
        assert check(expired).result == "none", times


@pytest.mark.parametrize(
    ("times", "word"),
    [
        ("x={-35_999}", ""), ("x={-36_001}", "expired"), ("t={35_999}", ""), ("t={36_001}", "dated"), ("t={0}; x={1}", ""),
        ("t={2}; x={1}", "dated"), ("t={-9_999_999}", ""),
    ],
)  # fmt: skip
def test_the_times_of_a_signature_may_differ_by_ten_hours_and_no_more(times: str, word: str) -> None:
    head, _, rest = signed(MAIL).partition(b"; h=")
    told = re.sub(r"\{(-?[\d_]+)\}", lambda m: str(int(now().timestamp()) + int(m[1])), times).encode()
    verdict = check(re.sub(rb"t=\d+", told, head) + b"; h=" + rest)
    assert verdict.result == ("none" if word else "fail"), "times that hold are not those that were signed"
    assert word in verdict.reason


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"v=1", b"v=2", "of a kind"), (b"v=1; ", b"", "of a kind"), (b"q=dns/txt", b"q=http", "of a kind"),
        (b"c=relaxed/relaxed", b"c=none/relaxed", "of a kind"), (b"c=relaxed/relaxed", b"c=relaxed/none", "of a kind"),
        (b"s=sel", b"s=.", "names no key"), (b"s=sel", b"s=", "names no key"), (b" h=", b" i=@evil.test; h=", "(i=)"),
        (b" h=", b" d=evil.test; h=", "carries no signature"), (b"bh=", b"bh=\xc3\xa9", "not written plainly"),
        (b"bh=", b"bh=!", "not written plainly"), (b" h=", b" nonsense; h=", "carries no signature"),
        (b" h=", b" 9x=1; h=", "carries no signature"), (b" h=", b" z=" + b"x" * 5_000 + b"; h=", "not written plainly"),
        (b"d=amazon.com", b"dd=amazon.com", "carries no signature"), (b"a=rsa-sha256; ", b"", "rsa-sha256"),
        (b" h=", b" xh=", "does not cover"),
    ],
)  # fmt: skip
def test_a_signature_that_is_not_plainly_one_is_refused_before_any_sum_is_done(
    old: bytes, new: bytes, why: str
) -> None:
    found = check(change(old, new)(re.sub(rb";\s+i=[^;]*", b"", signed(MAIL))))
    assert found.result == "none"
    assert why in found.reason


def test_a_canonical_form_of_the_text_may_be_left_out() -> None:
    head, _, rest = signed(MAIL, canonicalize=(b"relaxed", b"simple")).partition(b"; h=")
    assert check(head.replace(b"c=relaxed/simple", b"c=relaxed") + b"; h=" + rest).result == "fail"


def test_an_identity_inside_the_domain_is_allowed() -> None:
    assert check(signed(MAIL, identity=b"@mail.amazon.com")).result == "pass"
    assert check(signed(MAIL, identity=b"seller@amazon.com")).result == "pass"


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\r\n\r\n", b"From: a@amazon.com", b"From: a@amazon.com\r\n\r\n", b"From: x\r\n\r\nhi", b" From: a@amazon.com\r\n\r\n",
        signed(MAIL).replace(b"\r\nSubject:", b"\r\ngarbage\r\nSubject:", 1), b"A: b\r\n" * 60_000 + signed(MAIL),
    ],
)  # fmt: skip
def test_any_bytes_have_a_verdict_that_is_no_pass(content: bytes) -> None:
    assert check(content).result in ("none", "fail")


@pytest.mark.parametrize(
    "filler",
    [b" " * 900_000, b"\t \r\n" * 220_000, (b" " * 199 + b"x") * 4_000, b"\r\n" * 480_000 + b"x", b"x" * 1_100_000],
)
def test_hostile_text_costs_little(filler: bytes) -> None:
    head, _, _ = MAIL.partition(b"\r\n\r\n")
    content = signed(head + b"\r\n\r\nx") + filler
    before = time.process_time()
    assert check(content).result in ("none", "fail")
    assert time.process_time() - before < 2


@contextmanager
def name_server(answer: Callable[[dns.message.Message], dns.message.Message | None]) -> Iterator[dns.resolver.Resolver]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            made = answer(dns.message.from_wire(data))
            if made is not None:
                sock.sendto(made.to_wire(), self.client_address)

    with socketserver.UDPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.server_address[1]
        try:
            yield resolver
        finally:
            server.shutdown()


def answering(
    *texts: str, rcode: dns.rcode.Rcode = dns.rcode.NOERROR
) -> Callable[[dns.message.Message], dns.message.Message]:
    def answer(question: dns.message.Message) -> dns.message.Message:
        made = dns.message.make_response(question)
        made.set_rcode(rcode)
        if texts:
            made.answer.append(dns.rrset.from_text(question.question[0].name, 60, "IN", "TXT", *texts))
        return made

    return answer


def test_keys_come_from_the_name_system_whole_and_each_is_asked_for_once() -> None:
    with name_server(answering('"v=DKIM1; " "p=abc"')) as resolver:
        ask = key_fetch(resolver)
        assert ask("sel._domainkey.amazon.com") == b"v=DKIM1; p=abc"
    assert ask("sel._domainkey.amazon.com") == b"v=DKIM1; p=abc"


def test_no_name_no_record_and_two_records_are_no_key() -> None:
    for answer in (answering(rcode=dns.rcode.NXDOMAIN), answering(), answering('"one"', '"two"')):
        with name_server(answer) as resolver:
            assert key_fetch(resolver)("sel._domainkey.amazon.com") is None


def test_a_name_server_that_fails_or_is_silent_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailrules.sources.dns.PATIENCE", 0.5)
    for answer in (answering(rcode=dns.rcode.SERVFAIL), lambda _: None):
        with name_server(answer) as resolver, pytest.raises(Unreachable):
            key_fetch(resolver)("sel._domainkey.amazon.com")
