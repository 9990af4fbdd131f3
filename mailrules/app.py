"""The spine: poll, plan, apply, ingest; the only place that reads the clock.

In: a Config. Out: an Outcome with what happened and its exit code. Wires the gate, the intake, the store and the drain.
May not live here: decisions about mail or rules, text for a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NoReturn

from mailrules.config import Account, Config
from mailrules.errors import MailrulesError, UnreadableError
from mailrules.spine.heartbeat import look_at_clock
from mailrules.spine.outcome import Outcome
from mailrules.spine.pool import alone
from mailrules.spine.quiet import promised
from mailrules.spine.reaching import dialled, session_of
from mailrules.store import Store

if TYPE_CHECKING:
    from mailrules.mail.message import RawMessage
    from mailrules.spine.plan import Plan
    from mailrules.spine.watch import Times, Watch

Clock = Callable[[], datetime]
Progress = Callable[[str, int, int], None]


def clock() -> datetime:
    """Return the present instant, aware, in UTC."""
    return datetime.now(UTC)


def nothing(_account: str, _done: int, _all: int) -> None:
    """Show no progress."""


def poll(
    config: Config, *, only: Collection[str] | None = None, dry_run: bool = False, since: date | None = None,
    progress: Progress = nothing, roused: Callable[[], Collection[str]] = tuple, tell_time: Clock = clock,
) -> Outcome:  # fmt: skip
    """Do the main job once: new mail of every account, then the deadlines, then what is to be done.

    `only` are accounts; with none of them it is only time that passes. A dry run does the same to a copy of the store, and
    ends with the plan of what would be done. Who watches names in `roused` the accounts to be looked at (again) meanwhile.
    """
    names = [account.name for account in config.accounts] if only is None else [config.account(n).name for n in only]
    store = Store.scratch(config.store) if dry_run else Store.open(config.store, now=tell_time().isoformat())
    with store, store.exclusive() as mine:
        if not mine:
            return Outcome(busy=True)
        jumped = "" if dry_run else look_at_clock(store, tell_time())
        expected = not dry_run and promised(store, tell_time()) is not None
        with dialled(config, store, names if expected else [], tell_time()) as lines:
            from mailrules.spine.round import run  # why here: meanwhile the servers answer, which takes them as long

            outcome = run(
                config, store, names, lines, dry_run=dry_run, since=since, progress=progress, roused=roused, tell_time=tell_time
            )  # fmt: skip
        outcome.clock = jumped
        return outcome


def watch(
    load: Callable[[], Config], told: Callable[[Outcome | MailrulesError], None], *, only: Collection[str] | None = None,
    times: Times | None = None, tell_time: Clock = clock, on_hangup: Callable[[Callable[[], None]], object] = id,
) -> NoReturn:  # fmt: skip
    """Poll for ever: an account when something may have changed in it, the deadlines each minute.

    `on_hangup` is handed what is to be called when the configuration is to be read anew.
    """
    from dataclasses import replace

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

    outcome = Outcome(plan)
    store = Store.open(config.store, now=tell_time().isoformat())
    with store, store.exclusive() as mine:
        if not mine:
            return Outcome(plan, busy=True)
        try:
            with store.transaction():
                outcome.plan = _again(config, plan, store, outcome, tell_time)
        except _MovedError as moved:
            outcome.moved = moved.sentences
            return outcome
        keys = {e.key for e in outcome.plan.effects if e.state == "planned"}
        outcome.performed = drain(config, store, tell_time, only=keys)
        outcome.look_for_needs(store, tell_time())
    return outcome


class _MovedError(Exception):
    """The world is not as the plan saw it; raised to leave the transaction, which then leaves nothing."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__()
        self.sentences = sentences


def _again(config: Config, plan: Plan, store: Store, outcome: Outcome, tell_time: Clock) -> Plan:
    from mailrules.spine.intake import Intake, Report
    from mailrules.spine.live import Gate
    from mailrules.spine.plan import differences
    from mailrules.spine.round import digest, plan_of

    gate = Gate(config, store, tell_time().isoformat())
    outcome.rules_error = gate.error
    bounds = {(box.account, box.mailbox): box for box in plan.mailboxes}
    intake = Intake(config, gate, store, tell_time, bounds)
    for account in config.accounts:
        report = Report(account.name)
        outcome.reports.append(report)
        alone(intake.poll(account, report))
    intake.tick()
    digest(intake)
    found = plan_of(intake)
    rows = {row["key"]: row for row in store.effects()}
    settled = {key: f"it is {row['state']} since {row['updated'][:16]}" for key, row in rows.items()}
    moved = differences(plan, found, settled)
    if moved:
        raise _MovedError(moved)
    return found


def ingest_documents(config: Config, documents: Iterable[RawMessage], account: Account) -> Outcome:
    """Take documents into the ledger as if they had arrived in the account's mailbox."""
    from dataclasses import replace

    from mailrules.spine.drain import drain
    from mailrules.spine.intake import Intake, Report
    from mailrules.spine.live import Gate

    outcome, report = Outcome(), Report(account.name)
    outcome.reports.append(report)
    now = clock().isoformat()
    store = Store.open(config.store, now=now)
    with store, store.exclusive() as mine:
        if not mine:
            return Outcome(busy=True)
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
