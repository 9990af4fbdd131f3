"""One poll at work: new mail of every account, then the deadlines, then what is to be done, then how each account answered.

In: a Config, the store whose lock is held, accounts, lines that are being dialled, a clock. Out: an Outcome.
May not live here: opening and locking the store (app.py), decisions about mail or rules, reading the clock by itself.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING

from mailrules.config import Config
from mailrules.errors import MailrulesError
from mailrules.spine.heartbeat import beat, purge
from mailrules.spine.intake import Intake, Report
from mailrules.spine.live import Gate
from mailrules.spine.outcome import Outcome
from mailrules.spine.pool import Pool
from mailrules.spine.quiet import note, standing
from mailrules.store import Store

if TYPE_CHECKING:
    from mailrules.sources.line import Line
    from mailrules.spine.plan import Plan

PATIENCE = 2.0
"""Seconds: then what the quick accounts' mail asks for is done, and the slow ones go on."""


def run(
    config: Config, store: Store, names: Iterable[str], lines: dict[str, Line], *, dry_run: bool, since: date | None,
    progress: Callable[[str, int, int], None], roused: Callable[[], Collection[str]], tell_time: Callable[[], datetime],
) -> Outcome:  # fmt: skip
    """Poll the accounts named, and those that are named in `roused` meanwhile. `lines`: where the connection is under way."""
    gc.enable()  # why: whoever starts a poll leaves it off while all this is imported (cli/__init__.py)
    outcome, waiting = Outcome(), dict.fromkeys(names)
    with Pool[Report]() as pool:
        gate = Gate(config, store, tell_time().isoformat(), keep=not dry_run)
        if dry_run or standing(gate, store, tell_time()) is None:
            outcome.rules_error = gate.error
        intake = Intake(config, gate, store, tell_time, since=since, progress=progress)
        while True:
            for name in [name for name in waiting if name not in pool.busy]:
                del waiting[name]
                pool.add(name, _polled(intake, name, lines.pop(name, None)))
            ended = pool.wait(PATIENCE)
            outcome.reports += ended
            if ended or not pool.busy:
                needs = None if dry_run else standing(gate, store, tell_time())
                if needs is None:
                    intake.tick(without=pool.busy)
                    if not pool.busy:
                        digest(intake)
                if not dry_run:
                    _settle(outcome, ended, intake, needs, alone=not pool.busy)
            waiting |= dict.fromkeys(roused())
            if not waiting and not pool.busy:
                break
        order = {account.name: n for n, account in enumerate(config.accounts)}
        outcome.reports.sort(key=lambda report: order[report.account])
        if dry_run:
            outcome.plan = plan_of(intake)
        return outcome


async def _polled(intake: Intake, name: str, line: Line | None) -> Report:
    """Take in the new mail of one account; whatever goes wrong with it is its own affair."""
    report = Report(name)
    try:
        await intake.poll(intake.config.account(name), report, line)
    except MailrulesError as error:
        report.error = error
    return report


def digest(intake: Intake) -> None:
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
            outcome.look_for_needs(store, tell_time())
            if alone:
                note(intake.gate, store, outcome.needs, tell_time())
        else:
            outcome.needs = needs
        changed = beat(config, store, ended, str(outcome.rules_error or ""), tell_time())
        outcome.rules_changed = outcome.rules_changed or changed


def plan_of(intake: Intake) -> Plan:
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
