"""The spine: poll, drain, ingest; the only place that reads the clock.

In: a Config. Out: Reports with what happened and an exit code. Wires sources, the pipeline, the store and the actions.
May not live here: decisions about mail or rules, text for a terminal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mailrules.config import Account, Config
from mailrules.errors import EXIT_CONFIG, EXIT_NEEDS_PERSON, ConfigError, MailrulesError, worst
from mailrules.mail.message import MessageKey, RawMessage
from mailrules.secret import secret
from mailrules.sources.imap import Header, ImapSession, ImapSettings, Missing
from mailrules.store import Claim, Store

if TYPE_CHECKING:
    from mailrules.effects import Effect
    from mailrules.language.ast import MailStep
    from mailrules.notices.candidates import Candidates
    from mailrules.ruleset import RuleSet

HEADERS_AT_ONCE = 500
BODIES_AT_ONCE = 20


def clock() -> datetime:
    """Return the present instant, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Report:
    """What one account's poll did. `error` is set where it could not be finished."""

    account: str
    seen: int = 0
    candidates: int = 0
    notices: int = 0
    new_effects: int = 0
    error: MailrulesError | None = None


@dataclass(slots=True)
class Outcome:
    """What a whole poll did. `planned` are the effects of a dry run; `needs` what waits for a person."""

    reports: list[Report] = field(default_factory=list)
    planned: list[Effect] = field(default_factory=list)
    performed: list[tuple[str, str, str]] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    needs_changed: bool = False
    busy: bool = False
    rules_error: ConfigError | None = None

    @property
    def exit_code(self) -> int:
        """The worst of all accounts' codes (design, "Exit codes")."""
        codes = [r.error.exit_code for r in self.reports if r.error]
        codes += [EXIT_NEEDS_PERSON] if self.needs else []
        codes += [EXIT_CONFIG] if self.rules_error else []
        return worst(codes)


# --- rules ------------------------------------------------------------------------------------------------------


def rule_texts(config: Config) -> list[tuple[str, str]]:
    """Return (path as a person would name it, text) of the shipped notices and then the user's files."""
    from mailrules.shipped import shipped_rules

    files = list(shipped_rules())
    for path in config.rule_files():
        shown = path.relative_to(config.folder) if path.is_relative_to(config.folder) else path
        try:
            files.append((str(shown), path.read_text(encoding="utf-8-sig")))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from error
    return files


def load_rules(files: list[tuple[str, str]], config: Config | None) -> RuleSet:
    """Parse and check rule files with the names that the configuration gives."""
    from mailrules.ruleset import load
    from mailrules.shipped import grammar_text

    if config is None:
        return load(files, grammar_text())
    scripts = {name: script.changes_nothing for name, script in config.world.scripts.items()}
    return load(files, grammar_text(), people=config.world.people, scripts=scripts)


def live_rules(config: Config, store: Store) -> tuple[RuleSet, ConfigError | None]:
    """Return the rules to poll with: today's where they check and their tests pass, else the last good ones and why.

    Raises ConfigError where there are no good ones to fall back on.
    """
    import json

    files = rule_texts(config)
    rules = load_rules(files, config)
    error = why_not_live(rules, config.folder, store, files)
    if error is None:
        text = json.dumps(files)
        if store.meta_get("rules") != text:  # why: a poll that finds nothing new does not write it down again
            store.meta_set("rules", text, clock().isoformat())
        return rules, None
    last = store.meta_get("rules")
    if last is None:
        raise error
    return load_rules([(path, text) for path, text in json.loads(last)], config), error


def why_not_live(rules: RuleSet, folder: Path, store: Store | None, files: list[tuple[str, str]]) -> ConfigError | None:
    """Return why a rule set may not go live: an error in it, or a test of its own that fails."""
    from mailrules.language.problems import render_problem
    from mailrules.ruletests import run_tests

    if rules.errors:
        shown = "\n\n".join(render_problem(p, rules.sources.get(p.span.file, "")) for p in rules.errors)
        return ConfigError(
            f"{len(rules.errors)} problem{'s' if len(rules.errors) > 1 else ''} in the rules\n\n{shown}",
            help="`mailrules check` shows them again",
        )
    tested = hashlib.sha256(repr(files).encode()).hexdigest()
    if store is not None and store.meta_get("tested") == tested:
        return None
    failed = [r for r in run_tests(rules, mail_of_test(folder)) if r.failures]
    if failed:
        lines = [f'test "{r.name}": {r.failures[0]}' for r in failed[:5]]
        return ConfigError(
            "\n".join([f"{len(failed)} of the rules' own tests fail", *lines]), help="`mailrules test` shows all of it"
        )
    if store is not None:
        store.meta_set("tested", tested, clock().isoformat())
    return None


