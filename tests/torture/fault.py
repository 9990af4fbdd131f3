"""What a class of faults is.

In: nothing. Out: Fault, a row of the matrix with its points. May not live here: any fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.torture.bench import Bench, Trial

Point = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One class. `points` lists every point of it, each a tuple of plain values; `inject` does one to a fresh trial.

    `recover`: afterwards poll until all is settled. `missing` says why the class cannot be tried here, or "".
    """

    name: str
    row: str
    world: str
    points: Callable[[Bench], Sequence[Point]]
    inject: Callable[[Trial, Point], None]
    recover: bool = True
    changes_mailbox: bool = False
    missing: Callable[[], str] = lambda: ""
