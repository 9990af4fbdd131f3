"""Texts of rules files to one checked rule set.

In: (path, text) pairs, the grammar's text, the names that the configuration gives. Out: RuleSet with all its problems.
May not live here: finding files, deciding whether a broken set goes live (app.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from mailrules.language.ast import Hole, Problem, Rule, RulesFile, Span, System, Text
from mailrules.language.definitions import ActionType, Definitions, FactType, Vocabulary
from mailrules.language.frozen import Frozen
from mailrules.language.story import Test

if TYPE_CHECKING:
    from mailrules.language.index import RuleIndex
    from mailrules.notices.patterns import CompiledWording


class RuleSet(Frozen):
    """Checked definitions, every problem found, and the sources for showing it. `every`: its index leaves no rule out."""

    __slots__ = ("__dict__",)  # for what is made when it is first asked for
    definitions: Definitions
    problems: tuple[Problem, ...]
    sources: Mapping[str, str]
    every: bool = False

    @cached_property
    def index(self) -> RuleIndex:
        """Which rules a situation can concern; made when the first one is looked at."""
        from mailrules.language.index import RuleIndex

        return RuleIndex(self.definitions.rules, every=self.every)

    @cached_property
    def wordings(self) -> tuple[CompiledWording, ...]:
        """The wordings, ready to match; made when the first mail is looked at."""
        from mailrules.notices.patterns import compile_wordings

        return compile_wordings(self.definitions.notices)

    @property
    def systems(self) -> tuple[System, ...]:
        """The systems, in the order of their definition."""
        return self.definitions.systems

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, in the order of their definition, which decides nothing."""
        return self.definitions.rules

    @property
    def tests(self) -> tuple[tuple[str, Test], ...]:
        """The tests with the path of the file each stands in."""
        return self.definitions.tests

    @cached_property
    def field_types(self) -> Mapping[tuple[str, str], Mapping[str, str]]:
        """The types of fields by kind and system of notice: as declared, else as given where a field stands in a wording."""
        found: dict[tuple[str, str], Mapping[str, str]] = {}
        for notice in self.definitions.notices:
            clauses = (clause for wording in notice.wordings for clause in wording.clauses)
            pieces = (piece for clause in clauses for pattern in clause.patterns for piece in pattern.pieces)
            in_place = {piece.name: piece.type for piece in pieces if isinstance(piece, Hole) and piece.type}
            declared = {field.name.value: field.type.value for field in notice.fields}
            found.setdefault((notice.kind.value, notice.system.value), {**in_place, **declared})
        return found

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep this set from going live."""
        return tuple(p for p in self.problems if p.is_error)


def vocabulary(people: Mapping[str, str] | None = None, scripts: Mapping[str, bool] | None = None) -> Vocabulary:
    """Return the words of the language as data; None for people or scripts accepts every name with a note."""
    from mailrules.vocabulary import ACTIONS, EVENTS, FACTS, FIELD_TYPES, STATES, TRUST

    return Vocabulary(
        facts={f.name: FactType(type=f.type, needs=f.needs, values=f.values) for f in FACTS},
        actions={
            a.verb: ActionType(kind=a.kind, target=a.target, takes_text=a.takes_text, options=a.options, trust=a.trust)
            for a in ACTIONS
        },
        field_types=frozenset(FIELD_TYPES), events=frozenset(EVENTS), trust=TRUST, people=people, scripts=scripts, states=STATES,
    )  # fmt: skip


def load(
    files: Sequence[tuple[str, str]],
    grammar: str,
    *,
    people: Mapping[str, str] | None = None,
    scripts: Mapping[str, bool] | None = None,
) -> RuleSet:
    """Parse and check all files together and report every problem of every file at once."""
    # why here: rules that have not changed are neither parsed nor checked
    from mailrules.language.check import check
    from mailrules.language.syntax.parse import parse

    parsed: list[RulesFile] = []
    problems: list[Problem] = []
    for path, text in files:
        file, found = parse(text, path, grammar)
        parsed.append(file)
        problems.extend(found)
    definitions, found = check(parsed, vocabulary(people, scripts))
    templates = _template_problems(definitions.rules)
    # why: the names in a template that cannot be read are no names
    problems += [p for p in found if not (p.code == "E030" and any(_holds(t.span, p.span) for t in templates))]
    problems += templates
    order = {path: number for number, (path, _) in enumerate(files)}
    problems.sort(key=lambda p: (order.get(p.span.file, 0), p.span.line, p.span.column))
    if any(p.is_error for p in problems):  # first what is wrong, then what is odd
        problems = [p for p in problems if not p.code.startswith("W")]
    return RuleSet(definitions=definitions, problems=tuple(problems), sources=dict(files))


def _holds(whole: Span, piece: Span) -> bool:
    begin, end = (whole.line, whole.column), (whole.end_line, whole.end_column)
    same = whole.file == piece.file
    return same and begin <= (piece.line, piece.column) and (piece.end_line, piece.end_column) <= end


def _template_problems(rules: tuple[Rule, ...]) -> list[Problem]:
    from mailrules.templates import problem

    found = []
    for rule in rules:
        texts: list[Text] = [a.text for a in rule.calls if a.text]
        for text in texts:
            why = problem(text.value) if "{" in text.value else ""
            if why:
                told = why.startswith("the template cannot")
                help_ = "write {{ name }} for a fact, with two braces at each end" if told else "delete it"
                found.append(Problem(code="E030", span=text.span, message=why, help=help_))
    return list(dict.fromkeys(found))
