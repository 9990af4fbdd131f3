"""How much may still be done now: the limits of [limits] against what was done in the last hour and day.

In: what is due, what was performed, Limits, the present instant. Out: Held: what waits, until when, and why.
May not live here: SQL, performing. What waits is never lost: it is planned, for a later instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mailrules.config_values import Limits
from mailrules.effects import Effect

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One effect that waits."""

    key: str
    until: str
    why: str


@dataclass(slots=True)
class _Counter:
    """The starts of one kind within one span of time."""

    most: int
    span: timedelta
    why: str
    times: list[datetime]

    def free_at(self, now: datetime) -> datetime | None:
        """Return when one more may be started, None = at once."""
        within = sorted(t for t in self.times if t > now - self.span)
        if len(within) < self.most:
            return None
        return within[len(within) - self.most] + self.span if self.most else now + self.span


class _Counters:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.known: dict[str, _Counter] = {}

    def of(self, action: str, to: Iterable[str]) -> list[_Counter]:
        """Return the counters that one start of an action is held against."""
        if action == "run_script":
            return [
                self._one("scripts_per_hour", HOUR, "script starts in an hour"),
                self._one("scripts_per_day", DAY, "script starts in a day"),
            ]
        if action not in ("notify", "forward"):
            return []
        return [self._one("mails_per_hour", HOUR, "mails in an hour")] + [
            self._one("mails_per_recipient", HOUR, f"mails to {address} in an hour", address) for address in to
        ]

    def _one(self, name: str, span: timedelta, what: str, about: str = "") -> _Counter:
        most = getattr(self.limits, name)
        return self.known.setdefault(f"{name} {about}", _Counter(most, span, f"{most} {what} (limits.{name})", []))


def held(due: Iterable[Effect], performed: Iterable[Mapping[str, Any]], limits: Limits, now: datetime) -> list[Held]:
    """Return which of the due effects are over a limit, in the order in which they would be done.

    `performed` has `at`, `action` and `to` of what was done within a day. Notifications to one person go out together.
    """
    counters = _Counters(limits)
    for row in performed:
        for counter in counters.of(row["action"], row["to"]):
            counter.times.append(datetime.fromisoformat(row["at"]))
    waiting: list[Held] = []
    together: dict[tuple[str, str], Held | None] = {}
    for effect in due:
        group = (effect.account, effect.target.split("#")[0] if effect.action == "notify" else effect.key)
        if group not in together:
            together[group] = _over(counters.of(effect.action, effect.args.get("to", ())), now)
        if found := together[group]:
            waiting.append(Held(key=effect.key, until=found.until, why=found.why))
    return waiting


def _over(counters: list[_Counter], now: datetime) -> Held | None:
    """Count one more start, or return why and how long it waits."""
    full = [(free, counter) for counter in counters if (free := counter.free_at(now))]
    if full:
        free, counter = max(full, key=lambda item: item[0])
        return Held(key="", until=free.isoformat(), why=counter.why)
    for counter in counters:
        counter.times.append(now)
    return None
