"""What a whole run did: a poll, a dry run, an apply, an intake by hand.

In: nothing. Out: Outcome and its exit code. May not live here: text for people (cli/outcome.py), anything of weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailrules.errors import EXIT_CHECK_FAILED, EXIT_CONFIG, EXIT_NEEDS_PERSON, ConfigError, worst

if TYPE_CHECKING:
    from datetime import datetime

    from mailrules.spine.intake import Report
    from mailrules.spine.plan import Plan
    from mailrules.store import Store


class Outcome:
    """What a whole run did. `plan` is set by a dry run and an apply; `moved` says why a plan was not applied."""

    def __init__(self, plan: Plan | None = None, *, busy: bool = False) -> None:
        self.plan, self.busy = plan, busy
        self.reports: list[Report] = []
        self.moved: list[str] = []
        self.performed: list[tuple[str, str, str]] = []
        self.needs: list[str] = []
        self.rules_error: ConfigError | None = None
        self.needs_changed = self.rules_changed = False
        self.clock = ""

    @property
    def exit_code(self) -> int:
        """The worst of all accounts' codes (design, "Exit codes")."""
        if self.moved:
            return EXIT_CHECK_FAILED
        codes = [r.error.exit_code for r in self.reports if r.error]
        codes += [EXIT_NEEDS_PERSON] if self.needs else []
        codes += [EXIT_CONFIG] if self.rules_error else []
        return worst(codes)

    def look_for_needs(self, store: Store, now: datetime) -> None:
        """Note what needs a person, and whether that has changed since it was last said: one report a change."""
        self.needs = store.needs_person(now.isoformat())
        text = "\n".join(self.needs)
        if text != (store.meta_get("needs") or ""):
            store.meta_set("needs", text, now.isoformat())
            self.needs_changed = bool(self.needs)
