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


@dataclass
class Row:
    """One class. `failures`: (point, what it broke)."""

    name: str
    row: str
    points: int = 0
    tried: int = 0
    lost: int = 0
    twice: int = 0
    shown: int = 0
    other: int = 0
    slowest: float = 0.0
    missing: str = ""
    failures: list[tuple[Any, list[str]]] = field(default_factory=list)

    def take(self, point: Any, broken: Sequence[str], seconds: float) -> None:
        """Count one trial: lost is I1 and I3, twice is I2 and I8, shown is I6 (tracebacks, codes, secrets), the rest other."""
        self.tried += 1
        self.slowest = max(self.slowest, seconds)
        names = {sentence[:2] for sentence in broken}
        self.lost += bool(names & {"I1", "I3"})
        self.twice += bool(names & {"I2", "I8"})
        self.shown += "I6" in names
        self.other += bool(names & {"I4", "I5", "I7", "??"})
        if broken:
            self.failures.append((point, list(broken)))

    def line(self) -> str:
        if self.missing:
            return f"{self.name:14} {self.row:8} NOT TRIED: {self.missing}"
        return (
            f"{self.name:14} {self.row:8} {self.tried:6} {self.points:6} {self.lost:5} {self.twice:6} {self.shown:6} {self.other:6}"
            f" {self.slowest:7.1f}s"
        )


def shown(rows: Sequence[Row], seed: int, took: str) -> str:
    """Return the table with its totals."""
    total = Row("total", f"{len({r.row for r in rows if r.tried})} rows")
    for row in rows:
        for name in ("points", "tried", "lost", "twice", "shown", "other"):
            setattr(total, name, getattr(total, name) + getattr(row, name))
        total.slowest = max(total.slowest, row.slowest)
    broken = sum(len(row.failures) for row in rows)
    end = f"{total.tried} faults, {broken} of them broke an invariant; seed {seed}, {took}"
    rule = "-" * len(HEAD)
    legend = "lost: I1, I3; twice: I2, I8; shown: I6 (exit code, traceback, secret); other: I4, I5, I7. of: all points (--full)"
    return "\n".join(["", HEAD, rule, *(row.line() for row in rows), rule, total.line(), legend, end])
