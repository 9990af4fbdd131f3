"""The commands that work on mail: demo, poll, read, ingest.

In: arguments. Out: text and exit codes. May not live here: what is done (app.py and below).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailrules.cli.files import reading_as_a_poll, text_of
from mailrules.cli.options import AccountName, AsJson, ConfigPath
from mailrules.cli.output import json_line, safe
from mailrules.cli.polling import Asked, poll_once
from mailrules.errors import ConfigError, UsageError
from mailrules.mail.message import RawMessage

if TYPE_CHECKING:
    from mailrules.config import Config
    from mailrules.ruleset import RuleSet

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...", help=".eml, Maildir, mbox, a saved page, a folder of them, or - for standard input."
    ),
]


def demo(
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="FOLDER", help="Work in this new folder and keep it.")
    ] = None,
) -> None:
    """The whole job on sample mail: no account, no network, no question."""
    from mailrules.demo.story import run

    raise typer.Exit(run(sys.stdout, keep))


def poll(
    config: ConfigPath = None,
    account: AccountName = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Say what would be done; write nothing, send nothing, run nothing.")
    ] = False,
    plan: Annotated[
        str | None,
        typer.Option("--plan", metavar="FILE", help="As --dry-run, and write it down for `mailrules apply FILE`."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            metavar="DATE",
            formats=["%Y-%m-%d"],
            help="Pass over what arrived before that day, in mailboxes that are read for the first time.",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on for ever: poll when a server says so, else at intervals.")
    ] = False,
    every: Annotated[
        int, typer.Option("--every", metavar="MINUTES", min=1, help="With --watch: where a server does not speak up.")
    ] = 5,
    as_json: AsJson = False,
) -> None:
    """Look for new mail and for deadlines, once; do what the rules say. Silent on success when not on a terminal."""
    if watch:
        from mailrules.cli.watching import watch as watch_for_ever

        if dry_run or plan or since:
            raise UsageError("--watch goes alone: --dry-run, --plan and --since are for one poll")
        watch_for_ever(config, account, every, as_json=as_json)
    day = since.date() if since else None
    asked = Asked(config=config, account=account, dry_run=dry_run, plan=plan, since=day, as_json=as_json)
    raise typer.Exit(poll_once(asked))


def rules_to_read_with(config: str | None, rule_files: list[str]) -> tuple[RuleSet, Config | None]:
    """Return the rules to read with and the configuration; without one, the shipped rules."""
    from mailrules import config as configuration
    from mailrules.shipped import shipped_rules
    from mailrules.spine import live

    loaded = None
    try:
        loaded = configuration.load(config)
    except ConfigError:
        if config or Path(configuration.FILE).is_file():
            raise
    files = live.rule_texts(loaded) if loaded else list(shipped_rules())
    files += [(path, text_of(path)) for path in rule_files]
    rules = live.load_rules(files, loaded)
    error = rules.errors and live.why_not_live(rules, Path(), files)
    if error:
        raise error
    return rules, loaded


def _dated(documents: Iterable[RawMessage]) -> Iterator[RawMessage]:
    """Give standard input, which has no time of its own, the present instant."""
    from dataclasses import replace

    from mailrules import app

    for raw in documents:
        yield replace(raw, received_at=app.clock()) if raw.received_at.year < 1971 else raw


def read(
    sources: Sources,
    config: ConfigPath = None,
    rules: Annotated[
        list[str] | None, typer.Option("--rules", "-r", metavar="FILE", help="Read with this rules file, too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a document is and what was read from it; touches nothing."""
    from mailrules.sources.files import documents

    ready, loaded = rules_to_read_with(config, rules or [])
    with reading_as_a_poll(ready, loaded) as read_document:
        for raw in (raw for source in sources for raw in _dated(documents(source, sys.stdin.buffer))):
            reading = read_document(raw)
            for notice in reading.notices:
                row = {
                    "source": raw.source + notice.path, "message_id": reading.message.message_id or None, "system": notice.system,
                    "notice": notice.kind, "wording": notice.wording, "status": notice.status, "reason": notice.reason or None,
                    "trust": notice.trust, "fields": dict(notice.fields),
                    "evidence": [{"field": e.field, "part": e.part, "line": e.line, "column": e.column, "text": e.text} for e in notice.evidence],
                    "notes": list(notice.notes),
                }  # fmt: skip
                if as_json:
                    typer.echo(json_line(row))
                else:
                    _show_reading(row, notice.trust_reason)
                    _show_drift(notice.difference, notice.draft)


def _show_reading(row: dict[str, Any], trust_reason: str) -> None:
    typer.echo(
        f"{safe(row['source'])}: {row['status']} {row['notice'] or ''}".rstrip()
        + (f" ({row['reason']})" if row["reason"] else "")
    )
    for name, value in row["fields"].items():
        place = next((e for e in row["evidence"] if e["field"] == name), None)
        where = f"  part {place['part']}, line {place['line']}, column {place['column']}" if place else ""
        typer.echo(f"  {name}: {safe(value)}{where}")
    for note in row["notes"]:
        typer.echo(f"  note: {safe(note)}")
    if row["status"] != "unrecognized":
        typer.echo(f"  trust: {row['trust']} ({safe(trust_reason)})")


def _show_drift(difference: str, draft: str) -> None:
    """Show what a nearly fitting mail lacks, and the wording that would fit it."""
    for text in filter(None, (difference, draft and f"a wording to start from:\n{draft}")):
        for line in text.split("\n"):
            typer.echo(f"  {safe(line)}")


def ingest(sources: Sources, config: ConfigPath = None, account: AccountName = None) -> None:
    """Take documents into the ledger as if they had arrived in the account's mailbox."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.cli.outcome import nothing_done, tell_of_rules
    from mailrules.sources.files import documents

    loaded = configuration.load(config)
    chosen = loaded.account(account) if account else loaded.accounts[0]
    found = [raw for source in sources for raw in _dated(documents(source, sys.stdin.buffer))]
    outcome = app.ingest_documents(loaded, found, chosen)
    if outcome.busy:
        raise nothing_done()
    if outcome.rules_error:
        tell_of_rules(outcome.rules_error)
    for report in outcome.reports:
        if sys.stdout.isatty():
            typer.echo(f"{report.seen} documents, {report.notices} notices, {report.new_effects} things to do")
    for sentence in outcome.needs if outcome.needs_changed else ():
        sys.stderr.write(f"mailrules: needs a person: {safe(sentence)}\n")
    raise typer.Exit(outcome.exit_code)