def mail_of_test(folder: Path) -> Callable[[MailStep, str], bytes]:
    """Return the function that finds a test's mail: inline, or a file relative to its rules file."""

    def bytes_of(step: MailStep, rules_path: str) -> bytes:
        if step.path is None:
            return step.inline.value.encode() if step.inline else b""
        return ((folder / rules_path).parent / step.path.value).read_bytes()

    return bytes_of


# --- poll -------------------------------------------------------------------------------------------------------


def poll(config: Config, *, only: str | None = None, dry_run: bool = False) -> Outcome:
    """Do the main job once: new mail of every account, then the deadlines, then what is to be done."""
    accounts = [config.account(only)] if only else list(config.accounts)
    outcome = Outcome()
    now = clock()
    store = Store.scratch(config.store) if dry_run else Store.open(config.store, now=now.isoformat())
    with store.exclusive() as mine:
        if not mine:
            outcome.busy = True
            return outcome
        rules, outcome.rules_error = live_rules(config, store)
        before = {row["key"] for row in store.effects()} if dry_run else set()
        for account in accounts:
            report = Report(account.name)
            outcome.reports.append(report)
            try:
                _poll_account(config, account, rules, store, report)
            except MailrulesError as error:
                report.error = error
        _tick(config, rules, store)
        if dry_run:
            outcome.planned = [e for e in store.planned() if e.key not in before]
            return outcome
        drain(config, store, outcome)
        outcome.needs = store.needs_person()
        outcome.needs_changed = _said_anew(store, outcome.needs)
        store.meta_set("last_poll", clock().isoformat(), clock().isoformat())
    return outcome


def _said_anew(store: Store, needs: list[str]) -> bool:
    """Return whether what needs a person has changed since it was last said: one report a change, not one a poll."""
    text = "\n".join(needs)
    if text == (store.meta_get("needs") or ""):
        return False
    store.meta_set("needs", text, clock().isoformat())
    return bool(needs)


def imap_settings(account: Account, max_message: int) -> ImapSettings:
    """Return what the IMAP source needs to know of an account."""
    return ImapSettings(
        account=account.name,
        host=account.host,
        port=account.port,
        tls=account.tls,
        user=account.user,
        ca_file=account.ca_file,
        max_message=max_message,
    )


def test_login(config: Config, name: str) -> str:
    """Log in to one account, look at its mailboxes read-only, and say in a sentence what worked."""
    account = config.account(name)
    with ImapSession(
        imap_settings(account, config.max_message), secret(account.password, config.folder, f"account {name}")
    ) as session:
        boxes = [f"{mailbox} ({session.examine(mailbox).exists} messages)" for mailbox in account.mailboxes]
    return f"account {name}: logged in to {account.host}:{account.port} as {account.user}; {', '.join(boxes)}"


def candidates_of(config: Config, account: Account, rules: RuleSet) -> Candidates:
    """Return what makes a candidate in one account."""
    from mailrules.notices.candidates import Candidates

    return Candidates(
        systems=rules.systems,
        wordings=rules.wordings,
        people=set(config.world.people.values()),
        everything=account.fetch == "all",
    )


def _poll_account(config: Config, account: Account, rules: RuleSet, store: Store, report: Report) -> None:
    candidates = candidates_of(config, account, rules)
    password = secret(account.password, config.folder, f"account {account.name}")
    with ImapSession(imap_settings(account, config.max_message), password) as session:
        for mailbox in account.mailboxes:
            state = session.examine(mailbox)
            cursor = store.cursor(account.name, mailbox)
            low = cursor.uid if cursor and cursor.uidvalidity == state.uidvalidity else 0
            again = set(store.pending_uids(account.name, mailbox, state.uidvalidity))
            new = session.uids(low) if state.uidnext > low + 1 else []
            for uids in _chunks(sorted({*again, *new}), HEADERS_AT_ONCE):
                _take(config, account, rules, store, session, candidates, list(session.headers(uids)), report)
                with store.transaction():
                    highest = max(low, *uids)
                    store.set_cursor(account.name, mailbox, state.uidvalidity, highest, clock().isoformat())


