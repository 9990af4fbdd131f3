"""The words and signs of a rules file with their places: what blocks.py, stray.py and format.py look at.

In: a file's text. Out: tokens, in time linear in the text. May not live here: what a word means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_DOUBLE = "“”„‟«»「」『』＂"
_SINGLE = "'‘’‚‛´`"
_HEAD = r"(?:rule|test|system|notice|wording|sample)[ ][^\n]*(?:\{|\"\"\")[ \t]*(?:\n|\Z)"
# why (?>(?:…)*) and not (?:…)*+, which is the same: Python before 3.11.5 (Debian 12 has 3.11.2) loses its place in the latter
_LONG = r'[^"]*+(?>(?:"{1,2}[^"]++)*)'
_WARY = rf'(?>(?:[^"\n]++|"{{1,2}}(?!")|\n(?!{_HEAD}))*)'


def _compiled(long: str) -> re.Pattern[str]:
    return re.compile(
        rf"""
          (?P<long>\"\"\"{long}\"\"\")
        | (?P<open_long>\"\"\"[^\n]*+(?>(?:\n(?!\}}|{_HEAD})[^\n]*+)*))
        | (?P<string>"[^"\\\n]*+(?>(?:\\.[^"\\\n]*+)*)")
        | (?P<open_string>"[^\n]*)
        | (?P<curly>[{_DOUBLE}][^"{_DOUBLE}\n]*["{_DOUBLE}]|[{_SINGLE}][^"{_SINGLE}\n]*[{_SINGLE}])
        | (?P<comment>\#[^\n]*)
        | (?P<end>\n)
        | (?P<space>[ \t]+)
        | (?P<hole>\{{\{{[^{{}}\n]*\}}\}})
        | (?P<bracket>[{{}}()])
        | (?P<word>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?![0-9])|[0-9]{{2}}:[0-9]{{2}}(?![0-9])|[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)
        | (?P<sign><=|>=|==|!=|&&|\|\||[<>=:,+\-])
        | (?P<wide>[！＃-～]+)
        | (?P<other>.)
        """,
        re.VERBOSE | re.DOTALL,
    )


_TOKEN = _compiled(_LONG)
_WARY_TOKEN = _compiled(_WARY)
_HIDDEN = re.compile(rf"\n{_HEAD}")


class Token(NamedTuple):
    """One piece of a file: `at` counts characters from 0, line and column from 1."""

    kind: str
    text: str
    at: int
    line: int
    column: int

    @property
    def end(self) -> int:
        """Where the next piece begins."""
        return self.at + len(self.text)

    @property
    def last_line(self) -> int:
        """The line it ends on."""
        return self.line + self.text.count("\n")


def tokens(text: str, *, wary: bool = False) -> Iterator[Token]:
    """Yield every piece of a text, white space, comments and line ends included.

    `wary` ends a text in triple quotes where a line begins a block: its own quotes were forgotten.
    """
    line, begin = 1, 0
    for match in (_WARY_TOKEN if wary else _TOKEN).finditer(text):
        kind, piece, at = str(match.lastgroup), match.group(), match.start()
        yield Token(kind, piece, at, line, at - begin + 1)
        if "\n" in piece:
            line += piece.count("\n")
            begin = at + piece.rindex("\n") + 1


def hides_a_block(text: str) -> bool:
    """Whether a text in triple quotes holds what looks like the head of a block: its end was perhaps forgotten."""
    return any(t.kind == "long" and _HIDDEN.search(t.text) for t in tokens(text))
