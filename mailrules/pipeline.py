"""The whole program, pure: read(raw) -> Reading; conclude(reading, …) -> Ingest; tick(…) -> Ingest.

In: bytes, a checked rule set, the ledger, the present instant. Out: values that say all that has to be written down.
May not live here: I/O, the clock, SQL, anything a dry run would have to leave out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mailrules.decide import Decision, decide
from mailrules.decide.compose import Situation
from mailrules.effects import Effect
from mailrules.ledger import (
    HISTORY_AFTER,
    Authorization,
    Event,
    Ledger,
    Obligation,
    Sighting,
    grow,
    observe,
    snoozed_until,
)
from mailrules.mail.message import AuthVerdict, Message, RawMessage
from mailrules.mail.parse import parse_message
from mailrules.notices.notice import Notice, Trust
from mailrules.notices.recognize import recognize
from mailrules.notices.trust import with_trust
from mailrules.ruleset import RuleSet
from mailrules.situations import of_deadline, of_event, of_notice, system_of
from mailrules.world import AccountFacts, Receiver, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one document says: `digest` is the SHA-256 of its bytes (hex), `notices` one for each object inside it."""

    raw: RawMessage
    digest: str
    message: Message
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """All that one message (or one tick) changes: one value, one transaction. `ledger` is the ledger afterwards.

    `situations` are what the `on` rules looked at, one for each notice.
    """

    ledger: Ledger
    reading: Reading | None = None
    authorizations: tuple[Authorization, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    events: tuple[Event, ...] = ()
    decisions: tuple[Decision, ...] = ()
    effects: tuple[Effect, ...] = ()
    situations: tuple[Situation, ...] = ()


def read(
    raw: RawMessage,
    rules: RuleSet,
    *,
    receiver: Receiver | None = None,
    developers: Collection[str] = (),
    senders: Collection[tuple[str, str]] = (),
    signature: AuthVerdict | None = None,
    trust: Trust | None = None,
) -> Reading:
    """Read one document. `trust` overrides what was found out about the sender: a test says so, or a person who vouches.

    `senders` are those that a person confirmed, each with the system; `signature` is our own check of it.
    """
    message = parse_message(raw, receiver, signature)
    notices = tuple(
        replace(n, trust=trust, trust_reason="said by whoever handed it in")
        if trust
        else with_trust(message, n, rules.systems, developers, senders)
        for n in recognize(message, rules.wordings, rules.systems)
    )
    return Reading(raw=raw, digest=hashlib.sha256(raw.content).hexdigest(), message=message, notices=notices)


def conclude(reading: Reading, ledger: Ledger, rules: RuleSet, world: World, now: datetime) -> Ingest:
    """Fold one reading into the ledger and let the `on` rules look at it."""
    before = ledger
    events: list[Event] = []
    decisions: list[Decision] = []
    situations: list[Situation] = []
    account = world.accounts[reading.raw.account]
    for notice in reading.notices:
        if reading.message.automatic or notice.trust == "forged":
            continue
        match notice.status:
            case "read":
                observed = observe(ledger, _sighting(reading, notice, ledger, rules, account, now))
                ledger = observed.ledger
                events.extend(observed.events)
                if observed.held:
                    decisions.extend(
                        Decision(rule=r.name.value, fired=False, why=observed.held)
                        for r in rules.index.concerned(notice.kind or "", {})
                    )
                    continue
                situations.append(
                    of_notice(
                        ledger,
                        observed.authorization,
                        observed.obligation,
                        account,
                        rules,
                        now,
                        notice=notice,
                        message=reading.message,
                        digest=reading.digest,
                    )
                )
            case "unparsed":
                situations.append(
                    of_event(
                        "unparsed", account, rules, now, notice=notice, message=reading.message, digest=reading.digest
                    )
                )
            case "unrecognized" if rules.index.waits_for("mail") and now - reading.message.received_at < HISTORY_AFTER:
                situations.append(
                    of_event("mail", account, rules, now, notice=notice, message=reading.message, digest=reading.digest)
                )
    decisions.extend(
        d for seen in situations for d in decide(rules.index.concerned(seen.kind, seen.facts), seen, world)
    )
    ingest = changes(before, ledger, tuple(events), tuple(decisions), reading)
    return replace(ingest, situations=tuple(situations))


def _sighting(
    reading: Reading, notice: Notice, ledger: Ledger, rules: RuleSet, account: AccountFacts, now: datetime
) -> Sighting:
    system = system_of(rules, notice.system)
    shows = system.shows_within if system else None
    written = notice.written or reading.message.sent_at
    name = notice.system or ""
    number = notice.fields.get("developer_id")
    return Sighting(
        account=account.name, system=name, kind=notice.kind or "", developer_id=number,
        developer=notice.fields.get("developer") or (system.title.value if system else ""),
        region=_region(ledger, number, notice.region, account), expires=notice.fields.get("expires"), trust=notice.trust,
        message=reading.digest, at=now.isoformat(), today=now.astimezone(account.zone).date(),
        status="" if _outweighed(notice, reading.notices) else notice.fields.get("status", ""),
        granted=notice.fields.get("granted"), confirmed=notice.fields.get("last_confirmed"), written=written.astimezone(account.zone).date() if written else None,
        quiet=timedelta(**{shows.unit: shows.amount}) if shows else None,
        yields=frozenset(n.value for n in system.yields_to) if system else frozenset(),
        overrules=frozenset(s.name.value for s in rules.systems if name in [n.value for n in s.yields_to]),
    )  # fmt: skip


def _outweighed(notice: Notice, others: tuple[Notice, ...]) -> bool:
    """Whether a row's status is about an authorization that the same document warns of: then it is no evidence."""
    return notice.kind == "authorization_status" and any(
        other.status == "read"
        and other.kind != "authorization_status"
        and other.system == notice.system
        and (other.region == notice.region or None in (other.region, notice.region))
        and all(other.fields.get(name) == notice.fields.get(name) for name in ("developer_id", "developer"))
        for other in others
    )


def _region(ledger: Ledger, number: str | None, told: str | None, account: AccountFacts) -> str | None:
    """Region from the notice's own link, else from the only record with the same id, else the account's default."""
    if told or not number:
        return told or account.region
    regions = {
        a.region for a in ledger.authorizations.values() if a.account == account.name and a.developer_id == number
    }
    return regions.pop() if len(regions) == 1 else account.region


def tick(ledger: Ledger, rules: RuleSet, world: World, now: datetime, known: Collection[str] = frozenset()) -> Ingest:
    """Let time pass and let the `while` rules look at every deadline that waits: cron is the clock.

    `known` are keys of effects that were asked for before; they are not asked for again.
    """
    before = ledger
    days = {name: now.astimezone(account.zone).date() for name, account in world.accounts.items()}
    warn_days = {name: account.warn_days for name, account in world.accounts.items()}
    ledger, events = grow(ledger, days, now.isoformat(), warn_days=warn_days)
    decisions: list[Decision] = []
    for situation in deadlines(ledger, rules, world, now) if rules.index.waits_for("") else ():
        decisions.extend(decide(rules.index.concerned("", situation.facts), situation, world, known))
    return changes(before, ledger, events, tuple(decisions))


def deadlines(ledger: Ledger, rules: RuleSet, world: World, now: datetime) -> Iterator[Situation]:
    """Yield what `while` rules look at: every deadline that waits, of every account, but not what is snoozed."""
    for subject in ledger.live():
        account = world.accounts.get(subject.account)
        if account is None or snoozed_until(subject, now.astimezone(account.zone).date()):
            continue
        for owed in ledger.watched(subject.id):
            if not owed.history:
                yield of_deadline(ledger, subject, owed, account, rules, now)


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
