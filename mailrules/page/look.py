"""What every page looks through: the configuration, the store opened to look, the present instant, the reader's language.

In: a Config, a path, the present instant. Out: Look, and the rules that are live. May not live here: the clock, SQL, HTML.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mailrules.config import Config
from mailrules.spine.opened import Opened
from mailrules.store.shown import Shown
from mailrules.words import say

if TYPE_CHECKING:
    from mailrules.ruleset import RuleSet


@dataclass(slots=True)
class Memory:
    """What is worked out once and kept until it has changed: the rules that are live, and how all authorizations stand."""

    _text: str | None = None
    _rules: RuleSet | None = None
    stand: tuple[Any, Any] = (None, None)
    """How they stand, and for which newest line of the story on which days that holds."""

    def rules(self, config: Config, store: Shown) -> RuleSet:
        """Return the rules that the last poll worked with; before the first, those that the configuration names."""
        from mailrules.spine.live import load_rules, rule_texts

        text = store.meta_get("rules") or ""
        if self._rules is None or text != self._text:
            files = [(path, rules) for path, rules in json.loads(text)] if text else rule_texts(config)
            self._rules, self._text = load_rules(files, config), text
        return self._rules


@dataclass(frozen=True, slots=True)
class Look(Opened):
    """One look at the store; nothing is changed through it."""

    store: Shown
    language: str = "en"
    memory: Memory = field(default_factory=Memory)

    def say(self, key: str, /, **values: object) -> str:
        """Return a text of the page in the reader's language."""
        return say(self.language, f"page.{key}", **values)

    def rules(self) -> RuleSet:
        """Return the rules that are live."""
        return self.memory.rules(self.config, self.store)


@contextmanager
def looking(config: Config, now: datetime, language: str, memory: Memory | None = None) -> Iterator[Look]:
    """Open the store to look. Raises StoreError where there is none yet."""
    with Shown.look(config.store) as store:
        yield Look(config, store, now, language, memory or Memory())
