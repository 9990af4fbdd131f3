"""What a rules file says, as frozen values with their places.

In: nothing. Out: the node types that parse.py makes, check.py examines, format.py prints and evaluate.py walks.
May not live here: lark, names of fields or actions, evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a rules file: 1-based lines and columns in code points; the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


NOWHERE = Span("", 1, 1, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A quoted text: `value` is what it says, escapes resolved."""

    value: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A word, possibly dotted: `days_left`, `sender.domain`."""

    value: str
    span: Span = field(default=NOWHERE, compare=False)


# --- expressions ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A whole number without a unit."""

    value: int
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationLiteral:
    """A number with its unit: `7 days`, `24 hours`, `30 minutes`, `2 weeks`. Calendar days where the unit is days."""

    amount: int
    unit: Literal["minutes", "hours", "days", "weeks"]
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DateLiteral:
    """A date: `2024-04-10` (ISO text, checked to exist)."""

    value: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyword:
    """`yes`, `no` or `nothing`."""

    value: Literal["yes", "no", "nothing"]
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """`expires - 7 days`."""

    left: Expr
    operator: Literal["+", "-"]
    right: Expr
    span: Span = field(default=NOWHERE, compare=False)


Comparator = Literal[
    "is",
    "is not",
    "is one of",
    "contains",
    "starts with",
    "ends with",
    "matches",
    "<",
    "<=",
    ">",
    ">=",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`left comparator right`; for `is one of` there are several values."""

    left: Expr
    comparator: Comparator
    right: tuple[Expr, ...]
    because: Text | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """`not condition`."""

    condition: Expr
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Junction:
    """`a and b and c`, or `a or b`; flat, at least two."""

    operator: Literal["and", "or"]
    conditions: tuple[Expr, ...]
    span: Span = field(default=NOWHERE, compare=False)


Expr = Name | Text | Number | DurationLiteral | DateLiteral | Keyword | Arithmetic | Comparison | Not | Junction

# --- system and notice ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """`system amazon "Amazon Seller Central" { mail from … ; renew at "…" ; how en "…" }`. Domains are exact, lower case."""

    name: Name
    title: Text
    domains: tuple[Text, ...] = ()
    renew_at: Text | None = None
    how: tuple[tuple[Name, Text], ...] = ()
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDefinition:
    """`expires: date "YYYY-MM-DD"`: a field of a notice, its reader's type and, for dates, the format."""

    name: Name
    type: Name
    format: Text | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """`{expires}` or `{days: number}` in a pattern. `type` is set where it is given in place."""

    name: str
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A wording's text with holes, in order: plain texts and holes. `{{` is a literal brace."""

    pieces: tuple[str | Hole, ...]
    source: Text = Text(value="")
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One clause of a wording: `subject "…"`, `line "…"`, `says "…"` (anywhere in running text)."""

    place: Literal["subject", "line", "says"]
    pattern: Pattern
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """`wording en { … }` inside a notice, or `wording de of KIND of SYSTEM { … }` on its own (then kind and system are set).

    `unverified` marks a wording that nobody has seen in a real mail.
    """

    language: Name
    clauses: tuple[Clause, ...]
    unverified: bool = False
    kind: Name | None = None
    system: Name | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeDefinition:
    """`notice KIND of SYSTEM { fields, wordings }`. `refuse "…"` makes it a look-alike, recognised to be refused."""

    kind: Name
    system: Name
    fields: tuple[FieldDefinition, ...] = ()
    wordings: tuple[Wording, ...] = ()
    refuse: Text | None = None
    span: Span = field(default=NOWHERE, compare=False)


# --- rules ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTrigger:
    """`on authorization_expiring [of amazon] [, other_kind]`: fires when such a notice arrives."""

    kinds: tuple[Name, ...]
    system: Name | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhileTrigger:
    """`while <condition>`: looked at on every poll, for every open obligation."""

    condition: Expr
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """`7 days before expires`, `expires`, `2 days after expires`: a day relative to a date. `days` is signed (before < 0)."""

    days: int
    anchor: Name
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCall:
    """One action: `words` as written; check.py resolves them against the vocabulary's action rows into the rest.

    `verb` is "create task", "notify", "forward to" or "run"; `target` is a name of `[people]` or a quoted address
    (notify, forward), or a quoted script name (run); `text` is the template (task title; notify's text; optional for
    forward). Options in any order, at most once: `due OFFSET` (create task), `settle within DURATION` (run).
    """

    words: tuple[Name | Text, ...] = ()
    verb: str = ""
    target: Name | Text | None = None
    text: Text | None = None
    due: Offset | None = None
    settle: DurationLiteral | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """`14 days before expires: ACTION`."""

    offset: Offset
    action: ActionCall
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`rule "name" { on/while …; when …; actions; rungs }`."""

    name: Text
    trigger: OnTrigger | WhileTrigger
    when: Expr | None = None
    actions: tuple[ActionCall, ...] = ()
    rungs: tuple[Rung, ...] = ()
    description: Text | None = None
    disabled: bool = False
    span: Span = field(default=NOWHERE, compare=False)


# --- tests ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MailStep:
    """`mail "file.eml" [as bound] at 2024-03-11 09:00` or `mail { inline text in triple quotes } …`.

    Exactly one of `path` and `inline` is set. `inline` is a whole message (header fields, empty line, body).
    `at` is local time in the test's zone (UTC unless the test says `timezone "…"`), ISO "YYYY-MM-DDTHH:MM".
    """

    at: str
    path: Text | None = None
    inline: Text | None = None
    trust: Name | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollStep:
    """`poll every 1 hour until 2024-04-01` or `poll at 2024-04-01 09:00`. `until`/`at` as in MailStep (a bare date is 00:00)."""

    every: DurationLiteral | None = None
    until: str | None = None
    at: str | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One `expect …` line.

    `what`: "task" | "notify" | "forward" | "run" | "authorization" | "nothing else" | "notice".
    `text`: the quoted text (task title; text of a notify; script name; authorization's state word), if any.
    `target`: the person, if any (`expect notify owner …`, `expect forward to owner …`).
    `count`: how often: None = at least once; `once` = 1, `never` = 0, `3 times` = 3. `on`: ISO date or None.
    `state`: for `expect authorization "446453545547" is expiring`, the state word; for `expect notice KIND`, the kind.
    """

    what: str
    text: Text | None = None
    target: Name | Text | None = None
    count: int | None = None
    on: str | None = None
    state: Name | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """`test "name" { mail …; poll …; expect … }`."""

    name: Text
    mails: tuple[MailStep, ...] = ()
    polls: tuple[PollStep, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    timezone: Text | None = None
    span: Span = field(default=NOWHERE, compare=False)


Block = System | NoticeDefinition | Wording | Rule | Test


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesFile:
    """One parsed file: its blocks in order. `text` is the source, for messages and the formatter."""

    path: str
    text: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong in a rules file: `code` is stable (E… error, W… warning); `message` one sentence; `help` an edit."""

    code: str
    span: Span
    message: str
    help: str = ""
    note: str = ""

    @property
    def is_error(self) -> bool:
        """Whether the rule set may not go live with it."""
        return self.code.startswith("E")
