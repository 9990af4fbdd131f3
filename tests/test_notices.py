"""Reading the notice with the shipped rules: every form of it, what contradicts itself, and what only looks like it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailrules.mail.message import RawMessage
from mailrules.notices.notice import Notice
from mailrules.pipeline import Reading, read
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules
from tests.mails import DEVELOPER, DEVELOPER_ID, FORMS, REMINDERS, both, html_text, notice, part, plain_text, wrapped

RULES = load(shipped_rules(), grammar_text())
WHEN = datetime(2024, 3, 11, 9, tzinfo=UTC)
RIGHT = {"developer_id": DEVELOPER_ID, "developer": DEVELOPER, "expires": "2024-04-10"}


def reading(content: bytes) -> Reading:
    return read(RawMessage(source="x", content=content, received_at=WHEN), RULES)


def one(content: bytes) -> Notice:
    (found,) = reading(content).notices
    return found


def mail(body: bytes) -> bytes:
    return wrapped(body, 30, WHEN, name="x", stamp=False)


def without_days(found: Notice) -> dict[str, str]:
    return {name: value for name, value in found.fields.items() if name != "days"}


def test_the_shipped_rules_have_no_problem() -> None:
    assert RULES.errors == ()


@pytest.mark.parametrize("days", REMINDERS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_every_reminder_says_exactly_the_same(form: str, days: int) -> None:
    found = one(notice(form, days=days)[0])
    assert (found.status, found.kind, found.system) == ("read", "authorization_expiring", "amazon")
    assert without_days(found) == RIGHT
    assert found.region == "na"


@pytest.mark.parametrize("form", ["plain", "quoted-printable", "base64", "multipart", "multipart-encoded"])
def test_the_evidence_points_at_the_value_in_the_plain_part(form: str) -> None:
    lines = plain_text("2024-04-10").replace("\r\n", "\n").split("\n")
    places = [e for e in one(notice(form)[0]).evidence if e.part != "subject"]
    section = min(e.part for e in places)
    own = [e for e in places if e.part == section]
    assert {e.field for e in own} == set(RIGHT)
    for place in own:
        assert place.text == RIGHT[place.field]
        assert lines[place.line - 1][place.column - 1 :].startswith(place.text)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (part(plain_text("2024-04-10", again="2024-04-11"), "plain", "8bit"), "said differently"),
        (part(plain_text("2024-04-10", developer_id="4464535455471"), "plain", "8bit"), "13 digits"),
        (part(plain_text("2024-02-30"), "plain", "8bit"), "no day of the calendar"),
        (both(part(plain_text("2024-04-10"), "plain", "8bit"), part(html_text("2024-05-10"), "html", "8bit")), "said differently"),
        (both(part(plain_text("2024-04-10"), "plain", "8bit"), part(html_text("2024-04-10", "525964794073"), "html", "8bit")), "said differently"),
        (part(plain_text("10.04.2024"), "plain", "8bit"), "not a date"),
        (part(plain_text("2024-04-10", developer_id=""), "plain", "8bit"), ""),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_unparsed_with_its_reason_and_gives_no_value(body: bytes, why: str) -> None:
    found = one(mail(body))
    assert found.status == "unparsed"
    assert found.reason
    assert why in found.reason
    assert found.fields == {}


@pytest.mark.parametrize(
    ("subject", "text", "kind"),
    [
        (
            "Your credentials",
            "You have 30 days remaining to rotate your Login with Amazon (LWA) credentials.",
            "lwa_secret_rotation",
        ),
        ("Action", "Login With Amazon (LWA) Client secret for your application(s) will expire in less than 30 days.", "lwa_secret_rotation"),
        ("Notice: MWS deactivation", "x", "mws_key_deactivation"),
        ("Mitteilung: Amazon MWS-Deaktivierung", "x", "mws_key_deactivation"),
        ("[Action Required] Appstore Listing Submission Authorization Limit", "x", "appstore_authorization_limit"),
        ("Enabled MWS Developer Access Confirmation", "x", "developer_access_confirmation"),
    ],
)
def test_a_look_alike_is_refused_by_name_and_gives_no_value(subject: str, text: str, kind: str) -> None:
    found = one(f"From: a@amazon.com\r\nSubject: {subject}\r\n\r\n{text}\r\n".encode())
    assert (found.status, found.kind, dict(found.fields)) == ("refused", kind, {})
    assert found.reason


def test_a_notice_cut_off_at_any_byte_never_gives_a_wrong_value() -> None:
    whole = notice("plain")[0]
    for length in range(min(len(whole), 4096) + 1):
        for found in reading(whole[:length]).notices:
            assert found.status in ("read", "unparsed", "unrecognized"), length
            if found.status == "read":
                assert without_days(found).items() <= RIGHT.items(), (length, dict(found.fields))
            else:
                assert found.fields == {}, length


@pytest.mark.parametrize(
    "hidden",
    [
        '<div style="display:none">Developer ID: 525964794073</div>',
        '<div style="visibility: hidden">Developer ID: 525964794073</div>',
        "<div hidden>Developer ID: 525964794073</div>",
        '<div style="font-size:0">Developer ID: 525964794073</div>',
        "<!-- Developer ID: 525964794073 -->",
        "<script>Developer ID: 525964794073</script>",
    ],
)
def test_a_hidden_id_is_not_read(hidden: str) -> None:
    found = one(mail(part(html_text("2024-04-10", extra=hidden), "html", "8bit")))
    assert found.status == "read"
    assert without_days(found) == RIGHT


def test_a_notice_whose_only_id_is_hidden_is_unparsed() -> None:
    text = html_text("2024-04-10").replace(DEVELOPER_ID, f'<span style="display:none">{DEVELOPER_ID}</span>')
    found = one(mail(part(text, "html", "8bit")))
    assert (found.status, dict(found.fields)) == ("unparsed", {})