def _take(
    config: Config, account: Account, rules: RuleSet, store: Store, session: ImapSession, candidates: Candidates,
    headers: list[Header | Missing], report: Report,
) -> None:  # fmt: skip
    """Decide from header fields alone, fetch the bodies of candidates in small batches, conclude and commit each batch."""
    passed: list[tuple[MessageKey, str]] = []
    wanted: dict[int, tuple[Header, str]] = {}
    missing: list[MessageKey] = []
    for header in headers:
        if not isinstance(header, Header):
            missing.append(header.key)
            continue
        report.seen += 1
        reason = candidates.reason(header.block)
        if reason is None:
            passed.append((header.key, hashlib.sha256(header.block).hexdigest()))
        else:
            wanted[header.key.uid] = (header, reason)
    now = clock().isoformat()
    with store.transaction():
        store.passed_over_many(passed, now)
        for key in missing:
            store.pending(key, "the server did not give its header fields", now)
    report.candidates += len(wanted)
    for uids in _chunks(list(wanted), BODIES_AT_ONCE):
        small = [uid for uid in uids if wanted[uid][0].size <= config.max_message]
        bodies = dict(session.bodies(small)) if small else {}
        with store.transaction():
            for uid in uids:
                header, reason = wanted[uid]
                content = bodies.get(uid)
                if uid not in small:
                    store.unfetchable(header.key, f"{header.size} bytes are more than max_message_mb allows", now)
                elif content is None:
                    store.pending(header.key, "the server did not give its text", now)
                else:
                    raw = RawMessage(
                        source=f"{account.name}:{header.key.mailbox}", content=content, received_at=header.received_at,
                        account=account.name, key=header.key,
                    )  # fmt: skip
                    _conclude(config, account, rules, store, raw, reason, report)


def _conclude(
    config: Config, account: Account, rules: RuleSet, store: Store, raw: RawMessage, reason: str, report: Report
) -> None:
    """Read one message and commit all that it changes; bytes that were concluded before change nothing again."""
    from mailrules.pipeline import Ingest, conclude, read

    now = clock()
    reading = read(raw, rules, receiver=account.receiver, developers=config.world.developers)
    ledger = store.ledger()
    if store.known(reading.digest):
        ingest = Ingest(ledger=ledger, reading=reading)
    else:
        ingest = conclude(reading, ledger, rules, config.world, now)
        report.notices += sum(n.status in ("read", "unparsed") for n in reading.notices)
    report.new_effects += store.commit(ingest, now=now.isoformat(), reason=reason)


def _tick(config: Config, rules: RuleSet, store: Store) -> None:
    from mailrules.pipeline import tick

    now = clock()
    ingest = tick(store.ledger(), rules, config.world, now)
    known = {row["key"] for row in store.effects()}
    if ingest.authorizations or ingest.obligations or any(e.key not in known for e in ingest.effects):
        with store.transaction():
            again = tick(store.ledger(), rules, config.world, now)
            store.commit(again, now=now.isoformat())


def ingest_documents(config: Config, documents: Iterable[RawMessage], account: Account) -> Outcome:
    """Take documents into the ledger as if they had arrived in the account's mailbox."""
    from dataclasses import replace

    outcome = Outcome()
    report = Report(account.name)
    outcome.reports.append(report)
    store = Store.open(config.store, now=clock().isoformat())
    with store.exclusive() as mine:
        if not mine:
            outcome.busy = True
            return outcome
        rules, outcome.rules_error = live_rules(config, store)
        for document in documents:
            report.seen += 1
            with store.transaction():
                _conclude(
                    config, account, rules, store, replace(document, account=account.name), "taken in by hand", report
                )
        _tick(config, rules, store)
        drain(config, store, outcome)
        outcome.needs = store.needs_person()
    return outcome


def _chunks(items: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


# --- what is to be done -----------------------------------------------------------------------------------------


def drain(config: Config, store: Store, outcome: Outcome) -> None:
    """Perform what is due, each effect claimed before and settled after; a crash in between is seen by the next poll."""
    from mailrules.actions import Services, SmtpSettings, backoff, perform

    smtp = config.smtp
    settings = None
    if smtp:
        reference = smtp.password
        settings = SmtpSettings(
            host=smtp.host, port=smtp.port, tls=smtp.tls, user=smtp.user, sender=smtp.sender, timeout=smtp.timeout,
            secret=secret(reference, config.folder, "[smtp]") if reference else None,
        )  # fmt: skip
    services = Services(smtp=settings, content=store.content, sender=smtp.sender if smtp else "", own_id=store.own_id())
    store.abandoned()
    while True:
        now = clock()
        claims = store.claim(now=now.isoformat())
        if not claims:
            return
        for group in _grouped(claims):
            result = perform(group, services, clock().isoformat())
            attempt = max(claim.attempt for claim in group)
            next_at = (clock() + timedelta(seconds=backoff(attempt))).isoformat() if result.result == "retry" else None
            for claim in group:
                store.settle(claim, result, clock().isoformat(), next_at)
                outcome.performed.append((claim.effect.action, claim.effect.target, f"{result.result}: {result.why}"))


def _grouped(claims: list[Claim]) -> list[list[Claim]]:
    """Put the notifications of one batch together; everything else stands alone."""
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        groups.setdefault(claim.batch or claim.effect.key, []).append(claim)
    return list(groups.values())
