"""Replay: two rule sets over the same stored history, with nothing sent and nothing written."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailrules.ledger import renewed
from mailrules.pipeline import changes
from mailrules.store import Store
from tests.house import House, mail, settled
from tests.mails import DEVELOPER, DEVELOPER_ID, REMINDERS
from tests.test_end_to_end import run

RULES = """\
rule "task" {
  on authorization_expiring
  create task "Renew {{ developer }} by {{ expires }}"
}

rule "ladder" {
  while authorization is expiring
  14 days before expires: notify owner "{{ developer }} lapses on {{ expires }}"
  3 days before expires: notify owner "{{ developer }} lapses in three days"
}
"""
OTHER = "111122223333"
FIRST, SECOND = date(2024, 4, 10), date(2024, 9, 20)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    mails = [mail(DEVELOPER, DEVELOPER_ID, expires=FIRST, days=n) for n in REMINDERS]
    mails += [mail("Example Tools", OTHER, expires=SECOND, days=n) for n in REMINDERS]
    with settled(tmp_path, RULES, mails) as ready:
        ready.poll(datetime(2024, 12, 1, tzinfo=UTC))
        yield ready


def replayed(house: House, rules: str, *words: str) -> dict[str, list[dict[str, Any]]]:
    (house.folder / "new.rules").write_text(rules, encoding="utf-8")
    before, count = house.config.store.read_bytes(), len(house.sink.received)
    code, out, err = run(house.toml, "replay", "--rules", str(house.folder / "new.rules"), "--json", *words)
    assert (code, err) == (0, "")
    assert hashlib.sha256(house.config.store.read_bytes()).digest() == hashlib.sha256(before).digest()
    assert len(house.sink.received) == count
    found: dict[str, list[dict[str, Any]]] = {"rule": [], "difference": [], "message": [], "summary": []}
    for line in out.splitlines():
        row = json.loads(line)
        found[row["kind"]].append(row)
    return found


SHIPPED = "look at what could not be read"


def counts(found: dict[str, list[dict[str, Any]]]) -> dict[str, tuple[Any, Any]]:
    return {row["rule"]: (row["old"], row["new"]) for row in found["rule"] if row["rule"] != SHIPPED}


def test_the_same_rules_differ_in_nothing_and_every_rule_is_counted_once_a_firing(house: House) -> None:
    found = replayed(house, RULES)
    assert found["difference"] == found["message"] == []
    assert counts(found) == {"task": (2, 2), "ladder": (4, 4)}
    assert found["summary"] == [
        {"kind": "summary", "messages": 10, "purged": 0, "said": 0, "unplayed": 0, "differences": 0}
    ]


def test_effects_that_would_be_new_gone_or_changed_are_told_with_their_day_and_mail(house: House) -> None:
    new = (
        RULES.replace('"task"', '"job"').replace("lapses in three days", "is nearly over").replace("14 days", "20 days")
    )
    found = replayed(house, new)
    assert counts(found) == {"task": (2, None), "job": (None, 2), "ladder": (4, 4)}
    told = {(r["change"], r["day"], r["rule"], r["stage"]) for r in found["difference"] if r["developer"] == DEVELOPER}
    assert told == {
        ("only old", "2024-03-11", "task", ""),
        ("only new", "2024-03-11", "job", ""),
        ("only new", "2024-03-21", "ladder", "20 days before expires"),
        ("only old", "2024-03-27", "ladder", "14 days before expires"),
        ("changed", "2024-04-07", "ladder", "3 days before expires"),
    }
    (changed, _) = [r for r in found["difference"] if r["change"] == "changed"]
    assert any("lapses in three days" in d and "is nearly over" in d for d in changed["details"])
    (by_mail,) = [r for r in found["difference"] if r["rule"] == "job" and r["developer"] == DEVELOPER]
    stored = house.store.message(by_mail["message"])
    assert stored is not None
    assert "30 days" in stored.subject


def test_only_what_differs_since_a_day_is_told(house: House) -> None:
    found = replayed(house, RULES.replace("lapses on", "ends on"), "--since", "2024-06-01")
    assert [r["developer"] for r in found["difference"]] == ["Example Tools"]
    code, _, err = run(house.toml, "replay", "--rules", "new.rules", "--since", "soon")
    assert (code, "2024-04-10" in err) == (2, True)


def test_what_a_person_said_is_part_of_the_history(house: House) -> None:
    (subject,) = [a for a in house.store.ledger().authorizations.values() if a.developer == DEVELOPER]
    said = renewed(house.store.ledger(), subject.id, at="2024-04-09T10:00:00+00:00", day=date(2024, 4, 9))
    with Store.open(house.config.store, now="") as store:
        store.commit(changes(store.ledger(), said.ledger, said.events), now="2024-04-09T10:00:00+00:00")
    found = replayed(house, RULES.replace("lapses on", "ends on"))
    assert found["summary"][0]["said"] == 1
    days = [r["day"] for r in found["difference"] if r["developer"] == DEVELOPER]
    assert days == ["2024-03-27", "2025-03-26"]


def test_mail_whose_bytes_are_gone_is_played_as_it_was_read(house: House) -> None:
    whole = replayed(house, RULES.replace("lapses on", "ends on"))
    connection = sqlite3.connect(house.config.store)
    connection.execute("DELETE FROM contents")
    connection.commit()
    connection.close()
    found = replayed(house, RULES.replace("lapses on", "ends on"))
    assert found["summary"][0]["purged"] == 10
    assert (found["difference"], found["rule"]) == (whole["difference"], whole["rule"])
    assert found["difference"]


def test_mail_that_would_be_read_otherwise_is_told(house: House) -> None:
    better = """
