"""Why and why not, of a message and of an authorization; and `try`, which needs nothing but a file and a mail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.house import House, mail, settled
from tests.mails import DEVELOPER, DEVELOPER_ID, today
from tests.test_cli import run as run_in
from tests.test_end_to_end import run

SHIPPED = "look at what could not be read"
RULES = """\
rule "fires" {
  description "One task for each deadline."
  owner owner
  runbook "https://wiki.shop.example/renew"
  on authorization_expiring
  create task "Renew {{ developer }} by {{ expires }}"
}

rule "misses by two" {
  on authorization_expiring
  when developer is "Somebody Else" because "only theirs is ours to renew"
    and days_left <= 2 days
  create task "No"
}

rule "a near miss" {
  on authorization_expiring
  when days_left <= 5 days
    and (region is na or region is eu or region is fe)
  create task "Late"
}

rule "other kind" {
  on access_token_expired
  when developer is "Somebody Else" and days_left <= 2 days
  create task "Gone"
}

rule "ladder" {
  while authorization is expiring
  30 days before expires: notify owner "{{ developer }} lapses"
  3 days before expires: notify owner "{{ developer }} lapses in three days"
}

rule "switched off" {
  disabled
  on authorization_expiring
  create task "Never"
}
"""


def expires() -> date:
    return today() + timedelta(days=20)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with settled(tmp_path, RULES, [mail(DEVELOPER, DEVELOPER_ID, expires=expires(), days=20)]) as ready:
        yield ready


def explained(house: House, *words: str) -> dict[str, Any]:
    code, out, err = run(house.toml, "explain", "--json", *words)
    assert (code, err) == (0, "")
    return dict(json.loads(out))


def saved(house: House) -> str:
    path = house.folder / "mail.eml"
    path.write_bytes(house.server.messages[0][0])
    return str(path)


def test_rules_that_fire_come_first_and_then_the_nearest_miss(house: House) -> None:
    row = explained(house, saved(house))
    own = [r for r in row["rules"] if r["rule"] != SHIPPED]
    assert [(r["rule"], r["fired"], r["failed"]) for r in own] == [
        ("fires", True, 0),
        ("ladder", True, 0),
        ("a near miss", False, 1),
        ("misses by two", False, 2),
        ("other kind", False, 3),
        ("switched off", False, 0),
    ]
    (near,) = [r for r in row["rules"] if r["rule"] == "a near miss"]
    first = near["conditions"][1]
    assert (first["condition"], first["held"], first["found"], first["line"]) == (
        "days_left <= 5 days", False, "20 days", 18,
    )  # fmt: skip
    (far,) = [r for r in row["rules"] if r["rule"] == "misses by two"]
    assert [c["because"] for c in far["conditions"]] == [None, "only theirs is ours to renew", None]
    (fires,) = [r for r in row["rules"] if r["rule"] == "fires"]
    assert (fires["description"], fires["owner"], fires["runbook"]) == (
        "One task for each deadline.", "owner", "https://wiki.shop.example/renew",
    )  # fmt: skip
    assert (fires["file"], fires["line"]) == ("my.rules", 1)


def test_every_value_is_shown_with_the_place_where_it_stands(house: House) -> None:
    row = explained(house, saved(house))
    (found,) = row["notices"]
    text = house.server.messages[0][0].decode().split("\r\n\r\n", 1)[1].split("\r\n")
    body = [v for v in found["values"] if v["part"] != "subject"]
    assert {v["field"] for v in body} == {"developer_id", "developer", "expires"}
    for value in body:
        assert text[value["line"] - 1][value["column"] - 1 :].startswith(value["text"])


def test_one_rule_is_asked_for_by_its_name_and_a_misspelt_name_is_corrected(house: House) -> None:
    row = explained(house, saved(house), "--rule", "ladder")
    assert [r["rule"] for r in row["rules"]] == ["ladder"]
    code, out, err = run(house.toml, "explain", saved(house), "--rule", "lader")
    assert (code, out) == (2, "")
    assert "did you mean `ladder`?" in err


def test_a_stored_message_is_found_by_its_id_and_message_id_and_shows_what_was_done(house: House) -> None:
    house.poll(datetime.now(UTC))
    (stored,) = house.store.messages()
    for name in (stored.id, stored.message_id, stored.digest[:10]):
        row = explained(house, name)
        assert row["stored"] == {"id": stored.id, "fired": ["fires"]}
        (fires,) = [r for r in row["rules"] if r["rule"] == "fires"]
        assert [e["state"] for e in fires["effects"]] == ["done"]


def test_an_authorization_is_found_by_id_number_and_name_and_shows_what_is_to_come(house: House) -> None:
    house.poll(datetime.now(UTC))
    (subject,) = house.store.ledger().authorizations.values()
    rows = [explained(house, name) for name in (subject.id, DEVELOPER_ID, "4464-5354-5547", DEVELOPER)]
    assert all(row == rows[0] for row in rows)
    row = rows[0]
    assert (row["state"], row["days_left"], row["expires"]) == ("expiring", 20, expires().isoformat())
    assert [d["state"] for d in row["deadlines"]] == ["open"]
    assert {e["what"] for e in row["events"]} >= {"first seen", "opened", "notice"}
    assert sorted((e["action"], e["state"]) for e in row["effects"]) == [("create_task", "done"), ("notify", "done")]
    (ladder,) = row["rules"]
    assert [e["state"] for e in ladder["effects"]] == ["done"]
    assert [(e["day"], e["stage"]) for e in ladder["to_come"]] == [
        ((expires() - timedelta(days=3)).isoformat(), "3 days before expires")
    ]
    code, out, err = run(house.toml, "explain", DEVELOPER)
    assert (code, err) == (0, "")
    assert f"to come on {expires() - timedelta(days=3)}" in out


def test_what_nothing_is_known_by_is_a_sentence(house: House) -> None:
    code, out, err = run(house.toml, "explain", "Nobody At All")
    assert (code, out) == (2, "")
    assert "mailrules authorizations" in err


def test_ordinary_mail_is_explained_though_nothing_looked_at_it(house: House) -> None:
    (house.folder / "lamp.eml").write_bytes(b"From: a@shop.example\r\nSubject: lamp\r\n\r\nhello\r\n")
    row = explained(house, str(house.folder / "lamp.eml"))
    assert (row["candidate"], row["authorizations"]) == (None, [])
    assert {r["rule"] for r in row["rules"]} - {SHIPPED} == {
        "fires",
        "misses by two",
        "a near miss",
        "other kind",
        "ladder",
        "switched off",
    }
    assert all(r["reason"] and not r["fired"] for r in row["rules"])


def test_among_very_many_rules_each_one_is_still_explained(house: House) -> None:
    many = "".join(
        f'rule "for {n}" {{\n  on authorization_expiring\n  when developer is "Developer {n}"\n  create task "x"\n}}\n\n'
        f'rule "timed {n}" {{\n  while developer is "Developer {n}"\n  create task "y"\n}}\n\n'
        for n in range(200)
    )
    (house.folder / "my.rules").write_text(RULES + many, encoding="utf-8")
    row = explained(house, saved(house))
    assert len(row["rules"]) == 407  # and the shipped one
    (one,) = [r for r in row["rules"] if r["rule"] == "for 77"]
    assert (one["failed"], one["conditions"][1]["found"]) == (1, f'"{DEVELOPER}"')
    (timed,) = [r for r in row["rules"] if r["rule"] == "timed 77"]
    assert timed["conditions"][0]["found"] == f'"{DEVELOPER}"'


def test_with_broken_rules_the_last_good_ones_explain_and_it_says_so(house: House) -> None:
    house.poll(datetime.now(UTC))
    house.change("my.rules", "on access_token_expired", "on nothing_known")
    code, out, err = run(house.toml, "explain", "--json", DEVELOPER)
    assert (code, "last good" in err, json.loads(out)["rules"][0]["rule"]) == (0, True, "ladder")


# --- try --------------------------------------------------------------------------------------------------------

TRIED = """\
rule "task" {
  on authorization_expiring
  create task "Renew {{ developer }}" due 7 days before expires
}

