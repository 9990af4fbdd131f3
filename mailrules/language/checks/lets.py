"""Named values: `let soon = 30 days` and groups, put in place of their names before anything is checked.

In: the `let` blocks of all files. Out: expressions, targets and offsets without such names; problems, one a mistake.
May not live here: facts and types (a name that is no `let` is left as it is).
"""

from __future__ import annotations

from collections.abc import Iterable

from mailrules.language.ast import (
    ActionCall,
    Arithmetic,
    Comparison,
    DurationLiteral,
    Expr,
    Junction,
    Let,
    Name,
    Not,
    Offset,
    Problem,
    Span,
    Text,
)  # fmt: skip
from mailrules.language.frozen import replace

MAX_NODES = 10_000
MAX_DEPTH = 100
"""So large may a condition become with all names replaced: names of names can double at every step."""


class Lets:
    """The named values of a rule set. `problems` is what was wrong where they were used."""

    def __init__(self, lets: Iterable[Let]) -> None:
        self.table = {let.name.value: let for let in lets}
        self.problems: list[Problem] = []
        self.used: set[str] = set()
        self._ready: dict[str, tuple[Expr, ...]] = {}
        self._told: set[tuple[str, Span]] = set()
        self._endless: set[str] = set()

    def _say(self, code: str, span: Span, message: str, help_: str) -> None:
        if (code, span) not in self._told:
            self._told.add((code, span))
            self.problems.append(Problem(code=code, span=span, message=message, help=help_))

    def values(self, name: Name) -> tuple[Expr, ...]:
        """Return what a name stands for, names in it replaced; a name that is no `let` stands for itself."""
        let = self.table.get(name.value)
        if let is None:
            return (name,)
        if name is not let.name:
            self.used.add(name.value)
        if name.value not in self._ready:
            self._settle(name.value)
        return self._ready[name.value]

    def _settle(self, wanted: str) -> None:
        """Make ready what a name is made of, then itself: without recursion, as there may be long chains of names."""
        waiting, entered = [wanted], set[str]()
        while waiting:
            name = waiting[-1]
            if name in self._ready:
                waiting.pop()
            elif name in entered:
                self._ready[name] = self._made(self.table[name])
            else:
                entered.add(name)
                parts = [p for p in _names(self.table[name].values) if p in self.table and p not in self._ready]
                for part in parts:
                    if part in entered:
                        let = self.table[part]
                        help_ = "give it a value that does not come back to it"
                        self._say("E017", let.name.span, f"`{part}` is made of itself", help_)
                        self._ready[part] = (Text(value="", span=let.span),)
                        self._endless.add(part)
                waiting += [p for p in parts if p not in self._ready]

    def _made(self, let: Let) -> tuple[Expr, ...]:
        made = tuple(v for value in let.values for v in self._spliced(value))
        if sum(_size(value)[0] for value in made) > MAX_NODES or any(_size(v)[1] > MAX_DEPTH for v in made):
            message = f"`{let.name.value}` grows too large with all its names replaced"
            self._say("E005", let.name.span, message, "make it simpler")
            return (Text(value="", span=let.span),)
        return made

    def _spliced(self, value: Expr) -> tuple[Expr, ...]:
        return self.values(value) if isinstance(value, Name) else (self.expr(value),)

    def expr(self, expr: Expr) -> Expr:
        """Return an expression with every `let` in place of its name."""
        match expr:
            case Name():
                values = self.values(expr)
                if len(values) > 1:
                    self._say(
                        "E017",
                        expr.span,
                        f"`{expr.value}` names {len(values)} values, and one is wanted here",
                        f"write `is one of {expr.value}`",
                    )
                return values[0] if values[0] is not expr else expr
            case Junction():
                return replace(expr, conditions=tuple(self.expr(c) for c in expr.conditions))
            case Not():
                return replace(expr, condition=self.expr(expr.condition))
            case Comparison():
                several = expr.comparator == "is one of"
                right = tuple(
                    v for r in expr.right for v in (self._spliced(r) if several else (self.expr(r),))
                )  # fmt: skip
                return replace(expr, left=self.expr(expr.left), right=right)
            case Arithmetic():
                return replace(expr, left=self.expr(expr.left), right=self.expr(expr.right))
            case _:
                return expr

    def offset(self, offset: Offset) -> Offset:
        """Return an offset whose number of days is known."""
        if offset.named is None:
            return offset
        value = self.values(offset.named)
        if len(value) != 1 or not isinstance(value[0], DurationLiteral) or value[0].unit not in ("days", "weeks"):
            if offset.named.value in self._endless:
                return replace(offset, named=None)  # told where it is defined
            self._say(
                "E017",
                offset.named.span,
                f"`{offset.named.value}` is no number of days or weeks",
                f"write `7 days`, or `let {offset.named.value} = 7 days` at the top of the file",
            )
            return replace(offset, named=None)
        days = value[0].amount * {"days": 1, "weeks": 7}[value[0].unit]
        return replace(offset, days=offset.days * days, named=None)

    def targets(self, call: ActionCall) -> tuple[ActionCall, ...]:
        """Return one call for each member of the group that its target names."""
        if not isinstance(call.target, Name) or call.target.value not in self.table:
            return (call,)
        calls = []
        for value in self.values(call.target):
            if isinstance(value, Name | Text):
                calls.append(replace(call, target=replace(value, span=call.target.span)))
            else:
                self._say(
                    "E017",
                    call.target.span,
                    f"`{call.target.value}` holds something that is neither a person nor an address",
                    'write people by name and addresses in quotes: let office = owner, "ops@shop.example"',
                )
        return tuple(calls)


def _inside(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Junction(conditions=parts):
            return parts
        case Not(condition=part):
            return (part,)
        case Comparison(left=left, right=right):
            return (left, *right)
        case Arithmetic(left=left, right=other):
            return (left, other)
        case _:
            return ()


def _names(values: tuple[Expr, ...]) -> list[str]:
    """Return the names in some expressions, once each."""
    found, waiting = dict[str, None](), list(values)
    while waiting:
        node = waiting.pop()
        if isinstance(node, Name):
            found[node.value] = None
        waiting.extend(_inside(node))
    return list(found)


def _size(expr: Expr) -> tuple[int, int]:
    """Return how many nodes an expression has and how deep it is, without recursion."""
    nodes, deepest, waiting = 0, 0, [(expr, 1)]
    while waiting and nodes <= MAX_NODES:
        node, depth = waiting.pop()
        nodes, deepest = nodes + 1, max(deepest, depth)
        waiting.extend((part, depth + 1) for part in _inside(node))
    return nodes, deepest
