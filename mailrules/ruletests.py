"""Runs the tests written in rule files, through the same pipeline as a real poll, on a frozen clock.

In: a checked rule set, a way to get the bytes of a named mail. Out: one Result a test, failures as sentences.
May not live here: files (bytes are handed in), the clock, a second way to evaluate rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from mailrules.decide import AccountFacts, Decision, Script, World
from mailrules.effects import Effect
from mailrules.language.ast import Expectation, MailStep, Span, Test
from mailrules.language.definitions import Definitions
from mailrules.ledger import Ledger, state_of
from mailrules.mail.message import RawMessage
from mailrules.notices.notice import Notice
from mailrules.pipeline import conclude, read, tick
from mailrules.ruleset import RuleSet

ACCOUNT = "test"
MARK = "[unverified] "
MAX_POLLS = 20_000
KINDS = {"task": "create_task", "notify": "notify", "forward": "forward", "run": "run_script"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one test showed; `failures` is empty where it passed."""

    name: str
    span: Span
    failures: tuple[str, ...]


@dataclass(slots=True)
class _Run:
    """What has happened so far in one test."""

    ledger: Ledger = field(default_factory=Ledger)
    effects: dict[str, tuple[Effect, datetime]] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    held_back: dict[str, str] = field(default_factory=dict)

    def note(self, decisions: tuple[Decision, ...], at: datetime) -> None:
        for decision in decisions:
            if decision.reason:
                self.held_back[decision.rule] = decision.reason
            for effect in decision.effects:
                if effect.key not in self.effects:
                    self.effects[effect.key] = (effect, at)


def run_tests(rules: RuleSet, bytes_of: Callable[[MailStep, str], bytes]) -> tuple[Result, ...]:
    """Run every test. `bytes_of(step, path of the rules file)` returns a mail's bytes or raises OSError.

    A test sees all systems and notices, and the rules of its own file: rules of other files cannot break it.
    """
    return tuple(_run_one(test, path, rules, bytes_of) for path, test in rules.tests)


def _run_one(test: Test, path: str, rules: RuleSet, bytes_of: Callable[[MailStep, str], bytes]) -> Result:
    definitions: Definitions = replace(
        rules.definitions, rules=tuple(rule for rule in rules.rules if rule.span.file == path)
    )
    own = replace(rules, definitions=definitions)
    zone = ZoneInfo(test.timezone.value) if test.timezone else ZoneInfo("UTC")
    world = _world(own, zone)
    run, failures = _Run(), list[str]()
    waiting = []
    for step in test.mails:
        try:
            waiting.append((_instant(step.at, zone), step, bytes_of(step, path)))
        except OSError as error:
            failures.append(f"{_place(step.span)}: the mail cannot be read: {error.strerror or error}")
    if failures:
        return Result(name=test.name.value, span=test.span, failures=tuple(failures))
    waiting.sort(key=lambda item: item[0])
    last: datetime | None = None
    for now in _polls(test, zone, [at for at, _, _ in waiting]):
        while waiting and waiting[0][0] <= now:
            at, step, content = waiting.pop(0)
            raw = RawMessage(
                source=step.path.value if step.path else "inline", content=content, received_at=at, account=ACCOUNT
            )
            trust = step.trust.value if step.trust else None
            reading = read(raw, own, developers=world.developers, trust=trust)  # type: ignore[arg-type]
            run.notices.extend(reading.notices)
            ingest = conclude(reading, run.ledger, own, world, now)
            run.ledger = ingest.ledger
            run.note(ingest.decisions, now)
        ingest = tick(run.ledger, own, world, now)
        run.ledger = ingest.ledger
        run.note(ingest.decisions, now)
        last = now
    if waiting:
        failures.append(f"{_place(waiting[0][1].span)}: this mail comes after the last poll, so nothing reads it")
    claimed: set[str] = set()
    for expectation in test.expectations:
        why = _unmet(expectation, run, claimed, zone, last)
        if why:
            failures.append(f"{_place(expectation.span)}: {why}")
    return Result(name=test.name.value, span=test.span, failures=tuple(failures))


def _world(rules: RuleSet, zone: ZoneInfo) -> World:
    """Names of people and scripts are whatever the rules say: a test needs no configuration."""
    people: dict[str, str] = {}
    scripts: dict[str, Script] = {}
    for rule in rules.rules:
        for call in (*rule.actions, *(rung.action for rung in rule.rungs)):
            if call.target is None:
                continue
            if call.verb == "run":
                scripts[call.target.value] = Script(argv=(call.target.value,), changes_nothing=False)
            else:
                people.setdefault(call.target.value, f"{call.target.value}@people.example")
    return World(people=people, scripts=scripts, accounts={ACCOUNT: AccountFacts(name=ACCOUNT, zone=zone)})


