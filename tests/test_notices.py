"""Reading the notice with the shipped rules: every form of it, what contradicts itself, and what only looks like it."""

from __future__ import annotations

import base64
import time
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from mailrules.mail.message import RawMessage
from mailrules.mail.parse import parse_message
from mailrules.notices.notice import Notice
from mailrules.notices.objects import MAX_OBJECTS
from mailrules.notices.recognize import recognize
from mailrules.pipeline import Reading, read
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.world import Receiver
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
        (
            "Action",
            "Login With Amazon (LWA) Client secret for your application(s) will expire in less than 30 days.",
            "lwa_secret_rotation",
        ),
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


# --- several notices, forwards, cross-checks, unseen languages -----------------------------------------------------

SENTENCE = "The provider listed below has access to your account. That access will expire on {expires}.\n"
BLOCK = "Developer ID: {id}\nDeveloper nickname: {name}\nAccess expiration date: {expires}\n"
ONE = {"id": "446453545547", "name": "Never Settle", "expires": "2024-04-10"}
TWO = {"id": "525964794073", "name": "Shippinno", "expires": "2025-01-31"}


def plain(text: str, subject: str = "Summary", sender: str = "seller-notification@amazon.com") -> bytes:
    return (
        f"From: {sender}\nSubject: {subject}\nDate: Mon, 11 Mar 2024 08:00:00 +0000\n"
        f"Content-Type: text/plain; charset=utf-8\n\n{text}"
    ).encode()


def item(values: dict[str, str]) -> str:
    return SENTENCE.format(**values) + "\n" + BLOCK.format(**values) + "\n"


def values_of(notices: Sequence[Notice]) -> list[tuple[str, str, str, str]]:
    return [(n.path, n.fields["developer_id"], n.fields["developer"], n.fields["expires"]) for n in notices]


def test_a_digest_gives_one_notice_for_each_authorization() -> None:
    found = reading(plain(item(ONE) + item(TWO))).notices
    assert values_of(found) == [("#notice1", *ONE.values()), ("#notice2", *TWO.values())]
    assert [e.line for e in found[1].evidence if e.field == "developer_id"] == [9]


def test_the_same_authorization_twice_is_one_notice() -> None:
    assert values_of(reading(plain(item(ONE) + item(ONE))).notices) == [("", *ONE.values())]


@pytest.mark.parametrize(
    "text",
    [
        item(ONE) + item({**ONE, "expires": "2025-01-31"}),
        item(ONE) + BLOCK.splitlines()[0].format(**TWO) + "\n",
        item(ONE) + BLOCK.splitlines()[2].format(**TWO) + "\n",
        item(ONE) + "\n".join(BLOCK.format(**TWO).splitlines()[:2]) + "\n",
        SENTENCE.format(**ONE)
        + BLOCK.format(**ONE).replace("446453545547", "446453545547\nDeveloper ID: 525964794073"),
    ],
)
def test_a_contradiction_is_never_parted_into_two_notices(text: str) -> None:
    found = one(plain(text))
    assert (found.status, dict(found.fields)) == ("unparsed", {})
    assert "said differently" in found.reason


def test_one_sided_parts_of_a_digest_are_unparsed() -> None:
    html = f"<pre>{item(ONE)}{item(TWO)}</pre>"
    other = {**TWO, "id": "090411894172"}
    parts = both(part(item(ONE) + item(other), "plain", "8bit"), part(html, "html", "8bit"))
    found = one(mail(parts))
    assert (found.status, dict(found.fields)) == ("unparsed", {})


HEADINGS = ("Developer ID", "Developer nickname", "Status", "Authorization date", "Expiration date")
ROWS = [
    ("4464-5354-5547", "Never Settle", "Active", "2023-04-10", "2024-04-10"),
    ("5259-6479-4073", "Shippinno", "Active", "2024-01-31", "2025-01-31"),
]


@pytest.mark.parametrize("form", ["tabs", "bars", "html"])
def test_each_row_of_a_table_is_a_notice_that_points_at_its_cells(form: str) -> None:
    if form == "html":
        rows = "".join(f"<tr>{''.join(f'<td>{c}</td>' for c in row)}</tr>" for row in (HEADINGS, *ROWS))
        raw = RawMessage(
            source="x", content=f"<table>{rows}</table>".encode(), received_at=WHEN, media_type="text/html"
        )
    else:
        text = "\n".join("\t".join(r) if form == "tabs" else f"| {' | '.join(r)} |" for r in (HEADINGS, *ROWS)) + "\n"
        raw = RawMessage(source="x", content=text.encode(), received_at=WHEN, media_type="text/plain")
    result = read(raw, RULES)
    assert [(n.status, n.fields["developer_id"], n.fields["expires"]) for n in result.notices] == [
        ("read", "446453545547", "2024-04-10"),
        ("read", "525964794073", "2025-01-31"),
    ]
    lines = result.message.parts[0].text.split("\n")
    for found in result.notices:
        for place in found.evidence:
            assert lines[place.line - 1][place.column - 1 :].startswith(place.text)


