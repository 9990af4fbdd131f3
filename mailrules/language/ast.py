"""What a rules file says, as frozen values with their places.

In: nothing. Out: the node types that parse.py makes, check.py examines, format.py prints and evaluate.py walks.
May not live here: lark, names of fields or actions, evaluation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from mailrules.language.frozen import Frozen

if TYPE_CHECKING:
    from mailrules.language.story import Sample, Test


class Span(Frozen):
    """A place in a rules file: 1-based lines and columns in code points; the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __init__(self, file: str, line: int, column: int, end_line: int, end_column: int) -> None:
        values = (file, line, column, end_line, end_column)
        for fill, value in zip(Span.setters.values(), values, strict=True):  # why: everything that is read makes one
            fill(self, value)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Span("", 1, 1, 1, 1)


class Node(Frozen):
    """Something written in a rules file: equal to what says the same, wherever it stands."""

    span: Span = NOWHERE


class Text(Node):
    """A quoted text: `value` is what it says, escapes resolved."""

    value: str


class Name(Node):
    """A word, possibly dotted: `days_left`, `sender.domain`."""

    value: str


# --- expressions ------------------------------------------------------------------------------------------------


class Number(Node):
    """A whole number without a unit."""

    value: int


class DurationLiteral(Node):
    """A number with its unit: `7 days`, `24 hours`, `30 minutes`, `2 weeks`. Calendar days where the unit is days."""

    amount: int
    unit: Literal["minutes", "hours", "days", "weeks"]


class DateLiteral(Node):
    """A date: `2024-04-10` (ISO text, checked to exist)."""

    value: str


class InstantLiteral(Node):
    """A day and a time in the account's time zone: `2024-04-10 09:00`, kept as "2024-04-10T09:00"."""

    value: str


class Keyword(Node):
    """`yes`, `no` or `nothing`."""

    value: Literal["yes", "no", "nothing"]


class Arithmetic(Node):
    """`expires - 7 days`."""

    left: Expr
    operator: Literal["+", "-"]
    right: Expr


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


class Comparison(Node):
    """`left comparator right`; for `is one of` there are several values."""

    left: Expr
    comparator: Comparator
    right: tuple[Expr, ...]
    because: Text | None = None


class Not(Node):
    """`not condition`."""

    condition: Expr


class Junction(Node):
    """`a and b and c`, or `a or b`; flat, at least two."""

    operator: Literal["and", "or"]
    conditions: tuple[Expr, ...]


Expr = (
    Name
    | Text
    | Number
    | DurationLiteral
    | DateLiteral
    | InstantLiteral
    | Keyword
    | Arithmetic
    | Comparison
    | Not
    | Junction
)


class Let(Node):
    """`let soon = 30 days`, `let core = "a", "b"`: a name for one value or condition, or for several values (a group)."""

    name: Name
    values: tuple[Expr, ...]


# --- system and notice ------------------------------------------------------------------------------------------


class System(Node):
    """`system amazon "Amazon Seller Central" { mail from … ; renew at "…" ; how en "…" }`. Domains are exact, lower case.

    `renew_by` says who must renew, `shows_within` how soon a renewal shows there, `yields_to` the systems whose word
    holds where both speak of one authorization.
    """

    name: Name
    title: Text
    domains: tuple[Text, ...] = ()
    renew_at: Text | None = None
    renew_by: Text | None = None
    how: tuple[tuple[Name, Text], ...] = ()
    shows_within: DurationLiteral | None = None
    yields_to: tuple[Name, ...] = ()


class FieldDefinition(Node):
    """`expires: date "YYYY-MM-DD"`: a field of a notice, its reader's type and, for dates, the format."""

    name: Name
    type: Name
    format: Text | None = None


class Hole(Frozen):
    """`{expires}`, `{days: number}` or `{expires: date D.M.YYYY}`: type and date format are set where given in place."""

    name: str
    type: str | None = None
    format: str | None = None


class Pattern(Node):
    """A wording's text with holes, in order: plain texts and holes. `{{` is a literal brace."""

    pieces: tuple[str | Hole, ...]
    source: Text = Text(value="")


