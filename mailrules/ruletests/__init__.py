"""Runs the tests written in rule files, through the same pipeline as a real poll, on a frozen clock.

In: a checked rule set, a way to get the bytes of a named mail. Out: one Result a test and row.
May not live here: files (bytes are handed in), the clock, a second way to evaluate rules.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import lru_cache

from mailrules.language.ast import Span
from mailrules.language.story import Test
from mailrules.ruleset import RuleSet
from mailrules.ruletests.coverage import Point, Seen, coverage, percent
from mailrules.ruletests.expect import Failure, failures_of
from mailrules.ruletests.rows import BadRow, rows_of
from mailrules.ruletests.run import BytesOf, CannotRun, only_file, perform

__all__ = ["BytesOf", "Failure", "Point", "Result", "Seen", "coverage", "percent", "run_tests"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one test, or one row of its table (`row` is its label), showed; `failures` is empty where it passed."""

    name: str
    row: str
    span: Span
    failures: tuple[Failure, ...]
    seen: Seen = field(default_factory=Seen, compare=False)


def run_tests(rules: RuleSet, bytes_of: BytesOf, without: Collection[str] = ()) -> tuple[Result, ...]:
    """Run every test but those of the files `without`. `bytes_of(step, path of the rules file)` returns a mail's bytes.

    A test sees all systems and notices, and the rules of its own file: rules of other files cannot break it.
    A mail that cannot be had (OSError) fails its test.
    """
    own = lru_cache(maxsize=1)(lambda path: only_file(rules, path))
    tests = ((path, test) for path, test in rules.tests if path not in without)
    return tuple(result for path, test in tests for result in _results(test, path, own(path), bytes_of))


def _results(test: Test, path: str, rules: RuleSet, bytes_of: BytesOf) -> list[Result]:
    results = []
    name, span = test.name.value, test.span
    failed = Failure(span=span, expected="a test that can run", found=())
    try:
        for label, row in rows_of(test, rules.definitions.samples.get(path, {})):
            seen = Seen()
            try:
                run = perform(row, path, rules, bytes_of)
                failures, seen = failures_of(row, run, rules.rules), run.seen
            except CannotRun as error:
                failures = (replace(failed, span=error.span, found=(str(error),)),)
            except OSError as error:
                failures = (replace(failed, found=(f"a mail cannot be read: {error.filename}: {error.strerror}",)),)
            results.append(Result(name=name, row=label, span=span, failures=failures, seen=seen))
    except BadRow as error:
        results.append(Result(name=name, row="", span=span, failures=(replace(failed, found=(str(error),)),)))
    return results
