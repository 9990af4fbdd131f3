"""Until when the passing of time alone changes nothing: what spares a poll the rules and the ledger.

In: an open store, the Gate of a poll, the present instant. Out: what needs a person meanwhile, or None: it must be looked at.
May not live here: deciding, and anything that could put an effect off: an instant too early costs a poll its speed, one
too late would break a promise.

The word is given when a whole look has just found nothing to do. It ends at the next instant at which anything could
become due, and at once when a rule file, the configuration or the program changes, when the clock goes back, and when
anybody writes to what was looked at: triggers in the store see to that (migrations.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailrules.ledger import Ledger
    from mailrules.ruleset import RuleSet
    from mailrules.spine.live import Gate
    from mailrules.store import Store

KEY = "quiet"
LONGEST = timedelta(hours=1)
"""However far the next instant is: what nobody thought of is then late by so much at most."""
MOVING = frozenset({"now", "silent_for", "since_run"})
"""Facts that may change at any minute; all others of a `while` rule change with the day or with the ledger."""


def standing(gate: Gate, store: Store, now: datetime) -> list[str] | None:
    """Return what needs a person, where there is nothing else to do at this instant; None where that is not known."""
    word = promised(store, now)
    return list(word["needs"]) if word is not None and word["inputs"] == gate.inputs(word["mails"]) else None


def promised(store: Store, now: datetime) -> dict[str, Any] | None:
    """Return the word that holds at this instant, if nothing has changed of what it was given for."""
    word = _word(store)
    if word is None or not datetime.fromisoformat(word["since"]) <= now < datetime.fromisoformat(word["until"]):
        return None
    return word


def note(gate: Gate, store: Store, needs: list[str], now: datetime) -> None:
    """Look once more at everything, and where there is nothing to do, write down until when; in the caller's transaction."""
    if _word(store) is not None and standing(gate, store, now) is not None:
        return
    until = None if gate.error else _until(gate, store, now)
    if until is not None:
        mails = gate.mails()
        word = {
            "since": now.isoformat(), "until": until.isoformat(), "inputs": gate.inputs(mails),
            "mails": mails, "needs": needs,
        }  # fmt: skip
        store.meta_set(KEY, json.dumps(word), now.isoformat())


def _word(store: Store) -> dict[str, Any] | None:
    text = store.meta_get(KEY)
    return json.loads(text) if text else None


def _until(gate: Gate, store: Store, now: datetime) -> datetime | None:
    """Return the next instant at which anything may become due, None where something is or may be at any time."""
    from mailrules.pipeline import deadlines, tick

    rules, world, ledger = gate.rules, gate.config.world, store.ledger()
    found = tick(ledger, rules, world, now, store.effect_keys())
    waiting = [effect.not_before or now.isoformat() for effect in store.planned()]
    if (
        found.authorizations
        or found.obligations
        or found.effects
        or store.effects("claimed")
        or store.meta_get("purged") != now.date().isoformat()
        or (_moving(rules) and any(True for _ in deadlines(ledger, rules, world, now)))
    ):
        return None
    instants = [*map(datetime.fromisoformat, waiting), *_turns_of_days(gate, now), *_ends_of_patience(ledger, now)]
    until = min([now + LONGEST, *instants])
    return until if until > now else None


def _turns_of_days(gate: Gate, now: datetime) -> Iterator[datetime]:
    """Yield when days end and begin: in every account, and in the store's own reckoning (UTC), by which it purges."""
    zones = [(a.zone, (time(), a.day_starts)) for a in gate.config.world.accounts.values()]
    for zone, turns in (*zones, (UTC, (time(),))):
        today = now.astimezone(zone).date()
        for day in (today, today + timedelta(days=1)):
            yield from (at for turn in turns if (at := datetime.combine(day, turn, zone)) > now)


def _ends_of_patience(ledger: Ledger, now: datetime) -> Iterator[datetime]:
    """Yield when the time is over that a script's evidence may take."""
    for run in ledger.runs.values():
        if run.settle_until and datetime.fromisoformat(run.settle_until) >= now:
            yield datetime.fromisoformat(run.settle_until)


def _moving(rules: RuleSet) -> bool:
    """Whether a `while` rule looks at what may change at any minute."""
    from mailrules.language.ast import WhileTrigger

    looking = [rule for rule in rules.rules if isinstance(rule.trigger, WhileTrigger) and not rule.disabled]
    return any(word in MOVING for rule in looking for word in _names((rule.trigger, rule.when)))


def _names(node: object) -> Iterator[str]:
    from mailrules.language.ast import Name
    from mailrules.language.frozen import Frozen

    if isinstance(node, Name):
        yield node.value
    elif isinstance(node, Frozen):
        for field in type(node).setters:
            yield from _names(getattr(node, field))
    elif isinstance(node, tuple):
        for part in node:
            yield from _names(part)
