"""`mailrules test`: the tests written in rules files, and how much of the files they exercise.

In: paths. Out: for each failure what was expected, what is there and why the rules held back; coverage; exit codes.
May not live here: running tests (ruletests/), which files a command names.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailrules.cli.files import checked_rules
from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import emit, json_line, safe
from mailrules.cli.rules import Paths, sources
from mailrules.errors import EXIT_CHECK_FAILED, UsageError

if TYPE_CHECKING:
    from mailrules.ruletests import Point, Result

_HEADS = {"rule": "rules", "condition": "conditions", "rung": "rungs", "wording": "wordings"}


def test(
    paths: Paths = None,
    with_coverage: Annotated[
        bool, typer.Option("--coverage", help="Also say which rules, conditions, rungs and wordings no test exercises.")
    ] = False,
    threshold: Annotated[
        int | None, typer.Option("--threshold", metavar="PERCENT", help="With --coverage: exit code 1 below it.")
    ] = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Run the tests written in rules files. Exit code 1 where one fails."""
    from mailrules.ruletests import Seen, coverage, percent, run_tests
    from mailrules.spine import live

    if threshold is not None and not (with_coverage and 0 <= threshold <= 100):
        raise UsageError("--threshold is a number from 0 to 100 and goes with --coverage")
    files, wanted, loaded, folder = sources(paths, config)
    rules = checked_rules(files, loaded)
    results = [r for r in run_tests(rules, live.mail_of_test(folder)) if r.span.file in wanted]
    failed = [r for r in results if r.failures]
    _show_results(results, as_json=as_json)
    if failed and not as_json:
        for problem in rules.problems:
            if problem.code == "N002":  # why: a test sees the rules of its own file, and this one has lost some
                sys.stdout.write(f"note: {problem.span.file}:{problem.span.line}: {problem.message}\n")
    low = False
    if with_coverage:
        seen = Seen()
        for result in results:
            seen.join(result.seen)
        points = coverage(rules, seen, wanted)
        low = threshold is not None and percent(points) < threshold
        _show_coverage(points, percent(points), as_json=as_json)
        if low:
            sys.stderr.write(f"mailrules: the tests exercise {percent(points)} %, and {threshold} % are asked for\n")
    raise typer.Exit(EXIT_CHECK_FAILED if failed or low else 0)


def _show_results(results: Sequence[Result], *, as_json: bool) -> None:
    if as_json:
        for result in results:
            sys.stdout.write(json_line(_row(result)) + "\n")
        return
    failed = [r for r in results if r.failures]
    for result in failed:
        row = f" [{safe(result.row)}]" if result.row else ""
        sys.stdout.write(f'FAILED "{safe(result.name)}"{row}  {result.span.file}:{result.span.line}\n')
        for failure in result.failures:
            sys.stdout.write(f"  {failure.span.file}:{failure.span.line}\n")
            _block("expected", [failure.expected])
            _block("found", failure.found)
            _block("why not", failure.why)
        sys.stdout.write("\n")
    sys.stdout.write(f"{len(results) - len(failed)} passed, {len(failed)} failed\n")


def _block(head: str, lines: Sequence[str]) -> None:
    for number, line in enumerate(lines):
        sys.stdout.write(f"    {'' if number else head:<10}{'  ' if number and head == 'found' else ''}{safe(line)}\n")


def _row(result: Result) -> dict[str, Any]:
    failures = [
        {"line": f.span.line, "expected": f.expected, "found": list(f.found), "why": list(f.why)}
        for f in result.failures
    ]  # fmt: skip
    return {
        "file": result.span.file, "line": result.span.line, "test": result.name, "row": result.row,
        "passed": not result.failures, "failures": failures,
    }  # fmt: skip


def _show_coverage(points: Sequence[Point], total: int, *, as_json: bool) -> None:
    """Show a table with a line for each file, then each thing that no test exercises, with its place."""
    if as_json:
        for point in points:
            row = {
                "file": point.span.file, "line": point.span.line, "what": point.what, "name": point.name,
                "exercised": not point.missing, "missing": point.missing,
            }  # fmt: skip
            sys.stdout.write(json_line(row) + "\n")
        return
    rows = []
    for file in dict.fromkeys(point.span.file for point in points):
        inside = [point for point in points if point.span.file == file]
        counts = {head: _count(p for p in inside if p.what == what) for what, head in _HEADS.items()}
        rows.append({"file": file, **counts, "exercised": f"{_percent(inside)} %"})
    typer.echo("")
    emit(rows, ("file", *_HEADS.values(), "exercised"), as_json=False, empty="There is nothing to exercise.")
    missing = [point for point in points if point.missing]
    if missing:
        typer.echo("\nnot exercised")
    for point in missing:
        typer.echo(f"  {point.span.file}:{point.span.line}  {point.what} `{safe(point.name)}`: {point.missing}")
    typer.echo(f"\n{len(points) - len(missing)} of {len(points)} exercised: {total} %")


def _count(points: Iterable[Point]) -> str:
    listed = list(points)
    return f"{sum(not p.missing for p in listed)}/{len(listed)}" if listed else "-"


def _percent(points: Sequence[Point]) -> int:
    from mailrules.ruletests import percent

    return percent(points)
