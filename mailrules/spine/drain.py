"""What is to be done, done: each effect claimed before and settled after.

In: a Config, an open store, a clock. Out: (action, target, what came of it) of each effect.
May not live here: deciding what is to be done, how one action works (actions/).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from mailrules.config import Config
from mailrules.effects import Effect, Outcome
from mailrules.errors import UsageError
from mailrules.secret import COMMANDS
from mailrules.spine.breaker import DAY, HOUR, held
from mailrules.spine.intake import Clock
from mailrules.spine.reaching import Changing
from mailrules.spine.sending import chat_urls, smtp_settings
from mailrules.spine.systemd import notify
from mailrules.store import Claim, Store
from mailrules.world import AccountFacts

if TYPE_CHECKING:
    from mailrules.actions import Services
    from mailrules.ledger import Ledger, Observed

_EXPIRES = re.compile(r"^expires: ([0-9]{4}-[0-9]{2}-[0-9]{2})\s*$", re.MULTILINE)
"""What a script that verifies may print on a line of its own."""


def drain(
    config: Config, store: Store, clock: Clock, only: Collection[str] | None = None
) -> list[tuple[str, str, str]]:
    """Perform what is due; a crash in between is seen by the next poll. `only` are keys: nothing else is touched then."""
    performed: list[tuple[str, str, str]] = []
    store.abandoned()
    services: Services | None = None
    with Changing(config, store, clock) as servers:
        while claims := _claimed(config, store, clock(), only):
            # why here: most polls have nothing to perform
            from mailrules.actions import Services, backoff, perform

            services = services or Services(
                smtp=smtp_settings(config), chats=chat_urls(config), content=store.content, places=store.places,
                sessions=servers.session, own_id=store.own_id(), sender=config.smtp.sender if config.smtp else "", language=lambda name: _language(config, name),
            )  # fmt: skip
            for group in _grouped(claims):
                notify(
                    "WATCHDOG=1"
                )  # why here: a script may take a quarter of an hour, a silent mail server a minute for each mail
                with COMMANDS.none() if group[0].effect.action == "run_script" else nullcontext():
                    result = _cleared(config, perform(group, services, clock().isoformat()))
                attempt = max(claim.attempt for claim in group)
                next_at = (
                    (clock() + timedelta(seconds=backoff(attempt))).isoformat() if result.result == "retry" else None
                )
                for claim in group:
                    store.settle(claim, result, clock().isoformat(), next_at)
                    why = f"{result.result}: {result.why}"
                    if result.result == "done" and claim.effect.args.get("verifies"):
                        why = f"{why}; {_verified(config, store, claim.effect, result.output, clock())}"
                    performed.append((claim.effect.action, claim.effect.target, why))
    return performed


def _cleared(config: Config, outcome: Outcome) -> Outcome:
    """Take secrets out of what servers and scripts said, before it is kept or shown."""
    clear = config.secrets.redacted
    return replace(outcome, why=clear(outcome.why), output=clear(outcome.output))


def _language(config: Config, account: str) -> str:
    facts = config.world.accounts.get(account)
    return facts.language if facts else config.language


def _claimed(config: Config, store: Store, now: datetime, only: Collection[str] | None) -> list[Claim]:
    """Claim what is due, once what is over a limit, or no longer declared, was put off."""
    at = now.isoformat()
    due = []
    for effect in store.due(at):
        if only is not None and effect.key not in only:
            continue
        if effect.action == "run_script" and effect.target not in config.world.scripts:
            # why: who takes a script out of mailrules.toml means that it shall not run, and may put it back
            store.put_off(
                effect.key, (now + HOUR).isoformat(), f": no script `{effect.target}` is declared under [scripts]", at
            )
        else:
            due.append(effect)
    if due:
        for waits in held(due, store.performed_since((now - DAY).isoformat()), config.limits, now):
            store.put_off(waits.key, waits.until, f" by a limit: {waits.why}", at)
    return store.claim(now=at, only=only)


def _verified(config: Config, store: Store, effect: Effect, output: str, now: datetime) -> str:
    """Settle the deadline that a script made sure of; what it says must make sense, else a person decides."""
    from mailrules.pipeline import changes

    with store.transaction():
        ledger = store.ledger()
        observed = conclusion(ledger, effect, output, now, config.world.accounts.get(effect.account))
        if isinstance(observed, str):
            return observed
        store.commit(changes(ledger, observed.ledger, observed.events), now=now.isoformat())
    return "renewal verified"


def conclusion(
    ledger: Ledger, effect: Effect, output: str, now: datetime, account: AccountFacts | None
) -> Observed | str:
    """Return what the success of a script that verifies makes of the ledger, or the sentence why nothing."""
    from mailrules.ledger import verified

    told = _EXPIRES.search(output)
    about = [o for o in ledger.obligations.values() if (o.origin or o.authorization) == effect.authorization]
    owed = next((o for o in about if o.due == effect.due), None)
    if owed is None:
        return "no deadline waits for what it verified"
    try:
        until = date.fromisoformat(told[1]).isoformat() if told else None
        day = now.astimezone(account.zone if account else None).date()
        return verified(
            ledger,
            owed.authorization,
            owed.due,
            at=now.isoformat(),
            day=day,
            expires=until,
            who=f"script {effect.target}",
        )
    except (UsageError, ValueError) as error:
        return f"its word was not taken: {error}"


def _grouped(claims: list[Claim]) -> list[list[Claim]]:
    """Put the notifications of one batch together; everything else stands alone."""
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        groups.setdefault(claim.batch or claim.effect.key, []).append(claim)
    return list(groups.values())
