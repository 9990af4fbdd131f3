"""The grammar and the rules that come with mailrules, wherever it is installed.

In: a name such as "rules/starter.rules". Out: the text of that file.
May not live here: parsing, the user's own files, any path relative to the working directory.
"""

from __future__ import annotations

from pathlib import Path


def _root() -> Path:
    """Return the folder that holds grammar/ and rules/: `_shipped` in a wheel, else the checkout.

    The checkout is read live by an editable install, too: its package is imported from there.
    """
    package = Path(__file__).parent  # why not importlib.resources: its import takes longer than reading all the rules
    shipped = package / "_shipped"
    return shipped if shipped.is_dir() else package.parent


def shipped_text(relative: str) -> str:
    """Return the text of a shipped file, such as "rules/starter.rules"."""
    return _root().joinpath(*relative.split("/")).read_text(encoding="utf-8")


def shipped_rules() -> tuple[tuple[str, str], ...]:
    """Return (label, text) of every file that describes notices, sorted by label ("rules/notices/amazon.rules")."""
    paths = sorted(path for path in (_root() / "rules" / "notices").iterdir() if path.name.endswith(".rules"))
    return tuple((f"rules/notices/{path.name}", path.read_text(encoding="utf-8")) for path in paths)


def grammar_text() -> str:
    """Return the grammar of the rule language."""
    return shipped_text("grammar/mailrules.lark")
