"""Warnings: they speak where they are sure, they keep nobody from going live, and what is shipped gives none."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailrules.ruleset import RuleSet, load
from mailrules.shipped import grammar_text, shipped_rules, shipped_text

ROOT = Path(__file__).parent.parent
GRAMMAR = grammar_text()
SHIPPED = shipped_rules()
EXAMPLES = sorted((ROOT / "rules" / "examples").glob("*.rules"))
TESTED = '\ntest "t" {\n  mail "a.eml" at 2024-03-11 09:00\n  expect task once\n  expect notify once\n}\n'


def loaded(text: str) -> RuleSet:
    people = {"owner": "owner@shop.example"}
    return load([*SHIPPED, ("own.rules", text)], GRAMMAR, people=people, scripts={"renew": False})


def warned(condition: str) -> list[str]:
    task = 'create task "Renew {{ developer }} by {{ expires }}"'
    text = f'rule "r" {{\n  on authorization_expiring\n  when {condition}\n  {task}\n}}\n{TESTED}'
    problems = loaded(text).problems
    assert not any(p.is_error for p in problems), problems
    return [p.code for p in problems]


def test_what_is_shipped_gives_no_warning() -> None:
    starter = ("rules/starter.rules", shipped_text("rules/starter.rules"))
    rules = load([*SHIPPED, starter], GRAMMAR)
    assert [p for p in rules.problems if p.code.startswith("W")] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_gives_no_warning(path: Path) -> None:
    rules = load([*SHIPPED, (path.name, path.read_text(encoding="utf-8"))], GRAMMAR)
    assert [p for p in rules.problems if p.code.startswith("W")] == []


@pytest.mark.parametrize("condition", [
    'developer is "A" and developer is "B"',
    'developer is "A" and developer is not "a"',
    'developer is "A" and not developer is "A"',
    'developer is one of "A", "B" and developer is one of "C", "D"',
    'developer is "Shippinno" and developer starts with "x"',
    'developer is "Shippinno" and developer matches "*x"',
    'developer is nothing and developer contains "a"',
    "days_left < 3 days and days_left > 5 days",
    "days_left < 3 days and days_left >= 72 hours",
    "days_left > 1 week and days_left < 7 days",
    "reminders > 3 and reminders is 2",
    "expires > 2024-04-10 and expires < 2024-01-01",
    "forwarded and not forwarded",
    "forwarded is no and forwarded",
    "trust is bound and trust < authenticated",
    "trust > confirmed and trust is bound",
    "region is na and (region is eu or region is fe)",
    "authorization is expiring and days_left < 0 days",
    "authorization is expired and authorization is active",
])  # fmt: skip
def test_a_condition_that_can_never_hold_is_told(condition: str) -> None:
    assert set(warned(condition)) == {"W001"}


@pytest.mark.parametrize("condition", [
    'developer is "A" or developer is "B"',
    'developer is "Never Settle" and developer contains "settle"',
    'developer is "Never–Settle" and developer is "never-settle"',
    'developer is one of "A", "B" and developer is one of "B", "C"',
    'developer is "A" and subject is "B"',
    "days_left <= 3 days and days_left >= 3 days",
    "days_left > 3 days and days_left < 5 days",
    "not days_left < 3 days and days_left is nothing",
    "expires > today and expires < today + 7 days",
    "expires is today and expires is opened",
    "trust is authenticated and trust is bound",
    "trust is authenticated and trust < bound",
    "not trust is bound and trust is authenticated",
    "region is na or (region is eu and days_left < 3 days)",
    "authorization is expiring and days_left is nothing",
    'developer is not nothing and developer is not "A"',
])  # fmt: skip
def test_a_condition_that_may_hold_is_not_told(condition: str) -> None:
    assert warned(condition) == []


def rungs(condition: str, *rungs_: str) -> list[str]:
    told = 'notify owner "{{ developer }} lapses on {{ expires }}"'
    text = f'rule "r" {{\n  while {condition}\n' + "".join(f"  {rung}: {told}\n" for rung in rungs_) + f"}}\n{TESTED}"
    return [p.code for p in loaded(text).problems]


def test_a_rung_is_late_only_where_its_rule_has_ended() -> None:
    assert rungs("authorization is expiring", "at expires", "1 day before expires") == []
    assert rungs("authorization is expiring", "1 day after expires", "at expires") == ["W003"]
    assert rungs("authorization is one of expiring, expired", "1 day after expires") == []
    assert rungs("authorization is expiring or authorization is expired", "1 day after expires") == []
    assert rungs("days_left >= 7 days", "7 days before expires") == []
    assert rungs("days_left > 7 days", "7 days before expires") == ["W003"]
    assert rungs("authorization is expiring", "every 1 day from 2 days after expires") == ["W003"]


def test_a_warning_is_no_error_and_is_not_told_beside_one() -> None:
    odd = 'rule "r" {\n  on authorization_expiring\n  create task "T {{ expires }}"\n}\n'
    assert [p.code for p in loaded(odd).problems] == ["W007"] and loaded(odd).errors == ()
    wrong = odd.replace("expires", "expirs")
    assert [p.code for p in loaded(wrong).problems] == ["E030"]


def test_an_address_of_people_is_not_outside() -> None:
    for address, expected in (("owner@shop.example", []), ("x@outside.example", ["W005"])):
        told = f'notify "{address}" "{{{{ developer }}}} lapses on {{{{ expires }}}}"'
        text = f'rule "r" {{\n  on authorization_expiring\n  {told}\n}}\n{TESTED}'
        assert [p.code for p in loaded(text).problems] == expected


def test_a_rule_that_is_disabled_needs_no_test() -> None:
    text = 'rule "r" {\n  disabled\n  on authorization_expiring\n  create task "T {{ expires }}"\n}\n'
    assert loaded(text).problems == ()
