"""Many accounts at once: jobs that run on one thread, and only wait for the network on others.

In: coroutines that `await away(call)` whenever they wait for a server. Out: what each came to, as it ends.
May not live here: mail, the store, what a job does. Everything between two waits runs on the caller's thread, one job at a
time: so there is one writer of the store, and a silent server holds up nobody but its own account.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
AT_ONCE = 32
STALLED = 2.0
"""Seconds: who waits longer for one answer does not count among those at work, so another account may begin."""

Call = Callable[[], Any]
Job = Coroutine[Call, Any, T]


class Away(Generic[T]):
    """One call to be made while others go on."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call

    def __await__(self) -> Generator[Callable[[], T], T, T]:
        return (yield self._call)


def away(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Away[T]:
    """Return what `await` makes the answer of the call, or its exception."""
    return Away(lambda: call(*args, **kwargs))


def alone(job: Job[T]) -> T:
    """Run one job to its end, without any other thread."""
    answer, error = None, None
    while True:
        try:
            call = job.send(answer) if error is None else job.throw(error)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        answer, error = _answered(call)


def _answered(call: Call) -> tuple[Any, BaseException | None]:
    try:
        return call(), None
    except BaseException as error:  # the job hears of it where it waits
        return None, error


class Pool(Generic[T]):
    """Jobs by name. Used as a context manager; who leaves it early leaves its jobs where they are."""

    def __init__(self, at_once: int = AT_ONCE, stalled: float = STALLED) -> None:
        self.at_once, self.stalled = at_once, stalled
        self._waiting: deque[tuple[str, Job[T]]] = deque()
        self._running: dict[str, tuple[Job[T], float]] = {}
        self._calls: queue.SimpleQueue[tuple[str, Call] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[str, Any, BaseException | None]] = queue.SimpleQueue()
        self._threads = 0

    def __enter__(self) -> Pool[T]:
        return self

    def __exit__(self, *_: object) -> None:
        for job in [job for job, _ in self._running.values()] + [job for _, job in self._waiting]:
            with contextlib.suppress(Exception):  # why: what is left early must not hide why it was left
                job.close()
        for _thread in range(self._threads):
            self._calls.put(None)

    @property
    def busy(self) -> frozenset[str]:
        """The names of the jobs that have not ended."""
        return frozenset(self._running) | {name for name, _ in self._waiting}

    def add(self, name: str, job: Job[T]) -> None:
        """Take in a job; it begins when there is room for it."""
        self._waiting.append((name, job))

    def wait(self, seconds: float) -> list[T]:
        """Go on until every job has ended or the time is up; return what those that ended since came to.

        What a job raises is raised here.
        """
        until = time.monotonic() + seconds
        ended: list[T] = []
        while self._begin(ended):
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                name, answer, error = self._answers.get(timeout=min(left, self.stalled))
            except queue.Empty:
                continue
            self._go_on(name, self._running[name][0], ended, answer, error)
        return ended

    def _begin(self, ended: list[T]) -> bool:
        """Begin the jobs that there is room for; return whether any job has not ended."""
        while self._waiting and self._at_work() < self.at_once:
            name, job = self._waiting.popleft()
            self._go_on(name, job, ended)
        return bool(self._running)

    def _at_work(self) -> int:
        recent = time.monotonic() - self.stalled
        return sum(since > recent for _, since in self._running.values())

    def _go_on(
        self, name: str, job: Job[T], ended: list[T], answer: object = None, error: BaseException | None = None
    ) -> None:
        try:
            call = job.send(answer) if error is None else job.throw(error)
        except StopIteration as end:
            self._running.pop(name, None)
            ended.append(end.value)
            return
        except BaseException:
            self._running.pop(name, None)
            raise
        self._running[name] = (job, time.monotonic())
        if self._threads < len(self._running):
            self._threads += 1
            threading.Thread(target=self._work, daemon=True, name=f"mailrules-{self._threads}").start()
        self._calls.put((name, call))

    def _work(self) -> None:
        while (task := self._calls.get()) is not None:
            name, call = task
            self._answers.put((name, *_answered(call)))
