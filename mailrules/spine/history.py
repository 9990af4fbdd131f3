"""What the store remembers, as steps that can be played again: its messages, and what people said and entered.

In: an open store, the configuration, a checked rule set. Out: History.
May not live here: playing (simulate.py), writing anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailrules.config import Config
from mailrules.ledger import ENTERED, Authorization, Sighting
from mailrules.mail.message import Message, RawMessage
from mailrules.notices.notice import Evidence, Notice
from mailrules.pipeline import Reading, read
from mailrules.ruleset import RuleSet
from mailrules.simulate import Said, Step
from mailrules.spine.anchors import Anchors
from mailrules.store import Store, StoredMessage

SAID = frozenset({"renewed", "revoked", "snoozed", "snooze ended", "linked"})
"""Events of the ledger that stand for what a person said; all others follow from mails and from the calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All steps, and how many of the messages had lost their bytes: those are played as they were once read."""

    steps: tuple[Step, ...]
    messages: int
    purged: int
    said: int


def history(store: Store, config: Config, rules: RuleSet) -> History:
    """Read every stored message with these rules, and add what people said of the authorizations."""
    stored = store.messages()
    steps, purged = [], 0
    for message in stored:
        content = store.content(message.digest)
        purged += content is None
        reading = _as_it_was(message) if content is None else _read(message, content, store, config, rules)
        steps.append(Step(at=message.received_at, what=reading, name=message.id))
    said = [step for subject in store.ledger().authorizations.values() for step in _said(subject, store, config)]
    return History(steps=(*steps, *said), messages=len(stored), purged=purged, said=len(said))


def _raw(message: StoredMessage, content: bytes) -> RawMessage:
    return RawMessage(
        source=message.source, content=content, received_at=message.received_at, account=message.account,
        media_type=message.media_type,
    )  # fmt: skip


def _read(message: StoredMessage, content: bytes, store: Store, config: Config, rules: RuleSet) -> Reading:
    account = next((a for a in config.accounts if a.name == message.account), None)
    anchors = Anchors(config, store, rules)
    return read(
        _raw(message, content), rules, receiver=account.receiver if account else None, developers=anchors.developers(),
        senders=anchors.senders(), signature=store.verdict(message.digest),
    )  # fmt: skip


def _as_it_was(message: StoredMessage) -> Reading:
    notices = [
        Notice(**{**notice, "evidence": tuple(Evidence(**e) for e in notice["evidence"])}) for notice in message.notices
    ]
    flat = Message(
        path="", message_id=message.message_id, subject=message.subject, sender=None, sent_at=None,
        received_at=message.received_at, parts=(),
    )  # fmt: skip
    return Reading(raw=_raw(message, b""), digest=message.digest, message=flat, notices=tuple(notices))


def _said(subject: Authorization, store: Store, config: Config) -> list[Step]:
    """Return what people said of one authorization: that it exists, that it was renewed, revoked, snoozed, linked."""
    facts = config.world.accounts.get(subject.account)
    steps = []
    for event in store.events(subject.id):
        detail: Any = event["detail"]
        what, at = str(event["what"]), datetime.fromisoformat(str(event["at"]))
        if what in SAID:
            steps.append(Step(at=at, what=Said(authorization=subject.id, what=what, detail=detail)))
        elif what == "entered" or (what == "notice" and detail.get("kind") == ENTERED):
            seen = Sighting(
                account=subject.account, system=subject.system, kind=ENTERED, developer_id=subject.developer_id,
                developer=subject.developer, region=subject.region, expires=detail.get("expires"), trust="confirmed",
                message="", at=at.isoformat(), today=at.astimezone(facts.zone if facts else None).date(),
            )  # fmt: skip
            steps.append(Step(at=at, what=seen))
    return steps
