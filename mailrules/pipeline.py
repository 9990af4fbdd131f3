"""The whole program, pure: read(raw) -> Reading; conclude(reading, …) -> Ingest; tick(…) -> Ingest.

In: bytes, a checked rule set, the ledger, the present instant. Out: values that say all that has to be written down.
May not live here: I/O, the clock, SQL, anything a dry run would have to leave out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from mailrules.decide import AccountFacts, Decision, Situation, World, decide
from mailrules.effects import Effect
from mailrules.language.ast import OnTrigger, System
from mailrules.ledger import Authorization, Event, Ledger, Obligation, Sighting, grow, observe, state_of
from mailrules.mail.auth import Receiver
from mailrules.mail.message import Message, RawMessage
from mailrules.mail.parse import parse_message
from mailrules.notices.notice import Notice, Trust
from mailrules.notices.recognize import recognize
from mailrules.notices.trust import with_trust
from mailrules.ruleset import RuleSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one document says: `digest` is the SHA-256 of its bytes (hex), `notices` one for each object inside it."""

    raw: RawMessage
    digest: str
    message: Message
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """All that one message (or one tick) changes: one value, one transaction. `ledger` is the ledger afterwards."""

    ledger: Ledger
    reading: Reading | None = None
    authorizations: tuple[Authorization, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    events: tuple[Event, ...] = ()
    decisions: tuple[Decision, ...] = ()
    effects: tuple[Effect, ...] = ()


def read(
    raw: RawMessage,
    rules: RuleSet,
    *,
    receiver: Receiver | None = None,
    developers: Collection[str] = (),
    trust: Trust | None = None,
) -> Reading:
    """Read one document. `trust` overrides what was found out about the sender (tests written in rule files only)."""
    message = parse_message(raw, receiver)
    notices = tuple(
        replace(n, trust=trust, trust_reason="set by the test")
        if trust
        else with_trust(message, n, rules.systems, developers)
        for n in recognize(message, rules.wordings, rules.systems)
    )
    return Reading(raw=raw, digest=hashlib.sha256(raw.content).hexdigest(), message=message, notices=notices)


def conclude(reading: Reading, ledger: Ledger, rules: RuleSet, world: World, now: datetime) -> Ingest:
    """Fold one reading into the ledger and let the `on` rules look at it."""
    before = ledger
    events: list[Event] = []
    decisions: list[Decision] = []
    account = world.accounts[reading.raw.account]
    for notice in reading.notices:
        if reading.message.automatic or notice.trust == "forged":
            continue
        if notice.status == "read":
            ledger, found, made = _conclude_notice(reading, notice, ledger, rules, world, account, now)
            events.extend(made)
            decisions.extend(found)
        elif notice.status == "unparsed":
            decisions.extend(_conclude_unparsed(reading, notice, rules, world, account, now))
    return changes(before, ledger, tuple(events), tuple(decisions), reading)


def _conclude_notice(
    reading: Reading, notice: Notice, ledger: Ledger, rules: RuleSet, world: World, account: AccountFacts, now: datetime
) -> tuple[Ledger, tuple[Decision, ...], tuple[Event, ...]]:
    system = _system(rules, notice.system)
    today = now.astimezone(account.zone).date()
    seen = Sighting(
        account=account.name, system=notice.system or "", kind=notice.kind or "",
        developer_id=notice.fields.get("developer_id"),
        developer=notice.fields.get("developer") or (system.title.value if system else ""),
        region=notice.region or account.region, expires=notice.fields.get("expires"), trust=notice.trust,
        message=reading.digest, at=now.isoformat(), today=today,
    )  # fmt: skip
    seen = replace(seen, region=_region(ledger, seen, notice.region, account))
    observed = observe(ledger, seen)
    owed = observed.obligation
    if owed and (owed.history or owed.state == "settled"):
        why = "its date passed long ago: it is history" if owed.history else "a later date has been seen already"
        return (
            observed.ledger,
            tuple(Decision(rule=r.name.value, fired=False, reason=why) for r in rules.rules),
            observed.events,
        )
    situation = Situation(
        account=account, kind=notice.kind or "", system=notice.system or "", authorization=observed.authorization.id,
        due=owed.due if owed else seen.expires or today.isoformat(), message=reading.digest, now=now,
        facts=_facts(observed.authorization, owed, account, system, now, notice, reading.message),
    )  # fmt: skip
    return observed.ledger, decide(rules.rules, situation, world), observed.events


def _region(ledger: Ledger, seen: Sighting, told: str | None, account: AccountFacts) -> str | None:
    """Region from the notice's own link, else from the only record with the same id, else the account's default."""
    if told or not seen.developer_id:
        return told or account.region
    regions = {
        a.region
        for a in ledger.authorizations.values()
        if a.account == seen.account and a.developer_id == seen.developer_id
    }
    return regions.pop() if len(regions) == 1 else account.region


def _conclude_unparsed(
    reading: Reading, notice: Notice, rules: RuleSet, world: World, account: AccountFacts, now: datetime
) -> tuple[Decision, ...]:
    """One event per system, wording and reason in a week, so that a changed template makes one task and not fifty."""
    today = now.astimezone(account.zone).date()
    monday = today - timedelta(days=today.weekday())
    about = hashlib.sha256(f"{notice.system}\x1f{notice.wording}\x1f{notice.reason}".encode()).hexdigest()[:10]
    nobody = Authorization(
        id=f"unparsed-{about}", account=account.name, system=notice.system or "", developer_id=None,
        developer=notice.fields.get("developer", ""), region=notice.region,
    )  # fmt: skip
    facts = _facts(nobody, None, account, _system(rules, notice.system), now, notice, reading.message)
    situation = Situation(
        account=account, kind="unparsed", system=notice.system or "", authorization=nobody.id, due=monday.isoformat(),
        message=reading.digest, now=now, facts=facts,
    )  # fmt: skip
    return decide(rules.rules, situation, world)


def tick(ledger: Ledger, rules: RuleSet, world: World, now: datetime) -> Ingest:
    """Let time pass and let the `while` rules look at every deadline that waits: cron is the clock."""
    before = ledger
    days = {name: now.astimezone(account.zone).date() for name, account in world.accounts.items()}
    ledger, events = grow(ledger, days, now.isoformat())
    timed = tuple(rule for rule in rules.rules if not isinstance(rule.trigger, OnTrigger))
    decisions: list[Decision] = []
    for subject in ledger.authorizations.values():
        account = world.accounts.get(subject.account)
        owed = ledger.current(subject.id)
        if account is None or owed is None or owed.history or not timed:
            continue
        decisions.extend(decide(timed, situation_of(subject, owed, account, rules, now), world))
    return changes(before, ledger, events, tuple(decisions))


def situation_of(
    subject: Authorization, owed: Obligation, account: AccountFacts, rules: RuleSet, now: datetime
) -> Situation:
    """Return what a `while` rule sees of one waiting deadline."""
    return Situation(
        account=account, kind="", system=subject.system, authorization=subject.id, due=owed.due, message=owed.message,
        now=now, facts=_facts(subject, owed, account, _system(rules, subject.system), now, None, None),
    )  # fmt: skip


def _system(rules: RuleSet, name: str | None) -> System | None:
    return next((s for s in rules.systems if s.name.value == name), None)


def _facts(
    subject: Authorization, owed: Obligation | None, account: AccountFacts, system: System | None, now: datetime,
    notice: Notice | None, message: Message | None,
) -> dict[str, Any]:  # fmt: skip
    """Return every fact of vocabulary.FACTS that exists here, and the notice's own fields."""
    today = now.astimezone(account.zone).date()
    dated = owed.due if owed and owed.dated else None if owed else subject.expires
    expires = date.fromisoformat(dated) if dated else None
    how = {language.value: text.value for language, text in system.how} if system else {}
    facts: dict[str, Any] = {
        "account": account.name, "system": subject.system, "region": subject.region, "developer": subject.developer,
        "developer_id": subject.developer_id, "expires": expires, "today": today,
        "days_left": expires - today if expires else None,
        "authorization": state_of(subject, owed, today, warn_days=account.warn_days),
        "trust": owed.trust if owed else notice.trust if notice else "unverified",
        "reminders": owed.reminders if owed else 0,
        "renew_at": system.renew_at.value if system and system.renew_at else "",
        "how": how.get(account.language) or how.get("en", ""),
    }  # fmt: skip
    if notice and message:
        facts.update({name: _typed(value) for name, value in notice.fields.items() if name not in facts})
        sender = message.sender
        facts.update({
            "trust": notice.trust, "notice": notice.kind or "", "wording": notice.wording or "", "reason": notice.reason,
            "subject": message.subject, "sender.address": sender.address if sender else "",
            "sender.domain": sender.domain if sender else "", "sender.name": sender.name if sender else "",
        })  # fmt: skip
    return facts


def _typed(value: str) -> object:
    """Return a notice's field as a value of the language: numbers and dates are not texts."""
    if value.isdigit() and len(value) < 10:
        return int(value)
    try:
        return date.fromisoformat(value) if len(value) == 10 else value
    except ValueError:
        return value


def changes(
    before: Ledger,
    after: Ledger,
    events: tuple[Event, ...],
    decisions: tuple[Decision, ...] = (),
    reading: Reading | None = None,
) -> Ingest:
    """Return what lies between two ledgers, with the events that tell it and the decisions that came of it."""
    return Ingest(
        ledger=after, reading=reading, events=events, decisions=decisions,
        authorizations=tuple(a for k, a in after.authorizations.items() if before.authorizations.get(k) != a),
        obligations=tuple(o for k, o in after.obligations.items() if before.obligations.get(k) != o),
        effects=tuple(e for d in decisions for e in d.effects),
    )  # fmt: skip
