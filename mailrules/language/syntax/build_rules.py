"""The tree of a rule to its node.

In: a tree as the parser made it: its tokens are texts with a place, its branches have `data` and `children`.
Out: nodes of ast.py and problems. May not live here: lark; recursion is bounded by the nesting cap of blocks.py.
"""

from __future__ import annotations

from typing import Any

from mailrules.language import ast
from mailrules.language.ast import Name, Text
from mailrules.language.speller import meant
from mailrules.language.syntax.build_values import ValueBuilder, kind_of

_TRIGGERS = ("on", "while")


def _is_trigger(word: Name | Text) -> bool:
    return isinstance(word, Name) and bool(meant(word.value, _TRIGGERS, 0.6))


class RuleBuilder(ValueBuilder):
    """Builds `rule` blocks."""

    def _rule(self, tree: Any) -> ast.Rule:
        name, *clauses = tree.children
        once: dict[str, Any] = {}
        triggers: list[ast.OnTrigger | ast.WhileTrigger] = []
        actions, rungs, repeats = list[ast.ActionCall](), list[ast.Rung](), list[ast.Repeat]()
        for clause in clauses:
            parts = clause.children
            match clause.data:
                case "on":
                    triggers.append(self._on(clause))
                case "while":
                    triggers.append(ast.WhileTrigger(condition=self.expr(parts[0]), span=self.span(clause)))
                case "rung":
                    rungs.append(
                        ast.Rung(offset=self._offset(parts[0]), action=self._action(parts[1]), span=self.span(clause))
                    )
                case "repeat":
                    repeats.append(self._repeat(clause))
                case "action":
                    actions.append(self._action(clause))
                case word:
                    if word in once:
                        join = "join them with `and` on the next line" if word == "when" else "delete one of them"
                        self.say("E008", self.span(clause), f"this rule has a second `{word}`", join)
                    once[word] = self._said(clause)
        misspelt = next((a.words[0] for a in actions if not triggers and _is_trigger(a.words[0])), None)
        if misspelt is not None:
            help_ = f"did you mean `{meant(misspelt.value, _TRIGGERS, 0.6)}`?"
            self.say("E001", misspelt.span, f"no line of a rule begins with `{misspelt.value}`", help_)
        elif len(triggers) != 1:
            self.say(
                "E008",
                self.span(name),
                f"this rule has {'several triggers' if triggers else 'no trigger'}",
                "give it exactly one line that begins with `on` (a notice arrives) or `while` (a deadline waits)",
            )
        return ast.Rule(
            name=self.text(name),
            trigger=triggers[0] if triggers else ast.OnTrigger(kinds=()),
            when=once.get("when"),
            actions=tuple(actions),
            rungs=tuple(rungs),
            repeats=tuple(repeats),
            description=once.get("description"),
            owner=once.get("owner"),
            runbook=once.get("runbook"),
            disabled="disabled" in once,
            span=self.span(tree),
        )

    def _said(self, clause: Any) -> Any:
        """Return the value of a clause that a rule has at most once."""
        match clause.data:
            case "when":
                return self.expr(clause.children[0])
            case "disabled":
                return True
            case _:
                return self.word(clause.children[0])

    def _on(self, tree: Any) -> ast.OnTrigger:
        names = tuple(self.name(t) for t in tree.children if isinstance(t, str))
        system = next((self.name(t.children[0]) for t in tree.children if not isinstance(t, str)), None)
        return ast.OnTrigger(kinds=names, system=system, span=self.span(tree))

    def _offset(self, tree: Any) -> ast.Offset:
        parts = tree.children
        if len(parts) == 1:
            return ast.Offset(days=0, anchor=self.name(parts[0]), span=self.span(tree))
        amount, direction, anchor = parts
        sign = -1 if str(direction) == "before" else 1
        if len(amount.children) == 1:
            return ast.Offset(
                days=sign, anchor=self.name(anchor), named=self.name(amount.children[0]), span=self.span(tree)
            )
        days = self._days(amount)
        return ast.Offset(days=days * sign, anchor=self.name(anchor), span=self.span(tree))

    def _days(self, tree: Any) -> int:
        """Return a duration in days: deadlines are days and are counted in days or weeks."""
        number, unit = tree.children
        word = str(unit).rstrip("s")
        if word not in ("day", "week"):
            self.say(
                "E009",
                self.span(unit),
                "a deadline is a day: it is counted in days or weeks",
                f"write `1 day` instead of `{number} {unit}`",
            )
        return int(str(number)) * {"week": 7}.get(word, 1)

    def _repeat(self, tree: Any) -> ast.Repeat:
        interval, *rest = tree.children
        doubling, start, times = False, None, None
        for part in rest[:-1]:
            if isinstance(part, str):
                if kind_of(part) == "INT":
                    times = int(str(part))
                else:
                    doubling = True
            else:
                start = self._offset(part)
        if self._days(interval) == 0 or times == 0:
            self.say(
                "E009", self.span(tree), "this would repeat nothing", "write `every 1 day` and `at most 1 time` or more"
            )
        return ast.Repeat(
            interval=self.duration(interval), action=self._action(rest[-1]), doubling=doubling, start=start, times=times,
            span=self.span(tree),
        )  # fmt: skip

    def _action(self, tree: Any) -> ast.ActionCall:
        words, due, settle = list[Name | Text](), None, None
        for part in tree.children:
            if isinstance(part, str):
                words.append(self.word(part))
            elif part.data == "due":
                due = self._offset(part.children[0])
            else:
                settle = self.duration(part.children[0])
        return ast.ActionCall(words=tuple(words), due=due, settle=settle, span=self.span(tree))
