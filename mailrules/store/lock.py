"""The lock that lets one poll of a store work at a time.

In: the path of the lock file. Out: whether it is ours. It dies with its process.
May not live here: what is locked. The only importer of filelock.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Yield whether the lock is ours; False: another process has it. Raises OSError where it cannot be made."""
    release = _taken(path)
    try:
        yield release is not None
    finally:
        if release is not None:
            release()


def _taken(path: Path) -> Callable[[], None] | None:
    """Take the lock and return what lets it go, or None where another process has it."""
    if sys.platform == "win32":
        from filelock import FileLock, Timeout

        lock = FileLock(path, timeout=0, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            return None
        return lock.release
    # why: the same lock as filelock takes here, without the tenth of a cron tick that its import costs
    import fcntl

    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return partial(os.close, handle)