class Clause(Node):
    """One clause of a wording: `subject "…"`, `line "…"`, `says "…"` (anywhere in running text).

    `maybe` before it makes it optional: read where it stands, not required. `others` are what may stand there instead
    (`line "…" or "…"`).
    """

    place: Literal["subject", "line", "says"]
    pattern: Pattern
    others: tuple[Pattern, ...] = ()
    optional: bool = False

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """Its pattern and those that may stand there instead."""
        return (self.pattern, *self.others)


class Wording(Node):
    """`wording en { … }` inside a notice, or `wording de of KIND of SYSTEM { … }` on its own (then kind and system are set).

    `unverified` marks a wording that nobody has seen in a real mail. `constants` (`status is "expired"`) are fields that
    have this value wherever the wording fits.
    """

    language: Name
    clauses: tuple[Clause, ...]
    constants: tuple[tuple[Name, Text], ...] = ()
    unverified: bool = False
    kind: Name | None = None
    system: Name | None = None


class NoticeDefinition(Node):
    """`notice KIND of SYSTEM { fields, wordings }`. `refuse "…"` makes it a look-alike, recognised to be refused."""

    kind: Name
    system: Name
    fields: tuple[FieldDefinition, ...] = ()
    wordings: tuple[Wording, ...] = ()
    refuse: Text | None = None


# --- rules ------------------------------------------------------------------------------------------------------


class OnTrigger(Node):
    """`on authorization_expiring [of amazon] [, other_kind]`: fires when such a notice arrives."""

    kinds: tuple[Name, ...]
    system: Name | None = None


class WhileTrigger(Node):
    """`while <condition>`: looked at on every poll, for every open obligation."""

    condition: Expr


class Offset(Node):
    """`7 days before expires`, `expires`, `soon after expires`: a day relative to a date. `days` is signed (before < 0).

    `named` is a `let` that stands for the number of days; check.py puts its value into `days` (-1 or 1 until then).
    """

    days: int
    anchor: Name
    named: Name | None = None


class ActionCall(Node):
    """One action: `words` as written; check.py resolves them against the vocabulary's action rows into the rest.

    `verb` is a verb of vocabulary.ACTIONS; `target` is a name of `[people]` or a quoted address
    (notify, forward), or a quoted script name (run); `text` is the template (task title; notify's text; optional for
    forward). Options in any order, at most once: `due OFFSET` (create task), `settle within DURATION` (run).
    """

    words: tuple[Name | Text, ...] = ()
    verb: str = ""
    target: Name | Text | None = None
    text: Text | None = None
    due: Offset | None = None
    settle: DurationLiteral | None = None


class Repeat(Node):
    """`every 2 days [doubling] [from 7 days before expires] [at most 5 times]: ACTION`: again and again until renewed.

    `interval` is in days or weeks; `doubling` makes every gap twice the one before; `start` is the day it was opened
    where not given; `times` is None where it goes on until the deadline is settled or missed.
    """

    interval: DurationLiteral
    action: ActionCall
    doubling: bool = False
    start: Offset | None = None
    times: int | None = None


class Rung(Node):
    """`14 days before expires: ACTION`."""

    offset: Offset
    action: ActionCall


class Rule(Node):
    """`rule "name" { on/while …; when …; actions; rungs; repeats }`. `owner` looks after it, `runbook` says what to do."""

    name: Text
    trigger: OnTrigger | WhileTrigger
    when: Expr | None = None
    actions: tuple[ActionCall, ...] = ()
    rungs: tuple[Rung, ...] = ()
    repeats: tuple[Repeat, ...] = ()
    description: Text | None = None
    owner: Name | Text | None = None
    runbook: Text | None = None
    disabled: bool = False

    @property
    def calls(self) -> tuple[ActionCall, ...]:
        """Every action of the rule, whenever it comes."""
        return (*self.actions, *(r.action for r in self.rungs), *(r.action for r in self.repeats))


# --- files ---------------------------------------------------------------------------------------------------------

Block: TypeAlias = "System | NoticeDefinition | Wording | Rule | Test | Let | Sample"


class RulesFile(Frozen):
    """One parsed file: its blocks in order. `text` is the source, for messages and the formatter.

    `broken` are blocks without the rows that could not be read: they are examined and do nothing. `names` are the words
    of the heads of all blocks with mistakes: whoever speaks of them is not to blame.
    """

    path: str
    text: str
    blocks: tuple[Block, ...]
    broken: tuple[Block, ...] = ()
    names: frozenset[str] = frozenset()


class Problem(Frozen):
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
