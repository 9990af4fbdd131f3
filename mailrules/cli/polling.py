"""One poll from the command line, and the plain call of it that needs no library to be understood.

In: arguments. Out: text, an exit code; `plain` says what a call asks for, or that the command line's library must read it.
May not live here: typer (cron pays for every import, every few minutes), what a poll does (app.py), how it is told (outcome.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mailrules.app import Progress

_OPTIONS = {"--config": "config", "-c": "config", "--account": "account", "-a": "account"}


class Asked(NamedTuple):
    """What one poll is asked for; the fields are the options of `mailrules poll`."""

    config: str | None = None
    account: str | None = None
    dry_run: bool = False
    plan: str | None = None
    since: date | None = None
    as_json: bool = False


def plain(arguments: Sequence[str]) -> Asked | None:
    """Return what `poll` with nothing but --config and --account asks for, each once and followed by its value."""
    if list(arguments[:1]) != ["poll"] or "_MAILRULES_COMPLETE" in os.environ:
        return None
    given: dict[str, str] = {}
    rest = list(arguments[1:])
    while rest:
        option, sign, value = rest.pop(0).partition("=")
        if not sign:
            value = rest.pop(0) if rest else ""
        name = _OPTIONS.get(option)
        if name is None or name in given or not value or value.startswith("-") or (sign and len(option) == 2):
            return None
        given[name] = value
    return Asked(config=given.get("config"), account=given.get("account"))


def poll_once(asked: Asked) -> int:
    """Poll, say what came of it, and return the exit code."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.cli.outcome import show_outcome, write_private

    loaded = configuration.load(asked.config)
    with _progress(asked) as progress:
        outcome = app.poll(
            loaded,
            only=[asked.account] if asked.account else None,
            dry_run=asked.dry_run or asked.plan is not None,
            since=asked.since,
            progress=progress,
        )
    if outcome.plan and asked.plan:
        from mailrules.spine.plan import to_text

        write_private(Path(asked.plan), to_text(outcome.plan))
    show_outcome(outcome, as_json=asked.as_json)
    if asked.plan and sys.stdout.isatty() and not asked.as_json:
        sys.stdout.write(
            f"wrote {asked.plan}; `mailrules apply {asked.plan}` does exactly this, or says what has moved\n"
        )
    return outcome.exit_code


def _progress(asked: Asked) -> AbstractContextManager[Progress]:
    """Return what shows how far the reading has come: on a terminal only, where somebody looks at it."""
    from mailrules.app import nothing

    if asked.as_json or not sys.stderr.isatty():
        return nullcontext(nothing)
    from mailrules.cli.progress import bars

    return bars()
