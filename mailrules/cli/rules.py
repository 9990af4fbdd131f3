"""The commands for authors of rules: check and format, and which files a command means.

In: paths. Out: problems with their places, formatted files. May not live here: the language, tests (testing.py).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailrules.cli.files import rules_in
from mailrules.cli.options import ConfigPath
from mailrules.cli.output import json_line
from mailrules.errors import EXIT_CHECK_FAILED, EXIT_CONFIG, ConfigError

if TYPE_CHECKING:
    from mailrules.ruleset import RuleSet

Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PATH...]", help="Rules files or folders of them; else those of the configuration."),
]


def sources(paths: list[str] | None, config: str | None) -> tuple[list[tuple[str, str]], set[str], Any, Path]:
    """Return (files, the names among them that are meant, configuration or None, folder that test mails count from)."""
    from mailrules import config as configuration
    from mailrules.shipped import shipped_rules, shipped_text
    from mailrules.spine import live

    loaded = None
    try:
        loaded = configuration.load(config)
    except ConfigError:
        if config or (not paths and Path(configuration.FILE).is_file()):
            raise
    if not paths:
        files = [*shipped_rules(), ("rules/starter.rules", shipped_text("rules/starter.rules"))]
        files = live.rule_texts(loaded) if loaded else files
        if loaded is None:
            typer.echo("no mailrules.toml here: these are the shipped rules; name yours, such as my.rules", err=True)
        return files, {name for name, _ in files}, loaded, loaded.folder if loaded else Path()
    named: dict[str, str] = {}
    for name in paths:
        named.update(rules_in(name))
    shipped = [(name, text) for name, text in shipped_rules() if name not in named]
    return [*shipped, *named.items()], set(named), loaded, Path()


class Form(StrEnum):
    """How problems are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def check(
    paths: Paths = None,
    form: Annotated[
        Form, typer.Option("--format", help="text for people, json (one object a line), or github (annotations).")
    ] = Form.TEXT,
    config: ConfigPath = None,
) -> None:
    """Check rules files and show every problem with its place and what to do. Exit code 78 where there is an error."""
    from mailrules.language.problems import as_annotation, as_row, render_problem
    from mailrules.spine import live

    files, _, loaded, _ = sources(paths, config)
    rules = live.load_rules(files, loaded)
    for problem in rules.problems:
        match form:
            case Form.TEXT:
                typer.echo(
                    render_problem(problem, rules.sources.get(problem.span.file, "")) + "\n", err=problem.is_error
                )
            case Form.JSON:
                typer.echo(json_line(as_row(problem)))
            case Form.GITHUB:
                typer.echo(as_annotation(problem))
    if form is Form.TEXT:
        typer.echo(_counted(rules, len(files)), err=bool(rules.errors))
    if rules.errors:
        raise typer.Exit(EXIT_CONFIG)


def _counted(rules: RuleSet, files: int) -> str:
    """Return the last line: what there is, and what is wrong with it."""
    things = {
        "file": files,
        "system": len(rules.systems),
        "notice": len(rules.definitions.notices),
        "rule": len(rules.rules),
        "test": len(rules.tests),
    }
    odd = sum(p.code.startswith("W") for p in rules.problems)
    found = [_number(len(rules.errors), "error")] if rules.errors else []
    found += [_number(odd, "warning")] if odd else []
    return f"{', '.join(_number(n, word) for word, n in things.items())}: {', '.join(found) or 'all good'}"


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def format_rules(
    paths: Paths = None,
    check_only: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 where a file would change.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Put rules files into the one layout; comments stay."""
    from mailrules.language.syntax.format import format_file
    from mailrules.language.syntax.parse import parse
    from mailrules.shipped import grammar_text

    files, _, loaded, _ = sources(paths, config)
    folder = Path() if paths or loaded is None else loaded.folder
    changed = 0
    for name, text in files:
        target = folder / name
        if name.startswith("rules/notices/") or not target.is_file():
            continue
        if any(p.is_error for p in parse(text, name, grammar_text())[1]):
            raise ConfigError(f"{name} cannot be read, so it was left as it is", help=f"mailrules check {name}")
        new = format_file(text, name, grammar_text())
        if new != text:
            changed += 1
            typer.echo(name)
            if not check_only:
                target.write_text(new, encoding="utf-8")
    raise typer.Exit(EXIT_CHECK_FAILED if check_only and changed else 0)
