"""What `check` says of every slip, word for word, and the page of every code.

tests/fixtures/rules holds one slip a file and, beside it, what is said of it. To write those texts anew after a change
of a message: MAILRULES_GOLDEN=write python3 run.py test tests/test_diagnostics.py; then read the difference.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from mailrules.language.problems import CODES, as_annotation, as_row, render_problem
from mailrules.ruleset import RuleSet, load
from mailrules.shipped import grammar_text, shipped_rules

ROOT = Path(__file__).parent.parent
FOLDER = Path(__file__).parent / "fixtures" / "rules"
SLIPS = sorted(FOLDER.glob("*.rules"))
GRAMMAR = grammar_text()
PEOPLE = {"owner": "owner@shop.example", "admin": "admin@shop.example"}
SCRIPTS = {"renew": False, "look": True}


@cache
def loaded(text: str, name: str = "own.rules") -> RuleSet:
    return load([*shipped_rules(), (name, text)], GRAMMAR, people=PEOPLE, scripts=SCRIPTS)


def said(path: Path) -> str:
    text = path.read_bytes().decode()
    return "\n\n".join(render_problem(p, text) for p in loaded(text, path.name).problems) + "\n"


@pytest.mark.parametrize("path", SLIPS, ids=lambda path: path.stem)
def test_what_is_said_of_a_slip_is_what_stands_beside_it(path: Path) -> None:
    expected = path.with_suffix(".expected")
    found = said(path)
    if os.environ.get("MAILRULES_GOLDEN") == "write":
        expected.write_text(found, encoding="utf-8")
    assert found == expected.read_text(encoding="utf-8")


def test_there_are_slips_and_no_text_without_its_slip() -> None:
    assert len(SLIPS) >= 80
    assert {p.stem for p in FOLDER.glob("*.expected")} == {p.stem for p in SLIPS}


@pytest.mark.parametrize("path", SLIPS, ids=lambda path: path.stem)
def test_a_slip_is_one_problem_with_a_place_and_an_edit(path: Path) -> None:
    text = path.read_bytes().decode()
    problems = loaded(text, path.name).problems
    lines = text.replace("\r\n", "\n").split("\n")
    several = {
        "several-mistakes-in-a-rule": 4,
        "single-braces-in-a-template": 2,
        "clause-outside-of-a-block": 1,
        "semicolon": 1,
    }
    assert len(problems) == several.get(path.stem, 1), [p.message for p in problems]
    for problem in problems:
        assert problem.span.file == path.name
        assert 1 <= problem.span.line <= len(lines)
        assert problem.help and problem.message[0] not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def produced() -> set[str]:
    """Return every code that the source can say."""
    text = "".join(
        p.read_text(encoding="utf-8")
        for p in [*(ROOT / "mailrules" / "language").rglob("*.py"), ROOT / "mailrules" / "ruleset.py"]
        if not p.name.startswith("pages")
    )
    return set(re.findall(r'"([EWN][0-9]{3})"', text))


def test_every_code_that_can_be_said_has_a_page_and_no_page_is_left_over() -> None:
    assert produced() == set(CODES)
    assert all(page.title and page.text for page in CODES.values())


@pytest.mark.parametrize("code", [c for c in CODES if not c.startswith("N")])
def test_the_wrong_example_of_a_page_gives_its_code_and_the_right_one_nothing(code: str) -> None:
    page = CODES[code]
    wrong = [p.code for p in loaded(page.wrong).problems if not (p.code == "W007" != code)]
    right = [p.code for p in loaded(page.right).problems if not (p.code == "W007" != code)]
    assert wrong == [code]
    assert right == []


def test_every_code_but_the_notes_has_a_slip_of_its_own() -> None:
    told = {p.code for path in SLIPS for p in loaded(path.read_bytes().decode(), path.name).problems}
    assert {c for c in CODES if not c.startswith("N")} - told == set()


@pytest.mark.parametrize("path", SLIPS, ids=lambda path: path.stem)
def test_no_message_shows_a_name_of_the_parser(path: Path) -> None:
    for problem in loaded(path.read_bytes().decode(), path.name).problems:
        shown = re.sub(r"`[^`]*`", "", f"{problem.message} {problem.help}")
        shown = re.sub(r'"[^"]*"|YYYY|MM|DD|NUL|LATIN|RIGHT-TO-LEFT MARK', "", shown)
        assert not re.search(r"\b_?[A-Z]{3,}\b|__|\$END", shown), shown


def test_the_underline_stands_under_the_mistake_behind_wide_joined_and_combining_characters() -> None:
    text = (
        'rule "r" {\n  on authorization_expiring\n\tcreate task "更新🎉e\u0301👩\u200d👧" due 1 day before expirs\n}\n'
    )
    (problem,) = loaded(text).errors
    line, marks = render_problem(problem, text).split("\n")[3:5]
    before = line[: line.index("expirs")]
    wide = 2 * len("更新🎉👩") + len(re.sub(r"[更新🎉\u0301👩\u200d👧]", "", before))
    assert marks.index("^") == wide


def test_a_problem_as_an_object_has_stable_names() -> None:
    text = (FOLDER / "number-without-a-unit.rules").read_text(encoding="utf-8")
    (problem,) = loaded(text, "a.rules").problems
    assert json.loads(json.dumps(as_row(problem))) == {
        "code": "E013", "severity": "error", "file": "a.rules", "line": 3, "column": 21, "end_line": 3, "end_column": 23,
        "message": "a duration needs its unit", "help": "write 30 days",
    }  # fmt: skip


def test_a_problem_as_an_annotation_is_escaped_as_github_wants() -> None:
    text = 'rule "r" {\n  on authorization_expiring\n  when 100% is "a"\n  create task "T {{ expires }}"\n}\n'
    (problem,) = loaded(text, "a,b:c.rules").problems
    shown = as_annotation(problem)
    assert shown.startswith("::error file=a%2Cb%3Ac.rules,line=3,col=11,endColumn=12,title=E001::`%25` ")
    assert "\n" not in shown and "%0Ahelp: " in shown


def checked(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mailrules", "check", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)


def test_check_prints_for_people_for_programs_and_for_github_with_the_same_exit_code() -> None:
    path = "tests/fixtures/rules/number-without-a-unit.rules"
    text, rows, github = (checked("--format", form, path) for form in ("text", "json", "github"))
    assert [r.returncode for r in (text, rows, github)] == [78, 78, 78]
    assert "error[E013]" in text.stderr and "1 error\n" in text.stderr
    assert [json.loads(line)["code"] for line in rows.stdout.splitlines()] == ["E013"]
    assert github.stdout.startswith(f"::error file={path},line=3,col=21")


def test_a_warning_does_not_change_the_exit_code() -> None:
    found = checked("tests/fixtures/rules/warning-unused-let.rules")
    assert found.returncode == 0
    assert "warning[W009]" in found.stdout and found.stdout.endswith(": 1 warning\n")


def test_the_language_reference_lists_every_code_with_its_title() -> None:
    reference = (ROOT / "grammar" / "README.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| ([EWN][0-9]{3}) \| (.*) \|$", reference, re.MULTILINE)) == {
        c: p.title for c, p in CODES.items()
    }


def test_a_file_of_a_thousand_mistakes_tells_the_first_ones_and_how_many_more_there_are() -> None:
    text = "".join(f'rule "r{n}" {{\n  if x == {n}\n}}\n' for n in range(1000))
    problems = loaded(text).problems
    assert len(problems) == 201
    assert problems[-1].message == "from here on, the file has 800 more mistakes"
