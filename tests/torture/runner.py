"""One class, tried.

In: its name, a seed, a time. Out: its Row. May not live here: the command line; a process of its own runs this.
"""

from __future__ import annotations

import random
import time
import traceback
from datetime import UTC, datetime

from tests.torture import faults_process, faults_wire, faults_world
from tests.torture.bench import Bench
from tests.torture.fault import Fault
from tests.torture.scenario import house, small
from tests.torture.table import Row

WORLDS = {"small": small, "house": house}


def faults() -> list[Fault]:
    return [*faults_process.FAULTS, *faults_wire.FAULTS, *faults_world.FAULTS]


def tried(name: str, seed: int, seconds: float | None, point: str | None = None) -> Row:
    """Throw one class at its world, in an order of the seed, until all points or the time are used up."""
    fault = next(f for f in faults() if f.name == name)
    row = Row(fault.name, fault.row)
    reason = fault.missing()
    if reason:
        row.missing = reason
        return row
    began = time.monotonic()
    bench = Bench(WORLDS[fault.world](datetime.now(UTC).date()), seed)
    try:
        points = list(fault.points(bench))
        row.points = len(points)
        random.Random(f"{seed}{name}").shuffle(points)
        for chosen in points:
            if point is not None and str(chosen) != point:
                continue
            if seconds is not None and row.tried and time.monotonic() - began + row.slowest > seconds:
                break
            one(bench, fault, chosen, row)
    finally:
        bench.stop()
    row.seconds = time.monotonic() - began
    return row


def one(bench: Bench, fault: Fault, point: tuple[object, ...], row: Row) -> None:
    """Try one point and take down what it broke."""
    began = time.monotonic()
    trial = bench.trial()
    try:
        fault.inject(trial, point)
        if fault.recover:
            trial.settled()
        broken = trial.verdict()
    except Exception as error:
        broken = [f"?? the torture itself failed: {type(error).__name__}: {error}\n{traceback.format_exc()}"]
    if fault.changes_mailbox:
        bench.mailbox.fill(bench.world.mails)
    row.take(point, broken, time.monotonic() - began)
