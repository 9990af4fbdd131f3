"""What checking shares: the words, what has been defined, and the problems found so far.

In: a Vocabulary. Out: Session. May not live here: any check.
"""

from __future__ import annotations

import re

from mailrules.language import ast
from mailrules.language.ast import Problem, Rule, Span
from mailrules.language.checks.lets import Lets
from mailrules.language.definitions import FactType, Vocabulary
from mailrules.language.story import Sample, Test

_ABOUT_NAMES = frozenset({"E010", "E011", "E012", "E022", "E030", "E033"})
_SHOWN = re.compile(r"`([^`]*)`")


class Session:
    """One check of all files together."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.words = vocabulary
        self.problems: list[Problem] = []
        self.systems: dict[str, ast.System] = {}
        self.notices: dict[tuple[str, str], ast.NoticeDefinition] = {}
        self.rules: dict[str, Rule] = {}
        self.named: dict[str, ast.Let] = {}
        self.samples: dict[str, dict[str, Sample]] = {}
        self.tests: list[tuple[str, Test]] = []
        self.order: dict[str, int] = {}
        """Files by the order in which they were read: of two that disagree, the later one is told."""
        self.replaced: list[ast.System | ast.NoticeDefinition | Rule] = []
        self.extra: list[ast.Wording] = []
        self.lets = Lets(())
        self.facts: dict[tuple[str, ...], dict[str, FactType]] = {}  # by the kinds and the system that rules wait for
        self.taken: set[tuple[str, str]] = set()  # names of people and scripts that nothing lists
        self.broken: set[str] = set()  # the names in the heads of blocks that could not be read
        self.partial: list[Rule | Test] = []  # rules and tests without the rows that could not be read

    def say(self, code: str, span: Span, message: str, help: str = "") -> None:  # noqa: A002 - the word users see
        """Note one problem."""
        self.problems.append(Problem(code=code, span=span, message=message, help=help))

    def found(self) -> tuple[Problem, ...]:
        """Return every problem once, without those of names whose own definition is what is wrong."""
        every = dict.fromkeys((*self.problems, *self.lets.problems))
        return tuple(p for p in every if not (p.code in _ABOUT_NAMES and self._is_broken(p.message)))

    def _is_broken(self, message: str) -> bool:
        shown = _SHOWN.search(message)
        return bool(self.broken) and shown is not None and not self.broken.isdisjoint(shown[1].split(" of "))
