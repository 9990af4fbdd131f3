"""The world that rules act in, as the configuration describes it: accounts, people, scripts.

In: nothing. Out: World and what it is made of; config.py fills it.
May not live here: anything of weight (every cron tick passes here), what is done with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from zoneinfo import ZoneInfo

EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """What rules need to know of an account.

    Rungs come at `day_starts` on a working day (0 = Monday). Nobody is written to within `quiet` (begin, end; local).
    """

    name: str
    zone: ZoneInfo
    language: str = "en"
    region: str | None = None
    day_starts: time = time(8)
    warn_days: int = 30
    working_days: frozenset[int] = EVERY_DAY
    quiet: tuple[time, time] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script declared in the configuration. `timeout` in seconds; `retry` is "never" or "safe".

    `verifies`: its success is evidence that the renewal happened; it may print `expires: YYYY-MM-DD`.
    """

    argv: tuple[str, ...]
    timeout: float = 60.0
    retry: str = "never"
    changes_nothing: bool = False
    verifies: bool = False
    cwd: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What effects are made with: people by name, scripts by name, accounts by name."""

    people: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, Script] = field(default_factory=dict)
    accounts: Mapping[str, AccountFacts] = field(default_factory=dict)
    developers: Mapping[str, str] = field(default_factory=dict)
