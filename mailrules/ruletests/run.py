"""One plain test, delivered and polled on a frozen clock through the same pipeline as a real poll.

In: a plain Test (see rows.py), its rule set, a way to get the bytes of a mail. Out: Run, all that happened.
May not live here: files (bytes are handed in), the clock, expectations, a second way to evaluate rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from mailrules.decide.compose import unmarked
from mailrules.effects import Effect
from mailrules.errors import UsageError
from mailrules.language.ast import Span, WhileTrigger
from mailrules.language.frozen import replace
from mailrules.language.story import MailStep, PersonStep, Test
from mailrules.ledger import Ledger, Sighting, enter, renewed, state_of
from mailrules.mail.message import RawMessage
from mailrules.notices.notice import Notice
from mailrules.pipeline import Ingest, conclude, read, tick
from mailrules.ruleset import RuleSet
from mailrules.ruletests.coverage import Seen
from mailrules.world import AccountFacts, Script, World

ACCOUNT = "test"
"""What the account of a test is called where the test does not say."""
MAX_POLLS = 20_000
UNCONDITIONAL = 99
"""Counted as failed conditions where a rule held back before it looked at any: no near miss."""
KINDS = {
    "task": "create_task",
    "notify": "notify",
    "forward": "forward",
    "run": "run_script",
    "flag": "flag_mail",
    "mark": "mark_mail",
    "label": "label_mail",
    "move": "move_mail",
}
BytesOf = Callable[[MailStep, str], bytes]
_BY_THE_MINUTE = re.compile(r"\b(?:now|silent_for)\b")
_AFTER_A_RUN = re.compile(r"\b(?:renewal|since_run)\b")
"""Facts that change between two polls of one day; every other fact is of the day, or of the ledger."""


class CannotRun(ValueError):
    """A step that cannot be carried out; the text is a sentence."""

    def __init__(self, span: Span, why: str) -> None:
        super().__init__(why)
        self.span = span


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Why a rule held back when it came nearest to firing: `failed` conditions did not hold, at `at`."""

    failed: int
    reason: str
    at: datetime


@dataclass(slots=True)
class Run:
    """What has happened so far in one test. `states` are the states of each authorization, by day of the test's zone."""

    zone: ZoneInfo
    account: AccountFacts
    ledger: Ledger = field(default_factory=Ledger)
    effects: dict[str, tuple[Effect, datetime]] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    held: dict[str, Held] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    states: dict[tuple[str, date], str] = field(default_factory=dict)

    def note(self, ingest: Ingest, at: datetime) -> None:
        """Go on with what one step changed; the same effect twice is one."""
        self.ledger = ingest.ledger
        for decision in ingest.decisions:
            self.seen.decided(decision)
            failed = sum(not answer.held for answer in decision.answers) if decision.answers else UNCONDITIONAL
            former = self.held.get(decision.rule)
            if (former is None or failed <= former.failed) and (reason := decision.reason):
                self.held[decision.rule] = Held(failed=failed, reason=reason, at=at)
            for effect in decision.effects:
                if effect.key in self.effects:
                    continue
                self.effects[effect.key] = effect, at
                if effect.action == "run_script" and effect.state == "planned":  # in a test a script ends well at once
                    hours = effect.args.get("settle_hours")
                    self.ledger = self.ledger.ran(effect.authorization, effect.due, at.isoformat(), hours)


def perform(test: Test, path: str, rules: RuleSet, bytes_of: BytesOf) -> Run:
    """Carry out one plain test. Raises CannotRun where a step cannot be carried out."""
    zone = ZoneInfo(test.timezone.value) if test.timezone else ZoneInfo("UTC")
    world = world_of(rules, zone, test.account.value if test.account else ACCOUNT)
    (account,) = world.accounts.values()
    run = Run(zone=zone, account=account)
    steps: list[MailStep | PersonStep] = [*test.mails, *test.people]
    waiting = [(_instant(step.at.value, zone), step) for step in steps]
    waiting.sort(key=lambda item: item[0])
    look = _Look(rules, account)
    for now in _polls(test, zone, [at for at, _ in waiting]):
        while waiting and waiting[0][0] <= now:
            at, step = waiting.pop(0)
            if isinstance(step, MailStep):
                _deliver(step, at, now, run, rules, world, bytes_of(step, path))
            else:
                _act(step, at, run)
        if not look.new(run.ledger, now):
            continue
        ingest = tick(run.ledger, rules, world, now)
        look.looked(ingest.ledger, now)
        run.note(ingest, now)
        today = now.astimezone(zone).date()
        for subject in run.ledger.authorizations.values():
            run.states[subject.id, today] = state_of(subject, run.ledger.current(subject.id), today)
    if waiting:
        raise CannotRun(waiting[0][1].span, "this comes after the last poll, so nothing looks at it")
    return run