def _instant(text: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def _polls(test: Test, zone: ZoneInfo, mails: list[datetime]) -> list[datetime]:
    instants: set[datetime] = set() if test.polls else set(mails)
    for step in test.polls:
        if step.at:
            instants.add(_instant(step.at, zone))
        if step.every and step.until:
            at = min(mails, default=_instant(step.until, zone))
            end = _instant(step.until, zone)
            gap = timedelta(**{step.every.unit: step.every.amount})
            while at <= end and gap and len(instants) < MAX_POLLS:
                instants.add(at)
                at += gap
    return sorted(instants)


def _place(span: Span) -> str:
    return f"{span.file}:{span.line}"


def _unmet(expected: Expectation, run: _Run, claimed: set[str], zone: ZoneInfo, last: datetime | None) -> str:
    """Return why an expectation is not met, or ""."""
    if expected.what == "nothing else":
        others = [
            _describe(e, at, zone)
            for key, (e, at) in run.effects.items()
            if key not in claimed and e.state == "planned"
        ]
        return f"expected nothing else, and there is {'; '.join(others)}" if others else ""
    if expected.what == "authorization":
        return _wrong_state(expected, run, zone, last)
    if expected.what == "notice":
        kind = expected.state.value if expected.state else ""
        seen = [n for n in run.notices if n.kind == kind and n.status in ("read", "refused")]
        others = [f"{n.status} {n.kind or ''} {n.reason}".strip() for n in run.notices]
        return _wrong_count(f"notice {kind}", expected.count, len(seen), "; ".join(others))
    found = []
    for key, (effect, at) in run.effects.items():
        if effect.action != KINDS[expected.what] or effect.state != "planned":
            continue
        if expected.target and effect.target != expected.target.value:
            continue
        if expected.text and expected.text.value not in _texts(effect):
            continue
        if expected.on and at.astimezone(zone).date().isoformat() != expected.on:
            continue
        found.append(key)
    claimed.update(found)
    label = " ".join(
        x
        for x in (
            expected.what,
            expected.target.value if expected.target else "",
            f'"{expected.text.value}"' if expected.text else "",
            f"on {expected.on}" if expected.on else "",
        )
        if x
    )
    others = [_describe(e, at, zone) for e, at in run.effects.values() if e.state == "planned"]
    others += [f"rule `{rule}` held back: {why}" for rule, why in run.held_back.items()]
    return _wrong_count(label, expected.count, len(found), "; ".join(others))


def _wrong_count(label: str, wanted: int | None, found: int, others: str) -> str:
    if (wanted is None and found) or wanted == found:
        return ""
    times = (
        "at least once" if wanted is None else "never" if wanted == 0 else "once" if wanted == 1 else f"{wanted} times"
    )
    return (
        f"expected {label} {times}, found {found} time{'' if found == 1 else 's'}. What there is: {others or 'nothing'}"
    )


def _texts(effect: Effect) -> tuple[str, ...]:
    title = str(effect.args.get("title") or effect.args.get("subject") or "").removeprefix(MARK)
    return (title, effect.target)


def _describe(effect: Effect, at: datetime, zone: ZoneInfo) -> str:
    what = next(word for word, kind in KINDS.items() if kind == effect.action)
    text = effect.args.get("title") or effect.args.get("subject") or effect.target
    return f'{what} "{text}" on {at.astimezone(zone).date().isoformat()} by rule `{effect.rule}`'


def _wrong_state(expected: Expectation, run: _Run, zone: ZoneInfo, last: datetime | None) -> str:
    wanted = expected.state.value if expected.state else ""
    name = expected.text.value if expected.text else ""
    today = (last or datetime(2000, 1, 1, tzinfo=zone)).astimezone(zone).date()
    for subject in run.ledger.authorizations.values():
        if name in (subject.developer_id, subject.developer):
            state = state_of(subject, run.ledger.current(subject.id), today)
            return "" if state == wanted else f"expected authorization {name} to be {wanted}, and it is {state}"
    known = ", ".join(s.developer_id or s.developer for s in run.ledger.authorizations.values())
    return f"expected an authorization {name}; known: {known or 'none'}"
