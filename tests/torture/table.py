"""What came of the classes, as one table.

In: Rows. Out: text. May not live here: trying anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

HEAD = (
    f"{'class':14} {'row':8} {'tried':>6} {'of':>6} {'lost':>5} {'twice':>6} {'shown':>6} {'other':>6} {'slowest':>8}"
)
LOST, TWICE, SHOWN = {"I1", "I3"}, {"I2", "I8"}, {"I6"}


@dataclass
class Row:
    """One class. `failures`: (point, what it broke). `missing`: why the class is not tried here."""

    name: str
    row: str
    points: int = 0
    tried: int = 0
    lost: int = 0
    twice: int = 0
    shown: int = 0
    other: int = 0
    slowest: float = 0.0
    took: float = 0.0
    missing: str = ""
    failures: list[tuple[Any, list[str]]] = field(default_factory=list)

    def take(self, point: Any, broken: Sequence[str], seconds: float) -> None:
        """Count one trial: lost is I1 and I3, twice is I2 and I8, shown is I6 (tracebacks, codes, secrets), the rest other."""
        self.tried += 1
        self.took += seconds
        self.slowest = max(self.slowest, seconds)
        names = {sentence[:2] for sentence in broken}
        self.lost += bool(names & LOST)
        self.twice += bool(names & TWICE)
        self.shown += bool(names & SHOWN)
        self.other += bool(names - LOST - TWICE - SHOWN)
        if broken:
            self.failures.append((point, list(broken)))

    def add(self, part: Row) -> None:
        """Take in what a worker counted."""
        for name in ("tried", "lost", "twice", "shown", "other", "took"):
            setattr(self, name, getattr(self, name) + getattr(part, name))
        self.slowest = max(self.slowest, part.slowest)
        self.failures += part.failures

    @property
    def untried(self) -> bool:
        """Whether it could have been tried, and was not."""
        return bool(self.points) and not self.tried and not self.missing

    def line(self) -> str:
        if self.missing:
            return f"{self.name:14} {self.row:8} NOT INJECTED: {self.missing}"
        if self.untried:
            return f"{self.name:14} {self.row:8} NOT TRIED: there was no time for any of its {self.points} points"
        return (
            f"{self.name:14} {self.row:8} {self.tried:6} {self.points:6} {self.lost:5} {self.twice:6} {self.shown:6} {self.other:6}"
            f" {self.slowest:7.1f}s"
        )


def shown(rows: Sequence[Row], seed: int, took: str) -> str:
    """Return the table with its totals."""
    total = Row("total", "")
    for row in rows:
        total.points += row.points
        total.add(row)
    numbers = {number for row in rows if row.tried for number in row.row.split("+")}
    broken = len(total.failures)
    end = (
        f"{total.tried} faults of {sum(bool(r.tried) for r in rows)} classes ({len(numbers)} rows of the matrix), "
        f"{broken} of them broke an invariant; seed {seed}, {took}"
    )
    rule = "-" * len(HEAD)
    legend = "lost: I1, I3; twice: I2, I8; shown: I6 (exit code, traceback, secret); other: I4, I5, I7. of: all points (--full)"
    return "\n".join(["", HEAD, rule, *(row.line() for row in rows), rule, total.line(), legend, end])
