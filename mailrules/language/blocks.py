"""Where the blocks of a rules file begin and end, before any of them is parsed.

In: a file's text. Out: chunks of text with their first line, and problems that only the whole file shows.
May not live here: what a block means. One mistake stays in its block.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from mailrules.language.ast import Problem, Span

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 64
BLOCKS = ("system", "notice", "wording", "rule", "test")
_HEAD = re.compile(r"[ \t]*(system|notice|wording|rule|test)\b[^\n{]*\{", re.MULTILINE)
_STRAY = {
    **dict.fromkeys("“”„‟«»", ("a curly quote", 'write a straight one: "')),
    **dict.fromkeys("‘’‚‛", ("a curly quote", 'write a straight one: "')),
    "\u00a0": ("a non-breaking space", "write an ordinary space"),
    "\u3000": ("an ideographic space", "write an ordinary space"),
    "\x00": ("a NUL character", "delete it"),
    ";": ("a semicolon", "end the line instead; a clause ends with its line"),
    "'": ("a single quote", 'texts stand in double quotes: "…"'),
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """One block as text; `line` is the line of the file that it begins on."""

    line: int
    text: str


def split(text: str, path: str) -> tuple[list[Chunk], list[Problem]]:
    """Return the blocks of a file and the problems of its outermost shape."""
    if len(text) > MAX_CHARACTERS:
        return [], [
            Problem(
                code="E005",
                span=Span(path, 1, 1, 1, 2),
                message=f"the file has {len(text)} characters; {MAX_CHARACTERS} is the most",
                help="split it into several files",
            )
        ]
    chunks: list[Chunk] = []
    problems: list[Problem] = []
    lines = text.split("\n")
    depth, start, parens, inside_long, broken, outside = 0, 0, 0, 0, False, False
    for number, line in enumerate(lines, 1):
        if inside_long:
            if '"""' not in line:
                continue
            rest_at = line.index('"""') + 3
            inside_long = 0
        else:
            rest_at = 0
            if depth and re.match(r"(system|notice|wording|rule|test)\b[^\n]*\{[ \t]*(#.*)?$", line):
                problems.append(_unclosed(path, start, lines[start - 1], number))
                depth, broken = 0, False
        at = rest_at
        while at < len(line):
            char = line[at]
            if char == "#":
                break
            if line.startswith('"""', at):
                end = line.find('"""', at + 3)
                if end < 0:
                    inside_long = number
                    break
                at = end + 3
                continue
            if char == '"':
                end = _string_end(line, at)
                if end < 0:
                    problems.append(
                        Problem(
                            code="E002",
                            span=Span(path, number, at + 1, number, len(line) + 1),
                            message="this text has no closing quote",
                            help='end it with " on the same line',
                        )
                    )
                    broken = True
                    break
                at = end
                continue
            if char in _STRAY:
                what, help_ = _STRAY[char]
                problems.append(
                    Problem(
                        code="E004",
                        span=Span(path, number, at + 1, number, at + 2),
                        message=f"that is {what}",
                        help=help_,
                    )
                )
                if _opens(line):
                    start, depth = start if depth else number, depth + 1
                broken = True
                break
            if char == "(":
                parens += 1
                if parens > MAX_DEPTH:
                    problems.append(
                        Problem(
                            code="E005",
                            span=Span(path, number, at + 1, number, at + 2),
                            message=f"this is nested more than {MAX_DEPTH} deep",
                            help="split the condition into several rules",
                        )
                    )
                    broken, parens = True, 0
                    break
            elif char == ")":
                parens = max(0, parens - 1)
            elif char == "{":
                if depth == 0:
                    start = number
                depth += 1
            elif char == "}":
                depth -= 1
                if depth == 0:
                    if not broken:
                        chunks.append(
                            Chunk(
                                start,
                                "\n".join(lines[start - 1 : number - 1])
                                + ("\n" if number > start else "")
                                + line[: at + 1],
                            )
                        )
                    broken, parens, outside = False, 0, False
                elif depth < 0:
                    problems.append(
                        Problem(
                            code="E001",
                            span=Span(path, number, at + 1, number, at + 2),
                            message="this `}` closes nothing",
                            help="delete it",
                        )
                    )
                    depth = 0
            elif depth == 0 and not char.isspace() and not _HEAD.match(line) and not outside:
                word = line[at:].split()[0]
                problems.append(
                    Problem(
                        code="E001",
                        span=Span(path, number, at + 1, number, at + 1 + len(word)),
                        message=f"`{word[:40]}` begins nothing that stands here",
                        help=_meant(word)
                        or "a file holds blocks that begin with system, notice, wording, rule or test, and { on the same line",
                    )
                )
                if _opens(line):  # the block is passed over as a whole: one mistake is one problem
                    start, depth, broken = number, 1, True
                else:
                    outside = True
                break
            elif depth == 0 and outside:
                break
            at += 1
    if inside_long:
        problems.append(
            Problem(
                code="E002",
                span=Span(path, inside_long, 1, inside_long, 2),
                message='this text in """ has no end',
                help='close it with """',
            )
        )
    elif depth > 0:
        problems.append(_unclosed(path, start, lines[start - 1], len(lines)))
    return chunks, problems


def _opens(line: str) -> bool:
    return line.split("#", maxsplit=1)[0].rstrip().endswith("{")


def _meant(word: str) -> str:
    near = difflib.get_close_matches(word, BLOCKS, 1, 0.6)
    return f"did you mean `{near[0]}`?" if near else ""


def _string_end(line: str, at: int) -> int:
    at += 1
    while at < len(line):
        if line[at] == "\\":
            at += 2
        elif line[at] == '"':
            return at + 1
        else:
            at += 1
    return -1


def _unclosed(path: str, start: int, head: str, found: int) -> Problem:
    name = head.strip().rstrip("{").strip()[:60]
    span = Span(path, start, 1, start, len(head) + 1)
    return Problem(
        code="E003",
        span=span,
        message=f"`{name}`, opened at line {start}, is never closed; line {found} was reached",
        help="close it with } on a line of its own",
    )
