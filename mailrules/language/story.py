"""What a test in a rules file says, as frozen values with their places.

In: nothing. Out: the nodes of `test` and `sample` blocks, which build_tests.py makes and ruletests.py runs.
May not live here: lark, running a test.
"""

from __future__ import annotations

from mailrules.language.ast import DurationLiteral, Name, Node, Text


class Moment(Node):
    """A day and a time in the test's zone: `value` is ISO "YYYY-MM-DDTHH:MM" (a bare day is 00:00).

    `column` names the column of the test's table that holds it instead; ruletests.py fills it in, row by row.
    """

    value: str = ""
    column: Name | None = None

    @property
    def day(self) -> str:
        """The day alone, ISO "YYYY-MM-DD"."""
        return self.value[:10]


class Sample(Node):
    """A named mail for tests: `{{ name }}` in its text is filled by `mail expiry with name "…"`."""

    name: Name
    text: Text


class MailStep(Node):
    """`mail "file.eml" [as bound] at …`, a mail in triple quotes, or `mail expiry with days "30" at …`.

    Exactly one of `path`, `inline` and `sample` is set. `inline` is a whole message (header fields, empty line, body).
    `settings` fill the holes `{{ name }}` of a sample or of an inline mail; a Name is a column of the table.
    """

    at: Moment
    path: Text | None = None
    inline: Text | None = None
    sample: Name | None = None
    settings: tuple[tuple[Name, Text | Name], ...] = ()
    trust: Name | None = None


class PollStep(Node):
    """`poll every 1 hour until 2024-04-01` or `poll at 2024-04-01 09:00`."""

    every: DurationLiteral | None = None
    until: Moment | None = None
    at: Moment | None = None


class PersonStep(Node):
    """What a person does.

    `renewed "NAME" [until DATE] at …`, `done "task title" at …`, `add "NAME" of SYSTEM [id "…"] [expires DATE] at …`;
    `what` is "renewed", "done" or "add".
    """

    what: str
    name: Text
    at: Moment
    day: Moment | None = None
    system: Name | None = None
    developer_id: Text | None = None


class Expectation(Node):
    """One `expect …` line.

    `what`: "task" | "notify" | "forward" | "run" | "authorization" | "nothing else" | "notice".
    `text`: the quoted text (task title; text of a notify; script name; authorization's name or id), if any.
    `target`: the person, if any (`expect notify owner …`, `expect forward to owner …`).
    `count`: how often: None = at least once; `once` = 1, `never` = 0, `3 times` = 3. `on`: a day or None. `due`: the day a task is due.
    `state`: for `expect authorization "446453545547" is expiring`, the state word; for `expect notice KIND`, the kind.
    """

    what: str
    text: Text | None = None
    target: Name | Text | None = None
    count: int | None = None
    on: Moment | None = None
    due: Moment | None = None
    state: Name | None = None


class Table(Node):
    """`table days, expires { "30", 2024-04-10 … }`: the test runs once a row. Cells are kept as texts, days as ISO."""

    columns: tuple[Name, ...]
    rows: tuple[tuple[Text, ...], ...]


class Test(Node):
    """`test "name" { table …; mail …; renewed …; poll …; expect … }`."""

    name: Text
    mails: tuple[MailStep, ...] = ()
    people: tuple[PersonStep, ...] = ()
    polls: tuple[PollStep, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    timezone: Text | None = None
    account: Text | None = None
    table: Table | None = None
