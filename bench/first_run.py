"""P3, P4, P5: a first run over years of mail.

In: whether it is to be quick. Out: figures. The mailbox is made once in a temporary folder, a real Dovecot serves it, and
every program starts as a process of its own with nothing remembered. Rules are checked once before, as a person would.
May not live here: the peers' own files (peers/), generating mail (mailbox.py).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from bench.delay import delayed
from bench.mailbox import Made, make
from bench.server import INSTALL, PASSWORD, dovecot, program
from bench.table import Figure, seconds, side_by_side

ROOT = Path(__file__).resolve().parent.parent
PEERS = Path(__file__).resolve().parent / "peers"
SMALL = 600
"""Bytes of a message in the mailbox of 100,000: what P5 measures does not depend on what is never fetched."""
RULES = """\
rule "renew" {
  on authorization_expiring
  create task "Renew {{ developer }} by {{ expires }}" due 7 days before expires
}
"""
_PEAK = """\
import atexit, re, sys
from pathlib import Path
from mailrules.cli import main
told = Path(sys.argv.pop())
atexit.register(lambda: told.write_text(re.search("VmHWM:[^0-9]*([0-9]+)", Path("/proc/self/status").read_text())[1]))
main()
"""


class Home:
    """One installation: a configuration in a folder of its own, and what it remembers."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "my.rules").write_text(RULES)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o600)
        (folder / "mailrules.toml").write_text(
            f'timezone = "UTC"\nrules = ["my.rules"]\nstore = "store.db"\n\n[accounts.shop]\nhost = "127.0.0.1"\n'
            f'port = {port}\ntls = "none"\nuser = "bench"\npassword = {{ file = "password" }}\nregion = "na"\n'
        )
        self.run("check")

    def run(self, *words: str, code: str = "", expect: int = 0) -> None:
        """Run one command; whatever it says beside its work is an error."""
        start = ["-c", code] if code else ["-m", "mailrules"]
        arguments = [*words[:1], "--config", str(self.folder / "mailrules.toml"), *words[1:]]
        done = subprocess.run(
            [sys.executable, *start, *arguments],
            env=environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != expect:
            raise RuntimeError(f"mailrules {words[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")

    def forget(self) -> None:
        """Make the next poll the first one again; only the checked rules stay, which are no memory of mail."""
        for name in ("store.db", "store.db-wal", "store.db-shm"):
            (self.folder / name).unlink(missing_ok=True)

    def poll(self) -> float:
        """Return the seconds of a first run."""
        self.forget()
        return seconds(lambda: self.run("poll"))

    def peak(self) -> float:
        """Return the megabytes that a first run holds at most."""
        self.forget()
        told = self.folder / "peak"
        self.run("poll", str(told), code=_PEAK)
        return int(told.read_text()) / 1024

    def count(self, question: str) -> int:
        """Return a number that the store holds."""
        with contextlib.closing(sqlite3.connect(self.folder / "store.db")) as store:
            return int(store.execute(question).fetchone()[0])


def environment(**more: str) -> dict[str, str]:
    """Return the environment in which every program runs: as installed, thus with its bytecode kept."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


class Counted:
    """Passes connections on and counts what comes back."""

    def __init__(self, port: int) -> None:
        self.bytes = 0
        self._there = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._there))
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, counts: bool) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 18):
                self.bytes += len(data) if counts else 0
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


def imapfilter(port: int, folder: Path, match: str) -> float:
    """Return the seconds that imapfilter takes."""
    (folder / ".imapfilter").mkdir(exist_ok=True)
    more = {
        "HOME": str(folder),
        "BENCH_PORT": str(port),
        "BENCH_MATCH": match,
        "BENCH_OUT": str(folder / "imapfilter.out"),
    }
    words = ["imapfilter", "-c", str(PEERS / "imapfilter.lua")]
    return seconds(lambda: subprocess.run(words, env=environment(**more), check=True, capture_output=True))


def naive(port: int, folder: Path) -> float:
    """Return the seconds that the naive script takes."""
    database = folder / "naive.db"
    database.unlink(missing_ok=True)
    words = [sys.executable, str(PEERS / "naive.py"), str(port), str(database)]
    return seconds(lambda: subprocess.run(words, env=environment(), check=True))


@contextlib.contextmanager
def served(boxes: Mapping[str, tuple[int, int | None]]) -> Iterator[tuple[Path, dict[str, Made], dict[str, int]]]:
    """Make mailboxes (name: messages, mean size) and serve each under the user `bench`; yield folder, made, ports."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)
    today = datetime.now(UTC).date()
    try:
        made = {
            name: make(folder / name, count, today, **({} if mean is None else {"mean": mean}))
            for name, (count, mean) in boxes.items()
        }
        with contextlib.ExitStack() as stack:
            ports = {
                name: stack.enter_context(dovecot({"bench": folder / name}, index=folder / f"{name}.index"))
                for name in boxes
            }
            yield folder, made, ports
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def figures(*, quick: bool, only: frozenset[str] = frozenset()) -> Iterator[Figure]:
    """Measure P3, P4 and P5, or those of them that are asked for."""
    asked = [number for number in ("P3", "P4", "P5") if not only or number in only]
    if not asked:
        return
    if program() is None:
        yield from (Figure(number=n, work="first run", ours=(), against="Dovecot", missing=INSTALL) for n in asked)
        return
    large, small, rounds = (500, 200, 2) if quick else (10_000, 1_000, 5)
    boxes: dict[str, tuple[int, int | None]] = {}
    if "P3" in asked:
        boxes["large"] = (large, None)
    if "P4" in asked:
        boxes["small"] = (small, None)
    if "P5" in asked:
        boxes |= {"ten": (large, SMALL), "hundred": (10 * large, SMALL)}
    with served(boxes) as (folder, made, ports):
        if "P3" in asked:
            yield from _p3(folder, made["large"], ports["large"], rounds)
        if "P4" in asked:
            yield from _p4(folder, made["small"], ports["small"], rounds)
        if "P5" in asked:
            yield from _p5(folder, made, ports)


def _p3(folder: Path, made: Made, port: int, rounds: int) -> Iterator[Figure]:
    work = f"first run, {made.messages:,} messages, {made.size / 1e6:.0f} MB"
    home = Home(folder / "home", port)
    jobs = {"ours": home.poll}
    missing = "" if shutil.which("imapfilter") else "sudo apt-get install imapfilter"
    if not missing:
        jobs["server"] = lambda: imapfilter(port, folder, "server")
        jobs["local"] = lambda: imapfilter(port, folder, "local")
    found = side_by_side(rounds, jobs)
    ids = (
        {line.split("\t")[-1] for line in (folder / "imapfilter.out").read_text().splitlines()}
        if not missing
        else set()
    )
    cold = (
        {}
        if missing
        else side_by_side(rounds, {n: _unasked(folder / "large.index", jobs[n]) for n in jobs}, warm=False)
    )
    for name, goal in (("server", 1.4), ("local", 0.5)):
        against = "imapfilter, the server searches" if name == "server" else "imapfilter, matching on this side"
        yield Figure(
            number="P3",
            work=work,
            ours=found["ours"],
            against=against,
            theirs=found.get(name, ()),
            goal=goal,
            missing=missing,
        )
        yield Figure(
            number="P3", work=f"{work}, of a server that was never asked before", ours=cold.get("ours", ()), against=against,
            theirs=cold.get(name, ()), missing=missing,
        )  # fmt: skip
    slow = [naive(port, folder)]
    yield Figure(
        number="P3", work=work, ours=found["ours"], against="naive script: IMAPClient, mail-parser, sqlite-utils", theirs=slow,
        goal=30, means="times faster",
    )  # fmt: skip
    counted = Counted(port)
    Home(folder / "counted", counted.port).poll()
    yield Figure(
        number="P3", work="bytes downloaded", ours=[counted.bytes / 1e6], against="the mailbox", theirs=[made.size / 1e6], unit="MB",
        goal=0.007,
    )  # fmt: skip
    told = home.count("SELECT count(DISTINCT developer_id) FROM authorizations")
    tasks = home.count("SELECT count(*) FROM tasks")
    yield Figure(
        number="P3", work="notices found and read", ours=[min(told, tasks)], against="notices there are", theirs=[len(made.ids)],
        unit="", goal=1, means="at least",
    )  # fmt: skip
    if not missing:
        yield Figure(
            number="P3", work="notices found and read", ours=[told], against="ids that imapfilter read", theirs=[len(ids & made.ids)],
            unit="",
        )  # fmt: skip


def _unasked(index: Path, job: Callable[[], float]) -> Callable[[], float]:
    """Return the job as it is for a server that knows nothing of the mail but what its files say."""

    def again() -> float:
        shutil.rmtree(index / "bench", ignore_errors=True)
        return job()

    return again


def _p4(folder: Path, made: Made, port: int, rounds: int) -> Iterator[Figure]:
    missing = "" if shutil.which("imapfilter") else "sudo apt-get install imapfilter"
    with delayed(port, 40) as far:
        home = Home(folder / "far", far)
        jobs = {"ours": home.poll}
        if not missing:
            jobs["theirs"] = lambda: imapfilter(far, folder, "server")
        found = side_by_side(rounds, jobs)
    yield Figure(
        number="P4", work=f"first run, {made.messages:,} messages, 40 ms round trip", ours=found["ours"], against="imapfilter",
        theirs=found.get("theirs", ()), goal=0.6, missing=missing,
    )  # fmt: skip


def _p5(folder: Path, made: Mapping[str, Made], ports: Mapping[str, int]) -> Iterator[Figure]:
    peaks = {}
    for name in ("ten", "hundred"):
        home = Home(folder / f"home-{name}", ports[name])
        home.poll()
        peaks[name] = home.peak()
        wrong = made[name].messages - home.count(
            "SELECT count(*) FROM places WHERE status IN ('stored', 'passed over')"
        )
        if wrong:
            raise RuntimeError(f"{wrong} messages of {made[name].messages} were not taken in")
    work = f"peak memory, first run over {made['hundred'].messages:,} small messages"
    few = f"the same over {made['ten'].messages:,}"
    yield Figure(
        number="P5", work=work, ours=[peaks["hundred"]], against=few, theirs=[peaks["ten"]], unit="MB", goal=1.2
    )
    yield Figure(number="P5", work=work, ours=[peaks["hundred"]], against="80 MB", theirs=[80.0], unit="MB", goal=1)
