"""What a person types about authorizations and what comes back, through the real program on real files."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.mails import DEVELOPER_ID, today
from tests.test_cli import CONFIG, folder, listed, run

assert folder  # the fixture of test_cli.py
SHIPPINNO = "525964794073"
ROW = {
    "id",
    "account",
    "system",
    "developer_id",
    "developer",
    "region",
    "expires",
    "days_left",
    "state",
    "trust",
    "assumed",
}


def add(place: Path, name: str, *words: str) -> str:
    code, out, err = run(
        place, "authorizations", "add", "--account", "main", "--system", "amazon", "--developer", name, *words
    )
    assert (code, err) == (0, "")
    return out.strip()


def show(place: Path, name: str) -> dict[str, Any]:
    code, out, err = run(place, "authorizations", "show", name, "--json")
    assert (code, err) == (0, "")
    story: dict[str, Any] = json.loads(out)
    return story


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    place = tmp_path / "empty"
    place.mkdir()
    (place / "mailrules.toml").write_text(CONFIG, encoding="utf-8")
    return place


def test_a_system_that_no_rules_file_declares_is_taken_and_told(empty: Path) -> None:
    (empty / "rules").mkdir()
    (empty / "rules" / "own.rules").write_text("# none of our own yet\n", encoding="utf-8")
    words = ("--account", "main", "--system", "amazn", "--developer", "Never Settle")
    code, out, err = run(empty, "authorizations", "add", *words)
    assert code == 0
    assert out.startswith("auth-")
    assert err == "mailrules: no rules file declares a system `amazn`; did you mean `amazon`?\n"


def test_one_authorization_is_shown_with_its_history_and_the_evidence(folder: Path) -> None:
    assert run(folder, "ingest", "notice.eml")[0] == 0
    assert run(folder, "authorizations", "renewed", DEVELOPER_ID)[0] == 0
    story = show(folder, DEVELOPER_ID)
    assert set(story) > ROW
    assert (story["state"], story["assumed"]) == ("active", True)
    ((deadline,), (evidence,), (mail,)) = story["obligations"], story["evidence"], story["messages"]
    assert (deadline["state"], deadline["grade"], deadline["reminders"]) == ("settled", "a person said so", 1)
    assert evidence["detail"]["grade"] == "a person said so"
    assert mail["digest"] == deadline["message"]
    assert {effect["action"] for effect in story["effects"]} >= {"create_task"}
    assert [event["what"] for event in story["events"]][:2] == ["first seen", "opened"]
    code, page, _ = run(folder, "authorizations", "show", "never settle")
    assert code == 0
    for words in (
        "Never Settle (446453545547)",
        "Deadlines",
        "settled by a person said so",
        "History",
        "Mails",
        "Effects",
    ):
        assert words in page


def test_an_authorization_is_found_by_id_prefix_digits_or_name_and_else_the_candidates_are_told(empty: Path) -> None:
    one = add(empty, "Shippinno", "--developer-id", "5259-6479-4073")
    two = add(empty, "Never Settle", "--region", "na")
    add(empty, "Never Settle", "--region", "eu")
    for name in (one, one[:9], "5259-6479-4073", SHIPPINNO, "shippinno"):
        assert show(empty, name)["id"] == one
    code, _, err = run(empty, "authorizations", "show", "Never Settle")
    assert (code, two in err, "2 authorizations are called" in err) == (2, True, True)
    code, _, err = run(empty, "authorizations", "show", "nobody")
    assert (code, "no authorization is called nobody" in err, one in err) == (2, True, True)


def test_a_renewal_may_have_its_own_day_and_date(empty: Path) -> None:
    add(empty, "Shippinno", "--expires", (today() + timedelta(days=5)).isoformat())
    yesterday, ahead = today() - timedelta(days=1), today() + timedelta(days=360)
    for words, why in (
        (("--on", (today() + timedelta(days=2)).isoformat()), "has not come yet"),
        (("--on", "2020-01-01"), "nothing was renewed"),
        (("--until", (today() + timedelta(days=5)).isoformat()), "is not later than"),
        (("--until", "10.04.2024"), "--until: "),
        (("--until", "2099-12-31"), "is more than 6 years ahead"),
    ):
        code, out, err = run(empty, "authorizations", "renewed", "Shippinno", *words)
        assert (code, out, why in err) == (2, "", True), err
    assert run(empty, "authorizations", "renewed", "Shippinno", "--on", yesterday.isoformat())[0] == 0
    assert show(empty, "Shippinno")["expires"] == (yesterday + timedelta(days=365)).isoformat()
    assert run(empty, "authorizations", "renewed", "Shippinno", "--until", ahead.isoformat())[0] == 0
    story = show(empty, "Shippinno")
    assert (story["expires"], story["assumed"], story["obligations"][0]["grade"]) == (
        ahead.isoformat(), False, "a person said so",
    )  # fmt: skip


def test_a_date_that_is_years_too_far_off_is_not_entered(empty: Path) -> None:
    words = ("--account", "main", "--system", "amazon", "--developer", "Shippinno", "--expires")
    code, out, err = run(empty, "authorizations", "add", *words, "2096-04-10")
    assert (code, out, "2096-04-10 is more than 6 years ahead" in err, "check the year" in err) == (2, "", True, True)
    assert listed(empty, "authorizations") == []


def test_what_is_revoked_is_listed_so_and_owes_nothing(empty: Path) -> None:
    add(empty, "Shippinno", "--expires", (today() + timedelta(days=5)).isoformat())
    assert run(empty, "authorizations", "revoked", "Shippinno")[0] == 0
    (row,) = listed(empty, "authorizations")
    assert (row["state"], set(row)) == ("revoked", ROW)


def test_a_snooze_is_said_in_the_list_and_holds_time_rules_back(folder: Path) -> None:
    rule = 'rule "nag" { \nwhile authorization is expiring\n30 days before expires: notify owner "soon"\n}\n'
    (folder / "rules" / "nag.rules").write_text(rule, encoding="utf-8")
    add(folder, "Shippinno", "--expires", (today() + timedelta(days=5)).isoformat())
    wakes = (today() + timedelta(days=3)).isoformat()
    assert f"snoozed until {wakes}" in run(folder, "authorizations", "snooze", "Shippinno", "--days", "3")[1]
    assert f"snoozed until {wakes}" in run(folder, "authorizations")[1]
    assert run(folder, "ingest", "notice.eml")[0] in (0, 3)
    name = show(folder, "Shippinno")["id"]
    assert not [e for e in listed(folder, "effects") if e["authorization"] == name]
    assert "passes meanwhile" in run(folder, "authorizations", "snooze", "Shippinno", "--days", "9")[1]
    for words in ((), ("--days", "1", "--off"), ("--until", today().isoformat()), ("--until", "2099-12-31")):
        assert run(folder, "authorizations", "snooze", "Shippinno", *words)[0] == 2
    assert "awake" in run(folder, "authorizations", "snooze", "Shippinno", "--off")[1]
    run(folder, "ingest", "notice.eml")
    assert "nag" in [e["rule"] for e in listed(folder, "effects") if e["authorization"] == name]


def test_linked_records_are_one_line_and_effects_are_not_repeated(folder: Path) -> None:
    run(folder, "ingest", "notice.eml")
    before = listed(folder, "effects")
    one = add(folder, "NS Fulfillment")
    assert run(folder, "authorizations", "link", one, DEVELOPER_ID)[0] == 0
    (row,) = listed(folder, "authorizations")
    assert (row["id"], row["developer_id"], row["state"]) == (one, DEVELOPER_ID, "expiring")
    story = show(folder, DEVELOPER_ID)
    assert (story["id"], len(story["linked"]), len(story["effects"])) == (one, 1, len(before))
    run(folder, "ingest", "notice.eml")
    assert listed(folder, "effects") == before
    (task,) = listed(folder, "tasks")
    assert run(folder, "tasks", "done", task["id"])[0] == 0
    assert show(folder, one)["assumed"] is True


def test_a_contradiction_is_said_in_the_list_and_shown(folder: Path) -> None:
    run(folder, "ingest", "notice.eml")
    run(folder, "authorizations", "renewed", DEVELOPER_ID, "--on", (today() - timedelta(days=1)).isoformat())
    text = (folder / "notice.eml").read_bytes() + b"\n"
    assert text
    story = show(folder, DEVELOPER_ID)
    assert story["contradictions"] == []
    (folder / "again.eml").write_bytes(text)
    run(folder, "ingest", "again.eml")
    story = show(folder, DEVELOPER_ID)
    assert len(story["contradictions"]) == 1
    assert "contradiction: amazon says" in run(folder, "authorizations")[1]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_list_is_taken_to_an_empty_store_and_is_the_same_there(folder: Path, empty: Path, form: str) -> None:
    run(folder, "ingest", "notice.eml")
    add(folder, "=cmd()", "--developer-id", "035081194811", "--expires", (today() + timedelta(days=40)).isoformat())
    add(folder, "注文, ロボ")
    run(folder, "authorizations", "renewed", DEVELOPER_ID)
    target = folder / f"list.{form}"
    assert run(folder, "authorizations", "export", f"--{form}", str(target))[0] == 0
    code, out, _ = run(empty, "authorizations", "import", str(target))
    assert (code, out) == (0, "3 new, 0 changed, 0 known already\n")
    assert listed(empty, "authorizations") == listed(folder, "authorizations")
    assert run(empty, "authorizations", "import", str(target))[1] == "0 new, 0 changed, 3 known already\n"
    exported = [run(place, "authorizations", "export", f"--{form}")[1] for place in (folder, empty)]
    assert exported[0] == exported[1] == target.read_bytes().decode()
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(target.read_bytes().decode("utf-8-sig"))))
        assert {row["developer"] for row in rows} == {"'=cmd()", "注文, ロボ", "Never Settle"}
        assert target.read_bytes().startswith(b"\xef\xbb\xbf")
        assert "0350-8119-4811" in {row["developer_id"] for row in rows}


def test_bad_rows_are_told_by_number_and_nothing_is_written(empty: Path) -> None:
    table = (
        "account,system,developer,developer_id,expires\nmain,amazon,A,,2026-13-01\nmain,amazon,B,,\nother,amazon,C,1,\n"
        "main,amazon,D,,2099-12-31\n"
    )
    code, out, err = run(empty, "authorizations", "import", "-", stdin=table.encode())
    assert (code, out) == (2, "")
    for words in (
        "3 rows cannot be taken",
        "row 2: `expires`",
        "row 4: no account is called `other`",
        "row 5: `expires`: 2099-12-31 is more than 6 years ahead",
        "nothing was written",
    ):
        assert words in err
    assert listed(empty, "authorizations") == []
    for content, why in ((b"\xff\xfe", "not UTF-8"), (b"a,b\n1,2\n", "no column is called")):
        code, _, err = run(empty, "authorizations", "import", "-", stdin=content)
        assert (code, why in err) == (2, True)
    assert run(empty, "authorizations", "import", "no-such-file")[0] == 2
    assert run(empty, "authorizations", "export", "--csv", "--json")[0] == 2
