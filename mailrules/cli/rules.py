"""The commands for authors of rules: check, format, test, explain.

In: paths, codes, messages. Out: problems with their places, test results, reasons. May not live here: the language.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import safe
from mailrules.errors import EXIT_CHECK_FAILED, EXIT_CONFIG, ConfigError, UsageError

Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PATH...]", help="Rules files or folders of them; else those of the configuration."),
]


def _sources(paths: list[str] | None, config: str | None) -> tuple[list[tuple[str, str]], Any, Path]:
    """Return (files, configuration or None, folder that test mails count from)."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.shipped import shipped_rules, shipped_text

    loaded = None
    try:
        loaded = configuration.load(config)
    except ConfigError:
        if config or (not paths and Path(configuration.FILE).is_file()):
            raise
    if not paths:
        if loaded:
            return app.rule_texts(loaded), loaded, loaded.folder
        return [*shipped_rules(), ("rules/starter.rules", shipped_text("rules/starter.rules"))], None, Path()
    files = list(shipped_rules())
    for name in paths:
        path = Path(name)
        found = sorted(path.rglob("*.rules")) if path.is_dir() else [path]
        for file in found:
            try:
                files.append((str(file), file.read_bytes().decode("utf-8-sig")))
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{file} cannot be read: {error}") from error
    return files, loaded, Path()


def check(paths: Paths = None, config: ConfigPath = None) -> None:
    """Check rules files and show every problem with its place and what to do. Exit code 78 where there is an error."""
    from mailrules import app
    from mailrules.language.problems import render_problem

    files, loaded, _ = _sources(paths, config)
    rules = app.load_rules(files, loaded)
    for problem in rules.problems:
        typer.echo(render_problem(problem, rules.sources.get(problem.span.file, "")) + "\n", err=problem.is_error)
    counted = f"{len(files)} files, {len(rules.systems)} systems, {len(rules.definitions.notices)} notices, {len(rules.rules)} rules, {len(rules.tests)} tests"
    if rules.errors:
        typer.echo(f"{counted}: {len(rules.errors)} error{'s' if len(rules.errors) > 1 else ''}", err=True)
        raise typer.Exit(EXIT_CONFIG)
    typer.echo(f"{counted}: all good")


def format_rules(
    paths: Paths = None,
    check_only: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 where a file would change.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Put rules files into the one layout; comments stay."""
    from mailrules.language.format import format_file
    from mailrules.language.parse import parse
    from mailrules.shipped import grammar_text

    files, loaded, _ = _sources(paths, config)
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


def test(paths: Paths = None, config: ConfigPath = None) -> None:
    """Run the tests written in rules files. Exit code 1 where one fails."""
    from mailrules import app
    from mailrules.language.problems import render_problem
    from mailrules.ruletests import run_tests

    files, loaded, folder = _sources(paths, config)
    rules = app.load_rules(files, loaded)
    if rules.errors:
        for problem in rules.errors:
            typer.echo(render_problem(problem, rules.sources.get(problem.span.file, "")) + "\n", err=True)
        raise typer.Exit(EXIT_CONFIG)
    wanted = (
        {name for name, _ in files}
        if not paths
        else {name for name, _ in files if not name.startswith("rules/notices/")}
    )
    results = [r for r in run_tests(rules, app.mail_of_test(folder)) if r.span.file in wanted]
    failed = [r for r in results if r.failures]
    for result in failed:
        typer.echo(f'FAILED "{result.name}"  {result.span.file}:{result.span.line}', err=True)
        for failure in result.failures:
            typer.echo(f"  {safe(failure)}", err=True)
    typer.echo(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    raise typer.Exit(EXIT_CHECK_FAILED if failed else 0)


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="MESSAGE|CODE", help="A file, a stored message's id or Message-ID, or a code such as E012."
        ),
    ],
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Why, and why not: what a message is, where each value was read, and what every rule says to it."""
    from mailrules.language.problems import CODES

    if what.upper() in CODES:
        page = CODES[what.upper()]
        typer.echo(f"{what.upper()}: {page.title}\n\n{page.text}\n\nwrong:\n{page.wrong}\n\nright:\n{page.right}")
        return
    _explain_message(what, config, as_json=as_json)


def _explain_message(what: str, config: str | None, *, as_json: bool) -> None:
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.mail.message import RawMessage
    from mailrules.pipeline import conclude, read
    from mailrules.sources.files import documents
    from mailrules.store import Store

    loaded = configuration.load(config)
    rules = app.load_rules(app.rule_texts(loaded), loaded)
    account = loaded.accounts[0]
    store = Store.scratch(loaded.store)
    ledger = store.ledger()
    if what == "-" or Path(what).exists():
        found = list(documents(what, sys.stdin.buffer))
    else:
        stored = store.message(what)
        if stored is None:
            raise UsageError(
                f"there is no file and no stored message {what}",
                help="name a file, a Message-ID, or an id that `mailrules poll` stored",
            )
        if stored.content is None:
            raise UsageError(f"the bytes of {what} have been purged; only what was read is kept")
        found = [
            RawMessage(source=what, content=stored.content, received_at=stored.received_at, account=stored.account)
        ]
        account = next((a for a in loaded.accounts if a.name == stored.account), account)
    candidates = app.candidates_of(loaded, account, rules)
    for raw in found:
        from dataclasses import replace

        reading = read(
            replace(raw, account=account.name), rules, receiver=account.receiver, developers=loaded.world.developers
        )
        ingest = conclude(reading, ledger, rules, loaded.world, app.clock())
        block = raw.content.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0]
        row = {
            "source": raw.source, "candidate": candidates.reason(block),
            "notices": [{"notice": n.kind, "status": n.status, "reason": n.reason or None, "trust": n.trust, "trust_reason": n.trust_reason, "fields": dict(n.fields)} for n in reading.notices],
            "rules": [
                {"rule": d.rule, "fired": d.fired, "reason": d.reason or None, "conditions": [{"condition": leaf.text, "held": leaf.held, "wanted": leaf.wanted, "found": leaf.found} for leaf in d.leaves]}
                for d in ingest.decisions
            ],
        }  # fmt: skip
        if as_json:
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            _show_explanation(row)


def _show_explanation(row: dict[str, Any]) -> None:
    typer.echo(
        f"{safe(row['source'])}\n  fetched because: {row['candidate'] or 'it would be passed over: no system knows its sender, no wording fits its subject'}"
    )
    for notice in row["notices"]:
        typer.echo(f"  {notice['status']} {notice['notice'] or ''} {safe(notice['reason'])}".rstrip())
        typer.echo(f"    trust {notice['trust']}: {safe(notice['trust_reason'])}")
        for name, value in notice["fields"].items():
            typer.echo(f"    {name}: {safe(value)}")
    for rule in row["rules"]:
        typer.echo(
            f"  rule `{safe(rule['rule'])}` {'fires' if rule['fired'] else 'holds back'}"
            + (f": {safe(rule['reason'])}" if rule["reason"] else "")
        )
    if not row["rules"]:
        typer.echo("  no rule looked at it: it is no notice that could be read")
