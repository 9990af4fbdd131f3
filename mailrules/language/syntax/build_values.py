"""Trees of words, texts, dates and conditions to nodes.

In: a tree as the parser made it: its tokens are texts with a place, its branches have `data` and `children`.
Out: nodes of ast.py and problems. May not live here: lark; recursion is bounded by the nesting cap of blocks.py.
"""

from __future__ import annotations

import textwrap
from datetime import date
from typing import Any

from mailrules.language import ast
from mailrules.language.ast import Name, Problem, Span, Text

_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


def kind_of(token: Any) -> str:
    """Return which kind of word the parser took a token for."""
    return str(token.type)


class ValueBuilder:
    """What both blocks and conditions are made of; `offset` is the line before the block, `problems` what was wrong."""

    def __init__(self, path: str, offset: int) -> None:
        self.path, self.offset, self.problems = path, offset, list[Problem]()

    def say(self, code: str, span: Span, message: str, help: str = "") -> None:  # noqa: A002 - the word users see
        """Note one problem."""
        self.problems.append(Problem(code=code, span=span, message=message, help=help))

    def span(self, node: Any) -> Span:
        """Return the place of a token or a branch in its file."""
        meta: Any = node if isinstance(node, str) else node.meta
        if not isinstance(node, str) and meta.empty:
            return Span(self.path, self.offset + 1, 1, self.offset + 1, 2)
        return Span(self.path, meta.line + self.offset, meta.column, meta.end_line + self.offset, meta.end_column)

    def name(self, token: Any) -> Name:
        """Return a word."""
        return Name(value=str(token), span=self.span(token))

    def word(self, token: Any) -> Name | Text:
        """Return a word or a quoted text, whichever stands there."""
        return self.text(token) if kind_of(token) == "STRING" else self.name(token)

    def text(self, token: Any) -> Text:
        """Return a quoted text with its escapes resolved, or a mail in triple quotes."""
        raw = str(token)
        if raw.startswith('"""'):
            return Text(value=textwrap.dedent(raw[3:-3].lstrip("\n")), span=self.span(token))
        out, at, body = "", 0, raw[1:-1]
        while at < len(body):
            if body[at] == "\\" and at + 1 < len(body):
                if body[at + 1] not in _ESCAPES:
                    self.say(
                        "E001",
                        self.span(token),
                        f"`\\{body[at + 1]}` means nothing in a text",
                        f"write \\\\{body[at + 1]} for the two characters, or delete the \\",
                    )
                out += _ESCAPES.get(body[at + 1], body[at + 1])
                at += 2
            else:
                out += body[at]
                at += 1
        return Text(value=out, span=self.span(token))

    def day(self, token: Any) -> str:
        """Return a date as it is written, once it exists."""
        try:
            return date.fromisoformat(str(token)).isoformat()
        except ValueError:
            self.say(
                "E006", self.span(token), f"`{token}` is no day of the calendar", "write an existing day as YYYY-MM-DD"
            )
            return "2000-01-01"

    def instant(self, tree: Any) -> str:
        """Return a day and a time as ISO text; a bare day begins at 00:00."""
        day = self.day(tree.children[0])
        clock = str(tree.children[1]) if len(tree.children) > 1 else "00:00"
        if not (clock[:2] < "24" and clock[3:] < "60"):
            self.say("E006", self.span(tree.children[1]), f"`{clock}` is no time of the day", "write it like 09:00")
            clock = "00:00"
        return f"{day}T{clock}"

    def duration(self, tree: Any) -> ast.DurationLiteral:
        """Return a number with its unit."""
        unit: Any = str(tree.children[1]).rstrip("s") + "s"
        return ast.DurationLiteral(amount=int(str(tree.children[0])), unit=unit, span=self.span(tree))

    def expr(self, tree: Any) -> ast.Expr:
        """Return the node of a condition."""
        match tree.data:
            case "either" | "both":
                operator: Any = "or" if tree.data == "either" else "and"
                return ast.Junction(
                    operator=operator, conditions=tuple(self.expr(c) for c in tree.children), span=self.span(tree)
                )
            case "negated":
                return ast.Not(condition=self.expr(tree.children[0]), span=self.span(tree))
            case "comparison":
                return self._comparison(tree)
            case _:
                return self.sum(tree)

    def _comparison(self, tree: Any) -> ast.Comparison:
        left, test, *because = tree.children
        comparator = {"is_": "is", "order": ""}.get(test.data, test.data.replace("_", " "))
        parts = list(test.children)
        if test.data == "order":
            comparator = str(parts.pop(0))
        right = tuple(self.sum(p) for p in (parts[0].children if test.data == "is_one_of" else parts))
        return ast.Comparison(
            left=self.sum(left),
            comparator=comparator,
            right=right,
            because=self.text(because[0]) if because else None,
            span=self.span(tree),
        )

    def sum(self, tree: Any) -> ast.Expr:
        """Return the node of one side of a comparison."""
        match tree.data:
            case "arithmetic":
                left, sign, right = tree.children
                operator: Any = str(sign)
                return ast.Arithmetic(
                    left=self.sum(left), operator=operator, right=self.sum(right), span=self.span(tree)
                )
            case "name":
                word: Any = str(tree.children[0])
                if word in ("yes", "no", "nothing"):
                    return ast.Keyword(value=word, span=self.span(tree))
                return self.name(tree.children[0])
            case "text":
                return self.text(tree.children[0])
            case "date":
                return ast.DateLiteral(value=self.day(tree.children[0]), span=self.span(tree))
            case "instant":
                return ast.InstantLiteral(value=self.instant(tree), span=self.span(tree))
            case "number":
                return ast.Number(value=int(str(tree.children[0])), span=self.span(tree))
            case _:
                return self.duration(tree)
