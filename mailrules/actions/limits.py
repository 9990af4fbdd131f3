"""What a script may use at most, and why.

In: nothing, or the id of a process. Out: a process that starts with the limits, and may not raise them.
May not live here: time-outs, ending processes (processes.py).
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

CPU_TIMES = 4
"""So many seconds of CPU for each second of the time-out: programs that use several cores are none that spin."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of the operating system by its name, how much, and the reason."""

    name: str
    most: int
    why: str


LIMITS = (
    Limit("RLIMIT_CORE", 0, "a core dump could hold what the mail said"),
    Limit("RLIMIT_FSIZE", 1 << 30, "a script that writes without end would fill the disk that the store needs"),
    Limit("RLIMIT_NOFILE", 4096, "a script that forgets to close files ends before the machine has none left"),
    # why not RLIMIT_AS: browsers and virtual machines reserve far more addresses than they use memory
    Limit("RLIMIT_DATA", 4 << 30, "a script that eats memory ends before the machine has none left"),
    # why not RLIMIT_NPROC: it counts all that the user runs, not what the script started
)
"""RLIMIT_CPU is reckoned from the time-out: what spins on after mailrules itself was killed ends by itself."""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Let what is started here begin with the limits: they are ours for that moment, and what it inherits."""
    try:
        import resource
    except ImportError:
        yield
        return
    before: list[tuple[int, tuple[int, int]]] = []
    try:
        for limit in LIMITS:
            which = getattr(resource, limit.name)
            soft, hard = resource.getrlimit(which)
            if soft == resource.RLIM_INFINITY or soft > limit.most:
                resource.setrlimit(which, (limit.most, hard))
                before.append((which, (soft, hard)))
        yield
    finally:
        for which, old in before:
            resource.setrlimit(which, old)


def fix(pid: int, seconds: float) -> None:
    """Make the limits of a process that was just started final, and add the one on CPU time (Linux)."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    spent = math.ceil(seconds * CPU_TIMES)
    finals = {getattr(resource, limit.name): (limit.most, limit.most) for limit in LIMITS}
    for which, most in {**finals, resource.RLIMIT_CPU: (spent, spent + 5)}.items():
        # ValueError: a limit that is lower already; OSError: it has ended, or became another user
        with contextlib.suppress(OSError, ValueError):
            soft, hard = resource.prlimit(pid, which)
            roof = most[1] if hard == resource.RLIM_INFINITY else min(hard, most[1])
            floor = most[0] if soft == resource.RLIM_INFINITY else min(soft, most[0])
            resource.prlimit(pid, which, (min(floor, roof), roof))
