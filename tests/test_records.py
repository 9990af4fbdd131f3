"""Several objects in one text: rows, records and lines each speak for themselves, and what nobody knows is not silent."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from mailrules.mail.message import RawMessage
from mailrules.notices.notice import Notice
from mailrules.pipeline import read
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.situations import of_event
from mailrules.world import AccountFacts

RULES = load(shipped_rules(), grammar_text())
WHEN = datetime(2024, 3, 11, 9, tzinfo=UTC)
PAGE = "開発者のニックネーム\t権限の付与日\t前回承認日\tアクセス権の有効期限日\tMWS アクション\n"
ROW = "{name} 編集\t2018年4月17日 10時26分33秒 JST\t2018年4月17日\t開発者のアクセス権の有効期限日は 2019年4月17日\t表示 アクセス権を{button}\n"
EMPTY_DEVELOPERS = (
    "開発者 ID\t開発者のニックネーム\n\tDevelo\n\n開発者ID : 5259-6479-4073 例 : 1234-1234-1234 または 123412341234\n\n"
)


def notices(body: str, media: str = "message/rfc822", more: str = "") -> list[Notice]:
    head = "From: AccountOne <a@accountone.de>\nSubject: Dashboard\nContent-Type: text/plain; charset=utf-8\n\n"
    content = (head if media == "message/rfc822" else "") + body
    rules = RULES if not more else load([*shipped_rules(), ("more.rules", more)], grammar_text())
    assert not rules.errors, rules.errors
    raw = RawMessage(source="x", content=content.encode(), received_at=WHEN, media_type=media)
    return [n for n in read(raw, rules).notices if n.status != "unrecognized"]


def told(body: str) -> list[tuple[str | None, str | None, str | None]]:
    return [(n.kind, n.region, n.fields.get("status")) for n in notices(body)]


def record(channel: str, status: str) -> str:
    return f"Schnittstelle: {channel}\nStatus: {status}\n\n"


OK = ("authorization_status", "eu", "active")
RENEW = ("connection_renewal_needed", "eu", None)


@pytest.mark.parametrize(
    ("body", "want"),
    [
        (record("Amazon SP EU", "OK") + record("eBay", "Anbindung erneuern"), [OK]),
        (record("eBay", "Anbindung erneuern") + record("Amazon SP EU", "OK"), [OK]),
        (record("eBay", "OK") + record("Amazon SP EU", "Anbindung erneuern"), [RENEW]),
        (record("Amazon SP EU", "Anbindung erneuern") + record("eBay", "OK"), [RENEW]),
        (record("Amazon SP EU", "Anbindung erneuern") + record("Amazon SP US", "OK"), [RENEW, ("authorization_status", "na", "active")]),
        ("Amazon SP EU: OK\neBay: Anbindung erneuern\n", [OK]),
        ("Amazon EU: Anbindung erneuern\nAmazon US - Anbindung erneuern\n", [RENEW, ("connection_renewal_needed", "na", None)]),
        ("Amazon EU - OK\nAmazon US - Anbindung erneuern\n", [OK, ("connection_renewal_needed", "na", None)]),
    ],
)  # fmt: skip
def test_a_status_belongs_to_the_channel_of_its_own_record(
    body: str, want: list[tuple[str | None, str | None, str | None]]
) -> None:
    assert told(body) == want


def test_records_that_are_not_alike_give_no_value() -> None:
    body = "Schnittstelle: Amazon SP EU\n\nSchnittstelle: eBay\nStatus: OK\n"
    assert [(n.status, dict(n.fields)) for n in notices(body)] == [("unparsed", {})]


def test_a_row_of_another_channel_takes_nothing_from_the_text_around_the_table() -> None:
    table = "| Schnittstelle | Status |\n| eBay | Prüfen |\n"
    assert told("Schnittstelle: Amazon SP EU\n\n" + table) == []


def test_a_row_takes_no_id_from_the_text_around_a_table_of_several_rows() -> None:
    rows = ROW.format(name="shippinno", button="承認") + ROW.format(name="Other", button="復元")
    found = notices(f"開発者ID: 5259-6479-4073\n\n{PAGE}{rows}", "text/plain")
    assert [(n.fields["developer"], n.fields.get("developer_id")) for n in found] == [("shippinno", None), ("Other", None)]  # fmt: skip


@pytest.mark.parametrize(
    ("around", "number"),
    [
        ("開発者ID: 5259-6479-4073\n\n", "525964794073"),
        ("開発者ID: 5259-6479-407\n\n", None),
        ("開発者ID: 5259-6479-4073\n\n開発者ID: 1234-1234-1234\n\n", None),
        (EMPTY_DEVELOPERS, None),
    ],
)
def test_the_only_row_takes_an_id_from_around_it_where_there_is_one_that_reads(around: str, number: str | None) -> None:
    (one,) = notices(around + PAGE + ROW.format(name="shippinno", button="承認"), "text/plain")
    assert (one.status, one.fields["developer"], one.fields.get("developer_id")) == ("read", "shippinno", number)


@pytest.mark.parametrize(
    "body",
    [
        "| Schnittstelle | Status |\n| eBay | Anbindung erneuern |\n| Amazon SP EU | Gesperrt |\n",
        record("eBay", "Anbindung erneuern") + record("Amazon SP EU", "Gesperrt"),
        record("Amazon SP EU", "Gesperrt"),
    ],
)
def test_a_status_that_nobody_knows_beside_a_channel_that_is_ours_is_not_silent(body: str) -> None:
    (one,) = notices(body)
    assert (one.status, dict(one.fields)) == ("unparsed", {})
    assert "nearest  Status: Gesperrt" in one.difference
    assert 'line "Status: Gesperrt"' in one.draft


def test_a_status_that_nobody_knows_beside_another_channel_is_nothing() -> None:
    assert notices("| Schnittstelle | Status |\n| eBay | Gesperrt |\n| PayPal | Prüfen |\n") == []


def test_a_status_that_was_unknown_is_read_once_its_draft_is_pasted() -> None:
    body = "| Schnittstelle | Status |\n| Amazon SP | Gesperrt |\n"
    (one,) = notices(body)
    (again,) = notices(body, more=one.draft.replace('# status is "active"', 'status is "locked"'))
    assert (again.status, again.fields["status"]) == ("read", "locked")


NEARLY = """
system hub "Example Hub" {
  mail from "accountone.de"
}
notice link_ending of hub {
  wording en {
    line "Tool number: {developer_id: developer_id}"
    line "Tool name: {developer: text}"
    line "Valid until: {expires: date}"
  }
}
notice link_renewed of hub {
  wording en {
    line "Tool name: {developer: text}"
    line "Tool number: {developer_id: developer_id}"
    line "Valid until: {expires: date}"
    line "Renewed by: {by: text}"
  }
}
"""


def test_what_nearly_fits_gives_way_to_what_fits_the_same_lines() -> None:
    body = "".join(
        f"Link\nTool number: {number}\nTool name: {name}\nValid until: 2024-04-10\n\n"
        for name, number in (("One", "446453545547"), ("Two", "525964794073"))
    )
    assert [(n.kind, n.status) for n in notices(body, more=NEARLY)] == [("link_ending", "read")] * 2


ACCOUNT = AccountFacts(name="shop", zone=ZoneInfo("UTC"))


def key(reason: str, *, system: str = "amazon", wording: str = "en", kind: str = "authorization_expiring") -> str:
    notice = Notice(status="unparsed", kind=kind, system=system, wording=wording, reason=reason)
    raw = RawMessage(source="x", content=b"", received_at=WHEN)
    message = read(raw, RULES).message
    return of_event("unparsed", ACCOUNT, RULES, WHEN, notice=notice, message=message, digest=reason).authorization


def test_the_same_trouble_with_other_numbers_is_one_trouble_a_week() -> None:
    first = key("developer_id is said differently: `446453545547` (1:12) and `446453545548` (1:14)")
    assert key("developer_id is said differently: `525964794073` (1:9) and `446453545548` (2:101)") == first


def test_troubles_of_other_systems_wordings_and_notices_stay_apart() -> None:
    keys = {key("x"), key("x", system="hub"), key("x", wording="ja"), key("x", kind="authorization_renewed"), key("y")}
    assert len(keys) == 5
