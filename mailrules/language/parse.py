"""Text to nodes. The only importer of lark.

In: a file's text and the grammar's text. Out: RulesFile and problems; never an exception, whatever the text.
May not live here: names of fields and actions (check.py); a parser's terminal names in any message.
"""

from __future__ import annotations

import difflib
import re
from functools import cache

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from mailrules.language import ast
from mailrules.language.ast import Problem, RulesFile, Span
from mailrules.language.blocks import Chunk, split
from mailrules.language.build import Builder

MAX_TREE = 200
_FIRST = re.compile(r"([ \t]*)([A-Za-z]+)")
_CLAUSES = ("when", "while", "description", "disabled", "wording", "refuse", "subject", "expect", "timezone", "says")
_WORDS = {
    "NAME": "a name", "STRING": "a text in quotes", "LONG_STRING": 'a mail in """', "INT": "a number", "DATE": "a date such as 2024-04-10",
    "TIME": "a time such as 09:00", "UNIT": "a unit such as days", "_NL": "the end of the line", "RBRACE": "`}`", "LBRACE": "`{`",
    "LPAR": "`(`", "RPAR": "`)`", "COLON": "`:`", "COMMA": "`,`", "ORDER": "<, <=, > or >=", "SIGN": "+ or -", "$END": "the end",
}  # fmt: skip


@cache
def _parser(grammar: str) -> Lark:
    return Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=False)


def parse(text: str, path: str, grammar: str) -> tuple[RulesFile, tuple[Problem, ...]]:
    """Parse one rules file. A mistake in one block leaves the others whole; at most one problem comes of one block."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    chunks, problems = split(text, path)
    blocks: list[ast.Block] = []
    for chunk in chunks:
        try:
            tree = _parser(grammar).parse(chunk.text)
        except UnexpectedInput as error:
            problems.append(_problem(error, chunk, path))
            continue
        if _depth(tree) > MAX_TREE:
            span = Span(path, chunk.line, 1, chunk.line, 2)
            problems.append(
                Problem(
                    code="E005",
                    span=span,
                    message="a condition in this block is nested too deep or is too long",
                    help="split it into several rules",
                )
            )
            continue
        builder = Builder(path, chunk.line - 1)
        blocks.append(builder.block(tree.children[0]))
        problems.extend(builder.problems)
    problems.sort(key=lambda p: (p.span.line, p.span.column))
    return RulesFile(path=path, text=text, blocks=tuple(blocks)), tuple(problems)


def _depth(tree: Tree[Token]) -> int:
    """Return how deep a tree is, without recursion: what comes after may recurse."""
    deepest, waiting = 0, [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting.extend((child, depth + 1) for child in node.children if isinstance(child, Tree))
    return deepest


def _problem(error: UnexpectedInput, chunk: Chunk, path: str) -> Problem:
    lines = chunk.text.split("\n")
    if isinstance(error, UnexpectedEOF):
        line, column, found = len(lines), len(lines[-1]) + 1, ""
    else:
        line, column = max(error.line, 1), max(error.column, 1)
        found = lines[line - 1][column - 1 :].split(" ")[0] if line <= len(lines) else ""
    if isinstance(error, UnexpectedToken):
        accepted = error.accepts or error.expected
        found = str(error.token).strip() or found
    else:
        accepted = getattr(error, "allowed", None) or set()
    keywords = sorted(_keyword(name) for name in accepted if name not in _WORDS and not name.startswith("__"))
    kinds = sorted({_WORDS[name] for name in accepted if name in _WORDS})
    wanted = ", ".join([f"`{k}`" for k in keywords] + kinds)
    word = found.split("\n")[0][:40]
    where = Span(path, line + chunk.line - 1, column, line + chunk.line - 1, column + max(1, len(word)))
    near = difflib.get_close_matches(word, keywords, 1, 0.7)
    first = _FIRST.match(lines[line - 1]) if line <= len(lines) else None
    clause = difflib.get_close_matches(first[2], _CLAUSES, 1, 0.7) if first else []
    if first and clause and first[2] not in _CLAUSES and not near:
        # why: a misspelt `when` is read as the verb of an action, and the mistake shows only some words later
        number, column = line + chunk.line - 1, len(first[1]) + 1
        where = Span(path, number, column, number, column + len(first[2]))
        message = f"`{first[2]}` cannot stand here"
        return Problem(code="E001", span=where, message=message, help=f"did you mean `{clause[0]}`?")
    at_end = isinstance(error, UnexpectedToken) and error.token.type in ("_NL", "$END")
    message = "the line ends too early" if at_end or not word else f"`{word}` cannot stand here"
    if isinstance(error, UnexpectedCharacters) and word and not (word[0].isalnum() or word[0] in '"_'):
        message = f"`{word[0]}` has no meaning here"
    return Problem(
        code="E001",
        span=where,
        message=message,
        help=f"did you mean `{near[0]}`?" if near else f"what may stand here: {wanted}" if wanted else "",
    )


def _keyword(terminal: str) -> str:
    return terminal.lstrip("_").lower()