def test_a_row_with_a_missing_cell_gives_no_value_of_its_neighbor() -> None:
    text = "\n".join("\t".join(r) for r in (HEADINGS, ("4464-5354-5547", "Active", "2023-04-10", "2024-04-10"))) + "\n"
    (found,) = read(
        RawMessage(source="x", content=text.encode(), received_at=WHEN, media_type="text/plain"), RULES
    ).notices
    assert (found.status, dict(found.fields)) == ("unparsed", {})
    assert "4 cells" in found.reason


def test_more_objects_than_the_cap_are_said_to_be_more() -> None:
    rows = [(f"{446453545547 + n}", f"Tool {n}", "Active", "2023-04-10", "2024-04-10") for n in range(MAX_OBJECTS + 50)]
    text = "\n".join("\t".join(r) for r in (HEADINGS, *rows)) + "\n"
    found = read(
        RawMessage(source="x", content=text.encode(), received_at=WHEN, media_type="text/plain"), RULES
    ).notices
    assert [n.status for n in found] == ["read"] * MAX_OBJECTS + ["unparsed"]
    assert "more than 200" in found[-1].reason


HEADS = {
    "gmail en": "---------- Forwarded message ---------\nFrom: {s}\nDate: Mon, Mar 11, 2024 at 8:00 AM\nSubject: {t}\nTo: <a@shop.example>\n\n",
    "gmail de": "---------- Forwarded message ---------\nVon: {s}\nDate: Mo., 11. März 2024 um 08:00 Uhr\nSubject: {t}\nTo: <a@shop.example>\n\n",
    "outlook en": "-----Original Message-----\nFrom: {s}\nSent: Monday, March 11, 2024 8:00 AM\nTo: a@shop.example\nSubject: {t}\n\n",
    "outlook de": "________________________________\nVon: {s}\nGesendet: Montag, 11. März 2024 08:00\nAn: a@shop.example\nBetreff: {t}\n\n",
    "outlook fr": "De : {s}\nEnvoyé : lundi 11 mars 2024 08:00\nÀ : a@shop.example\nObjet : {t}\n\n",
    "outlook ja": "差出人: {s}\n送信日時: 2024年3月11日 8:00\n宛先: a@shop.example\n件名: {t}\n\n",
    "outlook zh": "发件人\uff1a{s}\n发送时间\uff1a2024年3月11日 8:00\n收件人\uff1aa@shop.example\n主题\uff1a{t}\n\n",
    "apple en": "Begin forwarded message:\n\n> From: {s}\n> Subject: {t}\n> Date: 11 March 2024 at 08:00:00 GMT\n> To: a@shop.example\n>\n",
}
TITLE = "ACTION REQUIRED - Your software application authorization will expire in 30 days"


def forwarded(program: str, values: dict[str, str], title: str = TITLE) -> str:
    head = HEADS[program].format(s="Amazon <seller-notification@amazon.com>", t=title)
    body = item(values)
    return "Please look.\n\n" + head + ("\n".join(f"> {x}" for x in body.split("\n")) if "> From" in head else body)


@pytest.mark.parametrize("program", HEADS)
def test_a_mail_forwarded_in_the_text_is_read_with_its_own_subject_and_never_trusted(program: str) -> None:
    stamped = b"Authentication-Results: mx.shop.example; dmarc=pass header.from=amazon.com\n"
    content = stamped + plain(forwarded(program, ONE), "Fwd: look at this")
    raw = RawMessage(source="x", content=content, received_at=datetime(2026, 1, 1, tzinfo=UTC))
    (found,) = read(raw, RULES, receiver=Receiver(authserv_id="mx.shop.example"), developers=[ONE["id"]]).notices
    assert (found.status, found.path, found.forwarded, found.trust) == ("read", "", True, "unverified")
    assert without_days(found) == RIGHT
    assert found.fields["days"] == "30"
    assert found.notes == ()
    assert found.written is not None
    assert found.written.date().isoformat() == "2024-03-11"
    assert {e.part for e in found.evidence} == {"1"}


