"""The vocabulary that a rule set is checked against, and the definitions that come out.

In: nothing. Out: Vocabulary (data handed in by the rest of the program) and Definitions.
May not live here: the words themselves (vocabulary.py of the package), checking.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mailrules.language.ast import NoticeDefinition, Rule, System
from mailrules.language.frozen import Frozen
from mailrules.language.story import Sample, Test


class FactType(Frozen):
    """One fact: its type, where it exists ("" always, "notice" in `on` rules), the only words it may be compared with."""

    type: str
    needs: str = ""
    values: tuple[str, ...] = ()


class ActionType(Frozen):
    """One action: see mailrules.vocabulary.ActionWord."""

    kind: str
    target: str
    takes_text: str
    options: tuple[str, ...]
    trust: str


class Vocabulary(Frozen):
    """All words. `people` and `scripts` are None where nothing is configured: every name is then accepted with a note."""

    facts: Mapping[str, FactType]
    actions: Mapping[str, ActionType]
    field_types: frozenset[str]
    events: frozenset[str]
    trust: tuple[str, ...]
    states: tuple[str, ...]
    people: Mapping[str, str] | None = None
    scripts: Mapping[str, bool] | None = None


class Definitions(Frozen):
    """What a checked rule set defines. `tests` carry the path of the file each stands in."""

    systems: tuple[System, ...] = ()
    notices: tuple[NoticeDefinition, ...] = ()
    rules: tuple[Rule, ...] = ()
    tests: tuple[tuple[str, Test], ...] = ()
    replaced_rules: tuple[Rule, ...] = ()
    """Rules whose place a later file took; the tests of their own file still mean them."""
    disturbed: frozenset[str] = frozenset()
    """Files of which a later file has replaced a system or a notice."""
    samples: Mapping[str, Mapping[str, Sample]] = MappingProxyType({})
    """By the path of their file: a test uses the samples that stand beside it."""
