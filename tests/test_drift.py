"""A mail that is nearly a notice: unparsed, with what changed, and a wording that reads it."""

from __future__ import annotations

import random
import time
from datetime import UTC, date, datetime

import pytest

from mailrules.mail.message import RawMessage
from mailrules.notices.notice import Notice
from mailrules.pipeline import read
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules
from tests.mails import notice, ordinary

WHEN = datetime(2024, 3, 11, 9, tzinfo=UTC)
RULES = """
system hub "Example Hub" {
  mail from "examplehub.example"
}
notice link_ending of hub {
  developer_id: developer_id
  developer: text
  expires: date "YYYY-MM-DD"
  wording en {
    subject "Your link ends in {days: number} days"
    line "Tool number: {developer_id}"
    line "Tool name: {developer}"
    line "Valid until: {expires}"
    says "It will stop working on {expires}"
  }
}
"""
SUBJECT = "Your link ends in 30 days"
BODY = """It will stop working on 2024-04-10.

Tool number: 446453545547
Tool name: Never Settle
Valid until: 2024-04-10
"""
READY = load([("hub.rules", RULES)], grammar_text())


def found(body: str, subject: str = SUBJECT, rules: str = RULES) -> Notice:
    ready = READY if rules == RULES else load([("hub.rules", rules)], grammar_text())
    assert ready.errors == ()
    content = f"From: a@examplehub.example\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{body}"
    (one,) = read(RawMessage(source="x", content=content.encode(), received_at=WHEN), ready).notices
    return one


def test_the_mail_as_it_was_is_read_without_a_difference() -> None:
    one = found(BODY)
    assert (one.status, one.difference, one.draft) == ("read", "", "")


def test_a_renamed_label_is_shown_beside_the_line_that_took_its_place() -> None:
    one = found(BODY.replace("Tool name:", "Name of tool:"))
    assert (one.status, one.kind, dict(one.fields)) == ("unparsed", "link_ending", {})
    assert one.reason == 'missing: "Tool name: {developer}"'
    assert one.difference.split("\n") == [
        "wording en of link_ending of hub: 4 of 5 clauses fit",
        '  fits     subject "Your link ends in {days: number} days"  (subject, line 1)',
        '  fits     line "Tool number: {developer_id}"  (1, line 3)',
        '  missing  line "Tool name: {developer}"',
        *(["  nearest  Name of tool: Never Settle  (1, line 4)"] if "nearest" in one.difference else []),
        '  fits     line "Valid until: {expires}"  (1, line 5)',
        '  fits     says "It will stop working on {expires}"  (1, line 1)',
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Tool name:", "Tool names:"),
        ("Tool name:", "The tool's name:"),
        ("Tool number:", "Tool no.:"),
        ("Valid until:", "Valid up to:"),
        ("It will stop working on 2024", "It stops working on 2024"),
    ],
)
def test_the_drafted_wording_reads_the_changed_mail(old: str, new: str) -> None:
    changed = BODY.replace(old, new)
    one = found(changed)
    assert one.status == "unparsed"
    again = found(changed, rules=RULES + one.draft)
    assert again.status == "read", one.draft
    assert dict(again.fields) == {
        "developer_id": "446453545547",
        "developer": "Never Settle",
        "expires": "2024-04-10",
        "days": "30",
    }


def test_a_date_in_another_form_under_another_label_is_drafted_with_its_form() -> None:
    changed = BODY.replace("Valid until: 2024-04-10", "Valid till: 10.4.2024")
    one = found(changed)
    assert '"Valid till: {expires: date D.M.YYYY}"' in one.draft
    assert found(changed, rules=RULES + one.draft).fields["expires"] == "2024-04-10"


def test_a_subject_that_changed_alone_changes_nothing() -> None:
    one = found(BODY, subject="Your tool's link ends soon")
    assert (one.status, one.fields["expires"]) == ("read", "2024-04-10")


def test_less_than_half_of_a_wording_is_ordinary_mail() -> None:
    assert found("Tool name: Never Settle\n", subject="Invoice").status == "unrecognized"


def test_ordinary_mail_of_the_same_domains_is_no_drift() -> None:
    shipped = load(shipped_rules(), grammar_text())
    mails = ordinary(7, date(2024, 3, 11))
    for _ in range(200):
        content, arrived = next(mails)
        content = content.replace(b"@shop.example>", b"@amazon.com>", 1)
        raw = RawMessage(source="x", content=content, received_at=arrived)
        assert {n.status for n in read(raw, shipped).notices} == {"unrecognized"}


def test_the_shipped_notice_with_a_changed_label_raises_the_alarm() -> None:
    shipped = load(shipped_rules(), grammar_text())
    content = notice("plain")[0].replace(b"Developer nickname:", b"Developer's nickname:")
    (one,) = read(RawMessage(source="x", content=content, received_at=WHEN), shipped).notices
    assert (one.status, dict(one.fields)) == ("unparsed", {})
    assert "Developer's nickname" in one.difference
    more = load([*shipped_rules(), ("draft.rules", one.draft)], grammar_text())
    assert more.errors == ()
    (again,) = read(RawMessage(source="x", content=content, received_at=WHEN), more).notices
    assert again.status == "read"


def test_a_large_hostile_mail_that_is_nearly_a_notice_is_compared_quickly() -> None:
    chance = random.Random(1)
    noise = "".join(f"{chance.choice(['Tool', 'Vaild', 'nmae'])} {n}: {chance.random()}\n" for n in range(30_000))
    start = time.process_time()
    one = found(BODY.replace("Tool name:", "Xyz:") + noise)
    assert one.status == "unparsed"
    assert time.process_time() - start < 10
