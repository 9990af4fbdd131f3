"""Text to nodes. The only importer of lark.

In: a file's text and the grammar's text. Out: RulesFile and problems; never an exception, whatever the text.
May not live here: names of fields and actions (check.py); a parser's terminal names in any message.
"""

from __future__ import annotations

import difflib
import textwrap
from datetime import date
from functools import cache
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from mailrules.language import ast
from mailrules.language.ast import Name, Problem, RulesFile, Span, Text
from mailrules.language.blocks import Chunk, split

_WORDS = {
    "NAME": "a name", "STRING": "a text in quotes", "LONG_STRING": 'a mail in """', "INT": "a number", "DATE": "a date such as 2024-04-10",
    "TIME": "a time such as 09:00", "UNIT": "a unit such as days", "_NL": "the end of the line", "RBRACE": "`}`", "LBRACE": "`{`",
    "LPAR": "`(`", "RPAR": "`)`", "COLON": "`:`", "COMMA": "`,`", "ORDER": "<, <=, > or >=", "SIGN": "+ or -", "$END": "the end",
}  # fmt: skip
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


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
        builder = _Builder(path, chunk.line - 1)
        blocks.append(builder.block(tree.children[0]))  # type: ignore[arg-type]
        problems.extend(builder.problems)
    problems.sort(key=lambda p: (p.span.line, p.span.column))
    return RulesFile(path=path, text=text, blocks=tuple(blocks)), tuple(problems)


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
    at_end = isinstance(error, UnexpectedToken) and error.token.type in ("_NL", "$END")
    message = "the line ends too early" if at_end or not word else f"`{word}` cannot stand here"
    if isinstance(error, UnexpectedCharacters) and word and not (word[0].isalnum() or word[0] in '"_'):
        message = f"`{word[0]}` has no meaning here"
    return Problem(code="E001", span=where, message=message, help=f"did you mean `{near[0]}`?" if near else f"what may stand here: {wanted}" if wanted else "")


def _keyword(terminal: str) -> str:
    return terminal.lstrip("_").lower()


