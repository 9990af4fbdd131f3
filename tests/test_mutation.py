"""A mistake in a shipped rule or wording makes one of its tests fail. `make mutation` prints those that none notices."""

from __future__ import annotations

import pytest

from mailrules.language.syntax.parse import parse
from mailrules.ruleset import load
from mailrules.ruletests import Seen, coverage, run_tests
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.spine.live import mail_of_test
from tests.mutants import ROOT, WORDINGS, checked, failing, survivors

RULES = [ROOT / "rules" / "starter.rules", *sorted((ROOT / "rules" / "examples").glob("*.rules"))]
NOTICES = sorted((ROOT / "rules" / "notices").glob("*.rules"))


def name_of(path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", RULES, ids=name_of)
def test_the_tests_of_a_shipped_file_pass_and_exercise_all_of_it(path) -> None:
    rules = load([*shipped_rules(), (name_of(path), path.read_text(encoding="utf-8"))], grammar_text())
    assert [p.message for p in rules.errors] == []
    seen = Seen()
    for result in run_tests(rules, mail_of_test(ROOT)):
        assert [str(f) for f in result.failures] == []
        seen.join(result.seen)
    points = coverage(rules, seen, [name_of(path)])
    assert [(p.span.line, p.name, p.missing) for p in points if p.missing] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", RULES, ids=name_of)
def test_nine_of_ten_mistakes_in_a_shipped_rule_are_noticed(path) -> None:
    left, count = survivors(name_of(path))
    assert len(left) <= count / 10, "\n".join(map(str, left))


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("path", NOTICES, ids=name_of)
def test_nine_of_ten_mistakes_in_a_shipped_wording_are_noticed(path) -> None:
    left, count = survivors(name_of(path))
    assert len(left) <= count / 10, "\n".join(map(str, left))


def test_each_shipped_wording_has_a_mail_that_fits_it() -> None:
    mails = [(path.name, path.read_text(encoding="utf-8")) for path in sorted(WORDINGS.glob("*.rules"))]
    rules = load([*shipped_rules(), *mails], grammar_text())
    assert [p.message for p in rules.errors] == []
    seen = Seen()
    for result in run_tests(rules, mail_of_test(ROOT)):
        assert [str(f) for f in result.failures] == []
        seen.join(result.seen)
    points = coverage(rules, seen, [name for name, _ in shipped_rules()])
    assert [f"{p.span.file}:{p.span.line}" for p in points if p.missing] == []


def test_a_file_without_tests_notices_nothing_but_what_does_not_check() -> None:
    works = 'rule "a" {\n  on authorization_expiring\n  create task "x"\n}\n'
    files = [parse(text, name, grammar_text())[0] for name, text in shipped_rules()]
    assert not checked([*files, parse(works, "my.rules", grammar_text())[0]]).errors
    assert not failing(checked([*files, parse(works, "my.rules", grammar_text())[0]]), {"my.rules"})
    assert checked([*files, parse(works.replace("task", "tusk"), "my.rules", grammar_text())[0]]).errors
