"""Whom a person confirms, and accounts that check signatures themselves: through real programs, servers and files."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import dns.rcode
import dns.resolver
import pytest

from mailrules.cli.files import checked_rules, reading_as_a_poll
from mailrules.errors import ConfigError, UnreadableError
from mailrules.mail.dkim import Unreachable
from mailrules.mail.message import RawMessage
from mailrules.shipped import shipped_rules
from mailrules.sources.dns import key_fetch
from mailrules.spine.anchors import Anchors
from mailrules.spine.guard import Limits, Reader
from mailrules.spine.live import live_rules
from tests.house import EXPIRES, NOW, House, settled
from tests.mails import stamped, wrapped
from tests.signing import key, signed
from tests.test_cli import CONFIG, run
from tests.test_dkim import answering, name_server

HUB = """
system hub "Example Hub" {
  renew at "https://hub.example"
}
notice authorization_expiring of hub {
  developer: text
  developer_id: developer_id
  expires: date
  wording en {
    subject "Your hub link ends"
    line "App: {developer}"
    line "ID: {developer_id}"
    line "Until: {expires}"
  }
}
"""
RULES = """
rule "task" {
  on authorization_expiring of amazon
  create task "Renew {{ developer }}"
}
rule "renew" {
  while authorization is expiring and system is amazon and trust is bound
  30 days before expires: run "renew"
}
"""
MAIL = (
    b"From: Hub <app@hub.example>\r\nSubject: Your hub link ends\r\nDate: Mon, 11 Mar 2024 00:05:00 +0000\r\n\r\n"
    b"App: Never Settle\r\nID: 525964794073\r\nUntil: 2024-04-10\r\n"
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    config = CONFIG.replace("[accounts.main]", '[accounts.main]\nreceiver = { authserv_id = "mx.shop.example" }')
    (tmp_path / "mailrules.toml").write_text(config.replace("rules/*.rules", "hub.rules"), encoding="utf-8")
    (tmp_path / "hub.rules").write_text(HUB, encoding="utf-8")
    for number in range(2):
        content = stamped("hub.example") + MAIL + b"\r\n" * number
        (tmp_path / f"{number}.eml").write_bytes(content)
    (tmp_path / "fake.eml").write_bytes(MAIL.replace(b"app@hub.example", b"app@amaz0n.com"))
    return tmp_path


def listed(place: Path) -> list[dict[str, Any]]:
    code, out, err = run(place, "trust", "--json")
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def test_a_sender_is_listed_when_first_seen_confirmed_by_a_person_and_believed_from_then_on(place: Path) -> None:
    assert run(place, "trust")[1] == "no notice came yet, and nothing was confirmed\n"
    assert run(place, "ingest", "0.eml")[0] == 0
    (row,) = listed(place)
    assert list(row) == ["system", "sender", "level", "seen", "first_seen", "last_seen", "confirmed", "reason"]
    assert (row["system"], row["sender"], row["level"], row["seen"], row["confirmed"]) == (
        "hub", "app@hub.example", "unverified", 1, False,
    )  # fmt: skip
    code, out, _ = run(place, "trust", "confirm", "App@Hub.example", "--system", "hub")
    assert (code, out) == (0, "confirmed: app@hub.example sends notices of hub\n")
    assert run(place, "ingest", "0.eml")[0] == 0  # the same bytes again are no new sighting
    assert run(place, "ingest", "1.eml")[0] == 0
    rows = {r["level"]: r for r in listed(place)}
    assert {level: r["seen"] for level, r in rows.items()} == {"unverified": 1, "authenticated": 1}
    assert rows["authenticated"]["confirmed"] is True
    assert (
        run(place, "trust", "developer", "5259-6479-4073")[1]
        == "confirmed: 525964794073 is a developer that you work with\n"
    )
    (place / "2.eml").write_bytes(stamped("hub.example") + MAIL + b"\r\n\r\n")
    code, out, _ = run(place, "explain", "2.eml", "--json")
    assert json.loads(out)["notices"][0]["trust_reason"] != ""
    assert run(place, "trust", "forget", "app@hub.example")[1] == "taken back: app@hub.example\n"
    assert {r["sender"]: r["confirmed"] for r in listed(place)} == {"app@hub.example": False, "525964794073": True}
    assert run(place, "trust", "forget", "5259-6479-4073")[0] == 0
    code, _, err = run(place, "trust", "forget", "app@hub.example")
    assert (code, "was not confirmed" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("confirm", "app@amaz0n.com", "--system", "hub"), "looks like amazon.com"),
        (("confirm", "x@hub.example", "--system", "hub"), "ever came from"),
        (("confirm", "x@hub.example", "--system", "amazon"), "declares its domains"),
        (("confirm", "x@hub.example", "--system", "nobody"), "there is no system"),
        (("confirm", "nonsense", "--system", "hub"), "not a host name"),
        (("developer", "12345"), "is no Developer ID"),
    ],
)
def test_what_cannot_be_confirmed_is_refused_with_the_reason(place: Path, words: tuple[str, ...], said: str) -> None:
    assert run(place, "ingest", "0.eml", "fake.eml")[0] == 0
    code, _, err = run(place, "trust", *words)
    assert code == 2
    assert said in err
    assert {r["level"] for r in listed(place)} == {"unverified", "forged"}


# --- accounts that check signatures themselves ------------------------------------------------------------------------


def mails(text: str = "Developer ID: 446453545547\r\nDeveloper nickname: Never Settle\r\n") -> list[tuple[bytes, Any]]:
    arrived = NOW - timedelta(hours=1)
    body = (
        "Content-Type: text/plain; charset=utf-8\r\n\r\nThe provider listed below has access to your account. "
        f"That access will expire on {EXPIRES}.\r\n\r\n{text}Access expiration date: {EXPIRES}\r\n"
    )
    mail = wrapped(body.encode(), 16, arrived, name="m1", stamp=False)
    return [(signed(mail, at=arrived), arrived)]


def checking(house: House) -> House:
    house.change("mailrules.toml", 'receiver = { authserv_id = "mx.shop.example" }', "receiver = { dkim = true }")
    return house


def test_a_signed_notice_is_believed_without_any_stamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with settled(tmp_path, RULES, mails()) as house, name_server(answering(f'"{key()[1].decode()}"')) as resolver:
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        assert checking(house).poll().exit_code == 0
        assert house.done() == [("create_task", "done"), ("run_script", "done")]
        # why: what was proven once is kept, so that a replay asks nobody
        monkeypatch.setattr(dns.resolver, "default_resolver", None)
        code, out, _ = run(tmp_path, "explain", "1", "--json")
        assert (code, json.loads(out)["notices"][0]["trust"]) == (0, "bound")


def test_a_mail_that_waits_for_a_key_is_told_as_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with settled(tmp_path, RULES, mails()) as house, name_server(answering(rcode=dns.rcode.SERVFAIL)) as resolver:
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        checking(house)
        for hours in range(3):
            outcome = house.poll(NOW + timedelta(hours=hours))
        (need,) = outcome.needs
        assert "still waits: The key sel._domainkey.amazon.com could not be fetched" in need


def test_a_name_server_that_does_not_answer_is_asked_a_few_times_in_a_poll_and_no_more() -> None:
    asked: list[str] = []

    def answer(question: Any) -> Any:
        asked.append(str(question.question[0].name))
        return answering(rcode=dns.rcode.SERVFAIL)(question)

    with name_server(answer) as resolver:
        fetch = key_fetch(resolver)
        for name in ["a", "a", "b", "c", "d", "e", "f", "g", "a"]:
            with pytest.raises(Unreachable):
                fetch(f"{name}._domainkey.amazon.com")
    assert [name[0] for name in dict.fromkeys(asked)] == ["a", "b", "c", "d", "e"]


def test_checking_a_signature_has_an_end(tmp_path: Path) -> None:
    def drips(_name: str) -> bytes | None:
        while True:
            time.sleep(0.01)

    ((content, arrived),) = mails()
    with settled(tmp_path, RULES, []) as house:
        checking(house).poll()
        with house.store as store:
            anchors = Anchors(
                house.config, store, live_rules(house.config, store, NOW.isoformat())[0], lambda: drips, seconds=0.1
            )
            found = anchors.signature(
                RawMessage(source="x", content=content, received_at=arrived), house.config.accounts[0]
            )
    assert found is not None
    assert (found.result, found.domain) == ("unchecked", "amazon.com")
    assert "longer than 0.1 seconds" in found.reason


def test_read_and_try_believe_whom_a_poll_believes(place: Path) -> None:
    run(place, "ingest", str(place / "0.eml"))
    words = ("try", str(place / "hub.rules"), str(place / "1.eml"), "--json"), ("read", str(place / "1.eml"), "--json")
    for confirmed, level in ((False, "unverified"), (True, "authenticated")):
        if confirmed:
            assert run(place, "trust", "confirm", "app@hub.example", "--system", "hub")[0] == 0
        for command in words:
            code, out, err = run(place, *command)
            assert code == 0, err
            row = json.loads(out)
            assert (row["notices"][0] if "notices" in row else row)["trust"] == level


def test_a_document_that_cannot_be_read_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Reader.__init__.__kwdefaults__, "limits", Limits(here=0.000_001, wall=0.05))  # type: ignore[arg-type]
    rules = checked_rules(list(shipped_rules()), None)
    with (
        reading_as_a_poll(rules, None) as read,
        pytest.raises(UnreadableError, match=r"x\.eml cannot be read: reading it took longer"),
    ):
        read(RawMessage(source="x.eml", content=MAIL, received_at=NOW))


def test_a_mail_that_pretends_to_be_a_declared_system_is_listed_even_where_it_is_no_notice(tmp_path: Path) -> None:
    plain = b'From: "no-reply@amazon.com" <x@evil.test>\r\nSubject: Your parcel\r\nDate: Mon, 11 Mar 2024 00:05:00 +0000\r\n\r\nhello\r\n'
    with settled(tmp_path, RULES, [(plain, NOW)]) as house:
        house.poll()
        assert [(row["system"], row["level"]) for row in house.store.senders()] == [("", "forged")]
    ((row,),) = [listed(tmp_path)]
    assert (row["level"], row["seen"]) == ("forged", 1)
    assert "display name shows an address of another domain" in row["reason"]


def test_a_key_is_asked_for_once_in_a_poll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(question: Any) -> Any:
        asked.append(str(question.question[0].name))
        return answering(f'"{key()[1].decode()}"')(question)

    ((content, arrived),) = mails()
    again = signed(
        content.partition(b"\r\n\r\n")[0].partition(b"From:")[2].join((b"From:", b"\r\n\r\nanother text\r\n")),
        at=arrived,
    )
    with settled(tmp_path, RULES, [(content, arrived), (again, arrived)]) as house, name_server(answer) as resolver:
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        checking(house).poll()
        assert len(house.store.messages()) == 2
    assert asked == ["sel._domainkey.amazon.com."]


def test_a_key_that_cannot_be_had_makes_the_mail_wait_for_a_day_and_then_unverified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with settled(tmp_path, RULES, mails()) as house:
        checking(house)
        with name_server(answering(rcode=dns.rcode.SERVFAIL)) as resolver:
            monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
            house.poll()
            assert house.done() == []
            assert house.store.messages() == []
            house.poll(NOW + timedelta(hours=30))
        assert house.done() == [("create_task", "done")]
        assert house.script_runs() == []


def test_a_notice_that_waited_is_believed_once_the_key_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with settled(tmp_path, RULES, mails()) as house:
        checking(house)
        for answer in (answering(rcode=dns.rcode.SERVFAIL), answering(f'"{key()[1].decode()}"')):
            with name_server(answer) as resolver:
                monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
                house.poll()
        assert house.done() == [("create_task", "done"), ("run_script", "done")]


def test_a_wrong_signature_starts_nothing_and_a_strangers_key_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((good, arrived),) = mails()
    changed = good.replace(b"446453545547", b"525964794073")
    strange = good.replace(b"seller-notification@amazon.com", b"seller@evil.test").replace(
        b"d=amazon.com", b"d=evil.test"
    )
    asked: list[str] = []

    def answer(question: Any) -> Any:
        asked.append(str(question.question[0].name))
        return answering(f'"{key()[1].decode()}"')(question)

    with settled(tmp_path, RULES, [(changed, arrived), (strange, arrived)]) as house, name_server(answer) as resolver:
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        checking(house).poll()
        assert {action for action, _ in house.done()} == {"create_task"}
        assert {row["level"] for row in house.store.senders()} == {"unverified"}
    assert set(asked) == {"sel._domainkey.amazon.com."}


def test_another_text_under_the_same_message_id_starts_nothing(tmp_path: Path) -> None:
    def mail(day: str) -> bytes:
        ((content, _),) = mails()
        return stamped("amazon.com") + content.replace(str(EXPIRES).encode(), day.encode())

    arrived = NOW - timedelta(hours=1)
    with settled(tmp_path, RULES, [(mail("2024-04-10"), arrived), (mail("2024-04-05"), arrived)]) as house:
        house.poll()
        assert house.script_runs() == ["446453545547 2024-04-10"]
        assert {row["level"] for row in house.store.senders()} == {"bound", "authenticated"}


def test_a_receiver_that_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    with settled(tmp_path, RULES, []) as house:
        before = 'receiver = { authserv_id = "mx.shop.example" }'
        for wrong in (
            '{ authserv_id = "*" }',
            '{ authserv_id = "" }',
            "{ dkim = false }",
            "{ topmost = true, dkim = true }",
            '"mx"',
        ):
            house.change("mailrules.toml", before, f"receiver = {wrong}")
            with pytest.raises(ConfigError, match="receiver"):
                _ = house.config
            house.change("mailrules.toml", f"receiver = {wrong}", before)
