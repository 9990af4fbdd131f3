"""What may be believed about a sender: the From reader and Authentication-Results."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailrules.mail.auth import Receiver, authenticate
from mailrules.mail.headers import header_fields, read_from
from mailrules.mail.message import Message, RawMessage
from mailrules.mail.parse import parse_message

OURS = Receiver(authserv_id="mx.test")
PASS = b"Authentication-Results: mx.test; dmarc=pass header.from=amazon.com\r\n"


def read(content: bytes, receiver: Receiver | None = OURS) -> Message:
    raw = RawMessage(source="x", content=content, received_at=datetime(2026, 1, 1, tzinfo=UTC))
    return parse_message(raw, receiver)


def verdict(block: bytes, receiver: Receiver | None = OURS, domain: str = "amazon.com") -> str:
    return authenticate(header_fields(block), domain, receiver).result


@pytest.mark.parametrize(
    "value",
    [
        b"no-reply@amazon.com <evil@evil.test>",
        b'"Offers@amazon.de", <service@shop.test>',
        b'"Amazon" <"no-reply@Amazon.de">',
        b"Amazon Gutschein, <service@shop.test.>, Office,",
        b"no-reply@amazon.com(<evil@evil.test>)",
        b"Amazon:no-reply@amazon.com,evil@evil.test;",
        b"=?utf-8?q?no-reply=40amazon.com?= <evil@evil.test>",
        b'"no-reply@amazon.com" <evil@evil.test>',
        b"no-reply@amazon.com, evil@evil.test",
        b"<@evil.test:no-reply@amazon.com>",
        b"<no-reply@amazon.com> <evil@evil.test>",
        b"no-reply@amazon.com\0.evil.test",
        b"no-reply@amazon.com.",
        b"no-reply@amazon",
        "no-reply@am\u0430zon.com".encode(),
        b"no-reply@xn--amzon-1ve.com",
        b"no-reply @ amazon.com",
        b"",
        b"." * 100_000,
        b"(" * 8_000,
    ],
)
def test_a_from_that_readers_may_take_differently_is_forged(value: bytes) -> None:
    message = read(PASS + b"From: " + value + b"\r\n\r\nhi")
    assert message.sender is None
    assert message.forged
    assert message.auth.result == "none"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"no-reply@amazon.com", ""),
        (b"<no-reply@amazon.com>", ""),
        (b'"Amazon, Inc." <No-Reply@Amazon.com>', "Amazon, Inc."),
        (b"Amazon.com Appstore <no-reply@amazon.com>", "Amazon.com Appstore"),
        (b"no-reply@amazon.com (Amazon)", "Amazon"),
        (b"=?iso-2022-jp?B?GyRCJSIbKEI=?=\r\n <no-reply@amazon.com>", "ア"),
        ("Amazön <no-reply@amazon.com>".encode(), "Amazön"),
    ],
)
def test_a_plain_from_is_read_and_authenticated(value: bytes, name: str) -> None:
    message = read(PASS + b"From: " + value + b"\r\n\r\nhi")
    assert message.sender is not None, message.forged
    assert (message.sender.name, message.sender.address) == (name, "no-reply@amazon.com")
    assert message.auth.result == "pass"


def test_two_from_fields_are_forged_in_either_order_and_with_a_space_before_the_colon() -> None:
    for block in (b"From: a@amazon.com\nFrom: b@evil.test\n", b"From : b@evil.test\nFrom: a@amazon.com\n"):
        message = read(PASS + block + b"\nhi")
        assert message.sender is None
        assert "more than one From" in message.forged


@pytest.mark.parametrize("name", ["Sender", "Subject", "Date", "To", "Message-ID", "Content-Type", "MIME-Version"])
def test_a_duplicated_singleton_is_forged(name: str) -> None:
    message = read(PASS + b"From: a@amazon.com\n" + f"{name}: x\n{name}: y\n".encode() + b"\nhi")
    assert name in message.forged
    assert message.auth.result == "none"


def test_a_bare_carriage_return_in_the_header_is_forged() -> None:
    assert read(b"Subject: x\rFrom: no-reply@amazon.com\r\nFrom: evil@evil.test\r\n\r\nhi").forged


def test_a_missing_from_is_no_forgery() -> None:
    assert read_from(header_fields(b"Subject: x\n\n")) == (None, "")


@pytest.mark.parametrize(
    "value",
    [
        b"evil.test; dmarc=pass header.from=amazon.com",
        b"mx.test.evil.test; dmarc=pass header.from=amazon.com",
        b"mx.test 2; dmarc=pass header.from=amazon.com",
        b"mx.test(; dmarc=pass header.from=amazon.com",
        b'"mx.test"; dmarc=pass header.from=amazon.com',
        b"mx.test; spf=pass smtp.mailfrom=amazon.com",
        b"mx.test; dmarc=bestguesspass header.from=amazon.com",
        b"mx.test; dmarc=none header.from=amazon.com",
        b"mx.test; dmarc=pass header.from=evil.test",
        b"mx.test; dkim=pass header.d=evil.test header.i=@amazon.com",
        b"mx.test; dkim=pass header.d=amazon.com.evil.test",
        b"mx.test; dkim=pass header.d=amazon.com(.evil.test)",
        b"mx.test; dkim=pass header.d=amazon.com(.evil.test; spf=pass (ok)",
        b'mx.test; dkim=pass header.d=amazon.com".evil.test"',
        b'mx.test; spf=none smtp.mailfrom="x; dmarc=pass header.from=amazon.com; "@evil.test',
        b"mx.test; spf=none (; dmarc=pass header.from=amazon.com ;)",
        b"mx.test; dmarc=pass header.from=evil.test header.from=amazon.com",
        b"mx.test; dmarc=pass header.from=amazon.com; dmarc=none header.from=evil.test",
        b"mx.test; x=dmarc=pass header.from=amazon.com",
        b"mx.test; none",
        b"",
        b";;;;",
        b"mx.test; " + b"(" * 15_000,
        b"mx.test; " + b"x" * 20_000 + b"; dmarc=pass header.from=amazon.com",
        b"mx.test; dmarc=pass header.from=amazon.com \xff",
    ],
)
def test_results_that_are_not_ours_or_not_about_the_sender_say_nothing(value: bytes) -> None:
    assert verdict(b"Authentication-Results: " + value + b"\n") == "none"


@pytest.mark.parametrize(
    "value",
    [
        b"mx.test; dmarc=pass header.from=amazon.com",
        b"MX.TEST; dmarc=pass (p=QUARANTINE sp=QUARANTINE dis=NONE) header.from=amazon.com",
        b"mx.test 1;\r\n dkim=pass header.i=@amazon.com header.s=a header.b=Ab1+/x;\r\n spf=pass smtp.mailfrom=x.test",
        b"mx.test; dkim=pass (1024-bit key) header.d=amazon.com; spf=pass smtp.mailfrom=x.test;",
        b"mx.test; dkim=fail header.d=other.test; dkim=pass header.d=amazon.com",
    ],
)
def test_genuine_results_of_the_declared_receiver_pass(value: bytes) -> None:
    assert verdict(b"Authentication-Results: " + value + b"\n") == "pass"


def test_only_the_topmost_field_counts() -> None:
    below = b"Authentication-Results: mx.test; dmarc=fail header.from=amazon.com\n"
    assert verdict(PASS + below) == "pass"
    assert verdict(below + PASS) == "fail"
    assert verdict(b"Authentication-Results: other.test; spf=pass\n" + PASS) == "none"


def test_without_a_declared_receiver_nothing_is_believed() -> None:
    assert verdict(PASS, None) == "none"
    assert verdict(PASS, Receiver()) == "none"


def test_the_microsoft_form_is_read_for_a_topmost_receiver_only() -> None:
    field = (
        b"Authentication-Results: spf=pass (sender IP is 192.0.2.1)\r\n smtp.mailfrom=b.test; dkim=pass (signature was"
        b" verified)\r\n header.d=amazon.com;dmarc=pass action=none\r\n header.from=amazon.com;compauth=pass reason=100\n"
    )
    assert verdict(field, Receiver(topmost=True)) == "pass"
    assert verdict(field) == "none"
    assert verdict(field.replace(b"pass action", b"fail action"), Receiver(topmost=True)) == "fail"


def test_a_failed_signature_is_a_failure_and_renamed_fields_are_ignored() -> None:
    assert verdict(b"Authentication-Results: mx.test; dkim=fail header.d=amazon.com\n") == "fail"
    assert verdict(PASS.replace(b"Results:", b"Results-Original:")) == "none"
