"""Looking after an installation: doctor, health, forget.

In: arguments. Out: findings as lines or JSON Lines, one sentence where something is not right, exit codes.
May not live here: what is looked at (spine/checkup.py), whose mail is forgotten (spine/forgetting.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import json_line, safe
from mailrules.errors import EXIT_CHECK_FAILED, MailrulesError, StoreError, UsageError

if TYPE_CHECKING:
    from mailrules.spine.checkup import Finding


def doctor(
    config: ConfigPath = None,
    offline: Annotated[bool, typer.Option("--offline", help="Leave the network alone: try no login.")] = False,
    read_again: Annotated[
        bool, typer.Option("--read-again", help="Let the next poll try again to read what was put aside.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Is everything all right: the store, the rules, secrets, scripts, the machine, the accounts."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.store import Store

    if read_again:
        loaded, now = configuration.load(config), app.clock()
        with Store.open(loaded.store, now=now.isoformat()) as store:
            typer.echo(f"{store.read_again(now.isoformat())} messages are read again by the next poll")
        return
    wrong = 0
    for finding in _findings(config, offline=offline):
        wrong += not finding.ok
        if as_json:
            typer.echo(json_line(asdict(finding)))
            continue
        typer.echo(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.check}: {_lines(finding.detail)}")
        if finding.help:
            typer.echo(f"       help: {safe(finding.help)}")
    if wrong:
        raise typer.Exit(EXIT_CHECK_FAILED)


def _findings(config: str | None, *, offline: bool) -> Iterator[Finding]:
    """Look at everything that can be looked at: without settings at nothing more, without a store at all but it."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.spine.checkup import Finding, examine
    from mailrules.spine.connections import reach
    from mailrules.store import Store

    try:
        loaded = configuration.load(config)
    except MailrulesError as error:
        yield Finding(check="configuration", ok=False, detail=str(error), help=error.help)
        return
    store = None
    try:
        store = Store.look(loaded.store)
    except MailrulesError as error:
        yield Finding(check="store", ok=False, detail=str(error), help=error.help)
    with store or nullcontext():
        yield from examine(loaded, store, app.clock(), None if offline else reach)
    if offline:
        yield Finding(check="network", ok=True, detail="left out, as --offline says")


def _lines(text: str) -> str:
    return "\n         ".join(safe(line) for line in text.splitlines())


def health(
    max_age: Annotated[
        str, typer.Option("--max-age", metavar="TIME", help="How long ago the last poll may be: 30m, 2h.")
    ] = "30m",
    config: ConfigPath = None,
) -> None:
    """Is the poller alive: was every account read well not longer ago than that?"""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.config_values import UNITS
    from mailrules.spine.checkup import stale
    from mailrules.store import Store

    number, unit = max_age[:-1], max_age[-1:]
    if not (number.isascii() and number.isdigit() and unit in UNITS):
        raise UsageError(f"--max-age {max_age} is no time with its unit", help="write it like 30m or 2h")
    loaded = configuration.load(config)
    try:
        with Store.look(loaded.store) as store:
            why = stale(loaded, store, app.clock(), timedelta(seconds=int(number) * UNITS[unit]))
    except StoreError as error:
        why = str(error)
    if why:
        sys.stderr.write(f"mailrules: {safe(why)}\n")
        raise typer.Exit(EXIT_CHECK_FAILED)


def forget(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[MESSAGE|AUTHORIZATION]",
            help="A stored message's id or Message-ID; ACCOUNT/MAILBOX/UID of one that was put aside; an authorization's id.",
        ),
    ] = None,
    person: Annotated[
        str | None, typer.Option("--person", metavar="ADDRESS", help="Everything that names this mail address.")
    ] = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Remove mail and personal texts for good. What nothing may be done twice by, stays: digests, places, keys, dates."""
    from mailrules.cli.opened import opened
    from mailrules.cli.outcome import nothing_done
    from mailrules.spine import forgetting

    if (what is None) == (person is None):
        raise UsageError(
            "what is to be forgotten is not named",
            help="name a message or an authorization, or write --person ADDRESS",
        )
    with opened(config) as it, it.store.exclusive() as mine:
        if not mine:
            raise nothing_done()
        done = forgetting.forget(it.store, it.at, named=what, person=person)
        copies = sorted(str(path) for path in it.config.store.parent.glob(f"{it.config.store.name}.*.bak"))
    if as_json:
        typer.echo(json_line({**done.counts, "kept": list(done.kept), "copies": copies}))
        return
    removed = [f"{count} {name}" for name, count in done.counts.items() if count]
    typer.echo(f"removed: {', '.join(removed) or 'nothing; there was nothing left to remove'}")
    for line in done.kept:
        typer.echo(f"kept: {safe(line)}")
    for copy in copies:
        typer.echo(
            f"not touched: {safe(copy)}, a copy made before the store was brought up to date; delete it yourself"
        )
