"""The rule language: every problem code, all problems at once, and never an exception, whatever the text."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailrules.language import ast
from mailrules.language.checks.types import demanded_trust
from mailrules.language.problems import render_problem
from mailrules.language.syntax.parse import parse
from mailrules.ruleset import RuleSet, load
from mailrules.ruletests import run_tests
from mailrules.shipped import grammar_text, shipped_rules, shipped_text
from mailrules.vocabulary import TRUST

GRAMMAR = grammar_text()
SHIPPED = shipped_rules()
STARTER = shipped_text("rules/starter.rules")
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def loaded(text: str, **names: dict) -> RuleSet:
    return load([*SHIPPED, ("own.rules", text)], GRAMMAR, **names)


def codes(text: str, **names: dict) -> list[str]:
    return [p.code for p in loaded(text, **names).errors]


def rule(*lines: str) -> str:
    return 'rule "r" {\n  ' + "\n  ".join(lines) + "\n}\n"


ON, TASK = "on authorization_expiring", 'create task "T"'

WRONG = {
    "E001": rule(ON, "create task task task ="),
    "E002": 'rule "r" {\n  on authorization_expiring\n  create task "T\n}\n',
    "E003": rule(ON, TASK).rstrip("}\n") + "\n",
    "E004": rule(ON, "create task “T”"),
    "E005": rule(ON, "when " + "(" * 70 + "days_left > 1 day" + ")" * 70, TASK),
    "E006": 'test "t" {\n  mail "m.eml" at 2024-02-30\n  expect nothing else\n}\n',
    "E007": 'wording en of authorization_expiring of amazon {\n  line "Ends: {expiry}"\n}\n',
    "E008": rule(TASK),
    "E009": rule("while authorization is expiring", '3 hours before expires: notify owner "T"'),
    "E010": 'notice n of amazn {\n  wording en {\n    says "x y z"\n  }\n}\n',
    "E011": rule("on authorization_expired_soon", TASK),
    "E012": rule(ON, "when expirey is 2024-04-10", TASK),
    "E013": rule(ON, "when days_left <= 30", TASK),
    "E014": 'notice n of amazon {\n  ends: day\n  wording en {\n    says "x {ends}"\n  }\n}\n',
    "E015": rule(ON, TASK) + rule(ON, 'create task "U"'),
    "E016": 'notice n of amazon {\n  wording en {\n    says "x y {bound: text}"\n  }\n}\n',
    "E020": rule(ON, 'make task "T"'),
    "E021": rule(ON, "notify owner"),
    "E022": rule(ON, 'notify onwer "T"'),
    "E023": rule(ON, '7 days before expires: notify owner "T"'),
    "E030": rule(ON, 'create task "Renew {{ developr }}"'),
    "E031": 'test "t" {\n  expect mail once\n}\n',
    "E040": rule(ON, 'run "renew"'),
}


@pytest.mark.parametrize("code", WRONG)
def test_a_small_mistake_gives_exactly_its_code(code: str) -> None:
    assert codes(WRONG[code], people={"owner": "o@shop.example"}) == [code]


@pytest.mark.parametrize("code", WRONG)
def test_no_message_shows_a_name_of_the_parser(code: str) -> None:
    for problem in loaded(WRONG[code]).problems:
        said = re.sub(r"`[^`]*`", "", f"{problem.message} {problem.help}")
        assert not re.search(r"\b_?[A-Z]{3,}\b|__|\$END", re.sub(r"YYYY|MM|DD|NUL", "", said)), said


def test_the_problems_of_several_broken_blocks_are_reported_at_once() -> None:
    text = WRONG["E020"] + WRONG["E012"].replace('"r"', '"s"') + WRONG["E006"] + WRONG["E001"].replace('"r"', '"q"')
    assert sorted(codes(text)) == ["E001", "E006", "E012", "E020"]


@pytest.mark.parametrize(("text", "code", "said"), [
    (rule(ON, TASK).replace('"r"', "“r”"), "E004", "straight"),
    (rule(ON, TASK).replace("rule", "ruel"), "E001", "did you mean `rule`?"),
    (rule(ON, "wehn days_left < 3 days", TASK), "E001", "did you mean `when`?"),
])  # fmt: skip
def test_one_mistake_in_a_head_or_a_first_word_is_one_problem_that_says_what_was_meant(
    text: str, code: str, said: str
) -> None:
    (problem,) = loaded(text).errors
    assert problem.code == code and said in problem.help


@pytest.mark.parametrize("name", ["bound", "confirmed", "expiring", "na", "amazon", "nothing"])
def test_mail_cannot_say_what_a_word_of_a_condition_means(name: str) -> None:
    assert codes(f'notice n of amazon {{\n  {name}: text\n  wording en {{\n    says "x y {{{name}}}"\n  }}\n}}\n') == [
        "E016"
    ]


def test_a_block_after_a_broken_one_still_counts() -> None:
    good = rule(ON, TASK).replace('"r"', '"good"')
    assert "good" in [r.name.value for r in loaded(WRONG["E001"] + good).rules]


def test_a_near_miss_is_suggested_and_otherwise_what_exists_is_listed() -> None:
    (near,) = loaded(WRONG["E012"]).errors
    assert near.help == "did you mean `expires`?"
    (far,) = loaded(rule(ON, "when qqq is 2024-04-10", TASK)).errors
    assert "days_left" in far.help


@QUICK
@given(st.text(max_size=300))
def test_any_text_loads_without_an_exception(text: str) -> None:
    load([("any.rules", text)], GRAMMAR)


@QUICK
@given(st.lists(st.sampled_from(["rule", '"a"', "{", "}", "\n", " ", "on", "when", "trust", "is", "nothing", "and", "not", "(", ")", "7", "days", "before", ":", "test", "mail", "at", "2024-02-30", '"""', "\\", "{{ x }}", "#"]), max_size=60))  # fmt: skip
def test_any_row_of_words_of_the_language_loads_without_an_exception(words: list[str]) -> None:
    load([("any.rules", " ".join(words))], GRAMMAR)


