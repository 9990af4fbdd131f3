"""The spine: poll, plan, apply, ingest; the only place that reads the clock.

In: a Config. Out: an Outcome with what happened and its exit code. Wires the gate, the intake, the store and the drain.
May not live here: decisions about mail or rules, text for a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NoReturn

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
from mailrules.spine.heartbeat import beat, look_at_clock, purge
from mailrules.spine.intake import Clock, Intake, Report
from mailrules.spine.live import Gate
from mailrules.spine.pool import Pool, alone
from mailrules.spine.quiet import note, standing
from mailrules.spine.reaching import session_of
from mailrules.store import Store

if TYPE_CHECKING:
    from mailrules.mail.message import RawMessage
    from mailrules.spine.plan import Plan
    from mailrules.spine.watch import Times, Watch

Progress = Callable[[str, int, int], None]
PATIENCE = 2.0
"""Seconds: then what the quick accounts' mail asks for is done, and the slow ones go on."""


def clock() -> datetime:
    """Return the present instant, aware, in UTC."""
    return datetime.now(UTC)


def nothing(_account: str, _done: int, _all: int) -> None:
    """Show no progress."""


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
    clock: str = ""

    @property
    def exit_code(self) -> int:
        """The worst of all accounts' codes (design, "Exit codes")."""
        if self.moved:
            return EXIT_CHECK_FAILED
        codes = [r.error.exit_code for r in self.reports if r.error]
        codes += [EXIT_NEEDS_PERSON] if self.needs else []
        codes += [EXIT_CONFIG] if self.rules_error else []
        return worst(codes)


def poll(
    config: Config, *, only: Collection[str] | None = None, dry_run: bool = False, since: date | None = None,
    progress: Progress = nothing, roused: Callable[[], Collection[str]] = tuple, tell_time: Clock = clock,
) -> Outcome:  # fmt: skip
    """Do the main job once: new mail of every account, then the deadlines, then what is to be done.

    `only` are accounts; with none of them it is only time that passes. A dry run does the same to a copy of the store, and
    ends with the plan of what would be done. Who watches names in `roused` the accounts to be looked at (again) meanwhile.
    """
    outcome = Outcome()
    now = tell_time().isoformat()
    waiting = {
        config.account(name).name: None for name in ([a.name for a in config.accounts] if only is None else only)
    }
    store = Store.scratch(config.store) if dry_run else Store.open(config.store, now=now)
    with store, store.exclusive() as mine, Pool[Report]() as pool:
        if not mine:
            outcome.busy = True
            return outcome
        outcome.clock = "" if dry_run else look_at_clock(store, tell_time())
        gate = Gate(config, store, now, keep=not dry_run)
        if dry_run or standing(gate, store, tell_time()) is None:
            outcome.rules_error = gate.error
        intake = Intake(config, gate, store, tell_time, since=since, progress=progress)
        while True:
            for name in [name for name in waiting if name not in pool.busy]:
                del waiting[name]
                pool.add(name, _polled(intake, name))
            ended = pool.wait(PATIENCE)
            outcome.reports += ended
            if ended or not pool.busy:
                needs = None if dry_run else standing(gate, store, tell_time())
                if needs is None:
                    intake.tick(without=pool.busy)
                    if not pool.busy:
                        _digest(intake)
                if not dry_run:
                    _settle(outcome, ended, intake, needs, alone=not pool.busy)
            waiting |= dict.fromkeys(roused())
            if not waiting and not pool.busy:
                break
        order = {account.name: n for n, account in enumerate(config.accounts)}
        outcome.reports.sort(key=lambda report: order[report.account])
        if dry_run:
            outcome.plan = _plan_of(intake)
        return outcome


async def _polled(intake: Intake, name: str) -> Report:
    """Take in the new mail of one account; whatever goes wrong with it is its own affair."""
    report = Report(name)
    try:
        await intake.poll(intake.config.account(name), report)
    except MailrulesError as error:
        report.error = error
    return report


def _digest(intake: Intake) -> None:
    """Plan this week's digest, where one is wanted and it is time."""
    if intake.config.digest:
        from mailrules.spine.digest import plan_digest

        intake.new += plan_digest(intake.config, intake.store, intake.clock())


