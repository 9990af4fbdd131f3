"""The configuration and the store, opened for one command.

In: the path of a configuration. Out: Opened. May not live here: commands, SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from mailrules.errors import UsageError
from mailrules.spine.opened import Opened


@contextmanager
def opened(config: str | None) -> Iterator[Opened]:
    """Open what the configuration names."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.store import Store

    loaded = configuration.load(config)
    now = app.clock()
    with Store.open(loaded.store, now=now.isoformat()) as store:
        yield Opened(loaded, store, now)


def day(option: str, text: str | None) -> date | None:
    """Return the day that an option names, or None where it was not given."""
    from mailrules.notices.fields import Unreadable, read_value

    value = read_value("date", "YYYY-MM-DD", text) if text is not None else None
    if isinstance(value, Unreadable):
        raise UsageError(f"{option}: {value.why}")
    return date.fromisoformat(value) if value else None
