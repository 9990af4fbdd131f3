"""The documents name what exists, and what they name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from mailrules import config, errors
from mailrules.cli.commands import app
from mailrules.ruleset import load
from mailrules.ruletests import run_tests
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.spine.live import mail_of_test
from mailrules.vocabulary import ACTIONS, EVENTS, FACTS, FIELD_TYPES

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "grammar" / "README.md",
    ROOT / "rules" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
LANGUAGE = (ROOT / "grammar" / "README.md").read_text(encoding="utf-8")


def commands() -> list[tuple[str, object]]:
    found, waiting = [], [("mailrules", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        inner = getattr(command, "commands", {})
        waiting += [(f"{name} {word}", c) for word, c in inner.items()]
        if not inner or getattr(command, "invoke_without_command", False):
            found.append((name, command))
    return found


@pytest.mark.parametrize(("name", "command"), commands(), ids=lambda v: v if isinstance(v, str) else "")
def test_the_guide_names_every_command_with_its_options(name: str, command: object) -> None:
    row = next((line for line in GUIDE.splitlines() if line.startswith("|") and re.search(rf"`{name}[ `]", line)), None)
    assert row, name
    missing = [
        p.opts[0]
        for p in command.params
        if p.param_type_name == "option" and p.opts[0] not in ("--config", "--help") and p.opts[0] not in row
    ]  # type: ignore[attr-defined]
    assert missing == []


def test_the_guide_names_no_command_that_does_not_exist() -> None:
    known = {name.split()[1] for name, _ in commands() if " " in name}
    assert set(re.findall(r"`mailrules ([a-z]+)", GUIDE)) <= known


def test_the_guide_lists_every_exit_code() -> None:
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert {int(c) for c in re.findall(r"^\| (\d+) \|", GUIDE, re.MULTILINE)} == codes


def test_the_guide_names_every_key_of_the_configuration() -> None:
    keys = {*config.TOP, *config.ACCOUNT, *config.OAUTH, *config.SMTP, *config.SCRIPT, *config.LIMITS}
    assert [k for k in sorted(keys) if not re.search(rf"`\[?{k}[`.\]]", GUIDE)] == []
    assert [k for k in config.SECRET if f"{{ {k} =" not in GUIDE] == []


def test_the_language_reference_has_a_row_for_every_fact_action_field_type_and_event() -> None:
    rows = {m[1].split(" ")[0]: m[0] for m in re.finditer(r"^\| `([^`]+)`.*$", LANGUAGE, re.MULTILINE)}
    assert [f.name for f in FACTS if f"| {f.type} |" not in rows.get(f.name, "")] == []
    assert [t for t in FIELD_TYPES if t not in rows] == []
    assert [a.verb for a in ACTIONS if f"| `{a.verb}" not in LANGUAGE] == []
    assert [e for e in EVENTS if f"`on {e}`" not in LANGUAGE] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_rules_in_a_page_check(page: Path) -> None:
    fences = re.findall(r"^```rules\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    rules = load([*shipped_rules(), (page.name, "\n".join(fences))], grammar_text())
    assert [(p.span.line, p.message) for p in rules.errors] == []


@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.name != "tutorial.md"], ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_the_tests_in_a_page_pass(page: Path) -> None:  # those of the tutorial are run by test_tutorial.py
    fences = re.findall(r"^```rules\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    rules = load([*shipped_rules(), (page.name, "\n".join(fences))], grammar_text())
    results = [r for r in run_tests(rules, mail_of_test(page.parent)) if r.span.file == page.name]
    assert [str(f) for r in results for f in r.failures] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [x for x in links if "://" not in x and not (page.parent / x).exists()] == []


def test_the_tests_that_the_guarantees_name_exist() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    named = re.findall(r"\[(test_\w+)\]\(\.\./(tests/\w+\.py)\)", text)
    assert named
    assert [n for n, file in named if f"def {n}(" not in (ROOT / file).read_text(encoding="utf-8")] == []


def test_the_page_of_systems_has_a_row_for_each_system_and_notice_and_no_other() -> None:
    text = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    shipped = load(shipped_rules(), grammar_text())
    assert set(re.findall(r"^\| `(\w+)` [^`]", text, re.MULTILINE)) - {"of"} >= {s.name.value for s in shipped.systems}
    rows = re.findall(r"^\| `(\w+)` of `(\w+)` \|", text, re.MULTILINE)
    assert sorted(rows) == sorted((n.kind.value, n.system.value) for n in shipped.definitions.notices)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_row_of_a_table_has_as_many_cells_as_its_head(page: Path) -> None:
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
    for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        head, *rows = table.splitlines()
        cells = len(re.findall(r"(?<!\\)\|", head))
        assert [row for row in rows if len(re.findall(r"(?<!\\)\|", row)) != cells] == []