def test_the_days_of_the_subject_are_checked_against_the_day_of_writing() -> None:
    fits = [one(plain(item(ONE), TITLE.replace("30", n))).notes for n in ("28", "30", "32")]
    assert fits == [(), (), ()]
    found = one(plain(item(ONE), TITLE.replace("30", "23")))
    assert (found.status, without_days(found)) == ("read", RIGHT)
    assert found.notes == ("it speaks of 23 days, and from 2024-03-11 to 2024-04-10 there are 30",)


def test_a_forward_is_checked_against_its_quoted_date() -> None:
    found = one(plain(forwarded("gmail en", ONE, TITLE.replace("30", "9")), "Fwd: x"))
    assert found.notes == ("it speaks of 9 days, and from 2024-03-11 to 2024-04-10 there are 30",)


UNSEEN = "Hei!\n\nKehittäjätunnus: 446453545547\nPäivä: 2024-04-10\nhttps://sellercentral.amazon.de/apps/manage/ref=x\n"


def test_a_language_that_no_wording_knows_is_noticed_and_not_read() -> None:
    found = one(plain(UNSEEN))
    assert (found.status, found.kind, found.wording, dict(found.fields)) == (
        "unparsed",
        "authorization_expiring",
        "unknown",
        {},
    )
    assert found.reason.startswith("wording unknown")
    assert [(e.field, e.line, e.text) for e in found.evidence] == [
        ("developer_id", 3, "446453545547"),
        ("expires", 4, "2024-04-10"),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/apps/manage", "/home"),
        ("sellercentral.amazon.de", "sellercentral.amazon.de.evil.example"),
        ("446453545547", "44645354554"),
        ("Kehittäjätunnus: ", ""),
        ("2024-04-10", "2024-13-10"),
    ],
)
def test_structure_needs_the_link_the_labelled_id_and_the_date(old: str, new: str) -> None:
    assert one(plain(UNSEEN.replace(old, new))).status == "unrecognized"


@pytest.mark.parametrize("end", ["Developer nickname: Never Set", "Developer ID: 446453545547"])
def test_a_value_where_the_text_just_stops_is_not_read(end: str) -> None:
    rest = "".join(x + "\n" for x in item(ONE).splitlines() if x and x.split(":")[0] != end.split(":", maxsplit=1)[0])
    assert one(plain(rest + end + "\n")).status == "read"
    cut = one(plain(rest + end))
    assert (cut.status, dict(cut.fields)) == ("unparsed", {})
    assert "half a value" in cut.reason


def test_labels_may_stand_above_their_values() -> None:
    assert without_days(one(plain(item(ONE).replace(": ", ":\n")))) == RIGHT


def test_what_stands_under_an_empty_label_is_no_name() -> None:
    found = one(plain(item(ONE).replace("Developer nickname: Never Settle", "Developer nickname:\nThanks,")))
    assert (found.status, dict(found.fields)) == ("unparsed", {})


