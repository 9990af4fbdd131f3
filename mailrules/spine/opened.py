"""The configuration and the store, opened, and how what a person does is written down.

In: a Config, a store, the present instant. Out: Opened. May not live here: the clock, commands, pages, SQL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailrules.config import Config
    from mailrules.ledger import Ledger, Observed
    from mailrules.store import Store


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command or a page works with."""

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
