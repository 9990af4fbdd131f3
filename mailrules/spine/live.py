"""The gate that rules pass before they go live: every file read, every problem told, every test of theirs green.

In: a Config, the store, the present instant as text. Out: RuleSets, or the ConfigError why today's may not go live.
May not live here: the clock, the language itself (ruleset.py), how checked rules are kept (kept.py), mail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mailrules.config import Config
from mailrules.errors import ConfigError
from mailrules.spine.kept import Kept, key_of, program
from mailrules.store import Store

if TYPE_CHECKING:
    from mailrules.language.story import MailStep
    from mailrules.ruleset import RuleSet


def rule_texts(config: Config) -> list[tuple[str, str]]:
    """Return (path as a person would name it, text) of the shipped notices and then the user's files."""
    from mailrules.shipped import shipped_rules

    files = list(shipped_rules())
    for path in config.rule_files():
        shown = path.relative_to(config.folder) if path.is_relative_to(config.folder) else path
        try:
            files.append((str(shown), path.read_text(encoding="utf-8-sig")))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path} cannot be read: {error}", help="it must be a text file in UTF-8 that you may read"
            ) from error
    return files


def load_rules(files: list[tuple[str, str]], config: Config | None, *, keep: bool = False) -> RuleSet:
    """Return rule files parsed and checked with the names that the configuration gives.

    What was kept of an earlier time is taken where nothing has changed; `keep` lets it be kept.
    """
    from mailrules.shipped import grammar_text

    grammar = grammar_text()
    if config is None:
        from mailrules.ruleset import load

        return load(files, grammar)
    scripts = {name: script.changes_nothing for name, script in config.world.scripts.items()}
    kept, key = Kept.beside(config.store), key_of(files, grammar, config.world.people, scripts)
    rules = kept.find(key, files)
    if rules is None:
        from mailrules.ruleset import load

        rules = load(files, grammar, people=config.world.people, scripts=scripts)
        if keep:
            kept.keep(key, rules)
    return rules


def undeclared(config: Config, system: str) -> str:
    """Return the sentence that no rules file declares a system of this name, "" where one does."""
    from mailrules.config_values import suggest

    try:
        names = [declared.name.value for declared in load_rules(rule_texts(config), config).systems]
    except ConfigError:  # why: rules that cannot be read are told by a poll; what a person enters counts all the same
        return ""
    return "" if system in names else f"no rules file declares a system `{system}`; {suggest(system, names)}"


class Gate:
    """Today's rules, looked at when somebody asks for them: a poll that has nothing to do never does."""

    def __init__(self, config: Config, store: Store, now: str, *, keep: bool = True) -> None:
        self.config, self._store, self._now, self._keep = config, store, now, keep

    @property
    def rules(self) -> RuleSet:
        """The rules to poll with. Raises ConfigError where there are none."""
        return self._live[0]

    @property
    def error(self) -> ConfigError | None:
        """Why today's rules are not the ones to poll with."""
        return self._live[1]

    @cached_property
    def _live(self) -> tuple[RuleSet, ConfigError | None]:
        return live_rules(self.config, self._store, self._now, keep=self._keep)

    @cached_property
    def _inputs(self) -> bytes:
        return repr((program(), rule_texts(self.config), self.config)).encode()

    def inputs(self, mails: list[str]) -> str:
        """Return a digest of all that the rules and their outcome are made of; `mails` are the files that tests name."""
        seen = hashlib.sha256(self._inputs)
        for path in mails:
            try:
                seen.update(Path(path).read_bytes())
            except OSError:
                seen.update(b"missing")
        return seen.hexdigest()

    def mails(self) -> list[str]:
        """Return the files that the tests of the rules name."""
        steps = ((path, step.path) for path, test in self.rules.tests for step in test.mails)
        return sorted(
            {str((self.config.folder / path).parent / step.value) for path, step in steps if step is not None}
        )


