"""The ledger: every authorization, what is owed for it, and the evidence of its renewal. Pure.

In: what was read, what a person said, the present day. Out: a new Ledger and the Events that explain the difference.
May not live here: I/O, rules, effects; nothing is ever deleted, events only come on top.
"""

from mailrules.ledger.acts import enter, renewed, revoked, snooze, verified
from mailrules.ledger.days import grow, snoozed_until, state_of
from mailrules.ledger.evidence import silence
from mailrules.ledger.fold import observe
from mailrules.ledger.joining import authorization_id, find, link, named
from mailrules.ledger.records import (
    ASSUMED_TERM,
    ENTERED,
    HISTORY_AFTER,
    OVER,
    Authorization,
    Event,
    Ledger,
    Obligation,
    Observed,
    Run,
    Sighting,
)

__all__ = [
    "ASSUMED_TERM",
    "ENTERED",
    "HISTORY_AFTER",
    "OVER",
    "Authorization",
    "Event",
    "Ledger",
    "Obligation",
    "Observed",
    "Run",
    "Sighting",
    "authorization_id",
    "enter",
    "find",
    "grow",
    "link",
    "named",
    "observe",
    "renewed",
    "revoked",
    "silence",
    "snooze",
    "snoozed_until",
    "state_of",
    "verified",
]
