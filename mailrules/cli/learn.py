"""`mailrules learn`: sample mails to a drafted notice.

In: messages as files or standard input. Out: a `notice` block on stdout, for the author to finish.
May not live here: how the draft is made (notices/draft.py).
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mailrules.cli.options import ConfigPath
from mailrules.errors import UsageError


def learn(
    messages: Annotated[
        list[str],
        typer.Argument(
            metavar="MESSAGE...", help="Mails of one kind: .eml, mbox, a saved page, or - for standard input."
        ),
    ],
    config: ConfigPath = None,
) -> None:
    """Draft a notice block from sample mails; more samples show which words stay the same."""
    from mailrules.cli.work import rules_to_read_with
    from mailrules.mail.parse import parse_message
    from mailrules.notices.draft import draft_notice
    from mailrules.sources.files import documents

    ready, _ = rules_to_read_with(config, [])
    samples = [parse_message(raw) for path in messages for raw in documents(path, sys.stdin.buffer)]
    if not samples:
        raise UsageError("there is no message in what was named", help="name at least one mail")
    typer.echo(draft_notice(samples, ready.systems), nl=False)
