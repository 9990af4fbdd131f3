"""What may be believed about a sender: the From reader and Authentication-Results."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from mailrules.ledger import Ledger
from mailrules.mail.auth import authenticate
from mailrules.mail.headers import header_fields, read_from
from mailrules.mail.message import AuthVerdict, Message, RawMessage
from mailrules.mail.parse import parse_message
from mailrules.notices.lookalike import brand_of, look_alike
from mailrules.notices.notice import Notice
from mailrules.notices.trust import not_to_confirm, once_only, with_trust
from mailrules.pipeline import conclude
from mailrules.pipeline import read as pipeline_read
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.world import AccountFacts, Receiver, Script, World, is_authserv_id
from tests.forgeries import LOOK_ALIKES

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
        b"Amazon @Home <no-reply@amazon.com>",
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
        b'"Amazon <no-reply@amazon.com>',
        b'<no-reply@amazon.com> "Amazon"',
        b"<no-reply@amazon.com> (a) (b)",
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
        (b'"sales@amazon.com" <no-reply@amazon.com>', "sales@amazon.com"),
        (b"=?iso-2022-jp?B?GyRCJSIbKEI=?=\r\n <no-reply@amazon.com>", "ア"),
        ("Amazön <no-reply@amazon.com>".encode(), "Amazön"),
    ],
)
def test_a_plain_from_is_read_and_authenticated(value: bytes, name: str) -> None:
    message = read(PASS + b"From: " + value + b"\r\n\r\nhi")
    assert message.sender is not None, message.forged
    assert (message.sender.name, message.sender.address) == (name, "no-reply@amazon.com")
    assert message.auth.result == "pass"


def test_a_plain_international_name_is_a_domain_like_any_other() -> None:
    sender, fault = read_from([("from", b"service@xn--bcher-kva.example")])
    assert (sender.domain if sender else "", fault) == ("xn--bcher-kva.example", "")


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


def test_a_zero_byte_in_the_header_is_forged() -> None:
    assert read(PASS + b"F\0rom: evil@evil.test\nFrom: no-reply@amazon.com\n\n").forged


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
        b"mx.test;\x0bdmarc=pass header.from=amazon.com",
        b'mx.test; dmarc=pass header.from=amazon.com; spf=none reason="abc',
        b"mx.test; dmarc=pass header.from=amazon.com; spf=none (abc",
        b"mx.test; dmarc=pass header.from=amazon.com; spf=none (a (b) c",
        b"mx.test; dkim=fail header.d=amazon.com; dkim=pass header.d=evil.test",
        b"ax.test; dmarc=pass header.from=amazon.com",
        b"mx.test; dkim=pass header.d=amazon.com\x1c.evil.test",
        b"mx.test; dkim=pass header.d=amazon.com header.i=@evil.test",
        b"mx.test; dkim=pass header.d=amazon.com header.i=@evilamazon.com",
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
        b"mx.test; dkim=pass header.d=amazon.com header.i=@mail.amazon.com",
        b"mx.test; dmarc=pass (a (b) c) header.from=amazon.com",
    ],
)
def test_genuine_results_of_the_declared_receiver_pass(value: bytes) -> None:
    assert verdict(b"Authentication-Results: " + value + b"\n") == "pass"


def test_only_the_topmost_field_counts() -> None:
    below = b"Authentication-Results: mx.test; dmarc=fail header.from=amazon.com\n"
    assert verdict(PASS + below) == "pass"
    assert verdict(below + PASS) == "fail"
    assert verdict(b"Authentication-Results: other.test; spf=pass\n" + PASS) == "none"


def test_who_passed_a_mail_on_says_nothing_about_a_field_that_bears_the_receivers_name() -> None:
    assert verdict(b"Received: from a by mx.elsewhere.test; Mon\n" + PASS) == "pass"


def test_where_we_check_ourselves_no_field_counts_and_only_what_was_found_of_that_domain() -> None:
    fields, ours = header_fields(PASS), Receiver(dkim=True)
    good = AuthVerdict(result="pass", domain="amazon.com", reason="It is right.")
    assert authenticate(fields, "amazon.com", ours).result == "none"
    assert authenticate(fields, "Amazon.com", ours, good) == good
    assert authenticate(fields, "evil.test", ours, good).result == "none"
    bad = replace(good, result="fail")
    assert authenticate(fields, "amazon.com", ours, bad) == bad
    assert authenticate(fields, "amazon.com", OURS, bad).result == "pass"
    assert authenticate(fields, "", ours, replace(good, domain="")).result == "none"


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


@pytest.mark.parametrize(
    ("declared", "stamped", "result"),
    [
        ("*.protonmail.ch", "mailin033.protonmail.ch", "pass"),
        ("*.protonmail.ch", "MAIL.Protonmail.CH", "pass"),
        ("*.protonmail.ch", "protonmail.ch", "none"),
        ("*.protonmail.ch", "evilprotonmail.ch", "none"),
        ("*.protonmail.ch", "protonmail.ch.evil.test", "none"),
        ("*.protonmail.ch", ".protonmail.ch", "none"),
        ("*.protonmail.ch", "evil.test/.protonmail.ch", "none"),
        ("mx.test", "mx.test 1", "pass"),
        ("mx.test", "mx.test 1 1", "none"),
    ],
)
def test_a_declared_family_of_hosts_is_known_by_its_domain(declared: str, stamped: str, result: str) -> None:
    field = f"Authentication-Results: {stamped}; dmarc=pass header.from=amazon.com\n"
    assert verdict(field.encode(), Receiver(authserv_id=declared)) == result


def test_what_names_a_receiver_is_one_host_or_a_family_that_belongs_to_somebody() -> None:
    for good in ("mx.google.com", "*.protonmail.ch", "localhost", "spam_filter-1.shop.example"):
        assert is_authserv_id(good)
    for bad in ("", "*", "*.", "*.com", "mx.*.com", "mx.test; dmarc=pass", "mx test", ".test", "*.ch.", "mx.test."):
        assert not is_authserv_id(bad)


@pytest.mark.parametrize(
    ("above", "result"),
    [
        ("", "pass"),
        ("Received: from a.prod.outlook.com (2603::1) by\n B.prod.Outlook.com with HTTPS; Mon\n", "pass"),
        ("Received: by b.prod.outlook.com; Mon\nReceived: from x by y.office365.us; Mon\n", "pass"),
        (
            "Received: from a.eop-NAM04.prod.protection.outlook.com (2603::c)\n by B.outlook.office365.com (2603::41) with\n Microsoft SMTP Server via Frontend Transport; Mon\n",
            "pass",
        ),
        ("Received: from evil.test (192.0.2.7) by b.mail.protection.outlook.com; Mon\n", "none"),
        ("Received: from x by y.outlook.com (evil.test) by mx.shop.example; Mon\n", "none"),
        ("Received: from a.prod.outlook.com (a.prod.outlook.com [192.0.2.7]) by mx.shop.example; Mon\n", "none"),
        ("Received: from evil.test (by x.outlook.com) by mx.shop.example; Mon\n", "none"),
        ("Received: from by x.outlook.com; Mon\n", "none"),
        ("Received: from x by outlook.com; Mon\n", "none"),
        ("Received: from x by evil-outlook.com; Mon\n", "none"),
        ("Received: by\n", "none"),
        ("Received: (\n", "none"),
        ("Received: from x by y.outlook.com; Mon\nReceived: from x by mx.shop.example; Mon\n", "none"),
    ],
)
def test_an_unnamed_field_counts_only_where_no_other_host_passed_the_mail_on_above_it(above: str, result: str) -> None:
    field = "Authentication-Results: dmarc=pass action=none header.from=amazon.com\n"
    assert verdict((above + field).encode(), Receiver(topmost=True)) == result


def test_only_what_icloud_itself_puts_above_its_own_field_is_passed_over() -> None:
    above = (
        b'Authentication-Results: bimi.icloud.com; bimi=skipped reason="insufficient dmarc"\nX-ARC-Info: policy=fail; arc=none\n'
        b"Authentication-Results: arc.icloud.com; arc=none\n"
    )
    field = b"Authentication-Results: dmarc.icloud.com; dmarc=pass header.from=amazon.com\n"
    receiver = Receiver(authserv_id="dmarc.icloud.com")
    assert verdict(above + field, receiver) == "pass"
    assert verdict(above + field.replace(b"pass", b"fail") + field, receiver) == "fail"
    assert verdict(above + field, Receiver(authserv_id="bimi.icloud.com")) == "none"
    for other in (
        b"spf.icloud.com; spf=pass",
        b"bimi.icloud.com.evil.test; x",
        b'"bimi.icloud.com"; x',
        b"bimi.icloud.com 2; x",
    ):
        assert verdict(b"Authentication-Results: " + other + b"\n" + field, receiver) == "none"
    assert verdict(above + PASS) == "none"
    assert verdict(above, receiver) == "none"


def test_a_named_field_is_not_the_one_of_a_receiver_that_stamps_no_name() -> None:
    assert verdict(PASS, Receiver(topmost=True)) == "none"
    assert verdict(b"Authentication-Results: ; dmarc=pass header.from=amazon.com\n", Receiver(topmost=True)) == "pass"


def test_a_message_without_a_readable_sender_or_a_field_has_no_verdict() -> None:
    assert verdict(PASS, domain="") == "none"
    assert verdict(b"Subject: x\n") == "none"


def test_escapes_outside_quotes_and_unreadable_results_are_not_believed() -> None:
    for value in (
        rb"mx.test; dmarc=pass header.from=amazon\.com",
        b"mx.test; dmarc=pass header.from=amazon.com)",
        b"mx.test; dmarc=; dmarc=pass header.from=amazon.com",
        b"mx.test; dmarc=pass =",
        b"mx.test; dkim=pass header.d=amazon.com header.d=amazon.com",
    ):
        assert verdict(b"Authentication-Results: " + value + b"\n") == "none", value
    for value in (rb'mx.test; spf=none reason="a\"; b" smtp.mailfrom=x.test; dmarc=pass header.from=amazon.com', rb"mx.test (a\) b); dmarc=pass header.from=amazon.com"):  # fmt: skip
        assert verdict(b"Authentication-Results: " + value + b"\n") == "pass", value


def test_answers_and_senders_of_another_domain_are_told() -> None:
    block = b"From: a@amazon.com\nReply-To: Amazon <x@evil.test>, b@amazon.com\nSender: y@relay.test\n\nhi"
    assert read(block).elsewhere == ("Answers to it go to evil.test.", "It says that it was sent by relay.test.")
    assert read(b"From: a@amazon.com\nReply-To: b@amazon.com\n\nhi").elsewhere == ()


# --- how far a notice is believed -------------------------------------------------------------------------------------

RULES = load(
    [
        *shipped_rules(),
        (
            "own.rules",
            (
                'system hub "Example Hub" {\n  renew at "https://hub.example"\n}\n'
                "notice authorization_expiring of hub {\n  developer: text\n  developer_id: developer_id\n  expires: date\n"
                '  wording en {\n    subject "Your hub link ends"\n    line "App: {developer}"\n    line "ID: {developer_id}"\n    line "Until: {expires}"\n  }\n}\n'
            ),
        ),
    ],
    grammar_text(),
)
HUB = b"Subject: Your hub link ends\r\n%s\r\nApp: Never Settle\r\nID: 446453545547\r\nUntil: 2026-02-01\r\n"
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
SHIPPED = load([*shipped_rules()], grammar_text())


def hub(
    sender: str, *, senders: Collection[tuple[str, str]] = (), date: bytes = b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n",
    known: str = "446453545547",
) -> tuple[str, str]:  # fmt: skip
    domain = sender.partition("@")[2].encode()
    stamp = b"Authentication-Results: mx.test; dmarc=pass header.from=" + domain + b"\r\n"
    raw = RawMessage(source="x", content=stamp + b"From: " + sender.encode() + b"\r\n" + HUB % date, received_at=WHEN)
    (notice,) = pipeline_read(raw, RULES, receiver=OURS, developers=[known], senders=senders).notices
    return notice.trust, notice.trust_reason


def test_a_system_without_domains_believes_only_senders_that_a_person_confirmed() -> None:
    assert not RULES.errors
    assert hub("app@hub.example")[0] == "unverified"
    assert "mailrules trust" in hub("app@hub.example")[1]
    assert hub("app@hub.example", senders=[("hub", "hub.example")])[0] == "bound"
    assert hub("app@hub.example", senders=[("hub", "app@hub.example")])[0] == "bound"
    assert hub("other@hub.example", senders=[("hub", "app@hub.example")])[0] == "unverified"
    assert hub("app@hub.example", senders=[("amazon", "hub.example")])[0] == "unverified"
    assert hub("app@mail.hub.example", senders=[("hub", "hub.example")])[0] == "unverified"
    assert hub("x@amazon.com")[0] == "unverified"


def test_a_notice_is_bound_only_where_it_is_fresh_and_names_a_known_developer() -> None:
    pinned = [("hub", "hub.example")]
    assert hub("app@hub.example", senders=pinned, known="1")[0] == "authenticated"
    for date in (b"", b"Date: Thu, 1 Oct 2025 00:00:00 +0000\r\n", b"Date: Sun, 1 Mar 2026 00:00:00 +0000\r\n"):
        assert hub("app@hub.example", senders=pinned, date=date)[0] == "authenticated", date


@pytest.mark.parametrize(("day", "level"), [("2025-12-02", "bound"), ("2025-12-01", "authenticated"), ("2027-02-05", "bound"), ("2027-02-06", "authenticated")])  # fmt: skip
def test_a_date_far_from_the_day_it_came_binds_nothing(day: str, level: str) -> None:
    message = read(PASS + b"From: a@amazon.com\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\nhi")
    notice = Notice(status="read", system="amazon", fields={"developer_id": "446453545547", "expires": day})
    assert with_trust(message, notice, RULES.systems, ["446453545547"]).trust == level


def test_what_was_not_read_or_names_nobody_is_authenticated_at_most() -> None:
    message = read(PASS + b"From: a@amazon.com\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\nhi")
    for notice in (
        Notice(status="unparsed", system="amazon", fields={"developer_id": "446453545547"}),
        Notice(status="read", system="amazon"),
        Notice(status="unrecognized"),
    ):
        assert with_trust(message, notice, RULES.systems, ["446453545547"]).trust == "authenticated"
    dateless = Notice(status="read", system="amazon", fields={"developer_id": "446453545547"})
    assert with_trust(message, dateless, RULES.systems, ["446453545547"]).trust == "bound"
    other = read(b"Authentication-Results: mx.test; dmarc=pass header.from=evil.test\r\nFrom: a@evil.test\r\n\r\nhi")
    assert with_trust(other, Notice(status="unrecognized"), RULES.systems, []).trust == "unverified"
    assert with_trust(other, dateless, RULES.systems, []).trust == "unverified"
    nobody = read(b"Subject: x\r\n\r\nhi")
    assert with_trust(nobody, dateless, RULES.systems, []).trust_reason == "no sender is known"
    swapped = replace(message, auth=AuthVerdict(result="pass", domain="evil.test"))
    assert with_trust(swapped, dateless, RULES.systems, []).trust_reason == "nothing says who sent it"


def test_what_is_said_of_trust_fits_what_was_found() -> None:
    stamp = b"Authentication-Results: mx.test; dmarc=%s header.from=%s\r\nFrom: a@%s\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\nhi"
    named = Notice(status="read", system="amazon", fields={"developer_id": "446453545547"})

    def judged(
        result: bytes, domain: bytes, notice: Notice = named, senders: Collection[tuple[str, str]] = ()
    ) -> tuple[str, str]:
        found = with_trust(read(stamp % (result, domain, domain)), notice, RULES.systems, [], senders)
        return found.trust, found.trust_reason

    assert judged(b"pass", b"amaz0n.com") == ("forged", "the sender's domain amaz0n.com looks like amazon.com")
    assert judged(b"fail", b"amazon.com") == ("unverified", "The receiver says that DMARC failed for amazon.com.")
    # why: a system that declares its domains is not spoken for by whom somebody confirmed
    assert judged(b"pass", b"shop.example", senders=[("amazon", "shop.example")])[0] == "unverified"
    assert judged(b"pass", b"shop.example")[1] == "the sender's domain shop.example is not one that the system declares"
    ordinary = Notice(status="unrecognized")
    assert (
        judged(b"pass", b"shop.example", ordinary)[1]
        == "the sender's domain shop.example is not one that the system declares"
    )
    hub_notice = replace(named, system="hub")
    assert "`mailrules trust` shows how to confirm shop.example" in judged(b"pass", b"shop.example", hub_notice)[1]
    assert judged(b"pass", b"amazon.com")[1] == "the developer id is neither listed under [developers] nor confirmed"
    assert judged(b"pass", b"amazon.com", replace(named, fields={}))[1] == "it names no developer id"


@pytest.mark.parametrize(("hour", "level"), [(b"00:00:00", "bound"), (b"23:59:59", "authenticated")])
def test_a_mail_may_have_been_written_45_days_before_it_came_and_no_longer(hour: bytes, level: str) -> None:
    day = b"17" if level == "bound" else b"16"
    message = read(PASS + b"From: a@amazon.com\r\nDate: %s Nov 2025 %s +0000\r\n\r\nhi" % (day, hour))
    notice = Notice(status="read", system="amazon", fields={"developer_id": "446453545547"})
    assert with_trust(message, notice, RULES.systems, ["446453545547"]).trust == level


def test_what_came_inside_another_mail_is_unverified_whoever_sent_that() -> None:
    message = read(PASS + b"From: a@amazon.com\r\n\r\nhi")
    notice = Notice(status="read", system="amazon")
    assert with_trust(message, replace(notice, forwarded=True), RULES.systems, []).trust == "unverified"
    assert with_trust(replace(message, path="1.2"), notice, RULES.systems, []).trust == "unverified"
    assert (
        with_trust(replace(message, forged="two"), replace(notice, forwarded=True), RULES.systems, []).trust == "forged"
    )


def letter(head: bytes, body: bytes) -> tuple[str, ...]:
    content = PASS + b"From: no-reply@amazon.com\nDate: Wed, 31 Dec 2025 00:00:00 +0000\n" + head + b"\n" + body
    raw = RawMessage(source="x", content=content, received_at=WHEN, account="shop")
    found = pipeline_read(raw, SHIPPED, receiver=OURS, developers={"446453545547"})
    assert {n.status for n in found.notices} == {"read"}
    return tuple(n.trust for n in found.notices)


def test_what_a_mail_forwards_answers_or_quotes_is_not_proven_by_its_sender() -> None:
    says = b"That access will expire on 2026-01-30.\nDeveloper ID: 446453545547\nDeveloper nickname: Never Settle\nAccess expiration date: 2026-01-30\n"
    title = b"Subject: ACTION REQUIRED - Your software application authorization will expire in 30 days\n"
    assert letter(title, says) == ("bound",)
    for before in (b"Fwd: ", b"WG: ", b"Re: ", b"AW[2]: ", "返信：".encode(), "转发: Re: ".encode()):
        assert letter(title.replace(b"ACTION", before + b"ACTION"), says) == ("unverified",), before
    assert letter(title, b"> " + says.replace(b"\n", b"\n> ")) == ("unverified",)
    for kind in (b"rfc822", b"global", b"news", b"x-other"):
        inner = PASS + b"From: no-reply@amazon.com\nContent-Type: text/plain\n" + title + b"\n" + says
        around = b"Subject: Delivery failed\nContent-Type: multipart/mixed; boundary=b\n"
        parts = b"--b\nContent-Type: message/" + kind + b"\n\n" + inner + b"\n--b--\n"
        assert letter(around, parts) == ("unverified",), kind
        assert letter(b"Subject: x\nContent-Type: message/" + kind + b"\n", inner) == ("unverified",), kind


def test_what_only_the_text_that_nobody_sees_says_is_not_bound() -> None:
    says = b"That access will expire on 2026-01-30.\nDeveloper ID: 446453545547\nDeveloper nickname: Never Settle\nAccess expiration date: 2026-01-30\n"
    head = b"Subject: ACTION REQUIRED - Your software application authorization will expire in 30 days\nContent-Type: multipart/alternative; boundary=b\n"

    def alternative(plain: bytes, html: bytes) -> bytes:
        return b"--b\n\n" + plain + b"\n--b\nContent-Type: text/html\n\n" + html + b"\n--b--\n"

    shown = says.replace(b"\n", b"<br>")
    assert letter(head, alternative(says, shown)) == ("bound",)
    assert letter(head, alternative(b"Look at the HTML.", shown)) == ("bound",)
    assert letter(head, alternative(says, b"<p>Shoes</p>")) == ("authenticated",)
    assert letter(head, alternative(says, b"<div style='color:white'>" + shown + b"</div><p>Shoes</p>")) == (
        "authenticated",
    )
    assert letter(head, alternative(says, b"<p> </p>")) == ("bound",)


def test_another_text_under_a_message_id_that_was_believed_is_not_bound() -> None:
    notice = Notice(status="read", system="amazon", trust="bound", fields={"expires": "2026-02-01"})
    believed = {"trust": "authenticated", "fields": {"expires": "2026-03-01"}}
    assert once_only([notice], []) == (notice,)
    assert once_only([notice], [{**believed, "trust": "unverified"}]) == (notice,)
    assert once_only([notice], [{**believed, "fields": dict(notice.fields)}]) == (notice,)
    assert once_only([notice], [believed])[0].trust == "authenticated"
    weaker = replace(notice, trust="unverified")
    assert once_only([weaker], [believed]) == (weaker,)


@pytest.mark.parametrize(
    ("sender", "why"),
    [
        ("app@hub.example", ""),
        ("hub.example", ""),
        ("someone@gmail.com", ""),
        ("gmail.com", "anybody can have an address"),
        ("amaz0n.com", "looks like amazon.com"),
        ("x@amazon-support.com", "looks like amazon"),
        ("hub", "not a host name"),
        ("hüb.example", "outside ASCII"),
        ("xn--amzon-1ve.com", "different scripts"),
        ("xn--" + "9" * 50 + ".com", "not a valid international name"),
    ],
)
def test_who_may_be_confirmed(sender: str, why: str) -> None:
    system = next(s for s in RULES.systems if s.name.value == "hub")
    found = not_to_confirm(sender, system, RULES.systems)
    assert (why in found) if why else found == ""


def test_nobody_is_confirmed_for_a_system_that_declares_its_domains() -> None:
    system = next(s for s in RULES.systems if s.name.value == "amazon")
    assert "declares its domains" in not_to_confirm("x@hub.example", system, RULES.systems)


@pytest.mark.parametrize("domain", [d for d in LOOK_ALIKES if "xn--" not in d or d.isascii()])
def test_look_alikes_are_known(domain: str) -> None:
    assert look_alike(domain, ["accountone.de", "amazon.com", "amazon.de", "amazon.co.jp"]) is not None


@pytest.mark.parametrize(
    "domain",
    ["", "amazon.com", "marketplace.amazon.com", "shop.example", "xn--mller-kva.example", "evil.test", "mail.example", "sell.example", "gmail.com", "amaz.in", "xn--99999999999.example"],
)  # fmt: skip
def test_domains_of_their_own_do_not_pretend(domain: str) -> None:
    declared = ["amazon.com", "amazon.co.uk", "sell.amazon.com", "mail.vendor.example", "qq.com"]
    assert look_alike(domain, declared) is None


def test_a_brand_is_the_label_that_people_know() -> None:
    known = {
        "amazon.co.uk": "amazon",
        "sell.amazon.com.au": "amazon",
        "gs.amazon.cn": "amazon",
        "com": "com",
        "co.uk": "co",
    }
    assert {d: brand_of(d) for d in known} == known


# --- the gate ---------------------------------------------------------------------------------------------------------

ON = "on authorization_expiring of amazon"
WHILE = "while authorization is expiring and system is amazon"


def gate(text: str) -> list[str]:
    loaded = load(
        [*shipped_rules(), ("gate.rules", text)], grammar_text(), people={"owner": "owner@shop.example"},
        scripts={"renew": False, "look": True, "verify": False},
    )  # fmt: skip
    return sorted({p.code for p in loaded.errors})


@pytest.mark.parametrize(
    "body",
    [
        f'{ON}\n  run "renew"',
        f'{ON}\n  disabled\n  run "renew"',
        f'{ON}\n  run "verify"',
        f'{ON}\n  run "look"',
        f'{ON}\n  forward to "a@outside.example"',
        f'{ON}\n  when trust is authenticated\n  run "renew"',
        f'{ON}\n  when trust > unverified\n  run "renew"',
        f'{ON}\n  when trust >= authenticated\n  run "renew"',
        f'{ON}\n  when trust < bound\n  run "renew"',
        f'{ON}\n  when trust <= confirmed\n  run "renew"',
        f'{ON}\n  when trust is one of bound, authenticated\n  run "renew"',
        f'{ON}\n  when trust is one of bound, forged\n  run "renew"',
        f'{ON}\n  when not trust is unverified\n  run "renew"',
        f'{ON}\n  when not (trust < bound and days_left < 3 days)\n  run "renew"',
        f'{ON}\n  when not trust < bound or not trust < authenticated\n  run "renew"',
        f'{ON}\n  when not (not trust < bound)\n  run "renew"',
        f'{ON}\n  when not (trust is forged or trust is unverified)\n  run "renew"',
        f'{ON}\n  when not (trust is not bound)\n  run "renew"',
        f'{ON}\n  when trust is bound or days_left < 3 days\n  run "renew"',
        f'{ON}\n  when (trust is bound and days_left < 3 days) or assumed\n  run "renew"',
        f'{WHILE}\n  1 day before expires: run "renew"',
        f'{WHILE}\n  every 1 day from 7 days before expires: run "renew"',
        f'{WHILE} and trust is authenticated\n  every 1 day doubling from 7 days before expires at most 3 times: run "renew"',
        f'{WHILE}\n  at expires: forward to "a@outside.example"',
    ],
)
def test_no_rule_reaches_a_script_or_the_outside_below_its_level(body: str) -> None:
    codes = gate(f'rule "r" {{\n  {body}\n}}\n')
    assert "E040" in codes or (codes and "not (trust" in body), codes


@pytest.mark.parametrize(
    "body",
    [
        f'{ON}\n  when trust is bound\n  run "renew"',
        f'{ON}\n  when trust > authenticated\n  run "renew"',
        f'{ON}\n  when trust >= bound\n  run "renew"',
        f'{ON}\n  when trust is one of bound, confirmed\n  run "renew"',
        f'{ON}\n  when trust is bound or (trust is confirmed and assumed)\n  run "renew"',
        f'{ON}\n  when trust is authenticated\n  run "look"',
        f'{ON}\n  when trust is authenticated\n  forward to "a@outside.example"',
        f"{ON}\n  forward to owner",
        f'{ON}\n  forward to "Owner@Shop.Example"',
        f'{ON}\n  when not trust < bound\n  run "renew"',
        f'{ON}\n  when not (trust <= authenticated or days_left < 3 days)\n  run "renew"',
        f'{ON}\n  when not not trust is bound\n  run "renew"',
        f'{ON}\n  when trust is authenticated and not trust < bound\n  run "renew"',
        f'{WHILE} and trust is bound\n  every 1 day from 7 days before expires: run "renew"',
    ],
)
def test_a_rule_that_demands_the_level_checks(body: str) -> None:
    assert gate(f'rule "r" {{\n  {body}\n}}\n') == []


def test_a_let_neither_opens_nor_shuts_the_gate() -> None:
    assert "E040" in gate(f'let sure = days_left < 9 days\nrule "r" {{\n  {ON}\n  when sure\n  run "renew"\n}}\n')
    assert gate(f'let sure = trust is bound\nrule "r" {{\n  {ON}\n  when sure\n  run "renew"\n}}\n') == []
    assert "E040" in gate(f'let sure = trust is bound\nrule "r" {{\n  {ON}\n  when not sure\n  run "renew"\n}}\n')
    group = 'let both = owner, "a@outside.example"\n'
    assert "E040" in gate(f'{group}rule "r" {{\n  {ON}\n  forward to both\n}}\n')


def test_a_mail_cannot_say_what_a_level_of_trust_means() -> None:
    def text(name: str) -> str:
        return (
            'system hub "Hub" {\n}\nnotice authorization_expiring of hub {\n  expires: date\n'
            f'  {name}: text\n  wording en {{\n    subject "It ends"\n    line "T: {{{name}}}"\n    line "Until: {{expires}}"\n  }}\n}}\n'
            'rule "r" {\n  on authorization_expiring of hub\n  when trust is bound\n  run "renew"\n}\n'
        )

    assert gate(text("bound")) == ["E016"]
    rules = load([("g.rules", text("trust"))], grammar_text(), scripts={"renew": False})
    facts = AccountFacts(name="shop", zone=ZoneInfo("UTC"), language="en")
    around = World(accounts={"shop": facts}, scripts={"renew": Script(argv=("/bin/true",))})
    content = b"From: x@evil.test\r\nSubject: It ends\r\n\r\nT: confirmed\r\nUntil: 2026-02-01\r\n"
    reading = pipeline_read(RawMessage(source="x", content=content, received_at=WHEN, account="shop"), rules)
    assert [n.status for n in reading.notices] == ["read"]
    assert conclude(reading, Ledger(), rules, around, WHEN).effects == ()


@pytest.mark.parametrize(
    ("domain", "real", "pretends"),
    [
        ("maazon.com", "amazon.com", True), ("amaozn.com", "amazon.com", True), ("amaznazo.com", "amazon.com", False),
        ("amazno.com", "amazon.com", True), ("amzno.com", "amazon.com", False), ("amozan.com", "amazon.com", False),
        ("zmaaon.com", "amazon.com", False), ("amxzxn.com", "amazon.com", False), ("amaxon.com", "amazon.com", True),
        ("xmazon.com", "amazon.com", True), ("amazox.com", "amazon.com", True), ("amazo.com", "amazon.com", True),
        ("mazon.com", "amazon.com", True), ("amazoon.com", "amazon.com", True), ("amazxyon.com", "amazon.com", False),
        ("amaz.com", "amazon.com", False), ("amz.com", "amazon.com", False), ("ebay-login.example", "ebay.com", True),
        ("ebey.com", "ebay.com", False), ("ebayshop.example", "ebay.com", False), ("etsys.com", "etsy.com", False),
        ("adob.example", "adobe.com", True), ("adobeshop.example", "adobe.com", False),
        ("myamazonx.example", "amazon.com", False), ("my-amazon.com.example", "amazon.com", True), ("hub.com.evil.test", "hub.com", True),
        ("x.hub.com.evil.test", "hub.com", True), ("pay-hub.com", "hub.com", True), ("hvb.com", "hub.com", False), ("h\u00fcb.com", "hub.com", True),
    ],
)  # fmt: skip
def test_one_edit_of_a_long_name_and_the_whole_of_a_short_one_pretend(domain: str, real: str, pretends: bool) -> None:
    assert look_alike(domain, [real]) == (real if pretends else None)