class _Look:
    """Whether a poll can see anything that the one before it did not: thousands of hourly polls then take no time.

    A poll looks at the ledger, the day, whether `day_starts` has passed, and the few facts that change by the minute.
    """

    def __init__(self, rules: RuleSet, account: AccountFacts) -> None:
        timed = [repr(rule) for rule in rules.rules if isinstance(rule.trigger, WhileTrigger)]
        self._always = any(_BY_THE_MINUTE.search(text) for text in timed)
        self._after_a_run = any(_AFTER_A_RUN.search(text) for text in timed)
        self._account = account
        self._former: tuple[Ledger, date, bool] | None = None

    def new(self, ledger: Ledger, now: datetime) -> bool:
        """Return whether a poll at `now` has to be carried out."""
        if self._former is None or self._always or (self._after_a_run and ledger.runs):
            return True
        former, *instant = self._former
        return ledger is not former or instant != self._instant(now)

    def looked(self, ledger: Ledger, now: datetime) -> None:
        """Remember what the poll at `now` left behind."""
        self._former = (ledger, *self._instant(now))  # type: ignore[assignment]

    def _instant(self, now: datetime) -> list[date | bool]:
        day = now.astimezone(self._account.zone).date()
        return [day, now >= datetime.combine(day, self._account.day_starts, self._account.zone)]


def _deliver(
    step: MailStep, at: datetime, now: datetime, run: Run, rules: RuleSet, world: World, content: bytes
) -> None:
    source = step.path.value if step.path else "inline"
    raw = RawMessage(source=source, content=content, received_at=at, account=run.account.name)
    trust = step.trust.value if step.trust else None
    reading = read(raw, rules, developers=world.developers, trust=trust)  # type: ignore[arg-type]
    run.notices.extend(reading.notices)
    for notice in reading.notices:
        run.seen.read(notice)
    run.note(conclude(reading, run.ledger, rules, world, now), now)


def _act(step: PersonStep, at: datetime, run: Run) -> None:
    """Do what a person does: say that it was renewed, finish a task, enter an authorization by hand."""
    today = at.astimezone(run.zone).date()
    day = step.day.day if step.day else None
    if step.what == "add":
        number = step.developer_id.value.replace("-", "") if step.developer_id else None
        seen = Sighting(
            account=run.account.name, system=step.system.value if step.system else "", kind="", developer_id=number,
            developer=step.name.value, region=None, expires=day, trust="confirmed", message="", at=at.isoformat(), today=today,
        )  # fmt: skip
        run.ledger = enter(run.ledger, seen).ledger
        return
    if step.what == "done":
        tasks = [e for e, _ in run.effects.values() if e.action == "create_task" and e.state == "planned"]
        found = {e.authorization for e in tasks if title_of(e) == step.name.value} & set(run.ledger.authorizations)
    else:
        found = {
            a.id for a in run.ledger.authorizations.values() if step.name.value in (a.id, a.developer_id, a.developer)
        }
    if len(found) != 1:
        raise CannotRun(
            step.span, f'{len(found) or "no"} authorization{"s" if found else ""} here for "{step.name.value}"'
        )
    try:
        run.ledger = renewed(run.ledger, found.pop(), at=at.isoformat(), day=today, expires=day).ledger
    except UsageError as error:
        raise CannotRun(step.span, str(error)) from error


def title_of(effect: Effect) -> str:
    """Return the title or subject of an effect without its mark."""
    return unmarked(str(effect.args.get("title") or effect.args.get("subject") or ""))


def world_of(rules: RuleSet, zone: ZoneInfo, account: str = ACCOUNT) -> World:
    """Names of people and scripts are whatever the rules say: a test needs no configuration."""
    people: dict[str, str] = {}
    scripts: dict[str, Script] = {}
    for rule in rules.rules:
        for call in rule.calls:
            if call.target is None:
                continue
            if call.verb == "run":
                scripts[call.target.value] = Script(argv=(call.target.value,), changes_nothing=False)
            else:
                people.setdefault(call.target.value, f"{call.target.value}@people.example")
    return World(people=people, scripts=scripts, accounts={account: AccountFacts(name=account, zone=zone)})


def _instant(text: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def _polls(test: Test, zone: ZoneInfo, happenings: list[datetime]) -> list[datetime]:
    """Return when polls come: where the test says so, else after everything that happens."""
    instants: set[datetime] = set() if test.polls else set(happenings)
    for step in test.polls:
        if step.at:
            instants.add(_instant(step.at.value, zone))
        if step.every and step.until:
            end = _instant(step.until.value, zone)
            at = min(happenings, default=end)
            gap = timedelta(**{step.every.unit: step.every.amount})
            if gap and (end - at) / gap > MAX_POLLS:
                raise CannotRun(
                    step.span, f"more than {MAX_POLLS:,} polls are too many: poll every hour, which meets every rung"
                )
            while at <= end and gap:
                instants.add(at)
                at += gap
    return sorted(instants)


def only_file(rules: RuleSet, path: str) -> RuleSet:
    """Return the rule set with all systems and notices, and the rules of one file only."""
    every = (*rules.rules, *rules.definitions.replaced_rules)
    own = tuple(rule for rule in every if rule.span.file == path)
    return replace(rules, definitions=replace(rules.definitions, rules=own), every=True)
