"""The spine: poll, plan, apply, ingest; the only place that reads the clock.

In: a Config. Out: an Outcome with what happened and its exit code. Wires the gate, the intake, the store and the drain.
May not live here: decisions about mail or rules, text for a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailrules.config import Account, Config
from mailrules.errors import (
    EXIT_CHECK_FAILED,
    EXIT_CONFIG,
    EXIT_NEEDS_PERSON,
    ConfigError,
    MailrulesError,
    UnreadableError,
    worst,
)
from mailrules.spine.drain import drain
from mailrules.spine.heartbeat import beat, purge
from mailrules.spine.intake import Clock, Intake, Report
from mailrules.spine.live import live_rules
from mailrules.spine.mailboxes import session_of
from mailrules.spine.plan import Plan, differences, digest, fingerprints, sentence
from mailrules.store import Store

if TYPE_CHECKING:
    from mailrules.mail.message import RawMessage


def clock() -> datetime:
    """Return the present instant, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Outcome:
    """What a whole run did. `plan` is set by a dry run and an apply; `moved` says why a plan was not applied."""

    reports: list[Report] = field(default_factory=list)
    plan: Plan | None = None
    moved: list[str] = field(default_factory=list)
    performed: list[tuple[str, str, str]] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    needs_changed: bool = False
    busy: bool = False
    rules_error: ConfigError | None = None
    rules_changed: bool = False

    @property
    def exit_code(self) -> int:
        """The worst of all accounts' codes (design, "Exit codes")."""
        if self.moved:
            return EXIT_CHECK_FAILED
        codes = [r.error.exit_code for r in self.reports if r.error]
        codes += [EXIT_NEEDS_PERSON] if self.needs else []
        codes += [EXIT_CONFIG] if self.rules_error else []
        return worst(codes)


def poll(config: Config, *, only: str | None = None, dry_run: bool = False, tell_time: Clock = clock) -> Outcome:
    """Do the main job once: new mail of every account, then the deadlines, then what is to be done.

    A dry run does the same to a copy of the store, and ends with the plan of what would be done.
    """
    accounts = [config.account(only)] if only else list(config.accounts)
    outcome = Outcome()
    now = tell_time().isoformat()
    store = Store.scratch(config.store) if dry_run else Store.open(config.store, now=now)
    with store.exclusive() as mine:
        if not mine:
            outcome.busy = True
            return outcome
        rules, outcome.rules_error = live_rules(config, store, now)
        intake = Intake(config, rules, store, tell_time)
        for account in accounts:
            report = Report(account.name)
            outcome.reports.append(report)
            try:
                intake.poll(account, report)
            except MailrulesError as error:
                report.error = error
        intake.tick()
        if dry_run:
            outcome.plan = _plan_of(intake)
            return outcome
        outcome.performed = drain(config, store, tell_time)
        purge(config, store, tell_time())
        with store.transaction():
            _look_for_needs(outcome, store, tell_time)
            outcome.rules_changed = beat(store, outcome.reports, str(outcome.rules_error or ""), tell_time())
    return outcome


def apply(config: Config, plan: Plan, *, tell_time: Clock = clock) -> Outcome:
    """Do exactly what a plan says, or nothing: it is made again from the world as it is now, and compared.

    Making, comparing and committing are one transaction, so nothing can move in between; then only its effects are
    performed. Raises MailrulesError where a mailbox cannot be read; nothing was done then.
    """
    outcome = Outcome(plan=plan)
    now = tell_time().isoformat()
    store = Store.open(config.store, now=now)
    with store.exclusive() as mine:
        if not mine:
            outcome.busy = True
            return outcome
        try:
            with store.transaction():
                outcome.plan = _again(config, plan, store, outcome, tell_time)
        except _MovedError as moved:
            outcome.moved = moved.sentences
            return outcome
        keys = {e.key for e in outcome.plan.effects if e.state == "planned"}
        outcome.performed = drain(config, store, tell_time, only=keys)
        _look_for_needs(outcome, store, tell_time)
    return outcome


class _MovedError(Exception):
    """The world is not as the plan saw it; raised to leave the transaction, which then leaves nothing."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__()
        self.sentences = sentences


def _again(config: Config, plan: Plan, store: Store, outcome: Outcome, tell_time: Clock) -> Plan:
    rules, outcome.rules_error = live_rules(config, store, tell_time().isoformat())
    bounds = {(box.account, box.mailbox): box for box in plan.mailboxes}
    intake = Intake(config, rules, store, tell_time, bounds)
    for account in config.accounts:
        report = Report(account.name)
        outcome.reports.append(report)
        intake.poll(account, report)
    intake.tick()
    found = _plan_of(intake)
    rows = {row["key"]: row for row in store.effects()}
    settled = {key: f"it is {row['state']} since {row['updated'][:16]}" for key, row in rows.items()}
    moved = differences(plan, found, settled)
    if moved:
        raise _MovedError(moved)
    return found


def _plan_of(intake: Intake) -> Plan:
    """Return what waits to be performed after an intake, and what it wrote down."""
    store, now = intake.store, intake.clock().isoformat()
    store.abandoned()
    ledger, due = store.ledger(), store.due(now)
    performed = {e.key for e in due}
    written = [e for e in intake.new if e.key not in performed]
    return Plan(
        made_at=now, rules=digest(dict(intake.rules.sources)), config=fingerprints(intake.config),
        mailboxes=tuple(intake.seen), changes=tuple(sentence(e, ledger) for e in intake.events),
        effects=(*written, *due),
    )  # fmt: skip


def _look_for_needs(outcome: Outcome, store: Store, tell_time: Clock) -> None:
    """Note what needs a person, and whether that has changed since it was last said: one report a change."""
    outcome.needs = store.needs_person(tell_time().isoformat())
    text = "\n".join(outcome.needs)
    if text != (store.meta_get("needs") or ""):
        store.meta_set("needs", text, tell_time().isoformat())
        outcome.needs_changed = bool(outcome.needs)


def ingest_documents(config: Config, documents: Iterable[RawMessage], account: Account) -> Outcome:
    """Take documents into the ledger as if they had arrived in the account's mailbox."""
    outcome = Outcome()
    report = Report(account.name)
    outcome.reports.append(report)
    now = clock().isoformat()
    store = Store.open(config.store, now=now)
    with store.exclusive() as mine:
        if not mine:
            outcome.busy = True
            return outcome
        rules, outcome.rules_error = live_rules(config, store, now)
        intake = Intake(config, rules, store, clock)
        unread = []
        for document in documents:
            report.seen += 1
            try:
                intake.document(account, replace(document, account=account.name), "taken in by hand", report)
            except UnreadableError as error:
                unread.append(f"{document.source} was not taken in: {error}")
        intake.tick()
        outcome.performed = drain(config, store, clock)
        outcome.needs = unread + store.needs_person(clock().isoformat())
        outcome.needs_changed = bool(unread)
    return outcome


def test_login(config: Config, name: str) -> str:
    """Log in to one account, look at its mailboxes read-only, and say in a sentence what worked."""
    account = config.account(name)
    with session_of(config, account) as session:
        boxes = [f"{mailbox} ({session.examine(mailbox).exists} messages)" for mailbox in account.mailboxes]
    return f"account {name}: logged in to {account.host}:{account.port} as {account.user}; {', '.join(boxes)}"
