"""The tree of one block to nodes.

In: a tree as the parser made it: its tokens are texts with a place, its branches have `data` and `children`.
Out: nodes of ast.py and story.py, and problems. May not live here: lark; recursion is bounded by the nesting cap of blocks.py.
"""

from __future__ import annotations

from typing import Any

from mailrules.language import ast
from mailrules.language.ast import Name, Text
from mailrules.language.syntax.build_rules import RuleBuilder
from mailrules.language.syntax.build_tests import TestBuilder
from mailrules.language.syntax.build_values import kind_of


class Builder(RuleBuilder, TestBuilder):
    """Turns the tree of one block into nodes; recursion is bounded by the nesting cap of blocks.py."""

    def block(self, tree: Any) -> ast.Block:
        """Return the node of a whole block."""
        made: ast.Block = getattr(self, f"_{tree.data}")(tree)
        return made

    def _let(self, tree: Any) -> ast.Let:
        name, value = tree.children
        return ast.Let(name=self.name(name), values=tuple(self.expr(v) for v in value.children), span=self.span(tree))

    # --- system and notice ---

    def _system(self, tree: Any) -> ast.System:
        name, title, *clauses = tree.children
        domains, yields = list[Text](), list[Name]()
        renew_at, renew_by, shows, how = None, None, None, list[tuple[Name, Text]]()
        for clause in clauses:
            parts: Any = clause.children
            match clause.data:
                case "mail_from":
                    domains += [self.text(t) for t in parts[0].children]
                case "renew_at":
                    renew_at = self.text(parts[0])
                case "renew_by":
                    renew_by = self.text(parts[0])
                case "shows":
                    shows = self.duration(parts[0])
                case "yields":
                    yields += [self.name(t) for t in parts]
                case _:
                    how.append((self.name(parts[0]), self.text(parts[1])))
        return ast.System(
            name=self.name(name), title=self.text(title), domains=tuple(domains), renew_at=renew_at, renew_by=renew_by,
            how=tuple(how), shows_within=shows, yields_to=tuple(yields), span=self.span(tree),
        )  # fmt: skip

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
        unverified = [t for t in rest[:1] if isinstance(t, str) and kind_of(t) == "UNVERIFIED"]
        kind, system = rest[len(unverified)], rest[len(unverified) + 1]
        return self._wording_of(tree, language, unverified + list(rest[len(unverified) + 2 :]), kind, system)

    def _wording_of(
        self, tree: Any, language: Any, rest: list[Any], kind: Any = None, system: Any = None
    ) -> ast.Wording:
        clauses, constants = list[ast.Clause](), list[tuple[Name, Text]]()
        for clause in rest:
            if isinstance(clause, str):
                continue
            if clause.data == "constant":
                constants.append((self.name(clause.children[0]), self.text(clause.children[1])))
                continue
            words = [t for t in clause.children if kind_of(t) != "STRING"]
            first, *others = [self._pattern(self.text(t)) for t in clause.children if kind_of(t) == "STRING"]
            place: Any = str(words[-1])
            clauses.append(
                ast.Clause(
                    place=place, pattern=first, others=tuple(others), optional=len(words) > 1, span=self.span(clause)
                )
            )
        return ast.Wording(
            language=self.name(language), clauses=tuple(clauses), constants=tuple(constants),
            unverified=any(isinstance(c, str) for c in rest), kind=self.name(kind) if kind is not None else None,
            system=self.name(system) if system is not None else None, span=self.span(tree),
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
                    self.say(
                        "E007",
                        text.span,
                        "a `{` in a wording opens a hole, and this one is not closed or has no name",
                        "write {expires}, or {{ for the character itself",
                    )
                    break
                kind, _, form = kind.strip().partition(" ")
                pieces.append(ast.Hole(name=name.strip(), type=kind or None, format=form.strip() or None))
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
