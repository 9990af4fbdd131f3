"""Files that a command names: their text, and the rules in them.

In: paths as a person gave them. Out: texts and checked rule sets, or the sentence why not.
May not live here: which files a configuration names (live.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mailrules.errors import ConfigError, UnreadableError, UsageError

if TYPE_CHECKING:
    from mailrules.config import Config
    from mailrules.mail.message import AuthVerdict, RawMessage
    from mailrules.notices.notice import Trust
    from mailrules.pipeline import Reading
    from mailrules.ruleset import RuleSet
    from mailrules.spine.guard import Reader


def text_of(path: str) -> str:
    """Return the text of a file; raises UsageError where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise UsageError(f"{path} cannot be read: {why}", help="check the path, and that it is a text file") from error


def rules_in(name: str) -> list[tuple[str, str]]:
    """Return (path, text) of a rules file, or of every .rules file of a folder; raises UsageError where there is none."""
    path = Path(name)
    found = sorted(path.rglob("*.rules")) if path.is_dir() else [path]
    if not found:
        raise UsageError(f"there is no .rules file in {path}")
    return [(str(file), text_of(str(file))) for file in found]


@contextmanager
def reading_as_a_poll(
    rules: RuleSet, config: Config | None, *, developers: Collection[str] = (), trust: Trust | None = None
) -> Iterator[Callable[[RawMessage], Reading]]:
    """Yield what reads a document as a poll does: under guard, and believing whom the first account believes."""
    from mailrules.spine.guard import Reader

    if config is None:
        reader = Reader(rules=rules, developers=developers, trust=trust)
        yield lambda raw: _read(reader, raw, None)
        return
    from mailrules.spine.anchors import Anchors
    from mailrules.store import Store

    account = config.accounts[0]
    with Store.look(config.store) if config.store.exists() else Store.scratch(config.store) as store:
        anchors = Anchors(config, store, rules)
        reader = Reader(
            rules=rules,
            receiver=account.receiver,
            developers=anchors.developers(),
            senders=anchors.senders(),
            trust=trust,
        )
        yield lambda raw: _read(reader, raw, anchors.signature(raw, account))


def _read(reader: Reader, raw: RawMessage, signature: AuthVerdict | None) -> Reading:
    try:
        return reader.read(raw, signature=signature)
    except UnreadableError as error:
        raise UnreadableError(f"{raw.source} cannot be read: {error}") from error


def checked_rules(files: list[tuple[str, str]], config: Config | None) -> RuleSet:
    """Load rules that must check, though their tests may fail."""
    from mailrules.language.problems import render_problem
    from mailrules.spine import live

    rules = live.load_rules(files, config)
    if rules.errors:
        shown = "\n\n".join(render_problem(p, rules.sources.get(p.span.file, "")) for p in rules.errors)
        raise ConfigError(f"the rules cannot be used\n\n{shown}", help="`mailrules check FILE` shows them again")
    return rules