HOSTILE = {
    "ids": "Developer ID: 446453545547\n" * 37_000,
    "empty labels": "Developer ID:\n" * 70_000,
    "tables": "Developer ID\tDeveloper nickname\tAccess expiration date\n446453545547\tTool\t2024-04-10\n\n" * 12_000,
    "forward markers": forwarded("gmail en", ONE) * 2_000,
    "sentences": "That access will expire on " * 37_000,
    "dots": ("Developer nickname: x" + "." * 380 + "y\n") * 2_400,
    "digest": "".join(item({**ONE, "id": str(446453545547 + n)}) for n in range(5_000)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_of_hostile_text_is_examined_in_linear_time(name: str) -> None:
    def cost(text: str) -> float:
        message = parse_message(RawMessage(source="x", content=plain(text), received_at=WHEN))
        start = time.process_time()
        recognize(message, RULES.wordings, RULES.systems)
        return time.process_time() - start

    text = HOSTILE[name][:1_000_000]
    whole = cost(text)
    # twice the text costs about twice as much, not four times; what is fast anyway is not compared
    assert whole < 1 or whole < 8 * cost(text[: len(text) // 4])
    assert whole < 10


@pytest.mark.parametrize("before", ["Re: ", "AW: Fwd: ", "[EXTERNAL] ", "***SPAM*** ", "[EXT] WG: ", "回复："])
def test_what_gateways_and_programs_put_before_a_subject_is_no_part_of_it(before: str) -> None:
    content = mail(part(plain_text("2024-04-10"), "plain", "8bit"))
    subject = content.partition(b"Subject: ")[2].partition(b"\r\n")[0]
    found = one(content.replace(subject, before.encode() + subject))
    assert found.fields == RIGHT | {"days": "30"}
    days = next(e for e in found.evidence if e.field == "days")
    assert (before + subject.decode())[days.column - 1 :].startswith("30 days")


def test_a_label_and_its_value_may_stand_with_an_empty_line_between() -> None:
    text = plain_text("2024-04-10")
    for label in ("Developer ID:", "Developer nickname: ", "Access expiration date: "):
        text = text.replace(label, f"\r\n{label}\r\n\r\n")
    found = one(mail(part(text, "plain", "8bit")))
    assert without_days(found) == RIGHT
    assert [e.text for e in found.evidence if e.field == "developer_id"] == [DEVELOPER_ID]


def test_a_name_that_is_left_out_is_not_taken_from_the_words_below() -> None:
    text = plain_text("2024-04-10").replace(f"Developer nickname: {DEVELOPER}\r\n", "")
    text = text.replace("\r\n\r\nThanks", "\r\nDeveloper nickname:\r\n\r\nThanks")
    found = one(mail(part(text, "plain", "8bit")))
    assert found.status == "unparsed"
    assert "developer" in (found.reason or "")


@pytest.mark.parametrize(
    ("label", "developer"), [("ID de développeur", "Société Générale"), ("ID de développeur", "Ångström")]
)
def test_letters_and_accents_written_apart_are_the_same_letters(label: str, developer: str) -> None:
    subject = "ACTION REQUISE - Votre autorisation d'application logicielle expirera dans 30 jours"
    body = (
        f"{label}: 0904-1189-4172\nPseudonyme du développeur: {developer}\nDate d'expiration de l'accès: 2024-04-10\n"
    )
    apart = unicodedata.normalize("NFD", body)
    content = f"From: a@amazon.com\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{apart}".encode()
    found = one(content)
    assert found.fields["developer"] == developer
    assert found.fields["expires"] == "2024-04-10"
    for evidence in found.evidence:
        if evidence.part != "subject":
            assert (
                apart.split("\n")[evidence.line - 1][evidence.column - 1 :][0]
                == unicodedata.normalize("NFD", evidence.text)[0]
            )


def test_an_attached_message_in_base64_is_read_though_no_standard_allows_it() -> None:
    original = mail(part(plain_text("2024-04-10"), "plain", "8bit"))
    content = (
        b"From: owner@shop.example\r\nSubject: see attached\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n'
        b"--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(original) + b"\r\n--b--\r\n"
    )  # fmt: skip
    found = one(content)
    assert without_days(found) == RIGHT
    assert (found.path, found.forwarded) == ("#2", True)


def test_a_file_whose_lines_end_as_on_an_old_mac_is_read() -> None:
    content = mail(part(plain_text("2024-04-10"), "plain", "8bit")).replace(b"\r\n", b"\r")
    assert without_days(one(content)) == RIGHT


def test_seven_bit_unicode_is_no_name_with_plus_signs() -> None:
    text = plain_text("2024-04-10", developer="Müller & Söhne")
    content = wrapped(b"", 30, WHEN, name="x", stamp=False).partition(b"Content-Type")[0]
    content += b"Content-Type: text/plain; charset=utf-7\r\n\r\n" + text.encode("utf-7")
    assert one(content).fields["developer"] == "Müller & Söhne"


MANUAL = """\
開発者のニックネーム\t権限の付与日\t前回承認日\tアクセス権の有効期限日\tMWS アクション
shippinno 編集\t2018年4月17日 10時26分33秒 JST\t2018年4月17日\t開発者のアクセス権の有効期限日は 2019年4月17日\t表示 {button}

・アクセス権を承認: 有効期限内の場合、クリックすると有効期限がその日から1年延長される。
・アクセス権を復元: 有効期限が切れてアクセス権がない状態で、クリックするとアクセス権が復元されます。
"""


@pytest.mark.parametrize(("button", "status"), [("アクセス権を承認", "active"), ("アクセス権を復元", "expired")])
def test_the_button_in_the_row_tells_the_status_whatever_the_text_below_explains(button: str, status: str) -> None:
    content = MANUAL.format(button=button).encode()
    (found,) = read(RawMessage(source="x", content=content, received_at=WHEN, media_type="text/plain"), RULES).notices
    assert (found.status, found.fields["status"], found.fields["expires"]) == ("read", status, "2019-04-17")


def test_a_row_without_its_button_is_not_read_by_what_the_text_below_explains() -> None:
    content = MANUAL.replace("\tMWS アクション", "").replace("\t表示 {button}", "").encode()
    (found,) = read(RawMessage(source="x", content=content, received_at=WHEN, media_type="text/plain"), RULES).notices
    assert (found.status, dict(found.fields)) == ("unparsed", {})
    assert "two wordings fit equally well" in (found.reason or "")
