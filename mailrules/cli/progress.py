"""A bar while many messages are read, on a terminal only.

In: how many messages of an account were looked at, and of how many. Out: the bar; nothing is left of it afterwards.
May not live here: counting.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from mailrules.app import Progress

WORTH_IT = 1_000
"""Fewer messages are read before anybody has seen a bar."""


@contextmanager
def bars() -> Iterator[Progress]:
    """Yield what is to be told of the progress."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = Bars(*columns, console=Console(file=sys.stderr), transient=True)
    known: dict[str, TaskID] = {}

    def tell(account: str, done: int, total: int) -> None:
        if total < WORTH_IT:
            return
        if account not in known:
            shown.start()
            known[account] = shown.add_task(account)
        shown.update(known[account], completed=done, total=total)

    try:
        yield tell
    finally:
        shown.stop()
