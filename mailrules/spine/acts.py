"""What a person does to tasks, effects and authorizations: the same from the command line and from the page.

In: Opened, ids. Out: what was changed, as a value; what makes no sense is refused in a sentence (UsageError).
May not live here: arguments as they were typed, text for a terminal or a page, what an act means (ledger/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from mailrules.effects import EffectState
from mailrules.errors import UsageError
from mailrules.spine.opened import Opened

if TYPE_CHECKING:
    from mailrules.ledger import Authorization, Ledger, Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectAct:
    """One thing that a person may say of an effect: in which states, and the state that it has then."""

    meaning: str
    allowed: tuple[EffectState, ...]
    state: EffectState


EFFECT_ACTS: Mapping[str, EffectAct] = {
    "approve": EffectAct(
        meaning="Say that an unknown or failed effect has happened, or needs nothing more.",
        allowed=("unknown", "failed"),
        state="done",
    ),
    "retry": EffectAct(
        meaning="Try a failed or unknown effect again at the next poll.",
        allowed=("unknown", "failed"),
        state="planned",
    ),
    "cancel": EffectAct(
        meaning="Give up an effect that waits.", allowed=("planned", "unknown", "failed"), state="cancelled"
    ),
    "redo": EffectAct(
        meaning="Ask for a finished effect once more, on purpose.",
        allowed=("done", "missed", "cancelled"),
        state="planned",
    ),
}


def task(it: Opened, name: str) -> dict[str, Any]:
    """Return one task. Raises UsageError where there is none."""
    row = it.store.task(name)
    if row is None:
        raise UsageError(f"there is no task {name}", help="`mailrules tasks` lists their ids")
    return row


def finish_task(it: Opened, name: str) -> tuple[dict[str, Any], str]:
    """Mark a task done and settle its deadline; return the task, and why its deadline stays ("" where it does not)."""
    from mailrules.ledger import renewed

    kept = ""
    with it.store.transaction():
        row = task(it, name)
        if row["status"] != "open":
            raise UsageError(f"task {name} is done already")
        it.store.finish_task(name, it.at)
        ledger = it.store.ledger()
        known = ledger.authorizations.get(row["authorization"])
        subject = ledger.authorizations[known.linked or known.id] if known else None
        waiting = ledger.obligations.get((subject.id, row["obligation"])) if subject else None
        if subject and waiting and waiting.waiting:
            own, today = subject.id, it.today(row["account"])
            try:
                it.change(lambda now: renewed(now, own, at=it.at, day=today, who=f"task {name} done"))
            except UsageError as error:  # why: the work is done all the same, only the year from today is no renewal
                kept = str(error)
    return row, kept


def act_on_effect(it: Opened, name: str, act: str) -> None:
    """Do one of EFFECT_ACTS to an effect."""
    chosen = EFFECT_ACTS[act]
    row = next((r for r in it.store.effects() if r["id"] == name), None)
    if row is None:
        raise UsageError(f"there is no effect {name}", help="`mailrules effects` lists their ids")
    if row["state"] not in chosen.allowed:
        raise UsageError(
            f"effect {name} is {row['state']}; only {' or '.join(chosen.allowed)} can be taken with `{act}`"
        )
    it.store.set_effect_state(name, chosen.state, it.at)


def say_renewed(it: Opened, wanted: str, *, until: date | None = None, on: date | None = None) -> Authorization:
    """Take a person's word that an authorization was renewed, today where no day is given."""
    from mailrules.ledger import named, renewed

    def act(ledger: Ledger) -> Observed:
        subject = named(ledger, wanted)
        today = it.today(subject.account)
        if on and on > today:
            raise UsageError(f"--on: {on} has not come yet")
        return renewed(ledger, subject.id, at=it.at, day=on or today, expires=until.isoformat() if until else None)

    return it.change(act).authorization


def let_sleep(it: Opened, wanted: str, *, until: date | None = None, days: int | None = None) -> Authorization:
    """Let the rules that watch an authorization hold back until a day or for some days; with neither, wake it."""
    from mailrules.ledger import named, snooze

    def act(ledger: Ledger) -> Observed:
        subject = named(ledger, wanted)
        today = it.today(subject.account)
        ends = today + timedelta(days=days) if days else until
        return snooze(ledger, subject.id, ends, at=it.at, day=today)

    return it.change(act).authorization
