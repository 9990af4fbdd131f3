"""Characters that came in by copying: curly quotes, full-width signs, spaces that are none, what nobody can see.

In: a file's text. Out: the text with each of them mended in place (no column moves), and a problem for each mistake.
May not live here: words, lines, blocks.
"""

from __future__ import annotations

import re
import unicodedata

from mailrules.language.ast import Problem, Span
from mailrules.language.frozen import replace
from mailrules.language.syntax.tokens import Token, tokens

_SUSPECT = re.compile(r"[^\n\t -~]|[';`]")
_CURLY_END = re.compile(r"[“”„‟«»」』＂]\s*(?:#.*|,.*)?$")
_DASHES = "‐‑‒–—―−"
_NAMES = {
    "\u00a0": "a non-breaking space", "\u3000": "an ideographic space", "\ufeff": "a byte order mark", "\x00": "a NUL character",
    "\u200b": "a zero-width space", "\x0c": "a form feed", "、": "an ideographic comma", "。": "an ideographic full stop",
}  # fmt: skip


def mend(text: str, path: str) -> tuple[str, list[Problem]]:
    """Return the text as it was meant, and the problems; the columns of everything stay."""
    if not _SUSPECT.search(text):
        return text, []
    out: list[str] = []
    problems: dict[str, Problem] = {}
    more: dict[str, list[int]] = {}
    for token in tokens(text):
        plain, problem = _mended(token, path)
        out.append(plain)
        if problem is None:
            continue
        key = (
            token.kind
            if token.kind == "wide"
            else token.text
            if problem.message.startswith("that is")
            else f"{token.at}"
        )
        if key in problems:
            more.setdefault(key, []).append(token.line)
        else:
            problems[key] = problem
    return "".join(out), [_counted(problem, more.get(key, [])) for key, problem in problems.items()]


def _counted(problem: Problem, lines: list[int]) -> Problem:
    """Say once what a copied text has in fifty places."""
    if not lines:
        return problem
    shown = ", ".join(str(n) for n in list(dict.fromkeys(lines))[:5])
    places = f"{len(lines)} more place{'s' if len(lines) > 1 else ''}"
    return replace(problem, message=f"{problem.message}; so it is in {places}: line {shown}")


def _mended(token: Token, path: str) -> tuple[str, Problem | None]:
    match token.kind:
        case "curly":
            inner = token.text[1:-1].replace("\\", "/")
            return f'"{inner}"', _problem(
                token, path, f"this text stands in {_quotes(token.text)}", f'write straight ones: "{token.text[1:-1]}"'
            )
        case "open_string" if end := _CURLY_END.search(token.text):
            at = end.start()
            text = token.text[:at] + '"' + token.text[at + 1 :]
            short = token._replace(text=token.text[: at + 1])
            return text, _problem(
                short,
                path,
                f"this text begins with a straight quote and ends with {_quotes(token.text[at])}",
                f"write {text[: at + 1]}",
            )
        case "wide":
            plain = unicodedata.normalize("NFKC", token.text)
            return plain, _problem(token, path, f"that is full-width, `{token.text}`", f"write {plain}")
        case "other":
            return _character(token, path)
        case _:
            return token.text, None


def _quotes(text: str) -> str:
    for signs, name in (
        ("'", "single quotes"),
        ("`´", "backticks"),
        ("「」『』", "Japanese quotes"),
        ("«»", "angled quotes"),
    ):
        if text[0] in signs:
            return name
    return "curly quotes" if len(text) > 1 else "a curly one"


def _character(token: Token, path: str) -> tuple[str, Problem | None]:
    char = token.text
    if char == ";":
        return " ", _problem(token, path, "that is a semicolon", "delete it: a clause ends with its line")
    if char in "“”„‟«»「」『』＂‘’‚‛'´`":
        what = "a single quote" if char in "'´`" else "a curly quote"
        return " ", _problem(token, path, f"that is {what}", 'texts stand in straight double quotes: "…"')
    if char.isascii() and char.isprintable():
        return char, None  # the grammar says what it thinks of it
    if char in _DASHES:
        return "-", _problem(token, path, f"that is a dash, `{char}`", "write a hyphen: -")
    plain = unicodedata.normalize("NFKC", char)
    plain = {"、": ",", "。": " "}.get(char, plain)
    if unicodedata.category(char) != "Cc" and (char.isspace() or (len(plain) == 1 and plain.isascii())):
        plain = " " if char.isspace() else plain
        what = _NAMES.get(char) or (
            "an unusual space" if plain == " " and char.isspace() else f"a full-width character, `{char}`"
        )
        return plain, _problem(
            token, path, f"that is {what}", f"write {plain}" if plain.strip() else "write an ordinary space"
        )
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        what = _NAMES.get(char) or f"a character that nobody can see ({unicodedata.name(char, f'U+{ord(char):04X}')})"
        return " ", _problem(token, path, f"that is {what}", "delete it")
    if char.isalnum() or unicodedata.category(char).startswith("M"):
        return char, None
    return " ", _problem(
        token, path, f"that is `{char}`, which has no meaning outside of a text", "delete it, or put the text in quotes"
    )


def _problem(token: Token, path: str, message: str, help_: str) -> Problem:
    span = Span(path, token.line, token.column, token.line, token.column + len(token.text))
    return Problem(code="E004", span=span, message=message, help=help_)
