"""Tests in rules files: what they can deliver, do and expect, what a failure says, and what they cover."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mailrules.cli.commands import app
from mailrules.errors import UsageError
from mailrules.ruleset import RuleSet, load
from mailrules.ruletests import Result, Seen, coverage, percent, run_tests
from mailrules.ruletests import run as running
from mailrules.ruletests.rows import rows_of
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.spine.live import mail_of_test

AMAZON = tuple(file for file in shipped_rules() if file[0].endswith("/amazon.rules"))
STORIES = Path(__file__).parent / "fixtures" / "stories"
EXPIRY = '''
sample expiry """
  From: Amazon Seller Central <seller-notification@amazon.com>
  Subject: ACTION REQUIRED - Your software application authorization will expire in {{ days }} days

  That access will expire on {{ expires }}.
  Developer ID: 446453545547
  Developer nickname: Never Settle
  Access expiration date: {{ expires }}
  """
'''
TASK = """
rule "task" {
  on authorization_expiring
  create task "Renew {{ developer }} by {{ expires }}"
}
"""
LADDER = """
rule "ladder" {
  while authorization is expiring
  14 days before expires: notify owner "{{ developer }} lapses on {{ expires }}"
  3 days before expires: forward to owner
}
"""
MAIL = 'mail expiry with days "30", expires "2024-04-10" at 2024-03-11 09:00'


def loaded(*blocks: str) -> RuleSet:
    rules = load([*AMAZON, ("my.rules", EXPIRY + "\n".join(blocks))], grammar_text())
    assert [(p.span.line, p.message) for p in rules.errors] == []
    return rules


def results(*blocks: str, folder: Path = STORIES) -> list[Result]:
    return [r for r in run_tests(loaded(*blocks), mail_of_test(folder)) if r.span.file == "my.rules"]


def result(*blocks: str) -> Result:
    (only,) = results(*blocks)
    return only


def story(*lines: str) -> str:
    return 'test "t" {\n' + "\n".join(lines) + "\n}\n"


def failures(*blocks: str) -> list[str]:
    return [str(f) for r in results(*blocks) for f in r.failures]


# --- what can be delivered ------------------------------------------------------------------------------------------


def test_the_story_of_the_design_runs_as_it_is_written_there() -> None:
    name = "weekly-reminders.rules"
    rules = load([*AMAZON, (name, (STORIES / name).read_text(encoding="utf-8"))], grammar_text())
    assert [p.message for p in rules.errors] == []
    run = [r for r in run_tests(rules, mail_of_test(STORIES)) if r.span.file == name]
    assert [(r.name, [str(f) for f in r.failures]) for r in run] == [
        ("weekly reminders make one task", []),
        ("only a bound notice starts the script", []),
    ]


def test_a_file_an_inline_mail_and_a_sample_are_delivered_alike() -> None:
    inline = (STORIES / "en-30-days.eml").read_text(encoding="utf-8")
    told = 'expect task "Renew Never Settle by 2024-04-10" once'
    at = "at 2024-03-11 09:00"
    for mail in (f'mail "en-30-days.eml" {at}', f'mail """\n{inline}""" {at}', MAIL):
        assert failures(TASK, story(mail, told, "expect nothing else")) == [], mail


def test_a_changed_field_of_a_sample_is_what_is_read() -> None:
    mail = 'mail expiry with days "7", expires "2024-05-31" at 2024-05-24 09:00'
    assert failures(TASK, story(mail, 'expect task "Renew Never Settle by 2024-05-31" once')) == []
    assert len(failures(TASK, story(mail, 'expect task "Renew Never Settle by 2024-04-10" once'))) == 1


def test_each_row_of_a_table_is_a_test_of_its_own() -> None:
    table = 'table days, expires {\n"30", 2024-04-10\n"7", 2024-03-18\n}'
    lines = (
        "mail expiry with days days, expires expires at 2024-03-11 09:00",
        'expect task "Renew Never Settle by 2024-04-10" once',
    )
    first, second = results(TASK, story(table, *lines))
    assert (first.row, len(first.failures)) == ("30, 2024-04-10", 0)
    assert (second.row, len(second.failures)) == ("7, 2024-03-18", 1)


def test_a_hole_that_nothing_fills_is_named() -> None:
    (told,) = failures(TASK, story('mail expiry with days "30" at 2024-03-11 09:00', "expect task once"))
    assert "expires" in told
    assert "my.rules:" in told


def test_a_mail_that_is_not_there_is_named() -> None:
    (told,) = failures(TASK, story('mail "nowhere.eml" at 2024-03-11 09:00', "expect task once"))
    assert "nowhere.eml" in told
    assert "No such file" in told


def test_as_sets_the_trust_of_a_mail() -> None:
    script = 'rule "run" {\non authorization_expiring\nwhen trust is bound\nrun "renew"\n}\n'
    assert failures(script, story(MAIL.replace(" at ", " as bound at "), 'expect run "renew" once')) == []
    assert failures(script, story(MAIL.replace(" at ", " as authenticated at "), "expect run never")) == []


# --- the frozen clock ---------------------------------------------------------------------------------------------


def test_rungs_come_at_eight_in_the_time_zone_of_the_test() -> None:
    lines = ('timezone "Asia/Tokyo"', MAIL, "poll at 2024-03-27 07:59", "expect notify never")
    assert failures(LADDER, story(*lines)) == []
    lines = ('timezone "Asia/Tokyo"', MAIL, "poll at 2024-03-27 08:00", "expect notify owner once on 2024-03-27")
    assert failures(LADDER, story(*lines)) == []


def test_what_happens_after_the_last_poll_is_told() -> None:
    late = 'renewed "Never Settle" at 2024-05-01 10:00'
    (told,) = failures(TASK, story(MAIL, late, "poll every 1 hour until 2024-04-01", "expect task once"))
    assert "after the last poll" in told


def test_a_gap_between_polls_passes_over_a_rung_and_says_so() -> None:
    lines = (MAIL, "poll at 2024-03-11 09:00", "poll at 2024-04-08 09:00", "expect notify owner once")
    (told,) = failures(LADDER, story(*lines))
    assert "a gap between polls passed over it" in told


def test_too_many_polls_are_refused_and_not_left_out() -> None:
    (told,) = failures(TASK, story(MAIL, "poll every 1 minute until 2025-04-01", "expect task once"))
    assert "20,000 polls" in told


YEAR = story(
    MAIL,
    'renewed "Never Settle" until 2025-04-08 at 2024-04-08 10:00',
    "poll every 1 hour until 2025-04-11",
    "expect task once",
    "expect notify owner 2 times",
    "expect forward to owner 2 times",
    'expect authorization "446453545547" is active on 2024-12-24',
    'expect authorization "446453545547" is expiring on 2025-03-20',
    'expect authorization "446453545547" is expired',
    "expect nothing else",
)


def test_a_story_of_thirteen_months_of_hourly_polls_can_be_told() -> None:
    assert failures(TASK, LADDER, YEAR) == []


EVERY_POLL = """
rule "looks at the time" {
  disabled
  while now >= 2099-01-01 00:00
  create task "never"
}
"""


@pytest.mark.parametrize(
    "name", ["starter.rules", "examples/accountone.rules", "examples/agency.rules", "examples/script.rules"]
)
def test_leaving_out_polls_that_see_nothing_new_changes_nothing(name: str) -> None:
    text = (Path(__file__).parent.parent / "rules" / name).read_text(encoding="utf-8")

    def runs(more: str) -> list[object]:
        rules = load([*shipped_rules(), ("my.rules", text + more)], grammar_text())
        told: list[object] = []
        for path, test in rules.tests:
            if path == "my.rules":
                for _, row in rows_of(test, rules.definitions.samples.get(path, {})):
                    run = running.perform(row, path, running.only_file(rules, path), mail_of_test(STORIES))
                    told += [run.effects, run.notices, run.states, run.ledger, run.seen]
        return told

    assert runs("") == runs(EVERY_POLL)  # a rule that looks at the time makes every poll be carried out


def test_a_fact_that_changes_by_the_hour_is_looked_at_every_hour() -> None:
    rule = 'rule "noon" {\nwhile now >= 2024-03-12 12:00\ncreate task "noon"\n}\n'
    lines = (MAIL, "poll every 1 hour until 2024-03-13", 'expect task "noon" once on 2024-03-12')
    assert failures(rule, story(*lines)) == []
    silent = 'rule "silent" {\nwhile silent_for >= 30 hours\ncreate task "silent"\n}\n'
    assert failures(silent, story(MAIL, "poll every 1 hour until 2024-03-12 14:00", "expect task never")) == []
    assert failures(silent, story(MAIL, "poll every 1 hour until 2024-03-12 15:00", "expect task once")) == []


# --- what a person does ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    [
        'renewed "Never Settle" at 2024-03-20 10:00',
        'renewed "446453545547" until 2025-03-20 at 2024-03-20 10:00',
        'done "Renew Never Settle by 2024-04-10" at 2024-03-20 10:00',
    ],
)
def test_a_persons_word_ends_the_ladder(word: str) -> None:
    lines = (MAIL, word, "poll every 1 hour until 2024-04-12", "expect task once", "expect nothing else")
    state = 'expect authorization "Never Settle" is active on 2024-03-21'
    assert failures(TASK, LADDER, story(*lines, state)) == []


def test_an_authorization_entered_by_hand_needs_no_mail() -> None:
    add = 'add "Shippinno" of amazon id "525964794073" expires 2024-04-10 at 2024-02-01 09:00'
    lines = (
        add,
        "poll every 1 hour until 2024-04-08",
        "expect notify owner once on 2024-03-27",
        "expect forward to owner once",
    )
    assert (
        failures(LADDER, story(*lines, "expect nothing else", 'expect authorization "525964794073" is expiring')) == []
    )


def test_a_word_about_something_unknown_is_told() -> None:
    (told,) = failures(TASK, story(MAIL, 'renewed "Nobody" at 2024-03-20 10:00', "poll every 1 day until 2024-04-01"))
    assert 'no authorization here for "Nobody"' in told


def test_a_renewal_until_a_day_that_has_passed_is_told_and_no_crash() -> None:
    (told,) = failures(
        TASK,
        story(MAIL, 'renewed "Never Settle" until 2024-03-01 at 2024-03-20 10:00', "poll every 1 day until 2024-04-01"),
    )
    assert "2024-03-01 is not later" in told


# --- what can be expected -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "holds"),
    [
        ("expect notice authorization_expiring once", True),
        ("expect notice authorization_expiring 2 times", False),
        ("expect notice unparsed never", True),
        ("expect notice unparsed", False),
        ("expect notice mail never", True),
        ("expect task", True),
        ("expect task never", False),
        ("expect task once on 2024-03-11", True),
        ("expect task once on 2024-03-12", False),
        ("expect task 2 times", False),
        ("expect notify owner once on 2024-03-27", True),
        ("expect notify somebody", False),
        ("expect forward to owner once on 2024-04-07", True),
        ("expect run never", True),
        ("expect run", False),
        ('expect authorization "Never Settle" is expired', True),
        ('expect authorization "446453545547" is expiring on 2024-04-10', True),
        ('expect authorization "Never Settle" is expiring', False),
        ('expect authorization "Never Settle" is expiring on 2024-03-10', False),
        ('expect authorization "Nobody" is expiring', False),
        ("expect nothing else", False),
    ],
)
def test_an_expectation_holds_or_fails(expected: str, holds: bool) -> None:
    told = failures(TASK, LADDER, story(MAIL, "poll every 1 hour until 2024-04-12", expected))
    assert (told == []) is holds, told


def test_a_notice_that_cannot_be_read_and_ordinary_mail_can_be_expected() -> None:
    odd = 'mail expiry with days "30", expires "2024-02-30" at 2024-01-31 09:00'
    assert failures(TASK, story(odd, "expect notice unparsed once", "expect nothing else")) == []
    plain = 'mail """\nFrom: a@shop.example\nSubject: Lunch\n\nSee you.\n""" at 2024-01-31 09:00'
    assert failures(TASK, story(plain, "expect notice mail once", "expect nothing else")) == []


def test_a_test_sees_the_rules_of_its_own_file_only() -> None:
    other = ("other.rules", 'rule "other" {\non authorization_expiring\ncreate task "other"\n}\n')
    mine = ("my.rules", EXPIRY + TASK + story(MAIL, "expect task once", "expect nothing else"))
    rules = load([*AMAZON, other, mine], grammar_text())
    assert [
        str(f) for r in run_tests(rules, mail_of_test(STORIES)) if r.span.file == "my.rules" for f in r.failures
    ] == []


# --- what a failure says ----------------------------------------------------------------------------------------------


def test_a_failure_says_what_was_expected_what_is_there_and_the_nearest_miss_first() -> None:
    far = 'rule "far" {\non authorization_expiring\nwhen developer is "Other" and days_left <= 3 days\ncreate task "far"\n}\n'
    near = 'rule "near" {\non authorization_expiring\nwhen developer is "Never Settle" and days_left <= 20 days\ncreate task "near"\n}\n'
    (failure,) = result(far, near, LADDER, story(MAIL, "expect task once")).failures
    assert failure.expected == "task once"
    assert failure.found == ("none; what there is:", "nothing")
    first, second, *_ = failure.why
    assert first.startswith("rule `near` (my.rules:")
    assert first.endswith(
        "held back on 2024-03-11: `days_left <= 20 days` does not hold: wanted <= 20 days, found 30 days"
    )
    assert "rule `far`" in second


def test_a_failure_about_a_state_tells_its_story() -> None:
    (failure,) = result(
        TASK, story(MAIL, "poll every 1 day until 2024-04-20", 'expect authorization "Never Settle" is active')
    ).failures
    assert failure.found == ("it is expired; its story:", "expiring from 2024-03-11", "expired from 2024-04-11")


# --- the command ----------------------------------------------------------------------------------------------------


def command(*args: str, folder: Path) -> tuple[int, str, str]:
    import os

    former = Path.cwd()
    os.chdir(folder)
    try:
        run = CliRunner().invoke(app, ["test", *args])
    finally:
        os.chdir(former)
    return run.exit_code, run.stdout, run.stderr


def written(folder: Path, *blocks: str) -> Path:
    path = folder / "my.rules"
    path.write_text(EXPIRY + "\n".join(blocks), encoding="utf-8")
    return path


def test_the_command_shows_blocks_of_expected_found_and_why(tmp_path: Path) -> None:
    narrow = TASK.replace("  create", '  when developer is "Other"\n  create')
    written(tmp_path, narrow, story(MAIL, "expect task once"))
    code, out, err = command("my.rules", folder=tmp_path)
    assert (code, err) == (1, "")
    assert out == (
        'FAILED "t"  my.rules:18\n'
        "  my.rules:20\n"
        "    expected  task once\n"
        "    found     none; what there is:\n"
        "                nothing\n"
        '    why not   rule `task` (my.rules:12) held back on 2024-03-11: `developer is "Other"` does not hold: '
        'wanted is "Other", found "Never Settle"\n\n'
        "0 passed, 1 failed\n"
    )


def test_json_is_one_object_for_each_test_and_row(tmp_path: Path) -> None:
    table = 'table days {\n"30"\n"29"\n}'
    written(
        tmp_path,
        TASK,
        story(table, 'mail expiry with days days, expires "2024-04-10" at 2024-03-11 09:00', "expect task never"),
    )
    code, out, _ = command("my.rules", "--json", folder=tmp_path)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [(r["test"], r["row"], r["passed"]) for r in rows] == [("t", "30", False), ("t", "29", False)]
    assert rows[0]["failures"][0]["expected"] == "task never"


def test_rules_that_do_not_check_are_not_tested(tmp_path: Path) -> None:
    written(tmp_path, TASK.replace("create task", "create tusk"))
    code, _, _ = command("my.rules", folder=tmp_path)
    assert code != 0


# --- coverage -------------------------------------------------------------------------------------------------------


def missing(*blocks: str) -> list[tuple[str, str, str]]:
    rules = loaded(*blocks)
    seen = Seen()
    for one in run_tests(rules, mail_of_test(STORIES)):
        seen.join(one.seen)
    points = coverage(rules, seen, ["my.rules"])
    assert (percent(points) == 100) is not any(p.missing for p in points)
    return [(p.what, p.name, p.missing) for p in points if p.missing]


BOTH = 'rule "both" {\non authorization_expiring\nwhen developer is "Never Settle" and days_left <= 20 days\ncreate task "x"\n}\n'
LATE = 'mail expiry with days "16", expires "2024-04-10" at 2024-03-25 09:00'


def test_without_tests_nothing_is_exercised() -> None:
    assert missing(LADDER) == [
        ("rule", "ladder", "it never fires"),
        ("condition", "authorization is expiring", "it never holds and never fails"),
        ("rung", "14 days before expires: notify owner", "it never fires"),
        ("rung", "3 days before expires: forward to owner", "it never fires"),
    ]


def test_a_condition_counts_when_it_has_held_and_has_failed() -> None:
    assert missing(BOTH, story(MAIL)) == [
        ("rule", "both", "it never fires"),
        ("condition", 'developer is "Never Settle"', "it never fails"),
        ("condition", "days_left <= 20 days", "it never holds"),
    ]
    assert missing(BOTH, story(MAIL, LATE)) == [("condition", 'developer is "Never Settle"', "it never fails")]


def test_a_rung_and_a_repeat_count_when_they_have_fired() -> None:
    repeat = 'rule "again" {\nwhile authorization is expiring\nevery 1 week from 7 days after opened: notify owner "again"\n}\n'
    short = missing(LADDER, repeat, story(MAIL, "poll every 1 day until 2024-03-17"))
    assert [name for what, name, _ in short if what == "rung"] == [
        "14 days before expires: notify owner",
        "3 days before expires: forward to owner",
        "every 1 week: notify owner",
    ]
    assert missing(LADDER, repeat, story(MAIL, "poll every 1 day until 2024-04-12")) == []


def test_a_rung_that_a_gap_passed_over_has_not_fired() -> None:
    told = missing(
        LADDER, story(MAIL, "poll at 2024-03-11 09:00", "poll at 2024-04-08 09:00", "poll at 2024-04-12 09:00")
    )
    assert told == [("rung", "14 days before expires: notify owner", "it never fires")]


def test_each_of_two_wordings_of_one_language_counts_by_itself() -> None:
    wordings = "".join(
        f'wording en of authorization_expiring of amazon {{\nline "{word} id: {{developer_id}}"\nline "{word} end: {{expires}}"\n}}\n'
        for word in ("First", "Second")
    )
    mail = 'mail """\nFrom: a@amazon.com\nSubject: x\n\nSecond id: 446453545547\nSecond end: 2024-04-10\n""" at 2024-03-11 09:00'
    (only,) = missing(wordings, story(mail))
    assert only == ("wording", "en of authorization_expiring of amazon", "no mail of a test fits it")


def test_a_disabled_rule_needs_no_test() -> None:
    assert missing(LADDER.replace("  while", "  disabled\n  while")) == []


def test_below_the_threshold_the_exit_code_is_one(tmp_path: Path) -> None:
    written(tmp_path, BOTH, story(MAIL, LATE))
    code, out, err = command("my.rules", "--coverage", "--threshold", "67", folder=tmp_path)
    assert (code, "66 %" in out, "67 % are asked for" in err) == (1, True, True)
    assert 'my.rules:13  condition `developer is "Never Settle"`: it never fails' in out
    assert command("my.rules", "--coverage", "--threshold", "66", folder=tmp_path)[0] == 0


def test_a_threshold_without_coverage_is_refused() -> None:
    refused = CliRunner().invoke(app, ["test", "--threshold", "66"]).exception
    assert isinstance(refused, UsageError)