@QUICK
@given(st.sampled_from([text for _, text in SHIPPED] + [STARTER]), st.data())
def test_a_damaged_copy_of_the_shipped_rules_loads_without_an_exception(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    load([("damaged.rules", text[:start] + data.draw(st.text(max_size=5)) + text[end:])], GRAMMAR)


@pytest.mark.parametrize("line", [
    "when " + "(" * 5000 + "days_left > 1 day" + ")" * 5000,
    pytest.param("when " + "not " * 5000 + "days_left > 1 day"),
    pytest.param("when days_left > 1 day" + " + 1 day" * 5000),
], ids=["parentheses", "not", "sums"])  # fmt: skip
def test_deep_nesting_is_a_problem_and_not_a_crash(line: str) -> None:
    assert codes(rule(ON, line, TASK)) == ["E005"]


def test_the_underline_stands_below_wide_characters() -> None:
    text = rule("on authorization_expiring", 'create task "Renew" "更新 one more"')
    (problem,) = loaded(text).errors
    line, marks = render_problem(problem, text).split("\n")[3:5]
    assert line.endswith('create task "Renew" "更新 one more"')
    assert marks.count("^") == len('"更新 one more"') + 2


def test_a_name_in_a_template_is_underlined_and_not_the_whole_text() -> None:
    text = rule("on authorization_expiring", 'create task "更新 {{ developr }}"')
    (problem,) = loaded(text).errors
    line, marks = render_problem(problem, text).split("\n")[3:5]
    assert marks.count("^") == len("developr")
    assert marks.index("^") == line.index("developr") + 2


def test_text_before_the_mistake_counts_two_columns_for_a_wide_character() -> None:
    text = rule(ON, 'create task "更新" due 1 day before expirs')
    (problem,) = loaded(text).errors
    line, marks = render_problem(problem, text).split("\n")[3:5]
    assert marks.index("^") == line.index("expirs") + 2


def condition(text: str) -> ast.Expr:
    file, problems = parse(rule("while " + text, TASK), "c.rules", GRAMMAR)
    assert not problems
    (block,) = file.blocks
    assert isinstance(block, ast.Rule) and isinstance(block.trigger, ast.WhileTrigger)
    return block.trigger.condition


@pytest.mark.parametrize(("text", "level"), [
    ("trust is bound", "bound"),
    ("trust >= bound", "bound"),
    ("trust > bound", "confirmed"),
    ("days_left < 3 days and trust is bound", "bound"),
    ("trust is authenticated and trust is bound", "bound"),
    ("days_left < 3 days or trust is bound", "forged"),
    ("trust is bound or trust is authenticated", "authenticated"),
    ("trust is one of bound, confirmed", "bound"),
    ("not trust is bound", "forged"),
    ("not (trust < bound)", "bound"),
    ("trust < bound", "forged"),
    ("trust is not forged", "forged"),
    ("trust is bound and (system is amazon or region is na)", "bound"),
])  # fmt: skip
def test_the_trust_that_a_condition_demands_is_the_least_it_can_hold_with(text: str, level: str) -> None:
    assert demanded_trust(condition(text), TRUST) == level


@pytest.mark.parametrize(("clause", "expected"), [
    ("when trust is bound", []),
    ("when trust is authenticated", ["E040"]),
    ("when trust is bound or days_left < 3 days", ["E040"]),
    ("when not trust is unverified", ["E040"]),
])  # fmt: skip
def test_a_script_needs_bound_mail_or_the_rule_does_not_check(clause: str, expected: list[str]) -> None:
    assert codes(rule(ON, clause, 'run "renew"')) == expected


def test_a_script_that_changes_nothing_needs_authenticated_mail_only() -> None:
    text = rule(ON, "when trust is authenticated", 'run "look"')
    assert codes(text, scripts={"look": True}) == []
    assert codes(text, scripts={"look": False}) == ["E040"]


def test_forwarding_outside_of_people_needs_authenticated_mail() -> None:
    text = rule(ON, 'forward to "agency@outside.example"')
    assert codes(text) == ["E040"]
    assert codes(text, people={"agency": "agency@outside.example"}) == []


def test_a_line_that_begins_with_and_goes_on_and_a_comment_does_not_end_it() -> None:
    assert codes(rule(ON, "when days_left <= 30 days", "  # a remark", '  and developer is "X"', TASK)) == []


def test_a_definition_of_a_later_file_replaces_an_earlier_one_with_a_note() -> None:
    rules = load([("a.rules", rule(ON, TASK)), ("b.rules", rule(ON, 'create task "U"')), *SHIPPED], GRAMMAR)
    assert [p.code for p in rules.problems if not p.code.startswith("W")] == ["N002"]
    assert [r.span.file for r in rules.rules if r.span.file in ("a.rules", "b.rules")] == ["b.rules"]


def test_the_same_definition_twice_is_no_conflict() -> None:
    rules = load([("a.rules", rule(ON, TASK)), ("b.rules", rule(ON, TASK)), *SHIPPED], GRAMMAR)
    assert [p for p in rules.problems if not p.code.startswith("W")] == []


def test_the_examples_of_the_language_reference_pass_their_own_tests() -> None:
    fences = re.findall(r"^```rules\n(.*?)^```", _reference(), re.MULTILINE | re.DOTALL)
    results = run_tests(loaded("\n".join(fences)), lambda step, _: step.inline.value.encode() if step.inline else b"")
    own = [r for r in results if r.span.file == "own.rules"]
    assert own and [f for r in own for f in r.failures] == []


def _reference() -> str:
    from pathlib import Path

    return (Path(__file__).parent.parent / "grammar" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "template",
    ["{% if developr %}x{% endif %}", "{{ developer | default(developr) }}", "{{ developer }} {{ developr }}"],
)
def test_a_misspelt_name_anywhere_in_a_template_is_found_when_rules_are_loaded(template: str) -> None:
    assert codes(rule(ON, f'create task "{template}"')) == ["E030"]


def test_filters_and_texts_in_a_template_are_no_names() -> None:
    assert (
        codes(rule(ON, "create task \"{{ developer | default('nobody') | upper }}{% if region %}!{% endif %}\"")) == []
    )