class _Builder:
    """Turns the tree of one block into nodes; recursion is bounded by the nesting cap of blocks.py."""

    def __init__(self, path: str, offset: int) -> None:
        self.path, self.offset, self.problems = path, offset, list[Problem]()

    def span(self, node: Tree[Token] | Token) -> Span:
        meta: Any = node if isinstance(node, Token) else node.meta
        if isinstance(node, Tree) and meta.empty:
            return Span(self.path, self.offset + 1, 1, self.offset + 1, 2)
        return Span(self.path, meta.line + self.offset, meta.column, meta.end_line + self.offset, meta.end_column)

    def name(self, token: Any) -> Name:
        return Name(value=str(token), span=self.span(token))

    def text(self, token: Any) -> Text:
        raw = str(token)
        if raw.startswith('"""'):
            return Text(value=textwrap.dedent(raw[3:-3].lstrip("\n")), span=self.span(token))
        out, at, body = "", 0, raw[1:-1]
        while at < len(body):
            if body[at] == "\\" and at + 1 < len(body):
                if body[at + 1] not in _ESCAPES:
                    self.problems.append(Problem(code="E001", span=self.span(token), message=f"`\\{body[at + 1]}` means nothing in a text", help='only \\", \\\\, \\n and \\t do'))
                out += _ESCAPES.get(body[at + 1], body[at + 1])
                at += 2
            else:
                out += body[at]
                at += 1
        return Text(value=out, span=self.span(token))

    def day(self, token: Any) -> str:
        try:
            return date.fromisoformat(str(token)).isoformat()
        except ValueError:
            self.problems.append(Problem(code="E006", span=self.span(token), message=f"`{token}` is no day of the calendar", help="write an existing day as YYYY-MM-DD"))
            return "2000-01-01"

    def moment(self, tree: Tree[Token]) -> str:
        day = self.day(tree.children[0])
        clock = str(tree.children[1]) if len(tree.children) > 1 else "00:00"
        if not (clock[:2] < "24" and clock[3:] < "60"):
            self.problems.append(Problem(code="E006", span=self.span(tree.children[1]), message=f"`{clock}` is no time of the day"))
            clock = "00:00"
        return f"{day}T{clock}"

    def block(self, tree: Tree[Token]) -> ast.Block:
        return getattr(self, f"_{tree.data}")(tree)  # type: ignore[no-any-return]

    # --- system and notice ---

    def _system(self, tree: Tree[Token]) -> ast.System:
        name, title, *clauses = tree.children
        domains: tuple[Text, ...] = ()
        renew_at, how = None, list[tuple[Name, Text]]()
        for clause in clauses:
            match clause.data:  # type: ignore[union-attr]
                case "mail_from":
                    domains += tuple(self.text(t) for t in clause.children[0].children)  # type: ignore[union-attr]
                case "renew_at":
                    renew_at = self.text(clause.children[0])  # type: ignore[union-attr]
                case _:
                    how.append((self.name(clause.children[0]), self.text(clause.children[1])))  # type: ignore[union-attr]
        return ast.System(name=self.name(name), title=self.text(title), domains=domains, renew_at=renew_at, how=tuple(how), span=self.span(tree))

    def _notice(self, tree: Tree[Token]) -> ast.NoticeDefinition:
        kind, system, *clauses = tree.children
        fields, wordings, refuse = list[ast.FieldDefinition](), list[ast.Wording](), None
        for clause in clauses:
            parts = clause.children  # type: ignore[union-attr]
            match clause.data:  # type: ignore[union-attr]
                case "field":
                    fields.append(ast.FieldDefinition(name=self.name(parts[0]), type=self.name(parts[1]), format=self.text(parts[2]) if len(parts) > 2 else None, span=self.span(clause)))
                case "refuse":
                    refuse = self.text(parts[0])
                case _:
                    wordings.append(self._wording_of(clause, parts[0], list(parts[1:])))  # type: ignore[arg-type]
        return ast.NoticeDefinition(kind=self.name(kind), system=self.name(system), fields=tuple(fields), wordings=tuple(wordings), refuse=refuse, span=self.span(tree))

    def _wording(self, tree: Tree[Token]) -> ast.Wording:
        language, *rest = tree.children
        unverified = [t for t in rest[:1] if isinstance(t, Token) and t.type == "UNVERIFIED"]
        kind, system = rest[len(unverified)], rest[len(unverified) + 1]
        return self._wording_of(tree, language, unverified + list(rest[len(unverified) + 2 :]), kind, system)

    def _wording_of(self, tree: Any, language: Any, rest: list[Any], kind: Any = None, system: Any = None) -> ast.Wording:
        clauses = []
        for clause in rest:
            if isinstance(clause, Token):
                continue
            place, text = str(clause.children[0]), self.text(clause.children[1])
            clauses.append(ast.Clause(place=place, pattern=self._pattern(text), span=self.span(clause)))  # type: ignore[arg-type]
        return ast.Wording(
            language=self.name(language), clauses=tuple(clauses), unverified=any(isinstance(c, Token) for c in rest),
            kind=self.name(kind) if kind is not None else None, system=self.name(system) if system is not None else None, span=self.span(tree),
        )  # fmt: skip

    def _pattern(self, text: Text) -> ast.Pattern:
        pieces: list[str | ast.Hole] = []
        at, value = 0, text.value
        while at < len(value):
            if value.startswith(("{{", "}}"), at):
                pieces.append(value[at])
                at += 2
            elif value[at] == "{":
                end = value.find("}", at)
                name, _, kind = value[at + 1 : end if end > 0 else None].partition(":")
                if end < 0 or not name.strip().isidentifier():
                    self.problems.append(Problem(code="E007", span=text.span, message="a `{` in a wording opens a hole, and this one is not closed or has no name", help="write {expires}, or {{ for the character itself"))
                    break
                pieces.append(ast.Hole(name=name.strip(), type=kind.strip() or None))
                at = end + 1
            else:
                end = min((i for i in (value.find("{", at), value.find("}}", at)) if i >= 0), default=len(value))
                pieces.append(value[at:end])
                at = end
        joined: list[str | ast.Hole] = []
        for piece in pieces:
            if joined and isinstance(piece, str) and isinstance(joined[-1], str):
                joined[-1] += piece
            else:
                joined.append(piece)
        return ast.Pattern(pieces=tuple(joined), source=text, span=text.span)

    # --- rules ---

    def _rule(self, tree: Tree[Token]) -> ast.Rule:
        name, *clauses = tree.children
        triggers: list[ast.OnTrigger | ast.WhileTrigger] = []
        when, description, disabled = None, None, False
        actions, rungs = list[ast.ActionCall](), list[ast.Rung]()
        for clause in clauses:
            parts = clause.children  # type: ignore[union-attr]
            match clause.data:  # type: ignore[union-attr]
                case "on":
                    triggers.append(self._on(clause))  # type: ignore[arg-type]
                case "while":
                    triggers.append(ast.WhileTrigger(condition=self.expr(parts[0]), span=self.span(clause)))
                case "when":
                    if when is not None:
                        self.problems.append(Problem(code="E008", span=self.span(clause), message="this rule has a second `when`", help="join them with `and` on the next line"))
                    when = self.expr(parts[0])
                case "description":
                    description = self.text(parts[0])
                case "disabled":
                    disabled = True
                case "rung":
                    rungs.append(ast.Rung(offset=self._offset(parts[0]), action=self._action(parts[1]), span=self.span(clause)))  # type: ignore[arg-type]
                case _:
                    actions.append(self._action(clause))  # type: ignore[arg-type]
        if len(triggers) != 1:
            what = "has no trigger" if not triggers else "has several triggers"
            self.problems.append(Problem(code="E008", span=self.span(name), message=f"this rule {what}", help="give it exactly one line that begins with `on` (a notice arrives) or `while` (a deadline waits)"))
        trigger = triggers[0] if triggers else ast.OnTrigger(kinds=())
        return ast.Rule(name=self.text(name), trigger=trigger, when=when, actions=tuple(actions), rungs=tuple(rungs), description=description, disabled=disabled, span=self.span(tree))

    def _on(self, tree: Tree[Token]) -> ast.OnTrigger:
        names = tuple(self.name(t) for t in tree.children if isinstance(t, Token))
        system = next((self.name(t.children[0]) for t in tree.children if isinstance(t, Tree)), None)
        return ast.OnTrigger(kinds=names, system=system, span=self.span(tree))

    def _offset(self, tree: Tree[Token]) -> ast.Offset:
        parts = tree.children
        if len(parts) == 1:
            return ast.Offset(days=0, anchor=self.name(parts[0]), span=self.span(tree))
        unit = str(parts[1]).rstrip("s")
        days = int(str(parts[0])) * {"week": 7}.get(unit, 1) * (-1 if str(parts[2]) == "before" else 1)
        if unit not in ("day", "week"):
            self.problems.append(Problem(code="E009", span=self.span(parts[1]), message="a deadline is a day: it is counted in days or weeks", help="write `1 day before …`"))
        return ast.Offset(days=days, anchor=self.name(parts[3]), span=self.span(tree))

    def _action(self, tree: Tree[Token]) -> ast.ActionCall:
        words, due, settle = list[Name | Text](), None, None
        for part in tree.children:
            if isinstance(part, Token):
                words.append(self.text(part) if part.type == "STRING" else self.name(part))
            elif part.data == "due":
                due = self._offset(part.children[0])  # type: ignore[arg-type]
            else:
                settle = self._duration(part.children[0])
        return ast.ActionCall(words=tuple(words), due=due, settle=settle, span=self.span(tree))

    def _duration(self, tree: Any) -> ast.DurationLiteral:
        unit: Any = str(tree.children[1]).rstrip("s") + "s"
        return ast.DurationLiteral(amount=int(str(tree.children[0])), unit=unit, span=self.span(tree))

    def expr(self, tree: Any) -> ast.Expr:
        match tree.data:
            case "either" | "both":
                operator: Any = "or" if tree.data == "either" else "and"
                return ast.Junction(operator=operator, conditions=tuple(self.expr(c) for c in tree.children), span=self.span(tree))
            case "negated":
                return ast.Not(condition=self.expr(tree.children[0]), span=self.span(tree))
            case "comparison":
                return self._comparison(tree)
            case _:
                return self._sum(tree)

    def _comparison(self, tree: Any) -> ast.Comparison:
        left, test, *because = tree.children
        comparator = {"is_": "is", "order": ""}.get(test.data, test.data.replace("_", " "))
        parts = list(test.children)
        if test.data == "order":
            comparator = str(parts.pop(0))
        right = tuple(self._sum(p) for p in (parts[0].children if test.data == "is_one_of" else parts))
        return ast.Comparison(left=self._sum(left), comparator=comparator, right=right, because=self.text(because[0]) if because else None, span=self.span(tree))

    def _sum(self, tree: Any) -> ast.Expr:
        match tree.data:
            case "arithmetic":
                left, sign, right = tree.children
                return ast.Arithmetic(left=self._sum(left), operator=str(sign), right=self._sum(right), span=self.span(tree))  # type: ignore[arg-type]
            case "name":
                word: Any = str(tree.children[0])
                if word in ("yes", "no", "nothing"):
                    return ast.Keyword(value=word, span=self.span(tree))
                return self.name(tree.children[0])
            case "text":
                return self.text(tree.children[0])
            case "date":
                return ast.DateLiteral(value=self.day(tree.children[0]), span=self.span(tree))
            case "number":
                return ast.Number(value=int(str(tree.children[0])), span=self.span(tree))
            case _:
                return self._duration(tree)

    # --- tests ---

    def _test(self, tree: Tree[Token]) -> ast.Test:
        name, *clauses = tree.children
        mails, polls, expectations, timezone = list[ast.MailStep](), list[ast.PollStep](), list[ast.Expectation](), None
        for clause in clauses:
            parts: Any = clause.children  # type: ignore[union-attr]
            match clause.data:  # type: ignore[union-attr]
                case "timezone":
                    timezone = self.text(parts[0])
                case "mail":
                    content, trust, at = self.text(parts[0]), parts[1] if len(parts) > 2 else None, parts[-1]
                    inline = str(parts[0]).startswith('"""')
                    mails.append(ast.MailStep(at=self.moment(at), path=None if inline else content, inline=content if inline else None, trust=self.name(trust) if trust else None, span=self.span(clause)))
                case "poll_every":
                    polls.append(ast.PollStep(every=self._duration(parts[0]), until=self.moment(parts[1]), span=self.span(clause)))
                case "poll_at":
                    polls.append(ast.PollStep(at=self.moment(parts[0]), span=self.span(clause)))
                case _:
                    expectations.append(self._expect(clause))
        return ast.Test(name=self.text(name), mails=tuple(mails), polls=tuple(polls), expectations=tuple(expectations), timezone=timezone, span=self.span(tree))

    def _expect(self, tree: Any) -> ast.Expectation:
        if tree.data == "expect_nothing_else":
            return ast.Expectation(what="nothing else", span=self.span(tree))
        words = [p for p in tree.children if isinstance(p, Token)]
        names = [self.name(t) for t in words[1:] if t.type == "NAME" and str(t) != "to"]
        texts = [self.text(t) for t in words if t.type == "STRING"]
        what, count, on, state, target = str(words[0]), None, None, None, None
        for part in tree.children:
            if isinstance(part, Tree):
                match part.data:
                    case "once" | "never":
                        count = 1 if part.data == "once" else 0
                    case "times":
                        count = int(str(part.children[0]))
                    case "on_date":
                        on = self.day(part.children[0])
                    case _:
                        state = self.name(part.children[0])
        if what == "notice":
            state = names[0] if names else None
        elif names:
            target = names[0]
        return ast.Expectation(what=what, text=texts[0] if texts else None, target=target, count=count, on=on, state=state, span=self.span(tree))

