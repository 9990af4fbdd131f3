"""Classes, tried: the points of one, some of them, and the order and the time of all.

In: names of classes, a seed, a time. Out: Rows. May not live here: the command line.
"""

from __future__ import annotations

import ast
import multiprocessing
import multiprocessing.util
import os
import random
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime

from tests.torture import faults_mail, faults_outside, faults_own, faults_process, faults_wire, faults_world
from tests.torture.bench import Bench
from tests.torture.fault import Fault, Point
from tests.torture.scenario import house, small
from tests.torture.table import Row

WORLDS = {"small": small, "house": house}
BENCHES: dict[str, Bench] = {}
CHUNK_SECONDS = 8.0
FIRST_SECONDS = 600.0
STUCK_SECONDS = 600.0
"""What is not done so long after all time was over hangs, which is a fault like another."""
AGAIN = 2
"""How often a point is tried again where the torture itself failed (a port taken, a server of ours that did not come up)."""


def faults() -> list[Fault]:
    modules = (faults_process, faults_wire, faults_world, faults_own, faults_outside, faults_mail)
    return [fault for module in modules for fault in module.FAULTS]


# --- in a worker --------------------------------------------------------------------------------------------------------


def points_of(name: str) -> list[Point]:
    fault = next(f for f in faults() if f.name == name)
    return list(fault.points(bench_of(fault.world)))


def tried(name: str, points: Sequence[Point], until: float) -> Row:
    """Throw points of one class at its world; after `until` (a time of day), no more."""
    fault = next(f for f in faults() if f.name == name)
    row = Row(fault.name, fault.row)
    for point in points:
        if time.time() > until:
            break
        one(fault, point, row)
    return row


def bench_of(world: str) -> Bench:
    """Return this process's workplace for a world; made once, because that takes as long as several trials."""
    if world not in BENCHES:
        if not BENCHES:
            multiprocessing.util.Finalize(None, stop_all, exitpriority=10)  # why: a worker of a pool runs no atexit
        BENCHES[world] = Bench(WORLDS[world](datetime.now(UTC).date()))
    return BENCHES[world]


def end_well() -> None:
    """Let a worker that is told to end take its servers with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: (stop_all(), os._exit(0)))


def stop_all() -> None:
    while BENCHES:
        BENCHES.popitem()[1].stop()


def one(fault: Fault, point: Point, row: Row) -> None:
    """Try one point and take down what it broke."""
    broken: list[str] = []
    began = time.monotonic()
    for _ in range(1 + AGAIN):
        try:
            broken = attempted(fault, point)
            break
        except (
            Exception
        ) as error:  # why: what fails here is ours, not what is tried; a workplace may be in any state now
            broken = [f"?? the torture itself failed: {type(error).__name__}: {error}\n{traceback.format_exc()}"]
            if fault.world in BENCHES:
                BENCHES.pop(fault.world).stop()
    row.take(point, broken, time.monotonic() - began)


def attempted(fault: Fault, point: Point) -> list[str]:
    bench = bench_of(fault.world)
    trial = bench.trial()
    fault.inject(trial, point)
    if fault.recover:
        trial.settled()
    broken = trial.verdict()
    if fault.changes_mailbox:
        bench.mailbox.fill(bench.world.mails)
    return broken


# --- handing out --------------------------------------------------------------------------------------------------------


class Torture:
    """All chosen classes, handed out to worker processes in pieces: one point of each first, then time by how many there are.

    A class's share of the time grows with the square root of its points, so that the long ones are not starved by the many
    short ones, nor the other way; where all are used up, the time goes to the others. On a slow machine the first points
    may take as long again as all the time, and ten minutes at least; what has had none by then was not tried. `stop` may be set by a signal.
    """

    def __init__(self, chosen: Sequence[Fault], seed: int, jobs: int, seconds: float | None) -> None:
        self.chosen, self.jobs = list(chosen), jobs
        self.until = time.time() + seconds if seconds is not None else float("inf")
        self.latest = self.until + max(seconds or 0, FIRST_SECONDS)
        self.rows = {f.name: Row(f.name, f.row, missing=f.missing()) for f in chosen}
        self.left: dict[str, list[Point]] = {}
        self.given: dict[str, float] = {}
        self.seed = seed
        self.pool: ProcessPoolExecutor
        self.stop = False

    def run(self, said: Callable[[Row], None], point: str | None = None) -> None:
        """Try all; `said` is told of each piece. A worker that somebody ended is replaced, and its points come again."""
        pieces = self._pieces(point)
        waiting: dict[Future[Row], tuple[str, list[Point]]] = {}
        for again in range(AGAIN, -1, -1):
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(self.jobs, mp_context=context, initializer=end_well) as self.pool:
                try:
                    self._hand_out(pieces, waiting, said)
                except BrokenProcessPool:
                    if not again:
                        raise
                    for name, points in waiting.values():
                        self.left[name] = [*points, *self.left.get(name, [])]
                    waiting.clear()
                    pieces = self._pieces(point) if point else self._rest()
                else:
                    return

    def _hand_out(
        self, pieces: Iterator[tuple[str, list[Point]]], waiting: dict[Future[Row], tuple[str, list[Point]]], said: Callable[[Row], None]
    ) -> None:  # fmt: skip
        while True:
            while len(waiting) < self.jobs and not self.stop:
                name, points = next(pieces, ("", []))
                if not points:
                    break
                until = self.until if self.rows[name].tried else self.latest
                waiting[self.pool.submit(tried, name, points, until)] = (name, points)
            if time.time() > self.latest + STUCK_SECONDS:
                self.stop = True
                for name, points in waiting.values():
                    self.rows[name].take(points[0], [f"?? it never ended: one of {points}"], STUCK_SECONDS)
            if self.stop:
                for worker in multiprocessing.active_children():
                    worker.terminate()
                return
            if not waiting:
                return
            for done in wait(waiting, timeout=5, return_when=FIRST_COMPLETED).done:
                part = done.result()
                name, _ = waiting.pop(done)
                self.rows[name].add(part)
                said(part)

    def _pieces(self, point: str | None) -> Iterator[tuple[str, list[Point]]]:
        todo = [f for f in self.chosen if not self.rows[f.name].missing]
        if point is not None:
            yield todo[0].name, [ast.literal_eval(point)]
            return
        self._list(todo)
        for fault in todo:
            yield fault.name, self._taken(fault.name, 1)
        yield from self._rest()

    def _rest(self) -> Iterator[tuple[str, list[Point]]]:
        self._list([f for f in self.chosen if f.name not in self.left and not self.rows[f.name].missing])
        while time.time() < self.until and any(self.left.values()):
            name = min((n for n, points in self.left.items() if points), key=self._had)
            row = self.rows[name]
            mean = row.took / row.tried if row.tried else CHUNK_SECONDS
            count = max(1, int(CHUNK_SECONDS / max(mean, 0.01)))
            self.given[name] += count * mean
            yield name, self._taken(name, count)

    def _had(self, name: str) -> float:
        return self.given[name] / self.rows[name].points ** 0.5

    def _list(self, chosen: Sequence[Fault]) -> None:
        for name, listed in {f.name: self.pool.submit(points_of, f.name) for f in chosen}.items():
            points = listed.result()
            self.rows[name].points = len(points)
            random.Random(f"{self.seed}{name}").shuffle(points)
            self.left[name], self.given[name] = points, 0.0

    def _taken(self, name: str, count: int) -> list[Point]:
        points = self.left[name]
        self.left[name] = points[count:]
        return points[:count]
