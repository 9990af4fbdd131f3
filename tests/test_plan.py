"""Plan and apply: exactly what was shown, or nothing. A real IMAP server, real SMTP, a real script, a frozen clock."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.house import EXPIRES, NOW, House, mail, settled
from tests.mails import DEVELOPER, DEVELOPER_ID, notice
from tests.test_end_to_end import RULES, run

LADDER = """
rule "ladder" {
  while authorization is expiring
  14 days before expires: notify owner "{{ developer }} lapses in two weeks"
}
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with settled(tmp_path, RULES + LADDER, [mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=16)]) as ready:
        yield ready


ALL = [("create_task", "done"), ("forward", "done"), ("notify", "done"), ("run_script", "done")]


def test_a_plan_writes_sends_and_runs_nothing_and_apply_does_exactly_what_it_says(house: House) -> None:
    plan = house.plan()
    house.assert_nothing_happened()
    assert sorted(e.action for e in plan.effects) == [action for action, _ in ALL]
    outcome = house.apply(plan)
    assert (outcome.moved, outcome.exit_code) == ([], 0)
    assert house.done() == ALL
    assert house.script_runs() == [f"{DEVELOPER_ID} {EXPIRES}"]
    (argv,) = [e.args["argv"] for e in plan.effects if e.action == "run_script"]
    assert argv[-2:] == [DEVELOPER_ID, EXPIRES.isoformat()]
    assert {r for m in house.sink.received for r in m.recipients} == {"agency@outside.example", "owner@shop.example"}


def test_a_plan_applied_twice_does_nothing_the_second_time_and_says_so(house: House) -> None:
    plan = house.plan()
    house.apply(plan)
    count = len(house.sink.received)
    again = house.apply(plan)
    assert again.exit_code == 1
    assert all("it is done since" in line for line in again.moved if line.startswith("gone"))
    assert len([line for line in again.moved if line.startswith("gone")]) == 4
    assert (house.done(), len(house.script_runs()), len(house.sink.received)) == (ALL, 1, count)


def test_mail_that_came_after_the_plan_is_left_to_the_next_poll(house: House) -> None:
    plan = house.plan()
    house.server.messages.append(mail("Example Tools", "111122223333", expires=EXPIRES, days=16))
    assert house.apply(plan).moved == []
    assert house.done() == ALL
    assert house.poll().reports[0].seen == 1
    assert {a.developer for a in house.store.ledger().authorizations.values()} == {DEVELOPER, "Example Tools"}


def test_a_plan_does_not_hold_once_its_effects_were_done_by_another_poll(house: House) -> None:
    plan = house.plan()
    house.poll()
    before = (house.done(), house.script_runs(), len(house.sink.received))
    outcome = house.apply(plan)
    assert outcome.exit_code == 1
    assert len([line for line in outcome.moved if line.startswith("gone: ")]) == 4
    assert (house.done(), house.script_runs(), len(house.sink.received)) == before


def test_a_plan_does_not_hold_when_a_rung_has_become_due(house: House) -> None:
    plan = house.plan()
    outcome = house.apply(plan, NOW + timedelta(days=2))
    assert [line for line in outcome.moved if line.startswith("new: notify owner")]
    house.assert_nothing_happened()


def test_a_plan_does_not_hold_when_a_text_would_differ(house: House) -> None:
    house.change(
        "my.rules", 'notify owner "{{ developer }} lapses on {{ expires }}"', 'notify owner "{{ days_left }} days left"'
    )
    plan = house.plan()
    outcome = house.apply(plan, NOW + timedelta(hours=20))
    assert [
        line for line in outcome.moved if "subject was" in line and "16 days left" in line and "15 days left" in line
    ]
    house.assert_nothing_happened()


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("mailrules.toml", '"{{ developer_id }}"', '"--all"', "[scripts] has changed"),
        ("mailrules.toml", "owner@shop.example", "other@shop.example", "[people] has changed"),
        ("mailrules.toml", 'region = "na"', 'region = "eu"', "[accounts] has changed"),
        ("mailrules.toml", f'"{DEVELOPER_ID}" = ', '"111122223333" = ', "[developers] has changed"),
        ("mailrules.toml", "mailrules@shop.example", "robot@shop.example", "[smtp] has changed"),
        ("my.rules", "lapses on", "ends on", "the rules have changed"),
    ],
)
def test_a_plan_does_not_hold_when_what_it_rests_on_has_changed(
    house: House, file: str, old: str, new: str, said: str
) -> None:
    plan = house.plan()
    house.change(file, old, new)
    outcome = house.apply(plan)
    assert [line for line in outcome.moved if line.startswith(said)], outcome.moved
    house.assert_nothing_happened()


