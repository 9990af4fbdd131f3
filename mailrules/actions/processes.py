"""A process and all that it started, found and ended.

In: process ids. Out: nothing that still runs. May not live here: what a script is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

_SET_CHILD_SUBREAPER = 36
UNREACHED = (
    ""
    if sys.platform.startswith("linux")
    else "on this system what a script starts in a session of its own cannot be found again, and may run on"
)
"""What cannot be promised here, as a sentence; "" on Linux."""


@contextlib.contextmanager
def adopt_orphans() -> Iterator[None]:
    """Become the parent of every descendant whose own parent ends (Linux), so that none can slip away."""
    if UNREACHED:
        yield
        return
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def descendants(root: int) -> set[int]:
    """Return the ids of all processes below `root`; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - Path is slower than the reading
    except OSError:
        names = []
    for name in names:
        with contextlib.suppress(OSError, ValueError, IndexError):
            handle = os.open(f"/proc/{name}/stat", os.O_RDONLY)
            try:
                stat = os.read(handle, 4096)
            finally:
                os.close(handle)
            children.setdefault(int(stat.rpartition(b")")[2].split(None, 2)[1]), []).append(int(name))
    found: set[int] = set()
    waiting = [root]
    while waiting:
        below = [pid for pid in children.get(waiting.pop(), []) if pid not in found]
        found.update(below)
        waiting += below
    return found


def end(process: subprocess.Popen[bytes], others: set[int], how: signal.Signals) -> None:
    """Signal the process, its group and all that it started; after SIGKILL wait until none is left."""
    until = time.monotonic() + 5
    while True:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, how)
        left = descendants(os.getpid()) - others
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, how)
        if how != signal.SIGKILL:
            return
        process.poll()
        for pid in left - {process.pid}:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if (process.returncode is not None and not left - {process.pid}) or time.monotonic() > until:
            return
        time.sleep(0.01)
