"""Rules files in their one layout. There are no options.

In: a file's text and the grammar's text. Out: the same blocks, laid out: two spaces a level, one clause a line, one
empty line between blocks, at most one elsewhere; comments stay where they are. May not live here: any change of meaning;
a file that cannot be read comes back as it is.
"""

from __future__ import annotations

from mailrules.language.syntax.parse import parse
from mailrules.language.syntax.tokens import Token, tokens

_LEVEL = "  "


def format_file(text: str, path: str, grammar: str) -> str:
    """Return the file in its one layout, or as it is where it has mistakes."""
    before, problems = parse(text, path, grammar)
    if problems:
        return text
    new = _laid_out(before.text)
    after, problems = parse(new, path, grammar)
    # why: whatever the layout, a formatter that changes the meaning of a rule is worse than none
    return new if not problems and after.blocks == before.blocks else text


def _laid_out(text: str) -> str:
    kept: list[str] = []
    depth = parens = 0
    joined = False  # whether a comma at the end of the last row with words goes on here
    for row in _rows(text):
        if not row:
            if kept and kept[-1] and not kept[-1].split("#")[0].rstrip().endswith("{"):
                kept.append("")
            continue
        first = row[0].text
        if first == "}":
            depth = max(0, depth - 1)
            if kept and not kept[-1]:
                kept.pop()
        if depth == 0 and first != "}" and kept and kept[-1].startswith("}"):
            kept.append("")
        deeper = first in ("and", "or") or parens > (first == ")") or joined
        kept.append(_joined(row, _LEVEL * (depth + deeper)))
        signs = [token.text for token in row if token.kind == "bracket"]
        depth += signs.count("{")
        parens = max(0, parens + signs.count("(") - signs.count(")"))
        words = [token for token in row if token.kind != "comment"]
        joined = words[-1].text == "," if words else joined
    while kept and not kept[-1]:
        kept.pop()
    return "\n".join(kept) + "\n" if kept else ""


def _rows(text: str) -> list[list[Token]]:
    """Return the tokens of each line to be, a line without tokens for an empty one; braces end and begin lines."""
    rows: list[list[Token]] = [[]]
    closed = False  # whether the last row may only be gone on with by a comment
    for token in tokens(text):
        if token.kind == "space":
            continue
        if token.kind == "end":
            rows.append([])
            closed = False
            continue
        brace = token.text in ("{", "}")
        if rows[-1] and (token.text == "}" or (closed and token.kind != "comment")):
            rows.append([])
        rows[-1].append(token)
        closed = brace or (closed and token.kind == "comment")
    return rows


def _joined(row: list[Token], indent: str) -> str:
    out, previous = indent, ""
    for token in row:
        shown = _mail(token.text, indent + _LEVEL) if token.kind == "long" else token.text.rstrip()
        if token.kind == "comment" and previous:
            out += "  "
        elif previous and previous != "(" and token.text not in (",", ":", ")"):
            out += " "
        out += shown
        previous = token.text
    return out


def _mail(token: str, indent: str) -> str:
    """Return a text in triple quotes moved to `indent`, where it stands on lines of its own; else as it is."""
    body = token[3:-3]
    lines = body.split("\n")
    if len(lines) < 3 or lines[0].strip() or lines[-1].strip():
        return token
    inner = [line for line in lines[1:-1] if line.strip()]
    if any("\t" in line[: len(line) - len(line.lstrip())] for line in inner):
        return token
    margin = min((len(line) - len(line.lstrip(" ")) for line in inner), default=0)
    moved = [indent + line[margin:] if line.strip() else "" for line in lines[1:-1]]
    return "\n".join(['"""', *moved, f'{indent}"""'])
