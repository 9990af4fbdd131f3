"""`mailrules doctor`: everything that can be wrong with an installation, looked at; nothing is changed.

In: a Config, the store opened to look only, the present instant, what goes out to the servers. Out: Findings, and how alive a poller is.
May not live here: the clock, printing, putting anything right.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mailrules.config import Config
from mailrules.errors import MailrulesError
from mailrules.secret import exposed
from mailrules.spine.heartbeat import BACKWARDS
from mailrules.spine.live import load_rules, rule_texts, why_not_live
from mailrules.store import Store
from mailrules.store.database import writable
from mailrules.world import CHAT

if TYPE_CHECKING:
    from mailrules.ruleset import RuleSet

FREE_BYTES = 64_000_000
SILENT, STUCK = timedelta(days=1), timedelta(hours=6)
"""So long no poll may be missing, and nothing may wait that was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `help` says what to do where it is not `ok`."""

    check: str
    ok: bool
    detail: str
    help: str = ""


def examine(
    config: Config, store: Store | None, now: datetime, reach: Callable[[Config], Iterator[Finding]] | None
) -> Iterator[Finding]:
    """Look at everything, without a store at all but it; `reach` goes to the servers, None leaves the network alone."""
    kept: Mapping[str, Callable[[Store], Iterator[Finding]]] = {
        "store": lambda store: _store(config, store),
        "messages": _messages,
        "effects": lambda store: _effects(store, now),
        "clock": lambda store: _clock(store, now),
        "polls": lambda store: _polls(config, store, now),
    }
    sections: Mapping[str, Callable[[], Iterator[Finding]]] = {
        **({name: partial(look, store) for name, look in kept.items()} if store else {}),
        "rules": lambda: _rules(config),
        "configuration": lambda: _settings(config),
        "secrets": lambda: _secrets(config),
        "modes": lambda: _modes(config),
        "disk": lambda: _disk(config),
        "network": lambda: reach(config) if reach else iter(()),
    }
    for name, section in sections.items():
        try:
            yield from section()
        except MailrulesError as error:  # why: what cannot be looked at is a finding, too
            yield Finding(check=name, ok=False, detail=str(error), help=error.help)


def stale(config: Config, store: Store, now: datetime, most: timedelta) -> str:
    """Return, as a sentence, which account was not read well for longer than `most`; "" where all were."""
    beats = {row["account"]: row for row in store.heartbeats()}
    for account in config.accounts:
        row = beats.get(account.name)
        if row is None or not row["succeeded"]:
            why = f": {row['error']}" if row else ""
            return f"account {account.name} was never read{why}"
        age = now - datetime.fromisoformat(row["succeeded"])
        if age < -BACKWARDS:
            return (
                f"account {account.name} was last read in the future ({row['succeeded'][:16]} UTC): look at the clock"
            )
        if age > most:
            why = f"; since {row['failed'][:16]}: {row['error']}" if row["failed"] else "; is cron at work?"
            return f"account {account.name} was last read {_words(age)} ago, at {row['succeeded'][:16]} UTC{why}"
    return ""


def _words(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours" if minutes < 2880 else f"{age.days} days"


def _each(check: str, found: list[str], fine: str, help_: str) -> Iterator[Finding]:
    if not found:
        yield Finding(check=check, ok=True, detail=fine)
    for sentence in found:
        yield Finding(check=check, ok=False, detail=sentence, help=help_)


def _store(config: Config, store: Store) -> Iterator[Finding]:
    if not writable(config.store):
        yield Finding(
            check="store", ok=False, detail=f"{config.store} cannot be written, so nothing can be polled",
            help="let the user who runs mailrules own it and its folder; is its disk read-only?",
        )  # fmt: skip
    yield from _each(
        "store", store.damage(), "the file is whole", "stop polling, put the file aside and restore a copy of it"
    )
    yield from _each("invariants", store.broken(), "what must hold, holds", "report it: this is a bug of ours")


def _messages(store: Store) -> Iterator[Finding]:
    helps = {
        "quarantined": "look at it in the mailbox; `mailrules doctor --read-again` tries once more, `mailrules forget {}` ends it",
        "unfetchable": "look at it in the mailbox; `mailrules forget {}` ends it",
    }
    rows = store.waiting()
    for row in rows:
        what = f"message {row['uid']} in {row['mailbox']} of {row['account']} is {row['status']} since {row['updated'][:16]}"
        place = f"{row['account']}/{row['mailbox']}/{row['uid']}"
        yield Finding(
            check="messages", ok=False, detail=f"{what}: {row['reason'] or 'a poll was stopped while it was read'}",
            help=helps.get(row["status"], "a poll of its mailbox asks for it again; `mailrules forget {}` ends it").format(place),
        )  # fmt: skip
    if not rows:
        yield Finding(check="messages", ok=True, detail="none waits and none was put aside")


def _effects(store: Store, now: datetime) -> Iterator[Finding]:
    counts = {state: len(store.effects(state)) for state in ("unknown", "failed", "claimed", "planned")}
    sentences = [s for s in store.needs_person(now.isoformat()) if not s.startswith("message ")]
    tried = [row for row in store.effects("planned") if row["attempts"] and row["created"] < (now - STUCK).isoformat()]
    sentences += [
        f"{row['action']} {row['target']} waits since {row['created'][:16]}, tried {row['attempts']} times: {row['why']}"
        for row in tried
    ]
    fine = f"none failed, none is in doubt; {counts['planned'] + counts['claimed']} wait"
    yield from _each("effects", sentences, fine, "`mailrules effects` lists them; then approve, retry or cancel")


def _rules(config: Config) -> Iterator[Finding]:
    try:
        files = rule_texts(config)
        rules = load_rules(files, config)
        error: MailrulesError | None = why_not_live(rules, config.folder, files)
    except MailrulesError as problem:
        error = problem
    if error:
        detail = f"today's may not go live, so the last good ones are at work: {error}"
        yield Finding(check="rules", ok=False, detail=detail, help=error.help)
        return
    yield Finding(check="rules", ok=True, detail=f"{len(rules.rules)} rules are live, {len(rules.tests)} tests pass")
    yield from _missing(config, rules)


def _missing(config: Config, rules: RuleSet) -> Iterator[Finding]:
    """Tell what the rules need and the configuration lacks."""
    verbs = {call.verb for rule in rules.rules for call in rule.calls}
    people = [name for name, address in config.world.people.items() if not address.startswith(CHAT)]
    if config.smtp is None and people and verbs & {"notify", "forward to"}:
        yield Finding(
            check="configuration", ok=False, detail="rules write to people, and there is no [smtp] to send by",
            help="add [smtp] to mailrules.toml",
        )  # fmt: skip


def _settings(config: Config) -> Iterator[Finding]:
    found = [
        Finding(
            check="configuration", ok=not config.world.scripts,  # why: without scripts it is a matter of marks in tasks and mails
            detail=f"account {a.name} has no `receiver`: every sender counts as unverified, and no script can be reached",
            help='`receiver = { dkim = true }` checks signatures here; or `{ authserv_id = "…" }`: ask your mail provider for the name',
        )
        for a in config.accounts if a.receiver is None
    ]  # fmt: skip
    if config.world.scripts and not config.world.developers:
        found.append(
            Finding(
                check="configuration", ok=False, detail="there are [scripts], and no [developers] that may reach them",
                help="list the Developer IDs that you really work with",
            )
        )  # fmt: skip
    yield from found or [Finding(check="configuration", ok=True, detail=f"{config.path} lacks nothing")]


def _modes(config: Config) -> Iterator[Finding]:
    from mailrules.actions.ownership import unsafe, unstartable

    references = [(f"account {a.name}", a.password) for a in config.accounts]
    references += [("[smtp]", config.smtp.password)] if config.smtp and config.smtp.password else []
    found = [f"the secret of {name}: {why}" for name, ref in references if (why := exposed(ref, config.folder))]
    for name, script in config.world.scripts.items():
        program = Path(script.argv[0])
        why = (unsafe(program) or unstartable(program)) if program.is_file() else f"there is no {program}"
        found += [f"script {name}: {why}"] if why else []
    for path in (config.store, *config.store.parent.glob(f"{config.store.name}*")):
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            found.append(f"{path} holds mail and can be read by others")
    fine = "secrets, scripts and the store are out of others' reach"
    yield from _each("modes", list(dict.fromkeys(found)), fine, "chmod 600 the file; own its folder yourself")


def _clock(store: Store, now: datetime) -> Iterator[Finding]:
    newest = store.newest()
    if newest and now < datetime.fromisoformat(newest) - BACKWARDS:
        yield Finding(
            check="clock", ok=False, detail=f"it is {now.isoformat()[:16]} UTC here, but {newest[:16]} was written down before",
            help="set the clock: deadlines are reckoned by it",
        )  # fmt: skip
    else:
        yield Finding(check="clock", ok=True, detail=f"it is {now.isoformat()[:16]} UTC")


def _disk(config: Config) -> Iterator[Finding]:
    place = next(p for p in config.store.absolute().parents if p.exists())
    free = shutil.disk_usage(place).free
    wanted = max(FREE_BYTES, config.max_message * 3 // 2)
    yield Finding(
        check="disk", ok=free >= wanted, detail=f"{free // 1_000_000} MB are free in {place}",
        help="" if free >= wanted else f"make room: at least {wanted // 1_000_000} MB should be free",
    )  # fmt: skip


def _secrets(config: Config) -> Iterator[Finding]:
    """Fetch every secret that needs no network; none is shown."""
    from mailrules.actions.chats import not_a_chat

    references = [(f"account {a.name}", a.password) for a in config.accounts if "oauth" not in a.password]
    if config.smtp and config.smtp.password and "oauth" not in config.smtp.password:
        references.append(("[smtp]", config.smtp.password))
    references += [(f"[chats.{name}]", reference) for name, reference in config.chats.items()]
    wrong = False
    for name, reference in references:
        try:
            url = config.secret(reference, name)()
        except MailrulesError as error:
            wrong = True
            yield Finding(check="secrets", ok=False, detail=str(error), help=error.help)
            continue
        why = not_a_chat(url, name) if name.startswith("[chats.") else ""
        if why:
            wrong = True
            yield Finding(check="secrets", ok=False, detail=why, help="docs/guide.md has the forms of the usual ones")
    if not wrong:
        yield Finding(check="secrets", ok=True, detail=f"{len(references)} can be had")


def _polls(config: Config, store: Store, now: datetime) -> Iterator[Finding]:
    beats = {row["account"]: row for row in store.heartbeats()}
    for account in config.accounts:
        row = beats.get(account.name)
        if row is None or not row["succeeded"]:
            why = f": {row['error']}" if row and row["error"] else ""
            detail = f"account {account.name} was never read{why}"
            yield Finding(check="polls", ok=False, detail=detail, help="run `mailrules poll`")
            continue
        age = now - datetime.fromisoformat(row["succeeded"])
        detail = f"account {account.name} was last read at {row['succeeded'][:16]} UTC"
        if row["failed"]:
            detail += f", and fails since {row['failed'][:16]}: {row['error']}"
            yield Finding(check="polls", ok=False, detail=detail, help="`mailrules account test`")
        elif age > SILENT:
            help_ = "nothing starts it: `mailrules schedule` prints what to install, for cron, systemd or Windows"
            yield Finding(check="polls", ok=False, detail=f"{detail}, {_words(age)} ago", help=help_)
        else:
            yield Finding(check="polls", ok=True, detail=detail)
