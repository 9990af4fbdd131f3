"""The list of authorizations to a file and back.

In: arguments. Out: files, sentences. May not live here: the formats (ledger/exchange.py).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mailrules.cli.opened import opened
from mailrules.cli.options import ConfigPath
from mailrules.errors import UsageError
from mailrules.redact import without_tokens

Target = Annotated[str | None, typer.Argument(metavar="[FILE]", help="Where to; else standard output.")]
LARGEST = 16 * 1024 * 1024


def export_authorizations(
    target: Target = None,
    csv: Annotated[bool, typer.Option("--csv", help="A table for spreadsheets.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    config: ConfigPath = None,
) -> None:
    """Write the list as a table, to take along."""
    from mailrules.ledger.exchange import to_csv, to_json
    from mailrules.ledger.listing import by_deadline, exported

    if csv == as_json:
        raise UsageError("one of --csv and --json says in which form")
    with opened(config) as it:
        ledger = it.store.ledger()
        rows = [exported(ledger, row) for row in by_deadline(ledger, it.days(), it.warn_days(), it.today())]
    text = to_csv(rows) if csv else to_json(rows)
    write_out(target, text, f"{len(rows)} authorization{'' if len(rows) == 1 else 's'}", csv=csv)


def write_out(target: str | None, text: str, what: str, *, csv: bool) -> None:
    """Write a table to a file, or to standard output."""
    # why: a spreadsheet takes a file without the mark for one in the machine's old character set
    content = without_tokens(text).encode("utf-8-sig" if csv else "utf-8")
    if target is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return
    try:
        Path(target).write_bytes(content)
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"{target} cannot be written: {why}", help="check its folder and your rights there") from error
    typer.echo(f"{what} written to {target}")


def import_authorizations(
    source: Annotated[str, typer.Argument(metavar="FILE", help="CSV or JSON; - for standard input.")],
    config: ConfigPath = None,
) -> None:
    """Take a table in, all of it or nothing."""
    from mailrules.ledger.exchange import table, take_in
    from mailrules.pipeline import changes

    rows = table(_text(source))
    if isinstance(rows, str):
        raise UsageError(f"{source}: {rows}")
    with opened(config) as it:
        with it.store.transaction():
            before = it.store.ledger()
            taken = take_in(before, rows, it.days(), it.at)
            it.store.commit(changes(before, taken.ledger, taken.events), now=it.at)
        if taken.problems:
            count = f"{len(taken.problems)} row{'' if len(taken.problems) == 1 else 's'} cannot be taken"
            raise UsageError("\n".join([f"{source}: {count}", *taken.problems]), help="nothing was written")
        same = len(rows) - taken.new - taken.changed
        typer.echo(f"{taken.new} new, {taken.changed} changed, {same} known already")


def _text(source: str) -> str:
    try:
        if source == "-":
            content = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(source).open("rb") as file:
                content = file.read(LARGEST + 1)
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"{source} cannot be read: {why}", help="check the path; `-` is standard input") from error
    if len(content) > LARGEST:
        raise UsageError(f"{source} is larger than {LARGEST // 1024 // 1024} MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{source} is not UTF-8: {error}", help="save it as CSV UTF-8") from error
