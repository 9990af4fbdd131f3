"""Files that a command names: their text, and the rules in them.

In: paths as a person gave them. Out: texts and checked rule sets, or the sentence why not.
May not live here: which files a configuration names (live.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mailrules.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from mailrules.config import Config
    from mailrules.ruleset import RuleSet


def text_of(path: str) -> str:
    """Return the text of a file; raises UsageError where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def rules_in(name: str) -> list[tuple[str, str]]:
    """Return (path, text) of a rules file, or of every .rules file of a folder; raises UsageError where there is none."""
    path = Path(name)
    found = sorted(path.rglob("*.rules")) if path.is_dir() else [path]
    if not found:
        raise UsageError(f"there is no .rules file in {path}")
    return [(str(file), text_of(str(file))) for file in found]


def checked_rules(files: list[tuple[str, str]], config: Config | None) -> RuleSet:
    """Load rules that must check, though their tests may fail."""
    from mailrules.language.problems import render_problem
    from mailrules.spine import live

    rules = live.load_rules(files, config)
    if rules.errors:
        shown = "\n\n".join(render_problem(p, rules.sources.get(p.span.file, "")) for p in rules.errors)
        raise ConfigError(f"the rules cannot be used\n\n{shown}", help="`mailrules check FILE` shows them again")
    return rules
