"""One class, tried.

In: its name, a seed, a time. Out: its Row. May not live here: the command line, which gives this to a few worker processes.
"""

from __future__ import annotations

import multiprocessing.util
import random
import time
import traceback
from datetime import UTC, datetime

from tests.torture import faults_process, faults_wire, faults_world
from tests.torture.bench import Bench, Zygote
from tests.torture.fault import Fault
from tests.torture.scenario import house, small
from tests.torture.table import Row

WORLDS = {"small": small, "house": house}
BENCHES: dict[str, Bench] = {}


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
    bench = bench_of(fault.world)
    began = time.monotonic()
    points = list(fault.points(bench))
    row.points = len(points)
    random.Random(f"{seed}{name}").shuffle(points)
    for chosen in points:
        if point is not None and str(chosen) != point:
            continue
        if seconds is not None and row.tried and time.monotonic() - began + row.slowest / 2 > seconds:
            break
        one(bench, fault, chosen, row)
    return row


def bench_of(world: str) -> Bench:
    """Return this process's workplace for a world; made once, because that takes as long as several trials."""
    if world not in BENCHES:
        if not BENCHES:
            multiprocessing.util.Finalize(None, stop_all, exitpriority=10)  # why: a worker of a pool runs no atexit
        BENCHES[world] = Bench(WORLDS[world](datetime.now(UTC).date()))
    return BENCHES[world]


def stop_all() -> None:
    for bench in BENCHES.values():
        bench.stop()
    BENCHES.clear()


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
        if bench.zygote.process.poll() is not None:
            bench.zygote = Zygote()
    if fault.changes_mailbox:
        bench.mailbox.fill(bench.world.mails)
    row.take(point, broken, time.monotonic() - began)
