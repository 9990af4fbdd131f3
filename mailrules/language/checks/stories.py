"""Tests in rules files: tables, mails, what a person does, what is expected.

In: a Session with everything defined, one test. Out: problems in the session. May not live here: running a test.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailrules.language.ast import Name, Span
from mailrules.language.checks.session import Session
from mailrules.language.checks.types import is_time_zone
from mailrules.language.speller import meant, suggestion
from mailrules.language.story import Moment, Test

_SHOWN = {"task": "a task", "run": "a run", "authorization": "an authorization"}
_EXPECTED_ELSEWHERE = {
    "email": "notify",
    "mail": "notify",
    "script": "run",
    "reminder": "notify",
    "tasks": "task",
    "state": "authorization",
}
EXPECTED = (
    "task",
    "notify",
    "forward",
    "run",
    "flag",
    "mark",
    "label",
    "move",
    "authorization",
    "notice",
    "nothing else",
)


def _columns_used(test: Test) -> Iterator[tuple[Span, str]]:
    """Yield every place where a column of the table stands for a day, a time or a text."""
    moments: list[Moment | None] = [s.at for s in test.mails]
    moments += [m for p in test.people for m in (p.at, p.day)]
    moments += [m for e in test.expectations for m in (e.on, e.due)]
    moments += [m for p in test.polls for m in (p.until, p.at)]
    for moment in moments:
        if moment and moment.column:
            yield moment.column.span, moment.column.value
    for step in test.mails:
        for _, value in step.settings:
            if isinstance(value, Name):
                yield value.span, value.value


def check_test(session: Session, test: Test) -> None:
    """Check one test: its table, its mails, what it expects."""
    columns = {c.value for c in test.table.columns} if test.table else set()
    samples = session.samples.get(test.span.file, {})
    for span, name in _columns_used(test):
        if name not in columns:
            session.say(
                "E032",
                span,
                f"the test's table has no column `{name}`",
                suggestion(name, columns) or "write a day such as 2024-04-10",
            )
    zone = test.timezone
    if zone and not is_time_zone(zone.value):
        session.say("E022", zone.span, f"`{zone.value}` is no time zone", "write it like Asia/Tokyo")
    for poll in test.polls:
        if poll.every and not poll.every.amount:
            session.say("E009", poll.every.span, "a poll every 0 is no interval", "write `every 1 hour`")
    for step in test.mails:
        if step.sample and step.sample.value not in samples:
            session.say(
                "E033",
                step.sample.span,
                f"there is no sample `{step.sample.value}`",
                f'a file stands in quotes: write "{step.sample.value}"'
                if "." in step.sample.value
                else suggestion(step.sample.value, samples) or f'define it: sample {step.sample.value} """…"""',
            )
        if step.settings and step.path:
            session.say(
                "E033",
                step.settings[0][0].span,
                "a file is delivered as it is",
                "use `with` for samples and inline mails",
            )
        if step.trust and step.trust.value not in session.words.trust:
            session.say(
                "E012",
                step.trust.span,
                f"`{step.trust.value}` is no level of trust",
                suggestion(step.trust.value, session.words.trust),
            )
    for person in test.people:
        if person.system and person.system.value not in session.systems:
            session.say(
                "E010",
                person.system.span,
                f"there is no system `{person.system.value}`",
                suggestion(person.system.value, session.systems),
            )
    kinds = {kind for kind, _ in session.notices} | session.words.events
    for expected in test.expectations:
        if expected.what not in EXPECTED:
            session.say(
                "E031",
                expected.span,
                f"a test cannot expect `{expected.what}`",
                f"write `expect {_EXPECTED_ELSEWHERE[expected.what]}`"
                if expected.what in _EXPECTED_ELSEWHERE
                else suggestion(expected.what, EXPECTED),
            )
        elif expected.what in ("task", "run", "authorization") and isinstance(expected.target, Name):
            word = expected.target.value
            times = {"twice": "2 times", "thrice": "3 times", "exactly": "3 times", "not": "never", "no": "never"}.get(
                word.lower()
            )
            help_ = f"write `{times}`" if times else "write a text in quotes, then `once`, `never` or `3 times`"
            session.say("E031", expected.target.span, f"`{word}` says nothing of {_SHOWN[expected.what]}", help_)
        elif expected.what == "notice" and (expected.state is None or expected.state.value not in kinds):
            name = expected.state.value if expected.state else ""
            session.say("E011", expected.span, f"there is no notice `{name}`", suggestion(name, kinds))
        elif expected.what == "authorization" and (
            expected.state is None or expected.state.value not in session.words.states
        ):
            state = meant(expected.state.value, session.words.states, 0.6) if expected.state else ""
            session.say(
                "E031",
                expected.state.span if expected.state else expected.span,
                "expect a state of an authorization",
                f"did you mean `{state}`?"
                if state
                else 'such as `expect authorization "446453545547" is expiring`; states: '
                + ", ".join(session.words.states),
            )
