"""What to say of a row that is not in the language: one sentence and an edit, in the words of its author.

In: the block, the row, the place where reading stopped, the words that might have stood there. Out: a Problem.
May not live here: lark; a parser's terminal names in any message.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from mailrules.language.ast import Problem, Span
from mailrules.language.speller import meant
from mailrules.language.syntax.blocks import BLOCKS, Chunk, Row
from mailrules.language.syntax.shapes import ASSIGNED, FOREIGN, HEADS, PHRASES, RUNG, RUNG_WITHOUT_COLON, SHAPES, STARTS
from mailrules.language.syntax.tokens import Token

_WORDS_OF_CONDITIONS = (
    "is",
    "one",
    "of",
    "and",
    "or",
    "not",
    "contains",
    "starts",
    "ends",
    "with",
    "matches",
    "because",
)
_BEFORE_A_NAME = ("of", ",", "contains", "with", "matches", "<", "<=", ">", ">=", "+", "-")
_BEFORE_A_VALUE = ("is", "of", "not", "contains", "with", "matches", ",")
_WORDS_OF_ACTIONS = ("due", "settle", "within", "before", "after")


@dataclass(frozen=True, slots=True)
class Stop:
    """Where reading a block stopped: the row, and the piece of it that could not stand there (None: the end of the row)."""

    chunk: Chunk
    row: Row
    found: Token | None
    wanted: frozenset[str]  # the keywords that might have stood there
    wants_text: bool
    wants_comma: bool


def explain(stop: Stop, path: str) -> Problem:
    """Return the problem of a row, the most certain explanation first."""
    slip = _Slip(stop, path)
    return (
        slip.of_first_word()
        or slip.of_head()
        or slip.of_braces()
        or slip.of_phrase()
        or slip.of_spelling()
        or slip.of_quotes_and_commas()
        or slip.of_shape()
    )


class _Slip:
    """One row under examination."""

    def __init__(self, stop: Stop, path: str) -> None:
        self.stop, self.row, self.path = stop, stop.row, path
        self.first = stop.row.first
        self.is_head = stop.row is stop.chunk.rows[0]
        self.context = _context(stop.chunk, stop.row)
        self.plain = self._masked()

    def _masked(self) -> str:
        """Return the row with its texts blotted out: what a text says is no part of the language."""
        tokens = self.row.tokens[:500]
        begin = self.first.at - self.stop.chunk.begin
        text = self.stop.chunk.text[begin : tokens[-1].end - self.stop.chunk.begin]
        out, at = "", 0
        for token in tokens:
            if token.kind in ("string", "long") and len(token.text) > 2:
                start = token.at - self.first.at
                inner = re.sub(r"[^\n]", "·", token.text[1:-1])
                out, at = f'{out}{text[at:start]}"{inner}"', start + len(token.text)
        return out + text[at:]

    def tell(self, message: str, help_: str, token: Token | None = None, size: int = 0) -> Problem:
        """Return a problem at a token, or at the end of the row."""
        if token is None:
            last = self.row.tokens[-1]
            column = last.column + len(last.text) if "\n" not in last.text else len(last.text) - last.text.rindex("\n")
            span = Span(self.path, last.last_line, column, last.last_line, column + 1)
        else:
            size = size or len(token.text.split("\n")[0])
            span = Span(self.path, token.line, token.column, token.line, token.column + max(1, size))
        return Problem(code="E001", span=span, message=message, help=help_)

    def of_first_word(self) -> Problem | None:
        """A clause that begins with a foreign, misspelt or capital word, or that belongs to another block."""
        word, known = self.first.text, SHAPES.get(self.context, {})
        if self.is_head or self.first.kind != "word" or word in known or not word[0].isalpha():
            return None
        if word.lower() in known:
            return self.tell(f"`{word}` is written with capitals", f"write `{word.lower()}`", self.first)
        if word in BLOCKS:
            if word in ("let", "sample"):
                help_ = f"move it above the {self.stop.chunk.rows[0].first.text}, to the beginning of a line"
                return self.tell(f"a `{word}` stands outside of all blocks", help_, self.first)
            there = f"`{word}` begins a block of its own and cannot stand in a {self.context}"
            return self.tell(there, f"end the {self.context} with }} before it", self.first)
        if foreign := FOREIGN.get(self.context, {}).get(word.lower()):
            return self.tell(f"no line of a {self.context} begins with `{word}`", f"write `{foreign}`", self.first)
        second = self.row.tokens[1].text if len(self.row.tokens) > 1 else ""
        if "" in known and second in (":", "is"):
            return None
        near = meant(word, [w for w in known if w], 0.7)
        if near:
            return self.tell(f"no line of a {self.context} begins with `{word}`", f"did you mean `{near}`?", self.first)
        if (place := STARTS.get(word)) and place != self.context:
            return self.tell(
                f"a line with `{word}` belongs to a {place}, and this is a {self.context}",
                f"move it into a {place}: {HEADS[place]}",
                self.first,
            )
        return None

    def of_head(self) -> Problem | None:
        """The head of a block: its name and its quotes."""
        word = self.first.text
        if not self.is_head and not self.row.opens:
            return None
        names = [t for t in self.row.tokens[1:] if t.text != "{"]
        if self.is_head and word in ("rule", "test") and names and names[0].kind != "string":
            name = " ".join(t.text for t in names)[:60]
            size = names[-1].end - names[0].at
            return self.tell(f"the name of a {word} stands in quotes", f'write {word} "{name}" {{', names[0], size)
        if self.is_head and word == "wording" and names and "of" not in [t.text for t in names]:
            help_ = f"write wording {names[0].text} of authorization_expiring of amazon {{"
            return self.tell("a wording outside of a notice says to which notice it belongs", help_, names[0])
        if self.is_head and word == "notice" and len(names) == 1 and names[0].kind == "word":
            help_ = f"write notice {names[0].text} of amazon {{"
            return self.tell(f"`{self.row.shown()}` does not say of which system", help_, names[0])
        hyphen = next((t for t in names if t.text == "-"), None)
        if hyphen is not None and word in ("system", "notice", "wording"):
            name = self.plain.split("{")[0].split()[1].replace("-", "_")
            return self.tell("a name has no hyphens", f"write `{name}`", hyphen)
        if self.is_head and word == "system" and len(names) == 1 and names[0].kind == "word":
            help_ = f'write system {names[0].text} "Example Hub" {{'
            return self.tell("this system has no title", help_, names[0])
        if (
            self.is_head
            and word in ("system", "notice", "wording", "let", "sample")
            and names
            and names[0].kind == "string"
        ):
            name = re.sub(r"\W+", "_", names[0].text.strip('"')).strip("_").lower()[:40] or "name"
            return self.tell(f"the name of a {word} is one word without quotes", f"write `{name}`", names[0])
        return None

    def of_braces(self) -> Problem | None:
        """Braces on rows that have none, clauses behind a closing one."""
        if self.row.closes and len(self.row.tokens) > 1 and self.stop.found:
            return self.tell(
                "something stands behind the `}` of this block", "begin a new line after }", self.stop.found
            )
        if self.row.opens and not self.is_head and self.first.text not in ("wording", "table"):
            return self.tell(f"`{self.row.shown(40)}` is no block", "delete the `{` and its `}`", self.row.tokens[-1])
        return None

    def of_phrase(self) -> Problem | None:
        """Words and signs of other languages; the colon that a rung lacks."""
        if self.context == "rule" and (rung := RUNG_WITHOUT_COLON.match(re.sub(r"[ \t\n]+", " ", self.plain))):
            return self.tell(
                f"a `:` is missing after `{rung[1]}`", f"write {rung[1]}: …", self.stop.found or self.first
            )
        lists = ASSIGNED if self.first.text != "let" else ()
        for pattern, message, help_ in (*PHRASES, *lists):
            found = pattern.search(self.plain)
            if found:
                token = self._token_at(found.start())
                return self.tell(found.expand(message), found.expand(help_), token, len(found.group().split("\n")[0]))
        return None

    def _token_at(self, offset: int) -> Token:
        before = self.plain[:offset]
        line = self.first.line + before.count("\n")
        column = offset - before.rfind("\n") if "\n" in before else self.first.column + offset
        return Token("word", " ", self.first.at + offset, line, column)

    def of_spelling(self) -> Problem | None:
        """A keyword that is misspelt or in capitals, where reading stopped or somewhat before."""
        found = self.stop.found
        if found is not None and found.kind == "word":
            if found.text in SHAPES.get(self.context, {}) and found is not self.first:
                return self.tell(f"`{found.text}` begins a clause of its own", "put it on a line of its own", found)
            near = meant(found.text, sorted(self.stop.wanted), 0.7)
            if near and near != found.text:
                if near == found.text.lower():
                    return self.tell(f"`{found.text}` is written with capitals", f"write `{near}`", found)
                return self.tell(f"`{found.text[:40]}` cannot stand here", f"did you mean `{near}`?", found)
        condition = self.first.text in ("when", "while", "let")
        known = _WORDS_OF_CONDITIONS if condition else _WORDS_OF_ACTIONS if self.context == "rule" else ()
        for former, token in itertools.pairwise(self.row.tokens):
            if found is not None and token.at >= found.at:
                break
            if former.text in _BEFORE_A_NAME:
                continue  # why: any name may stand there, and be like a word of the language
            near = meant(token.text, known, 0.66) if token.kind == "word" else ""
            if near and token.text not in known:
                return self.tell(f"`{token.text[:40]}` cannot stand here", f"did you mean `{near}`?", token)
        return None

    def of_quotes_and_commas(self) -> Problem | None:
        """A text without quotes, two texts without a comma, a comma too many."""
        found, tokens = self.stop.found, self.row.tokens
        if found is None and tokens[-1].text == ",":
            return self.tell("nothing follows this comma", "delete the comma", tokens[-1])
        if found is None:
            return None
        at = next((i for i, t in enumerate(tokens) if t.at >= found.at), len(tokens) - 1)
        former = tokens[at - 1] if at else None
        joins = next(
            (t for t, after in itertools.pairwise(tokens) if t.text == "," and t.line < after.line == found.line),
            None,
        )
        if joins is not None:
            return self.tell(
                f"the comma at the end of line {joins.line} joins the next line to it", "delete the comma", joins
            )
        if self.context == "table" and former is not None and former.text != ",":
            return self.tell(
                "a comma is missing between two values", f"write {former.text[:40]}, {found.text[:40]}", found
            )
        if self.context == "wording" and found.text == ":":
            return self.tell(
                "a field is declared in its notice, outside of the wording",
                "move this line above the wording",
                self.first,
            )
        if found.kind == "other" and found.text.isalnum():
            word = found.text
            for token in tokens[at + 1 :]:
                if token.kind != "other" or token.at != found.at + len(word):
                    break
                word += token.text
            message = "a name is made of the letters a to z, digits and _"
            return self.tell(message, f'if it is a text, write "{word}"', found, len(word))
        if (
            former is not None
            and former.kind == found.kind == "word"
            and at > 1
            and tokens[at - 2].text in _BEFORE_A_VALUE
        ):
            end = next(
                (i for i in range(at, len(tokens)) if tokens[i].kind != "word" or tokens[i].text in ("and", "or")),
                len(tokens),
            )
            text = " ".join(t.text for t in tokens[at - 1 : end])
            return self.tell("a text stands in quotes", f'write "{text[:60]}"', former, tokens[end - 1].end - former.at)
        if former is not None and former.kind == found.kind == "string" and self.stop.wants_comma:
            return self.tell(
                "a comma is missing between two texts", f"write {former.text[:40]}, {found.text[:40]}", found
            )
        if found.text == ",":
            return self.tell("a comma cannot stand here", "delete it", found)
        if self.stop.wants_text and found.kind == "word":
            words = []
            for token in tokens[at:]:
                if token.kind != "word" or token.text in (
                    "as",
                    "at",
                    "with",
                    "due",
                    "once",
                    "on",
                    "until",
                    "and",
                    "or",
                ):
                    break
                words.append(token)
            text = " ".join(t.text for t in words) or found.text
            size = (words or [found])[-1].end - found.at
            return self.tell("a text stands in quotes", f'write "{text[:60]}"', found, size)
        return None

    def of_shape(self) -> Problem:
        """Nothing known: say what cannot stand where, and show how such a line is written."""
        found = self.stop.found
        known = SHAPES.get(self.context, {})
        word = self.first.text
        if self.is_head:
            shape = HEADS.get(word, "")
        elif word[:1].isdigit() and self.context == "rule":
            shape = RUNG
        else:
            shape = known.get(word) or known.get("", "")
        help_ = (
            f"write it like `{shape}`"
            if shape
            else f"a line of a {self.context} is such as `{next(iter(known.values()), '')}`"
        )
        if found is None:
            return self.tell(f"the line ends too early, after `{self.row.tokens[-1].text[-40:]}`", help_)
        said = found.text.split("\n")[0][:40]
        at = next((i for i, t in enumerate(self.row.tokens) if t.at >= found.at), 0)
        if at == 0:
            return self.tell(f"no line of a {self.context} begins with `{said}`", help_, found)
        after = self.row.tokens[at - 1].text.split("\n")[-1][-40:]
        return self.tell(f"`{said}` cannot stand after `{after}`", help_, found)


def _context(chunk: Chunk, row: Row) -> str:
    """Return the word of the innermost block that a row stands in."""
    if row is chunk.rows[0]:
        return row.first.text
    open_blocks: list[str] = []
    for other in chunk.rows:
        if other is row:
            break
        if other.closes and open_blocks:
            open_blocks.pop()
        elif other.opens:
            open_blocks.append(other.first.text)
    return open_blocks[-1] if open_blocks else chunk.rows[0].first.text