rule "ladder" {
  while authorization is expiring and trust is bound
  14 days before expires: notify owner "two weeks"
  3 days before expires: forward to owner
  at expires: run "renew"
}

rule "late" {
  on authorization_expiring
  when days_left <= 2 days
  create task "Late"
}
"""
DUE = date(2024, 4, 10)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a rules file and a mail, and no configuration."""
    (tmp_path / "my.rules").write_text(TRIED, encoding="utf-8")
    (tmp_path / "mail.eml").write_bytes(mail(DEVELOPER, DEVELOPER_ID, expires=DUE, days=30)[0])
    return tmp_path


def tried(folder: Path, *words: str) -> dict[str, Any]:
    code, out, err = run_in(folder, "try", "my.rules", "mail.eml", "--json", *words)
    assert (code, err) == (0, "")
    return dict(json.loads(out))


def test_try_shows_what_comes_at_once_and_what_comes_later_on_which_day(desk: Path) -> None:
    row = tried(desk, "--as", "bound")
    assert row["at"].startswith("2024-03-11T00:00")
    assert [e["what"] for e in row["now"]] == [f'create task "Renew {DEVELOPER}"']
    assert [(e["day"], e["action"]) for e in row["later"]] == [
        ("2024-03-27", "notify"), ("2024-04-07", "forward"), ("2024-04-10", "run_script"),
    ]  # fmt: skip
    assert row["notices"][0]["trust"] == "bound"
    assert {v["field"]: v["line"] for v in row["notices"][0]["values"]}["developer_id"]


