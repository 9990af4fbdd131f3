"""Where the rows and the blocks of a rules file begin and end, before any of them is parsed.

In: a file's text. Out: chunks of text, one for each block, with their rows; problems of the file's outermost shape.
May not live here: what a block means. A mistake in a row stays in its row, one in a head stays in its block.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from mailrules.language.ast import Problem, Span
from mailrules.language.speller import meant
from mailrules.language.syntax.shapes import STARTS
from mailrules.language.syntax.tokens import Token, tokens

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 64
BLOCKS = ("system", "notice", "wording", "rule", "test", "let", "sample")
_STATEMENTS = ("let", "sample")
_WORDING_HEAD = re.compile(r"wording \w+ (?:unverified )?of ")


@dataclass(slots=True)
class Row:
    """One clause: its words and signs, over several lines where `and`, `or`, a comma or a parenthesis goes on."""

    tokens: list[Token]
    bad: bool = False

    @property
    def first(self) -> Token:
        """The word that it begins with."""
        return self.tokens[0]

    @property
    def opens(self) -> bool:
        """Whether it ends with the `{` of a block."""
        return self.tokens[-1].text == "{"

    @property
    def closes(self) -> bool:
        """Whether it is the `}` of a block."""
        return self.first.text == "}"

    def shown(self, most: int = 60) -> str:
        """Return what it says, on one line."""
        return " ".join(t.text for t in self.tokens if t.text != "{")[:most]


@dataclass(slots=True)
class Chunk:
    """One block as text; `line` is the line of the file that it begins on, `begin` counts characters of the file."""

    line: int
    begin: int
    text: str
    rows: list[Row] = field(default_factory=list)
    whole: bool = True


def split(text: str, path: str, *, wary: bool = False) -> tuple[list[Chunk], list[Problem]]:
    """Return the blocks of a file and the problems of its outermost shape."""
    splitter = Splitter(path)
    splitter.read(text, wary=wary)
    return splitter.gather(text), splitter.problems


class Splitter:
    """Splits one file; `problems` is what only the whole file shows."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self._rows: list[Row] = []
        self._row: list[Token] = []  # the row that is being read
        self._open: list[Token] = []  # its parentheses that are not closed yet
        self._bad = False
        self._open_text = -1  # the line of the last text without an end

    def say(self, code: str, token: Token, message: str, help_: str, size: int = 0) -> None:
        """Note one problem at a token."""
        end = token.column + (size or len(token.text.split("\n")[0]))
        span = Span(self.path, token.line, token.column, token.line, end)
        self.problems.append(Problem(code=code, span=span, message=message, help=help_))

    # --- rows ---

    def read(self, text: str, *, wary: bool) -> None:
        """Read the rows of the file."""
        for token in tokens(text, wary=wary):
            match token.kind:
                case "space" | "comment":
                    continue
                case "end":
                    self._end_of_line(token)
                case "open_string" | "open_long":
                    long = token.kind == "open_long"
                    if not long and token.line - self._open_text in (0, 1):  # the end of a text over two lines
                        self._open_text = token.line
                        self._row.append(token)
                        self._bad = True
                        self._cut()
                        continue
                    self._open_text = token.line
                    what = (
                        'the text that begins with this """ has no end'
                        if long
                        else "this text does not end on its line"
                    )
                    where = '""" on a line of its own' if long else '" on the same line'
                    self.say("E002", token, what, f"end it with {where}", 3 if long else 0)
                    self._row.append(token)
                    self._open, self._bad = [], True
                    self._cut()
                case "bracket":
                    self._bracket(token)
                case _:
                    if token.text in ("and", "or") and not self._row and self._rows and not self._rows[-1].opens:
                        former = self._rows.pop()  # a line that begins with them goes on with the one before
                        self._row, self._bad = former.tokens, former.bad
                    self._row.append(token)
        self._cut()

    def _end_of_line(self, token: Token) -> None:
        if self._open:
            self._row.append(token)
        elif self._row and self._row[-1].text != ",":
            self._cut()

    def _bracket(self, token: Token) -> None:
        match token.text:
            case "(":
                self._open.append(token)
                self._row.append(token)
                if len(self._open) == MAX_DEPTH + 1:
                    self.say(
                        "E005",
                        token,
                        f"this is nested more than {MAX_DEPTH} deep",
                        "split the condition into several rules",
                    )
                    self._bad = True
            case ")":
                self._row.append(token)
                if self._open:
                    self._open.pop()
                else:
                    self.say("E001", token, "this `)` closes nothing", "delete it, or write the `(` that it closes")
                    self._bad = True
            case "{":
                self._row.append(token)
                self._cut()
            case _:
                self._cut()
                self._row.append(token)
                self._cut()

    def _cut(self) -> None:
        """End the row that is being read."""
        row, self._row = self._row, []
        unclosed, self._open = self._open, []
        bad, self._bad = self._bad, False
        if unclosed and not bad:
            self.say("E001", unclosed[0], "this `(` is never closed", "close it with `)`")
        for part in self._lines(row) if unclosed else [row]:
            words = [t for t in part if t.kind != "end"]
            if words:
                hit = not unclosed or len(unclosed) > MAX_DEPTH or words[0].at <= unclosed[0].at <= words[-1].at
                self._rows.append(Row(words, bad=hit and (bad or bool(unclosed))))

    @staticmethod
    def _lines(row: list[Token]) -> Iterable[list[Token]]:
        """Yield the lines of a row whose parenthesis was never closed; `and` and `or` go on as ever."""
        line: list[Token] = []
        for token in row:
            if token.kind != "end" and line and line[-1].kind == "end" and token.text not in ("and", "or"):
                yield line
                line = []
            line.append(token)
        yield line

    # --- blocks ---

    def gather(self, text: str) -> list[Chunk]:
        """Gather the rows of each block."""
        chunks: list[Chunk] = []
        block: list[Row] = []
        openers: list[Row] = []  # the rows whose { is not closed yet
        slanted: Row | None = None  # a row whose } stands further to the left than itself
        owed = 0  # how many blocks were given up that may well be closed later
        whole = loud = True  # whether the head holds; whether the next row that begins no block is news
        for row in self._rows:
            if openers and self._is_head(row):
                self._unclosed(openers, block, slanted, row.first.line)
                owed = len(openers) if row.first.column > 1 else 0
                openers = []
            if openers:
                block.append(row)
                if row.first.text == "{" and len(block) == 2 and not block[0].opens:
                    continue  # the brace that was missing from the head, already told
                if row.opens:
                    openers.append(row)
                elif row.closes:
                    popped = openers.pop()
                    if row.first.column < popped.first.column and slanted is None:
                        slanted = popped
                    if not openers:
                        chunks.append(_chunk(text, block, whole=whole))
                continue
            block, whole, slanted = [row], not row.bad, None
            word = row.first.text
            if word in _STATEMENTS and not row.opens:
                chunks.append(_chunk(text, block, whole=whole))
            elif word in BLOCKS and word not in _STATEMENTS and row.opens:
                openers = [row]
            elif row.closes:
                if loud and not owed:
                    self.say("E001", row.first, "this `}` closes nothing", "delete it")
                owed = max(0, owed - 1)
            else:
                if (loud or row.opens or word in BLOCKS) and not row.bad:
                    self._no_head(row)
                whole = False
                openers = [row] if row.opens or word in BLOCKS else []
            loud = word in BLOCKS or row.opens
        if openers:
            self._unclosed(openers, block, slanted, text.rstrip("\n").count("\n") + 1)
        return chunks

    def _is_head(self, row: Row) -> bool:
        """Whether a row can only be the head of a block of the file, whatever is still open before it."""
        first = row.first
        if first.text not in BLOCKS or (first.text in _STATEMENTS and first.column > 1):
            return False
        if first.text in _STATEMENTS:
            return len(row.tokens) > 2 and (row.tokens[2].text == "=" or row.tokens[2].kind in ("long", "open_long"))
        if first.text == "wording":
            return bool(_WORDING_HEAD.match(" ".join(t.text for t in row.tokens[:4])))
        return row.opens and row.tokens[1].text != ":"

    def _no_head(self, row: Row) -> None:
        first = row.first
        word = first.text.split("\n")[0][:40]
        if word in _STATEMENTS:
            sign = row.tokens[-1]
            example = "let name = value" if word == "let" else 'sample name """…"""'
            self.say("E001", sign, f"a `{word}` has no block", f"write `{example}`")
        elif word in BLOCKS:
            last = row.tokens[-1]
            self.say(
                "E001",
                first,
                f"the head of this {word} does not end with `{{`",
                f"write {{ at the end of line {last.last_line}",
                last.end - first.at,
            )
        else:
            if place := STARTS.get(word):
                self.say(
                    "E001",
                    first,
                    f"a line with `{word}` belongs to a {place}, and no {place} is open here",
                    f"move it into a {place}",
                )
                return
            near = meant(word, BLOCKS)
            if word in ("/", "*", "<", "-", "'", "%"):
                self.say("E001", first, f"`{word}` begins no comment here", "begin a comment with `#`")
                return
            known = "a file holds the blocks system, notice, wording, rule and test, and lines with let or sample"
            self.say("E001", first, f"`{word}` begins no block", f"did you mean `{near}`?" if near else known)

    def _unclosed(self, openers: list[Row], block: list[Row], slanted: Row | None, found: int) -> None:
        if openers[0].first.text in _STATEMENTS or not block[0].opens:
            return  # what is wrong with its head was told
        # why: a } further to the left than its { was meant for an outer block; the inner one is then the one left open
        row = slanted or openers[-1]
        self.say(
            "E003",
            row.first,
            f"`{row.shown()}`, opened at line {row.first.line}, is never closed; line {found} was reached",
            "close it with } on a line of its own",
            row.tokens[-1].end - row.first.at,
        )


def _chunk(text: str, rows: list[Row], *, whole: bool) -> Chunk:
    first, last = rows[0].first, rows[-1].tokens[-1]
    return Chunk(
        first.line, first.at - first.column + 1, " " * (first.column - 1) + text[first.at : last.end], rows, whole
    )
