"""Faults of the process and of the disk: kills at every moment, signals, I/O errors, a full disk, a locked or damaged store.

In: a Trial and a point. Out: what the fault left. May not live here: the network, the mailbox, the rules.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.torture.bench import Bench, Trial
from tests.torture.checker import Ended
from tests.torture.fault import Fault, Point
from tests.torture.servers import has

SLICES = 400
UNREMARKABLE = {
    "mmap", "munmap", "mprotect", "brk", "rt_sigaction", "rt_sigprocmask", "getpid", "gettid", "getuid", "geteuid", "getrandom",
    "madvise", "futex", "clock_gettime", "getegid", "getgid", "sched_yield", "restart_syscall", "rt_sigreturn",
}  # fmt: skip
OF_THE_DISK = (
    "pwrite64",
    "fdatasync",
    "fsync",
    "ftruncate",
    "openat",
    "write",
    "fcntl",
    "pread64",
    "unlink",
    "mkdir",
    "rename",
)


# --- kills ----------------------------------------------------------------------------------------------------------


def moments(bench: Bench) -> list[Point]:
    return [(n / SLICES, warm) for n in range(SLICES) for warm in (True, False)]


def kill_at(trial: Trial, point: Point) -> None:
    part, warm = point
    if not warm:
        shutil.rmtree(trial.folder / "state")
    running = trial.start()
    time.sleep(part * trial.bench.clean.seconds)
    trial.kill(running)


def kill_twice(trial: Trial, point: Point) -> None:
    kill_at(trial, (point[0], True))
    for ahead in (7200, 10800):
        running = trial.start(ahead=ahead)
        time.sleep(point[1] * trial.bench.clean.seconds)
        trial.kill(running)


def kill_in_script(trial: Trial, point: Point) -> None:
    script = trial.folder / "renew.sh"
    script.write_text(script.read_text(encoding="utf-8") + "sleep 0.5\n", encoding="utf-8")
    running = trial.start()
    for _ in range(2000):
        if len(trial.log()) >= point[0]:
            break
        time.sleep(0.005)
    time.sleep(point[1])
    trial.kill(running, point[2])
    trial.codes |= {143}
    if point[2] == signal.SIGTERM:
        trial.crashed()


def kill_in_data(trial: Trial, point: Point) -> None:
    """Kill between the final dot and its answer of one of the mails: the server has it, mailrules does not know."""
    ready = threading.Event()
    running: list[int] = []
    seen = [0]

    def taken() -> None:
        seen[0] += 1
        if seen[0] == point[0]:
            ready.wait(5)
            with contextlib.suppress(ProcessLookupError):
                os.kill(running[0], signal.SIGKILL)

    trial.bench.sink.on_data = taken
    started = trial.start()
    running.append(started.pid)
    ready.set()
    ended = trial.end(started, count=False)
    if ended.code is not None and ended.code < 0:
        trial.crashed()


def end_at(trial: Trial, point: Point) -> None:
    part, number = point
    running = trial.start()
    time.sleep(part * trial.bench.clean.seconds)
    os.kill(running.pid, number)
    trial.crashed()
    trial.codes |= {130, 143, -signal.SIGTERM, -signal.SIGINT}  # the last two: it had not begun to listen
    trial.end(running, 60)


# --- strace ---------------------------------------------------------------------------------------------------------


@functools.cache
def no_ptrace() -> str:
    """Return why strace cannot inject faults here, or ""."""
    if not has("strace"):
        return "strace is not installed"
    done = subprocess.run(
        ["strace", "-o", os.devnull, "-e", "inject=getpid:error=EIO", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else f"strace is not allowed here: {done.stderr.strip()[:100]}"


def straced(trial: Trial, *options: str, words: Sequence[str] = (), ahead: float = 0) -> Ended:
    """Run one poll (or what `words` say) under strace, from its first system call."""
    hold = trial.folder / "hold"
    os.mkfifo(hold)
    running = trial.start(*words, hold=hold, ahead=ahead)
    with subprocess.Popen(
        ["strace", "-qq", *options, "-p", str(running.pid)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as strace:
        for _ in range(2000):
            if "TracerPid:\t0\n" not in status_of(running.pid):
                break
            time.sleep(0.002)
        let_go(hold, running.pid)
        ended = trial.end(running)
        strace.wait(10)
    hold.unlink()
    if ended.code is not None and ended.code < 0:
        trial.crashed()
        trial.ends.remove(ended)
    return ended


def status_of(pid: int) -> str:
    """Return what the system says of a process, "" where there is none."""
    try:
        return Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def let_go(hold: Path, pid: int) -> None:
    """Let a process go on that waits for a writer of its pipe; one that is dead by now never opens it."""
    while "\nState:\tZ" not in (status := status_of(pid)) and status:
        try:
            os.close(os.open(hold, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            if error.errno != errno.ENXIO:  # why: that nobody has opened it for reading yet
                raise
            time.sleep(0.002)
        else:
            return


def of_store(trial: Trial) -> list[str]:
    store = str(trial.store)
    return [word for name in ("", "-wal", "-shm", "-journal", ".lock") for word in ("-P", store + name)]


def counted(
    bench: Bench, *, disk: bool, before: Callable[[Trial], None] = lambda _: None, words: Sequence[str] = (), ahead: float = 0
) -> dict[str, int]:  # fmt: skip
    """Return how often a clean poll (or what `words` say) asks the system for what."""
    trial = bench.trial()
    before(trial)
    to = trial.folder / "counts"
    straced(trial, "-c", "-o", str(to), *(of_store(trial) if disk else []), words=words, ahead=ahead)
    found = {}
    for line in to.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
            found[words[-1]] = int(words[3])
    return {name: count for name, count in sorted(found.items()) if name not in UNREMARKABLE}


def system_calls(bench: Bench) -> list[Point]:
    return [(name, n) for name, count in counted(bench, disk=False).items() for n in range(1, count + 1)]


def kill_at_call(trial: Trial, point: Point) -> None:
    name, n = point
    straced(trial, "-o", os.devnull, "-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={n}")


@dataclasses.dataclass(frozen=True)
class Moment:
    """A time in the life of an installation: what was before it, and what is done then, `ahead` seconds from now."""

    before: Callable[[Trial], object]
    words: tuple[str, ...] = ()
    ahead: float = 0


def cold(trial: Trial) -> None:
    shutil.rmtree(trial.folder / "state")


def refused_once(trial: Trial) -> None:
    trial.bench.sink.plan = {"MAIL": (99, "451 later")}
    trial.poll()
    trial.bench.sink.plan = {}


MOMENTS: Mapping[str, Moment] = {
    "the first poll of all": Moment(cold),
    "nothing new": Moment(Trial.poll),
    "mail that waited": Moment(refused_once, ahead=2 * 3600),
    "a task is done": Moment(Trial.poll, ("tasks", "done", "1")),
    "a look": Moment(Trial.poll, ("authorizations", "--json")),
}


def calls_of_moments(bench: Bench) -> list[Point]:
    return [
        (name, call, n)
        for name, moment in MOMENTS.items()
        for call, count in counted(
            bench, disk=False, before=moment.before, words=moment.words, ahead=moment.ahead
        ).items()
        for n in range(1, count + 1)
    ]


def kill_at_moment(trial: Trial, point: Point) -> None:
    name, call, n = point
    moment = MOMENTS[name]
    moment.before(trial)
    inject = ("-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={n}")
    straced(trial, *inject, words=moment.words, ahead=moment.ahead)


def disk_calls(*errors: str) -> Any:
    def points(bench: Bench) -> list[Point]:
        found = counted(bench, disk=True)
        return [(name, n, error) for name in OF_THE_DISK for n in range(1, found.get(name, 0) + 1) for error in errors]

    return points


def error_at_call(trial: Trial, point: Point) -> None:
    name, n, error = point
    trial.crashed()  # why: what could not be written down may be done again where that is declared
    trial.codes |= {70} if name == "pread64" else set()  # SQLite itself calls a page that cannot be read damaged
    trial.codes |= {78} if name == "openat" else set()  # and opens for reading alone what it cannot open for writing
    straced(
        trial, "-o", os.devnull, *of_store(trial), "-e", f"trace={name}", "-e", f"inject={name}:error={error}:when={n}"
    )


# --- the disk and the store -----------------------------------------------------------------------------------------


def not_root() -> str:
    if os.name != "posix" or os.geteuid() != 0:
        return "mounting a small disk needs root"
    return "" if has("mount") else "there is no mount"


@contextlib.contextmanager
def small_disk(trial: Trial, size: int) -> Iterator[Path]:
    """Put the store on a disk of so many kilobytes."""
    state = trial.folder / "state"
    kept = trial.folder / "kept"
    state.rename(kept)
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "torture", str(state)], check=True)
    try:
        shutil.copytree(kept, state, dirs_exist_ok=True)
        yield state
    finally:
        inside = trial.folder / "inside"
        shutil.copytree(state, inside)
        subprocess.run(["umount", "-l", str(state)], check=True)
        state.rmdir()
        inside.rename(state)


def remount(state: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(state)], check=True)


def full_disk(trial: Trial, point: Point) -> None:
    """Fill all but so many kilobytes; then there is room again."""
    trial.crashed()
    with small_disk(trial, 8192) as state:
        free = os.statvfs(state).f_bavail * os.statvfs(state).f_frsize
        (state / "filler").write_bytes(b"x" * max(0, free - point[0] * 1024))
        trial.poll()
        (state / "filler").unlink()


def limited_files(trial: Trial, point: Point) -> None:
    trial.crashed()
    trial.poll(size=point[0] * 1024)


def read_only(trial: Trial, point: Point) -> None:
    before = point[0] == "before"
    with small_disk(trial, 8192) as state:
        if before:
            remount(state, "ro")
            trial.codes |= {78}
            trial.expect(trial.poll(), 78)
            remount(state, "rw")
        else:
            trial.codes |= {78}
            trial.poll()
            remount(state, "ro")
            trial.expect(trial.poll(), 78)
            remount(state, "rw")


def locked(trial: Trial, point: Point) -> None:
    """Somebody else holds the store for some seconds, from some moment on."""
    part, seconds = point
    trial.crashed()
    holder = sqlite3.connect(trial.store, timeout=10, isolation_level=None, check_same_thread=False)
    running = trial.start()
    time.sleep(part * trial.bench.clean.seconds)
    with contextlib.suppress(sqlite3.OperationalError):
        holder.execute("BEGIN IMMEDIATE")
    time.sleep(seconds)
    if holder.in_transaction:
        holder.execute("ROLLBACK")
    holder.close()
    ended = trial.end(running)
    if seconds < 9:
        trial.expect(ended, 0)


def damaged(trial: Trial, point: Point) -> None:
    """The store is not what it should be: a clear sentence, no change to it; a copy put back goes on."""
    what, n = point
    kept = trial.folder / "kept"
    with contextlib.closing(sqlite3.connect(trial.store)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(trial.folder / "state", kept)
    content = trial.store.read_bytes()
    shutil.rmtree(trial.store.parent)
    trial.store.parent.mkdir(mode=0o700)
    if what == "newer":
        trial.store.write_bytes(content)
        with contextlib.closing(sqlite3.connect(trial.store)) as store:
            store.execute("PRAGMA user_version=999")
    elif what == "text":
        trial.store.write_bytes(b"this is no database\n" * 100 * n)
    elif what == "page":
        pages = len(content) // 4096
        at = 4096 * (n % pages)
        trial.store.write_bytes(content[:at] + b"\xa5" * 4096 + content[at + 4096 :])
    elif what == "short":
        trial.store.write_bytes(content[: 4096 * n])
    elif what == "folder":
        trial.store.mkdir()
    else:
        shutil.rmtree(trial.store.parent)
        trial.store.parent.write_text("a file where the folder should be", encoding="utf-8")
    trial.codes |= {70, 78} if what in ("file", "folder") else {70}
    was = trial.store.read_bytes() if trial.store.is_file() else b""
    ended = trial.poll()
    if what in ("newer", "text") and (trial.store.read_bytes() != was or ended.code == 0):
        trial.expect(ended)
    # why: a poll on a damaged page may work in part; the copy put back knows nothing of that, so all is set to the start
    trial.bench.sink.reset()
    (trial.folder / "log").unlink(missing_ok=True)
    if trial.store.parent.is_dir():
        shutil.rmtree(trial.store.parent)
    else:
        trial.store.parent.unlink()
    kept.rename(trial.store.parent)
    trial.crashes = 0


# --- several at once --------------------------------------------------------------------------------------------------


def pollers(trial: Trial, point: Point) -> None:
    running = [trial.start() for _ in range(point[0])]
    for one in running:
        trial.expect(trial.end(one), 0)


def readers(trial: Trial, point: Point) -> None:
    """A poll with somebody who looks at the store beside it."""
    stop = threading.Event()

    def look() -> None:
        with contextlib.closing(sqlite3.connect(trial.store, timeout=10)) as store:
            while not stop.is_set():
                store.execute("BEGIN")
                store.execute("SELECT count(*), sum(length(content)) FROM contents").fetchall()
                time.sleep(0.01)
                store.execute("ROLLBACK")

    def write() -> None:
        """Write fifty times a second, as a page does on which somebody ticks off tasks."""
        with contextlib.closing(sqlite3.connect(trial.store, timeout=10, isolation_level=None)) as store:
            while not stop.is_set():
                store.execute("BEGIN IMMEDIATE")
                store.execute("INSERT OR REPLACE INTO meta (key, value, updated) VALUES ('torture', 'x', '')")
                store.execute("COMMIT")
                time.sleep(0.02)

    threads = [threading.Thread(target=target) for target in (look, write)]
    for thread in threads:
        thread.start()
    polling = trial.start()
    others = [trial.start(*words.split()) for words in point[0]]
    for one in [polling, *others]:
        trial.expect(trial.end(one), 0)
    stop.set()
    for thread in threads:
        thread.join()


FAULTS = (
    Fault(name="kill-time", row="F01", world="house", points=moments, inject=kill_at),
    Fault(name="kill-call", row="F01", world="small", points=system_calls, inject=kill_at_call, missing=no_ptrace),
    Fault(name="kill-moment", row="F01", world="small", points=calls_of_moments, inject=kill_at_moment, missing=no_ptrace),
    Fault(
        name="kill-twice", row="F01", world="house", inject=kill_twice,
        points=lambda _: [(a / 20, b / 20) for a in range(20) for b in range(20)],
    ),
    Fault(
        name="kill-script", row="F01", world="house", inject=kill_in_script,
        points=lambda _: [(n, s, k) for n in (1, 2, 3) for s in (0.0, 0.2, 0.49, 0.51) for k in (int(signal.SIGKILL), int(signal.SIGTERM))],
    ),
    Fault(name="kill-data", row="F23", world="house", points=lambda _: [(n,) for n in range(1, 6)], inject=kill_in_data),
    Fault(
        name="term", row="F02", world="house", inject=end_at,
        points=lambda _: [(n / 100, s) for n in range(100) for s in (int(signal.SIGTERM), int(signal.SIGINT))],
    ),
    Fault(name="no-space", row="F03", world="small", points=disk_calls("ENOSPC"), inject=error_at_call, missing=no_ptrace),
    Fault(name="io-error", row="F04", world="small", points=disk_calls("EIO"), inject=error_at_call, missing=no_ptrace),
    Fault(name="full-disk", row="F03", world="house", points=lambda _: [(n,) for n in range(0, 700, 4)], inject=full_disk, missing=not_root),
    Fault(name="file-limit", row="F03", world="house", points=lambda _: [(n,) for n in range(100, 800, 7)], inject=limited_files),
    Fault(name="locked", row="F05", world="small", inject=locked,
          points=lambda _: [(p / 8, s) for p in range(8) for s in (0.3, 1, 3)] + [(0.3, 12), (0.6, 13)]),
    Fault(name="read-only", row="F06", world="small", points=lambda _: [("before",), ("after",)], inject=read_only, missing=not_root),
    Fault(name="damaged", row="F06", world="small", inject=damaged,
          points=lambda _: [("newer", 1), ("text", 1), ("text", 50), ("folder", 1), ("file", 1),
                            *(("page", n) for n in range(40)), *(("short", n) for n in range(1, 20))]),
    Fault(name="pollers", row="F07", world="house", points=lambda _: [(n,) for n in (2, 3, 8) for _ in range(20)], inject=pollers),
    Fault(name="readers", row="F08", world="house", inject=readers,
          points=lambda _: [(("tasks --json", "effects --json", "authorizations --json"),), (("authorizations",),)] * 10),
)  # fmt: skip
