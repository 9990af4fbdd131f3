"""The tree of one block to nodes.

In: a tree as the parser made it: its tokens are texts with a place, its branches have `data` and `children`.
Out: nodes of ast.py and problems. May not live here: lark; recursion is bounded by the nesting cap of blocks.py.
"""

from __future__ import annotations

from typing import Any

from mailrules.language import ast
from mailrules.language.ast import Name, Problem, Text
from mailrules.language.build_values import ValueBuilder


def _type(token: Any) -> str:
    """Return which kind of word the parser took a token for."""
    return str(token.type)


class Builder(ValueBuilder):
    """Turns the tree of one block into nodes; recursion is bounded by the nesting cap of blocks.py."""

    def block(self, tree: Any) -> ast.Block:
        """Return the node of a whole block."""
        made: ast.Block = getattr(self, f"_{tree.data}")(tree)
        return made

    # --- system and notice ---

    def _system(self, tree: Any) -> ast.System:
        name, title, *clauses = tree.children
        domains: tuple[Text, ...] = ()
        renew_at, how = None, list[tuple[Name, Text]]()
        for clause in clauses:
            match clause.data:
                case "mail_from":
                    domains += tuple(self.text(t) for t in clause.children[0].children)
                case "renew_at":
                    renew_at = self.text(clause.children[0])
                case _:
                    how.append((self.name(clause.children[0]), self.text(clause.children[1])))
        return ast.System(
            name=self.name(name),
            title=self.text(title),
            domains=domains,
            renew_at=renew_at,
            how=tuple(how),
            span=self.span(tree),
        )

    def _notice(self, tree: Any) -> ast.NoticeDefinition:
        kind, system, *clauses = tree.children
        fields, wordings, refuse = list[ast.FieldDefinition](), list[ast.Wording](), None
        for clause in clauses:
            parts = clause.children
            match clause.data:
                case "field":
                    fields.append(
                        ast.FieldDefinition(
                            name=self.name(parts[0]),
                            type=self.name(parts[1]),
                            format=self.text(parts[2]) if len(parts) > 2 else None,
                            span=self.span(clause),
                        )
                    )
                case "refuse":
                    refuse = self.text(parts[0])
                case _:
                    wordings.append(self._wording_of(clause, parts[0], list(parts[1:])))
        return ast.NoticeDefinition(
            kind=self.name(kind),
            system=self.name(system),
            fields=tuple(fields),
            wordings=tuple(wordings),
            refuse=refuse,
            span=self.span(tree),
        )

    def _wording(self, tree: Any) -> ast.Wording:
        language, *rest = tree.children
        unverified = [t for t in rest[:1] if isinstance(t, str) and _type(t) == "UNVERIFIED"]
        kind, system = rest[len(unverified)], rest[len(unverified) + 1]
        return self._wording_of(tree, language, unverified + list(rest[len(unverified) + 2 :]), kind, system)

    def _wording_of(
        self, tree: Any, language: Any, rest: list[Any], kind: Any = None, system: Any = None
    ) -> ast.Wording:
        clauses = []
        for clause in rest:
            if isinstance(clause, str):
                continue
            place: Any = str(clause.children[0])
            text = self.text(clause.children[1])
            clauses.append(ast.Clause(place=place, pattern=self._pattern(text), span=self.span(clause)))
        return ast.Wording(
            language=self.name(language), clauses=tuple(clauses), unverified=any(isinstance(c, str) for c in rest),
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
                    self.problems.append(
                        Problem(
                            code="E007",
                            span=text.span,
                            message="a `{` in a wording opens a hole, and this one is not closed or has no name",
                            help="write {expires}, or {{ for the character itself",
                        )
                    )
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

    def _rule(self, tree: Any) -> ast.Rule:
        name, *clauses = tree.children
        triggers: list[ast.OnTrigger | ast.WhileTrigger] = []
        when, description, disabled = None, None, False
        actions, rungs = list[ast.ActionCall](), list[ast.Rung]()
        for clause in clauses:
            parts = clause.children
            match clause.data:
                case "on":
                    triggers.append(self._on(clause))
                case "while":
                    triggers.append(ast.WhileTrigger(condition=self.expr(parts[0]), span=self.span(clause)))
                case "when":
                    if when is not None:
                        self.problems.append(
                            Problem(
                                code="E008",
                                span=self.span(clause),
                                message="this rule has a second `when`",
                                help="join them with `and` on the next line",
                            )
                        )
                    when = self.expr(parts[0])
                case "description":
                    description = self.text(parts[0])
                case "disabled":
                    disabled = True
                case "rung":
                    rungs.append(
                        ast.Rung(offset=self._offset(parts[0]), action=self._action(parts[1]), span=self.span(clause))
                    )
                case _:
                    actions.append(self._action(clause))
        if len(triggers) != 1:
            what = "has no trigger" if not triggers else "has several triggers"
            self.problems.append(
                Problem(
                    code="E008",
                    span=self.span(name),
                    message=f"this rule {what}",
                    help="give it exactly one line that begins with `on` (a notice arrives) or `while` (a deadline waits)",
                )
            )
        trigger = triggers[0] if triggers else ast.OnTrigger(kinds=())
        return ast.Rule(
            name=self.text(name),
            trigger=trigger,
            when=when,
            actions=tuple(actions),
            rungs=tuple(rungs),
            description=description,
            disabled=disabled,
            span=self.span(tree),
        )

    def _on(self, tree: Any) -> ast.OnTrigger:
        names = tuple(self.name(t) for t in tree.children if isinstance(t, str))
        system = next((self.name(t.children[0]) for t in tree.children if not isinstance(t, str)), None)
        return ast.OnTrigger(kinds=names, system=system, span=self.span(tree))

    def _offset(self, tree: Any) -> ast.Offset:
        parts = tree.children
        if len(parts) == 1:
            return ast.Offset(days=0, anchor=self.name(parts[0]), span=self.span(tree))
        unit = str(parts[1]).rstrip("s")
        days = int(str(parts[0])) * {"week": 7}.get(unit, 1) * (-1 if str(parts[2]) == "before" else 1)
        if unit not in ("day", "week"):
            self.problems.append(
                Problem(
                    code="E009",
                    span=self.span(parts[1]),
                    message="a deadline is a day: it is counted in days or weeks",
                    help="write `1 day before …`",
                )
            )
        return ast.Offset(days=days, anchor=self.name(parts[3]), span=self.span(tree))

    def _action(self, tree: Any) -> ast.ActionCall:
        words, due, settle = list[Name | Text](), None, None
        for part in tree.children:
            if isinstance(part, str):
                words.append(self.text(part) if _type(part) == "STRING" else self.name(part))
            elif part.data == "due":
                due = self._offset(part.children[0])
            else:
                settle = self._duration(part.children[0])
        return ast.ActionCall(words=tuple(words), due=due, settle=settle, span=self.span(tree))

    # --- tests ---

    def _test(self, tree: Any) -> ast.Test:
        name, *clauses = tree.children
        mails, polls, expectations, timezone = list[ast.MailStep](), list[ast.PollStep](), list[ast.Expectation](), None
        for clause in clauses:
            parts: Any = clause.children
            match clause.data:
                case "timezone":
                    timezone = self.text(parts[0])
                case "mail":
                    content, trust, at = self.text(parts[0]), parts[1] if len(parts) > 2 else None, parts[-1]
                    inline = str(parts[0]).startswith('"""')
                    mails.append(
                        ast.MailStep(
                            at=self.moment(at),
                            path=None if inline else content,
                            inline=content if inline else None,
                            trust=self.name(trust) if trust else None,
                            span=self.span(clause),
                        )
                    )
                case "poll_every":
                    polls.append(
                        ast.PollStep(
                            every=self._duration(parts[0]), until=self.moment(parts[1]), span=self.span(clause)
                        )
                    )
                case "poll_at":
                    polls.append(ast.PollStep(at=self.moment(parts[0]), span=self.span(clause)))
                case _:
                    expectations.append(self._expect(clause))
        return ast.Test(
            name=self.text(name),
            mails=tuple(mails),
            polls=tuple(polls),
            expectations=tuple(expectations),
            timezone=timezone,
            span=self.span(tree),
        )

    def _expect(self, tree: Any) -> ast.Expectation:
        if tree.data == "expect_nothing_else":
            return ast.Expectation(what="nothing else", span=self.span(tree))
        words = [p for p in tree.children if isinstance(p, str)]
        names = [self.name(t) for t in words[1:] if _type(t) == "NAME" and str(t) != "to"]
        texts = [self.text(t) for t in words if _type(t) == "STRING"]
        what, count, on, state, target = str(words[0]), None, None, None, None
        for part in tree.children:
            if not isinstance(part, str):
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
        return ast.Expectation(
            what=what,
            text=texts[0] if texts else None,
            target=target,
            count=count,
            on=on,
            state=state,
            span=self.span(tree),
        )