def test_try_says_why_not_for_each_rule(desk: Path) -> None:
    row = tried(desk)
    reasons = {r["rule"]: r for r in row["rules"]}
    assert set(reasons) - {SHIPPED} == {"task", "ladder", "late"}
    assert reasons["task"]["fired"]
    assert row["later"] == []
    assert {c["condition"]: c["found"] for c in reasons["ladder"]["conditions"]}["trust is bound"] == '"unverified"'
    assert {c["condition"]: c["found"] for c in reasons["late"]["conditions"]}["days_left <= 2 days"] == "30 days"
    code, out, err = run_in(desk, "try", "my.rules", "mail.eml")
    assert (code, err) == (0, "")
    assert f'create task "[unverified] Renew {DEVELOPER}"' in out
    assert "fails: trust is bound" in out


def test_try_puts_the_clock_where_it_is_told(desk: Path) -> None:
    row = tried(desk, "--at", "2024-04-09")
    assert {r["rule"]: r["fired"] for r in row["rules"]}["late"]
    row = tried(desk, "--at", "2024-04-09T23:30")
    assert row["at"].startswith("2024-04-09T23:30")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--at", "tomorrow"), "2024-04-10"),
        (("--as", "sure"), "bound"),
    ],
)
def test_try_names_what_an_option_takes(desk: Path, words: tuple[str, str], said: str) -> None:
    code, out, err = run_in(desk, "try", "my.rules", "mail.eml", *words)
    assert (code, out, said in err) == (2, "", True)


def test_try_reads_standard_input_and_refuses_broken_rules_and_missing_files(desk: Path) -> None:
    code, out, _ = run_in(desk, "try", "my.rules", "-", "--json", stdin=(desk / "mail.eml").read_bytes())
    assert (code, len(json.loads(out)["now"])) == (0, 1)
    assert run_in(desk, "try", "none.rules", "mail.eml")[0] == 2
    assert run_in(desk, "try", "my.rules", "none.eml")[0] == 2
    (desk / "my.rules").write_text(TRIED.replace("days_left", "days_lef"), encoding="utf-8")
    code, out, err = run_in(desk, "try", "my.rules", "mail.eml")
    assert (code, out, "my.rules:15" in err) == (78, "", True)


def test_try_takes_a_folder_of_rules_files(tmp_path: Path) -> None:
    (tmp_path / "vendor.rules").write_text(
        'system hub "Example Hub" {\n  mail from "hub.example"\n}\nnotice connection_renewal_needed of hub {\n'
        '  wording en {\n    says "please reconnect"\n  }\n}\n',
        encoding="utf-8",
    )
    (tmp_path / "own.rules").write_text(
        'rule "reconnect" {\n  on connection_renewal_needed of hub\n  create task "Reconnect"\n}\n', encoding="utf-8"
    )
    (tmp_path / "m.eml").write_text("From: a@hub.example\nSubject: x\n\nplease reconnect\n", encoding="utf-8")
    code, out = run_in(tmp_path, "try", ".", "m.eml", "--at", "2024-03-11")[:2]
    assert code == 0
    assert 'create task "[unverified] Reconnect"' in out