@pytest.mark.parametrize("name", ["argv", "to", "title"])
def test_a_plan_whose_file_was_changed_is_refused_and_never_carried_out(house: House, name: str) -> None:
    plan = house.plan()
    changed = [replace(e, args={**e.args, name: ["/bin/false"]}) if name in e.args else e for e in plan.effects]
    outcome = house.apply(replace(plan, effects=tuple(changed)))
    assert [line for line in outcome.moved if "/bin/false" in line]
    house.assert_nothing_happened()


def test_an_effect_added_to_or_taken_from_the_file_is_refused(house: House) -> None:
    plan = house.plan()
    more = replace(plan.effects[0], key="0" * 32, target="stranger@outside.example")
    assert house.apply(replace(plan, effects=(*plan.effects, more))).exit_code == 1
    assert house.apply(replace(plan, effects=plan.effects[1:])).exit_code == 1
    house.assert_nothing_happened()


def test_a_plan_does_not_hold_in_a_renumbered_mailbox(house: House) -> None:
    plan = house.plan()
    house.server.uidvalidity += 1
    outcome = house.apply(plan)
    assert outcome.moved == ["mailbox INBOX of shop was renumbered by its server"]
    house.assert_nothing_happened()


def test_a_plan_does_not_hold_when_a_person_said_meanwhile_that_it_was_renewed(house: House) -> None:
    house.poll()
    later = NOW + timedelta(days=2)
    plan = house.plan(later)
    assert [e.stage for e in plan.effects] == ["14 days before expires"]
    assert run(house.toml, "authorizations", "renewed", DEVELOPER_ID)[0] == 0
    count = len(house.sink.received)
    outcome = house.apply(plan, later)
    assert [line for line in outcome.moved if "nothing asks for it any more" in line]
    assert len(house.sink.received) == count


def test_what_waits_from_an_earlier_poll_is_part_of_the_plan_once_it_is_due(house: House) -> None:
    house.change("mailrules.toml", f"port = {house.sink.port}", "port = 1")  # nobody listens there
    house.poll()
    house.change("mailrules.toml", "port = 1\n", f"port = {house.sink.port}\n")
    assert house.plan(NOW + timedelta(seconds=1)).effects == ()
    later = NOW + timedelta(hours=5)
    plan = house.plan(later)
    assert sorted(e.action for e in plan.effects) == ["forward", "notify"]
    assert house.apply(plan, later).moved == []
    assert house.done() == ALL


def test_the_file_is_private_and_a_file_that_is_no_plan_is_a_sentence(house: House) -> None:
    config, file = house.toml, house.folder / "plan.json"
    assert run(config, "poll", "--plan", str(file))[0] == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [p.name for p in house.folder.iterdir() if p.name.startswith(".plan")] == []
    data = json.loads(file.read_text(encoding="utf-8"))
    assert set(data) == {"version", "made_at", "rules", "config", "mailboxes", "changes", "effects"}
    assert data["mailboxes"] == [
        {"account": "shop", "mailbox": "INBOX", "uidvalidity": house.server.uidvalidity, "uid": 1}
    ]
    assert "secret" not in file.read_text(encoding="utf-8")
    broken = [{**data, "version": 9}, {"version": 1}, [], {**data, "effects": [{"key": 1}]}]
    broken.append({**data, "effects": [{**e, "action": "dance"} for e in data["effects"]] or [{"key": "x"}]})
    for text in [*map(json.dumps, broken), "", "[" * 100_000]:
        file.write_text(text, encoding="utf-8")
        code, out, err = run(config, "apply", str(file))
        assert (code, out) == (2, ""), text[:80]
        assert "plan" in err


def test_apply_on_the_command_line_names_what_moved(house: House) -> None:
    config, file = house.toml, house.folder / "plan.json"
    days = datetime.now(UTC).date() + timedelta(days=20)
    house.server.messages[:] = [notice(expires=days, days=20, stamp=True)]
    code, out, err = run(config, "poll", "--plan", str(file), "--json")
    assert (code, err) == (0, "")
    assert len([line for line in out.splitlines() if '"action"' in line]) == 4
    house.change("my.rules", "lapses on", "ends on")
    code, out, err = run(config, "apply", str(file))
    assert (code, out) == (1, "")
    assert "the rules have changed" in err
    house.change("my.rules", "ends on", "lapses on")
    assert run(config, "apply", str(file)) == (0, "", "")
    assert house.done() == ALL