def live_rules(config: Config, store: Store, now: str, *, keep: bool = False) -> tuple[RuleSet, ConfigError | None]:
    """Return the rules to poll with: today's where they check and their tests pass, else the last good ones and why.

    Raises ConfigError where there are no good ones to fall back on.
    """
    import json

    files = rule_texts(config)
    rules = load_rules(files, config, keep=keep)
    error = why_not_live(rules, config.folder, files, store, now)
    if error is None:
        text = json.dumps(files)
        if store.meta_get("rules") != text:  # why: a poll that finds nothing new does not write it down again
            store.meta_set("rules", text, now)
        return rules, None
    last = store.meta_get("rules")
    if last is None:
        raise error
    former = load_rules([(path, text) for path, text in json.loads(last)], config, keep=keep)
    if former.errors:  # why: without a rule that cannot be, a mail would be passed for good that it should have seen
        found = "\n".join(sorted({problem.message for problem in former.errors}))
        raise ConfigError(
            f"{error}\n\nnor do the last good rules fit today's mailrules.toml, so nothing was read and nothing done:\n{found}",
            help=error.help,
        )
    return former, error


def why_not_live(
    rules: RuleSet, folder: Path, files: list[tuple[str, str]], store: Store | None = None, now: str = ""
) -> ConfigError | None:
    """Return why a rule set may not go live: an error in it, or a test of its own that fails."""
    if rules.errors:
        from mailrules.language.problems import render_problem

        shown = "\n\n".join(render_problem(p, rules.sources.get(p.span.file, "")) for p in rules.errors)
        return ConfigError(
            f"{len(rules.errors)} problem{'s' if len(rules.errors) > 1 else ''} in the rules\n\n{shown}",
            help="`mailrules check` shows them again",
        )
    tested = _fingerprint(rules, files, folder)
    if store is not None and store.meta_get("tested") == tested:
        return None
    from mailrules.shipped import shipped_rules

    shipped = {path for path, _ in shipped_rules()}
    if _reads_more(rules, shipped):
        # why: the shipped tests of a notice that the user has replaced speak of the shipped one
        shipped &= rules.definitions.disturbed
    if any(path not in shipped for path, _ in rules.tests):
        # why here: rules without tests of their own, or whose tests have passed, are not tested
        from mailrules.ruletests import run_tests

        failed = [r for r in run_tests(rules, mail_of_test(folder), without=shipped) if r.failures]
        if failed:
            lines = [f'test "{r.name}": {r.failures[0]}' for r in failed[:5]]
            return ConfigError(
                "\n".join([f"{len(failed)} of the rules' own tests fail", *lines]),
                help="`mailrules test` shows all of it",
            )
    if store is not None:
        store.meta_set("tested", tested, now)
    return None


def _reads_more(rules: RuleSet, shipped: Collection[str]) -> bool:
    """Whether the user's files change what is read: only then can shipped tests fail that passed when they were shipped."""
    spans = [s.span for s in rules.systems]
    spans += [span for n in rules.definitions.notices for span in (n.span, *(w.span for w in n.wordings))]
    return any(span.file not in shipped for span in spans)


def _fingerprint(rules: RuleSet, files: list[tuple[str, str]], folder: Path) -> str:
    """Return what the outcome of the tests depends on: the rules, and the mails that they name."""
    seen = hashlib.sha256(repr(files).encode())
    bytes_of = mail_of_test(folder)
    for path, test in rules.tests:
        for step in test.mails:
            if step.path is not None:
                try:
                    seen.update(bytes_of(step, path))
                except OSError:  # the test will tell
                    seen.update(b"missing")
    return seen.hexdigest()


def mail_of_test(folder: Path) -> Callable[[MailStep, str], bytes]:
    """Return the function that finds a test's mail: inline, or a file relative to its rules file."""

    def bytes_of(step: MailStep, rules_path: str) -> bytes:
        if step.path is None:
            return step.inline.value.encode() if step.inline else b""
        return ((folder / rules_path).parent / step.path.value).read_bytes()

    return bytes_of
