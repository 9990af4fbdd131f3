"""The first look over a mailbox: everything it holds goes into the ledger, and nobody is written to yet.

In: a Config, a clock. Out: Found: what lapses when, and which senders and developers a person has not confirmed.
May not live here: asking a person, printing, performing: what the rules ask for waits for the next poll.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mailrules.config import Config
from mailrules.ledger.listing import by_deadline
from mailrules.notices.trust import not_to_confirm
from mailrules.spine.intake import Intake, Report
from mailrules.spine.live import Gate
from mailrules.spine.pool import alone
from mailrules.store import Store

REACH = timedelta(days=400)
"""So far back a mailbox is looked at: what was said of any deadline ahead was said within a year and a month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a mailbox held. `authorizations` are listed rows, the nearest deadline first.

    `senders` are (system, address) pairs that a person may confirm, `developers` Developer IDs with their names.
    `waiting` counts what the next poll will do: mails and scripts; tasks are there already.
    """

    messages: int
    notices: int
    authorizations: tuple[dict[str, Any], ...]
    senders: tuple[tuple[str, str], ...]
    developers: tuple[tuple[str, str], ...]
    waiting: int
    busy: bool = False


def look_back(config: Config, clock: Callable[[], datetime], progress: Callable[[str, int, int], None]) -> Found:
    """Read every account's mailboxes as a poll does, and perform nothing. Raises MailrulesError as a poll would report."""
    now = clock()
    with Store.open(config.store, now=now.isoformat()) as store:
        with store.exclusive() as mine:
            if not mine:
                return Found(messages=0, notices=0, authorizations=(), senders=(), developers=(), waiting=0, busy=True)
            gate = Gate(config, store, now.isoformat())
            rules = gate.rules
            if gate.error:
                raise gate.error
            intake = Intake(config, gate, store, clock, since=(now - REACH).date(), progress=progress)
            reports = [Report(account.name) for account in config.accounts]
            for account, report in zip(config.accounts, reports, strict=True):
                alone(intake.poll(account, report))
            intake.tick()
        days = {name: now.astimezone(facts.zone).date() for name, facts in config.world.accounts.items()}
        warn = {name: facts.warn_days for name, facts in config.world.accounts.items()}
        rows = tuple(by_deadline(store.ledger(), days, warn, now.date()))
        systems = {s.name.value: s for s in rules.systems}
        confirmed = store.confirmed_senders()
        senders = {
            (row["system"], row["address"])
            for row in store.senders()
            if row["level"] != "forged"
            and row["system"] in systems
            and not {(row["system"], row["address"]), (row["system"], row["address"].rpartition("@")[2])} & confirmed
            and not not_to_confirm(row["address"], systems[row["system"]], rules.systems)
        }
        known = {*config.world.developers, *store.confirmed_developers()}
        developers = {  # in the order of their deadlines
            r["developer_id"]: r["developer"] or "" for r in rows
            if r["developer_id"] not in (None, "", *known) and r["state"] != "expired"
        }  # fmt: skip
        return Found(
            messages=sum(r.seen for r in reports), notices=sum(r.notices for r in reports), authorizations=rows,
            senders=tuple(sorted(senders)), developers=tuple(developers.items()), waiting=len(store.planned()),
        )  # fmt: skip
