"""Text to nodes. The only importer of lark.

In: a file's text and the grammar's text. Out: RulesFile and problems; never an exception, whatever the text.
May not live here: names of fields and actions (check.py); a parser's terminal names in any message.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken

from mailrules.language import ast
from mailrules.language.ast import Problem, RulesFile, Span
from mailrules.language.frozen import replace
from mailrules.language.syntax.blocks import MAX_CHARACTERS, Chunk, Row, split
from mailrules.language.syntax.build import Builder
from mailrules.language.syntax.slips import Stop, explain
from mailrules.language.syntax.stray import mend
from mailrules.language.syntax.tokens import hides_a_block

MAX_TREE = 200
MAX_PROBLEMS = 200  # of one file: nobody reads on
MAX_AGAIN = 200_000  # characters of a file that may be read again to find the second mistake of a block, and the third
_SIGNS = {"STRING", "NAME", "INT", "DATE", "TIME", "UNIT", "ORDER", "SIGN"}


@cache
def _parser(grammar: str) -> Lark:
    return Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=False)


@lru_cache(maxsize=32)  # why: the shipped files are read for every rule set, the same each time
def parse(text: str, path: str, grammar: str) -> tuple[RulesFile, tuple[Problem, ...]]:
    """Parse one rules file. A mistake in one row leaves the other rows and blocks whole."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MAX_CHARACTERS:
        problem = Problem(
            code="E005",
            span=Span(path, 1, 1, 1, 2),
            message=f"the file has {len(text):,} characters, and {MAX_CHARACTERS:,} is the most",
            help="split it into several files",
        )
        return RulesFile(path=path, text=text, blocks=()), (problem,)
    file, problems = _File(path, grammar).read(text)
    if problems and hides_a_block(text):
        file, problems = _File(path, grammar).read(text, wary=True)
    return file, problems


class _File:
    """The reading of one file."""

    def __init__(self, path: str, grammar: str) -> None:
        self.path, self.grammar = path, grammar
        self.again = MAX_AGAIN
        self.names: list[str] = []  # what blocks with mistakes define

    def read(self, text: str, *, wary: bool = False) -> tuple[RulesFile, tuple[Problem, ...]]:
        plain, stray = mend(text, self.path)
        chunks, shape = split(plain, self.path, wary=wary)
        mended = {p.span.line for p in stray}
        blocks, broken = list[ast.Block](), list[ast.Block]()
        problems: list[Problem] = []
        for chunk in chunks:
            block, found = self._block(chunk)
            problems += found
            if block is not None and not found and chunk.whole and not any(r.bad for r in chunk.rows):
                blocks.append(block)
            else:
                self.names += [t.text for t in chunk.rows[0].tokens[1:] if t.kind == "word"]
                if block is not None:
                    broken.append(block)
        # why: what a curly quote does to the rest of its line is no second mistake
        problems = [*stray, *(p for p in (*shape, *problems) if p.span.line not in mended)]
        problems.sort(key=lambda p: (p.span.line, p.span.column))
        if len(problems) > MAX_PROBLEMS:
            more, first = len(problems) - MAX_PROBLEMS, problems[MAX_PROBLEMS]
            told = f"from here on, the file has {more:,} more mistakes"
            problems[MAX_PROBLEMS:] = [replace(first, message=told, help="mend the ones before, then check again")]
        file = RulesFile(
            path=self.path, text=text, blocks=tuple(blocks), broken=tuple(broken), names=frozenset(self.names)
        )
        return file, tuple(problems)

    def _block(self, chunk: Chunk) -> tuple[ast.Block | None, list[Problem]]:
        """Return a block without the rows that cannot be read, and a problem for each of those."""
        if not chunk.whole:
            return None, []
        text = chunk.text
        for row in chunk.rows:
            if row.bad:
                text = _without(text, chunk, row)
        problems: list[Problem] = []
        while True:
            try:
                tree = _parser(self.grammar).parse(text)
            except UnexpectedInput as error:
                stop = _stop(error, chunk, text)
                problems.append(explain(stop, self.path))
                self.again -= len(text)
                if stop.row.first.text in ("let", "sample"):
                    self.names += [t.text for t in stop.row.tokens[1:2]]
                if stop.row is chunk.rows[0] or stop.row.closes or self.again < 0:
                    return None, problems
                text = _without(text, chunk, stop.row)
                continue
            break
        if _depth(tree) > MAX_TREE:
            span = Span(self.path, chunk.line, 1, chunk.line, 2)
            message, help_ = (
                "a condition in this block is nested too deep or is too long",
                "split it into several rules",
            )
            return None, [*problems, Problem(code="E005", span=span, message=message, help=help_)]
        builder = Builder(self.path, chunk.line - 1)
        block = builder.block(tree.children[0])
        if problems or any(
            r.bad for r in chunk.rows
        ):  # what seems to be missing stands in the row that was passed over
            return block, [*problems, *(p for p in builder.problems if p.code != "E008")]
        return block, builder.problems


def _without(text: str, chunk: Chunk, row: Row) -> str:
    """Return a block's text with a row made empty, and the block that the row opens."""
    last = row
    if row.opens:
        depth = 0
        for other in chunk.rows[chunk.rows.index(row) :]:
            depth += other.opens - other.closes
            last = other
            if depth == 0:
                break
    begin, end = row.first.at - chunk.begin, last.tokens[-1].end - chunk.begin
    return text[:begin] + re.sub(r"[^\n]", " ", text[begin:end]) + text[end:]


def _stop(error: UnexpectedInput, chunk: Chunk, text: str) -> Stop:
    """Return where reading stopped, in rows and words."""
    token = error.token if isinstance(error, UnexpectedToken) else None
    accepted = (
        set(error.accepts or error.expected)
        if isinstance(error, UnexpectedToken)
        else set(getattr(error, "allowed", None) or ())
    )
    at = len(text) if token is not None and token.type == "$END" else max(error.pos_in_stream or 0, 0)
    ended = token is not None and token.type in ("$END", "_NL")
    place = at + chunk.begin
    rows = [r for r in chunk.rows if r.first.at <= place] or chunk.rows[:1]
    row = rows[-1]
    found = None if ended else next((t for t in row.tokens if t.end > place), None)
    if row.closes and found is row.first and len(rows) > 1:  # what is wrong with a } is that its row has not ended
        before = rows[-2]
        if before.tokens[-1].last_line == row.first.line or not text[:at].endswith("\n"):
            row, found = before, None
    units = {"minutes", "hours", "days", "weeks"} if "UNIT" in accepted else set()
    words = units.union(_keyword(name) for name in accepted if name not in _SIGNS and name.strip("_").isalpha())
    return Stop(chunk, row, found, frozenset(words), bool(accepted & {"STRING", "LONG_STRING"}), "COMMA" in accepted)


def _depth(tree: Tree[Token]) -> int:
    """Return how deep a tree is, without recursion: what comes after may recurse."""
    deepest, waiting = 0, [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting.extend((child, depth + 1) for child in node.children if isinstance(child, Tree))
    return deepest


def _keyword(terminal: str) -> str:
    return terminal.lstrip("_").lower()