notice authorization_expiring of amazon {
  developer_id: developer_id
  wording en {
    line "Developer ID: {developer_id}"
  }
}
"""
    found = replayed(
        house, RULES.replace("{{ developer }}", "{{ developer_id }}").replace(" by {{ expires }}", "") + better
    )
    assert len(found["message"]) == 10
    assert "expires" in found["message"][0]["old"]
    assert "expires" not in found["message"][0]["new"]


def test_people_read_the_same_and_broken_rules_are_shown_with_their_place(house: House) -> None:
    new = house.folder / "new.rules"
    new.write_text(RULES.replace("lapses on", "ends on"), encoding="utf-8")
    code, out, err = run(house.toml, "replay", "--rules", str(new))
    assert (code, err) == (0, "")
    assert f"{DEVELOPER}, {FIRST}" in out
    assert "2 effects would differ" in out
    new.write_text('rule "x" {\n  on nothing_known\n}\n', encoding="utf-8")
    code, out, err = run(house.toml, "replay", "--rules", str(new))
    assert (code, out) == (78, "")
    assert "new.rules:2" in err
    assert run(house.toml, "replay", "--rules", "missing.rules")[0] == 2


def test_a_broken_live_set_is_compared_by_its_last_good_rules(house: House) -> None:
    (house.folder / "my.rules").write_text("rule", encoding="utf-8")
    (house.folder / "new.rules").write_text(RULES, encoding="utf-8")
    code, out, err = run(house.toml, "replay", "--rules", "new.rules")
    assert (code, "last good" in err, "no effect would differ" in out) == (0, True, True)


def test_a_rule_that_waits_for_a_script_sees_it_run(house: House) -> None:
    rules = """
rule "renew" {
  while authorization is expiring and trust is bound
  10 days before expires: run "renew", settle within 24 hours
}

rule "look" {
  while renewal is unconfirmed
  create task "Look whether {{ developer }} was renewed"
}
"""
    found = replayed(house, RULES + rules)
    told = {(r["rule"], r["day"]) for r in found["difference"] if r["developer"] == DEVELOPER}
    run_day = FIRST - timedelta(days=10)
    assert told == {("renew", run_day.isoformat()), ("look", (run_day + timedelta(days=2)).isoformat())}
