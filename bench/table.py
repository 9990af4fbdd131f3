"""One figure and the table of all of them.

In: times (or bytes, or counts) of ours and of what they are compared with, from one run. Out: the table as text.
May not live here: measuring, goals, anything that runs a program.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

HEAD = (
    "figure",
    "work",
    "ours",
    "against",
    "theirs",
    "ratio",
    "goal",
    "reached",
    "ours min-median-max",
    "theirs min-median-max",
)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table: the same work done by us and by a peer (or a limit), side by side in one run.

    `goal` bounds the ratio of medians. "at most": ours / theirs; "at least": ours / theirs; "times faster": theirs / ours.
    `missing` says how to install a peer that is not here; then nothing is compared. A figure without a goal is told only.
    """

    number: str
    work: str
    ours: Sequence[float]
    against: str
    theirs: Sequence[float] = ()
    unit: str = "s"
    goal: float | None = None
    means: Literal["at most", "at least", "times faster"] = "at most"
    missing: str = ""

    @property
    def ratio(self) -> float | None:
        """The ratio that the goal bounds; None where one side was not measured."""
        if not self.ours or not self.theirs:
            return None
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        over, under = (theirs, ours) if self.means == "times faster" else (ours, theirs)
        return over / under if under else float("inf")

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where that cannot be said."""
        if self.ratio is None or self.goal is None:
            return None
        return self.ratio <= self.goal if self.means == "at most" else self.ratio >= self.goal

    def row(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        goal = "" if self.goal is None else f"{self.means} {self.goal:g}{'' if self.means == 'times faster' else ' ×'}"
        reached = {True: "yes", False: "NO", None: "not measured" if self.missing else ""}[self.reached]
        return (
            self.number, self.work, shown(self.ours, self.unit), self.against,
            f"not here: {self.missing}" if self.missing else shown(self.theirs, self.unit),
            "" if self.ratio is None else f"{self.ratio:.3g}", goal, reached,
            span(self.ours, self.unit), span(self.theirs, self.unit),
        )  # fmt: skip


def shown(values: Sequence[float], unit: str) -> str:
    """Return the median with its unit."""
    return f"{_number(statistics.median(values))} {unit}".strip() if values else ""


def span(values: Sequence[float], unit: str) -> str:
    """Return the smallest, the median and the largest."""
    if len(values) < 2:
        return ""
    return "-".join(_number(v) for v in (min(values), statistics.median(values), max(values))) + f" {unit}".rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as a Markdown table whose columns stand below one another."""
    rows = [HEAD, *(figure.row() for figure in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def side_by_side(rounds: int, jobs: Mapping[str, Callable[[], float]], *, warm: bool = True) -> dict[str, list[float]]:
    """Run every job in turn, several rounds; what each returns is kept. The first round only warms up."""
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + warm):
        for name, job in jobs.items():
            value = job()
            if number >= warm:
                found[name].append(value)
    return found


def seconds(job: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return how long a job takes."""
    start = clock()
    job()
    return clock() - start
