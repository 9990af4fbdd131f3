"""From a script's run to evidence of renewal: verified, confirmed by a notice, or a person is asked."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mailrules.cli.listings import show_task
from tests.house import EXPIRES, NOW, House, mail, settled
from tests.mails import DEVELOPER, DEVELOPER_ID

RULES = """\
rule "start" {
  while authorization is expiring and trust is bound
  20 days before expires: run "renew", settle within 24 hours
}

rule "no evidence" {
  while renewal is unconfirmed
  create task "Was {{ developer }} renewed? No evidence came; it lapses on {{ expires }}"
}
"""
SAYS = """
print("expires: {day}")
"""


def the_house(folder: Path) -> object:
    return settled(folder, RULES, [mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=30)])


def verifying(house: House, day: str) -> None:
    house.change("mailrules.toml", "[scripts.renew]\n", "[scripts.renew]\nverifies = true\n")
    script = house.folder / "renew.py"
    script.write_text(script.read_text(encoding="utf-8") + SAYS.format(day=day), encoding="utf-8")


def test_a_script_that_verifies_settles_the_deadline_with_the_date_it_prints(tmp_path: Path) -> None:
    with the_house(tmp_path) as house:  # type: ignore[attr-defined]
        verifying(house, "2025-03-25")
        house.poll()
        (subject,) = house.store.ledger().live()
        assert (subject.expires, subject.assumed) == ("2025-03-25", False)
        (owed,) = house.store.ledger().of(subject.id)
        assert (owed.state, owed.grade) == ("settled", "script verified")
        house.poll(NOW + timedelta(days=3))
        assert len(house.script_runs()) == 1
        assert house.done() == [("run_script", "done")]


@pytest.mark.parametrize("day", ["2024-04-10", "2023-01-01", "2025-02-30"])
def test_a_date_that_cannot_be_a_renewal_is_not_taken_and_a_person_is_asked(tmp_path: Path, day: str) -> None:
    with the_house(tmp_path) as house:  # type: ignore[attr-defined]
        verifying(house, day)
        outcome = house.poll()
        assert any("its word was not taken" in why for _, _, why in outcome.performed)
        (subject,) = house.store.ledger().live()
        assert subject.expires == EXPIRES.isoformat()


def test_a_script_without_evidence_needs_a_person_once_its_time_is_over(tmp_path: Path) -> None:
    with the_house(tmp_path) as house:  # type: ignore[attr-defined]
        house.poll()
        assert house.poll(NOW + timedelta(hours=23)).needs == []
        later = house.poll(NOW + timedelta(hours=25))
        assert house.done() == [("create_task", "done"), ("run_script", "done")]
        assert len(later.needs) == 1
        assert "no evidence of renewal" in later.needs[0]
        assert later.exit_code == 3


def test_a_task_shows_where_by_whom_and_how_to_renew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = 'rule "task" {\n  on authorization_expiring\n  runbook "https://wiki.shop.example/renew"\n  create task "Renew {{ developer }}"\n}\n'
    with settled(tmp_path, rules, [mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=30)]) as house:
        house.poll()
        (task,) = house.store.tasks()
        show_task(task["id"], str(house.toml))
    shown = capsys.readouterr().out
    for part in (DEVELOPER_ID, "https://sellercentral.amazon.com/apps/manage", "primary user", "wiki.shop.example"):
        assert part in shown
