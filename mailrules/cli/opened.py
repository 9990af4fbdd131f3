"""The configuration and the store, opened for one command, and how a command writes down what it changed.

In: the path of a configuration. Out: Opened. May not live here: commands, SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from mailrules.errors import UsageError

if TYPE_CHECKING:
    from mailrules.config import Config
    from mailrules.ledger import Ledger, Observed
    from mailrules.store import Store


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command works with."""

    config: Config
    store: Store
    now: datetime

    @property
    def at(self) -> str:
        """The present instant as it is written down."""
        return self.now.isoformat()

    def today(self, account: str | None = None) -> date:
        """Return the present day of an account, or of the machine where it is no longer configured."""
        facts = self.config.world.accounts.get(account or "")
        return self.now.astimezone(facts.zone if facts else None).date()

    def days(self) -> dict[str, date]:
        """Return the present day of every account."""
        return {name: self.today(name) for name in self.config.world.accounts}

    def warn_days(self) -> dict[str, int]:
        """Return how many days before its end an authorization counts as expiring, by account."""
        return {name: facts.warn_days for name, facts in self.config.world.accounts.items()}

    def change(self, act: Callable[[Ledger], Observed]) -> Observed:
        """Let an act look at the ledger and write down what it changes, in one transaction."""
        from mailrules.pipeline import changes

        with self.store.transaction():
            before = self.store.ledger()
            observed = act(before)
            self.store.commit(changes(before, observed.ledger, observed.events), now=self.at)
        return observed


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