def _settle(outcome: Outcome, ended: list[Report], intake: Intake, needs: list[str] | None, *, alone: bool) -> None:
    """Do what is due, and write down how the accounts answered whose mail has been read.

    `needs` is what needs a person where it is known that there is nothing to do, else None.
    """
    config, store, tell_time = intake.config, intake.store, intake.clock
    if needs is None:
        from mailrules.spine.drain import drain

        outcome.rules_error = intake.gate.error
        outcome.performed += drain(config, store, tell_time)
        purge(config, store, tell_time())
    with store.transaction():
        if needs is None:
            _look_for_needs(outcome, store, tell_time)
            if alone:
                note(intake.gate, store, outcome.needs, tell_time())
        else:
            outcome.needs = needs
        changed = beat(config, store, ended, str(outcome.rules_error or ""), tell_time())
        outcome.rules_changed = outcome.rules_changed or changed


def watch(
    load: Callable[[], Config], told: Callable[[Outcome | MailrulesError], None], *, only: Collection[str] | None = None,
    times: Times | None = None, tell_time: Clock = clock, on_hangup: Callable[[Callable[[], None]], object] = id,
) -> NoReturn:  # fmt: skip
    """Poll for ever: an account when something may have changed in it, the deadlines each minute.

    `on_hangup` is handed what is to be called when the configuration is to be read anew.
    """
    from mailrules.spine.systemd import notify, watchdog
    from mailrules.spine.watch import Times, Watch, post_of

    config = load()
    times = times or Times()
    times = replace(times, tick_every=min(times.tick_every, (watchdog() or times.tick_every * 2) / 2))
    while True:
        accounts = [config.account(name) for name in only] if only is not None else config.accounts
        with Watch([post_of(config, account, tell_time) for account in accounts], times) as lookout:
            on_hangup(lookout.hang_up)
            notify("READY=1")
            while not lookout.hung_up:
                names = lookout.wait()
                notify("WATCHDOG=1")
                if names is not None:
                    _look(config, names, lookout, told, tell_time)
        try:
            config = load()
        except MailrulesError as error:
            told(error)


def _look(
    config: Config, names: list[str], lookout: Watch, told: Callable[[Outcome | MailrulesError], None], tell_time: Clock
) -> None:
    """Poll once, as cron would; what could not be done is done a little later."""
    from mailrules.spine.systemd import notify

    def roused() -> list[str]:
        notify("WATCHDOG=1")
        return lookout.roused()

    try:
        outcome = poll(config, only=names, roused=roused, tell_time=tell_time)
    except MailrulesError as error:
        lookout.again(names, lookout.times.tick_every)
        told(error)
        return
    if outcome.busy:
        lookout.again(names, lookout.times.first_pause)
    lookout.polled({report.account: report.error for report in outcome.reports})
    told(outcome)


def apply(config: Config, plan: Plan, *, tell_time: Clock = clock) -> Outcome:
    """Do exactly what a plan says, or nothing: it is made again from the world as it is now, and compared.

    Making, comparing and committing are one transaction, so nothing can move in between; then only its effects are
    performed. Raises MailrulesError where a mailbox cannot be read; nothing was done then.
    """
    from mailrules.spine.drain import drain

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
    from mailrules.spine.plan import differences

    gate = Gate(config, store, tell_time().isoformat())
    outcome.rules_error = gate.error
    bounds = {(box.account, box.mailbox): box for box in plan.mailboxes}
    intake = Intake(config, gate, store, tell_time, bounds)
    for account in config.accounts:
        report = Report(account.name)
        outcome.reports.append(report)
        alone(intake.poll(account, report))
    intake.tick()
    _digest(intake)
    found = _plan_of(intake)
    rows = {row["key"]: row for row in store.effects()}
    settled = {key: f"it is {row['state']} since {row['updated'][:16]}" for key, row in rows.items()}
    moved = differences(plan, found, settled)
    if moved:
        raise _MovedError(moved)
    return found


def _plan_of(intake: Intake) -> Plan:
    """Return what waits to be performed after an intake, and what it wrote down."""
    from mailrules.spine.plan import Plan, digest, fingerprints, sentence

    store, now = intake.store, intake.clock().isoformat()
    store.abandoned()
    ledger, due = store.ledger(), store.due(now)
    performed = {e.key for e in due}
    written = [e for e in intake.new if e.key not in performed]
    return Plan(
        made_at=now, rules=digest(dict(intake.rules.sources)), config=fingerprints(intake.config),
        mailboxes=tuple(sorted(intake.seen, key=lambda box: (box.account, box.mailbox))), changes=tuple(sentence(e, ledger) for e in intake.events),
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
    from mailrules.spine.drain import drain

    outcome = Outcome()
    report = Report(account.name)
    outcome.reports.append(report)
    now = clock().isoformat()
    store = Store.open(config.store, now=now)
    with store.exclusive() as mine:
        if not mine:
            outcome.busy = True
            return outcome
        gate = Gate(config, store, now)
        outcome.rules_error = gate.error
        intake = Intake(config, gate, store, clock)
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
