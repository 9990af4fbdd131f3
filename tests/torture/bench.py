"""One class's workplace: a mailbox, a proxy before each server, a sink, and folders in which polls are tried.

In: a World. Out: Trial: polls, kills, and the Evidence of what is left. May not live here: faults, invariants.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import PASSWORD
from tests.torture.checker import Ended, Evidence, check
from tests.torture.scenario import World, settle
from tests.torture.servers import Mailbox, Order, Proxy, Sink, mailbox

ROOT = Path(__file__).resolve().parents[2]
MEMORY = "/dev/shm"
"""Where there is such a folder, trials lie in it: a kill is a kill there too, and a flush costs nothing."""
POLL_SECONDS = 150.0
"""What a poll may take here: an account's two minutes, and some, on a machine that has other work."""
LATER = (2 * 3600, 5 * 3600, 9 * 3600)
"""When, after the fault, polls without one follow: what was put off comes again then."""


class Zygote:
    """The process that forks polls."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.torture.zygote"], cwd=ROOT, text=True, encoding="utf-8", bufsize=1,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def ask(self, **order: Any) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        return dict(json.loads(self.process.stdout.readline()))

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()


@dataclass
class Running:
    """A poll at work."""

    pid: int
    out: Path
    err: Path
    began: float


@dataclass
class Clean:
    """What a poll without a fault takes."""

    seconds: float = 1.0
    up: int = 0
    down: int = 0
    smtp_up: int = 0
    smtp_down: int = 0


class Bench:
    """The servers and the folder of a run. Trials come one after another."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mailbox: Mailbox = mailbox()
        self.mailbox.fill(world.mails)
        self.sink = Sink()
        self.imap, self.smtp = Proxy(self.mailbox.port), Proxy(self.sink.port)
        self.zygote = Zygote()
        self.folder = Path(tempfile.mkdtemp(prefix="torture-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
        self.folder.chmod(0o755)
        self.count = 0
        self.template: Path | None = None
        self.clean = Clean()
        try:
            self._measure()
        except BaseException:
            self.stop()
            raise

    def _measure(self) -> None:
        """Poll an empty mailbox once, so that each trial need not run the rules' tests again; then the full one, clean."""
        self.mailbox.fill(())
        warm = self.trial(warm=False)
        assert warm.poll().code == 0, warm.ends
        mails = [warm.folder / f"{number}.eml" for number in range(len(self.world.mails))]
        for path, (content, _) in zip(mails, self.world.mails, strict=True):
            path.write_bytes(content)
        self.zygote.ask(warm=str(warm.config), mails=[str(path) for path in mails])
        self.template = warm.folder / "state"
        self.mailbox.fill(self.world.mails)
        trial = self.trial()
        ended = trial.poll()
        self.clean = Clean(
            ended.seconds, self.imap.order.passed["up"], self.imap.order.passed["down"],
            self.smtp.order.passed["up"], self.smtp.order.passed["down"],
        )  # fmt: skip
        broken = trial.verdict()
        if broken or ended.code != 0:
            raise RuntimeError(f"the clean run is not as it should be: {ended}; {broken}")

    def trial(self, world: World | None = None, *, warm: bool = True) -> Trial:
        """Return a fresh installation whose store has seen an empty mailbox (or nothing at all)."""
        self.count += 1
        world = world or self.world
        self.imap.order, self.smtp.order = Order(), Order()
        self.sink.reset()
        folder = self.folder / str(self.count)
        config = settle(world, folder, self.imap.port, self.smtp.port)
        if warm and self.template:
            shutil.copytree(self.template, folder / "state")
            store = folder / "state" / "mailrules.db"
            with contextlib.closing(sqlite3.connect(store)) as known:
                known.execute("DELETE FROM cursors")
                known.commit()
        return Trial(self, world, folder, config, before=self.mailbox.snapshot())

    def stop(self) -> None:
        self.zygote.stop()
        for server in (self.imap, self.smtp, self.sink, self.mailbox):
            server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Trial:
    """One installation in a folder of its own, and all that happened to it."""

    bench: Bench
    world: World
    folder: Path
    config: Path
    before: dict[str, bytes]
    ends: list[Ended] = field(default_factory=list)
    allow: dict[str, Any] = field(default_factory=dict)
    codes: set[int] = field(default_factory=lambda: {0, 3, 75})
    crashes: int = 0
    killed: bool = False
    count: int = 0
    broken: list[str] = field(default_factory=list)
    """What the fault itself saw that must not be; the checker's sentences come after it."""

    @property
    def store(self) -> Path:
        return self.folder / "state" / "mailrules.db"

    def start(
        self, *words: str, ahead: float = 0, hold: Path | None = None, size: int = 0, environment: Mapping[str, str] | None = None,
        out: Path | None = None,
    ) -> Running:  # fmt: skip
        self.count += 1
        to, err = out or self.folder / f"out{self.count}", self.folder / f"err{self.count}"
        asked = self.bench.zygote.ask(
            folder=str(self.folder), words=[*(words or ("poll",)), "--config", str(self.config)], ahead=ahead, out=str(to),
            err=str(err), hold=str(hold) if hold else None, limit=size, environment=dict(environment or {}),
        )  # fmt: skip
        return Running(asked["pid"], to, err, time.monotonic())

    def end(self, running: Running, limit: float = POLL_SECONDS, *, count: bool = True) -> Ended:
        came = self.bench.zygote.ask(pid=running.pid, seconds=limit)
        if came["code"] is None:
            os.kill(running.pid, signal.SIGKILL)
            self.bench.zygote.ask(pid=running.pid, seconds=10)
        out, err = (
            p.read_text(encoding="utf-8", errors="surrogateescape") if p.is_file() else ""
            for p in (running.out, running.err)
        )
        ended = Ended(came["code"], out, err, time.monotonic() - running.began, limit, came["memory"])
        if count:
            self.ends.append(ended)
        return ended

    def poll(self, ahead: float = 0, limit: float = POLL_SECONDS, **how: Any) -> Ended:
        return self.end(self.start(ahead=ahead, **how), limit)

    def kill(self, running: Running, number: int = signal.SIGKILL) -> Ended:
        """End a poll; a kill after its end does no harm. What it says is taken as evidence where it could say something."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, number)
        ended = self.end(running, 30)
        if ended.code is not None and ended.code < 0:
            self.crashed()
            self.ends.remove(ended)
        return ended

    def crashed(self) -> None:
        self.crashes += 1
        self.killed = True

    def settled(self, later: Sequence[float] = LATER, *, every: bool = False) -> None:
        """Poll without a fault until all that was put off has had its turn (`every`: at each of the times)."""
        self.bench.imap.order, self.bench.smtp.order = Order(), Order()
        self.bench.sink.plan, self.bench.sink.on_data = {}, None
        for ahead in later:
            self.poll(ahead)
            if not every and not self._waits():
                return

    def _waits(self) -> bool:
        """Tell whether something is still to be done: reads the store by itself."""
        try:
            effects = self.rows("SELECT 1 FROM effects WHERE state IN ('planned', 'claimed') LIMIT 1")
            places = self.rows("SELECT 1 FROM places WHERE status = 'pending' LIMIT 1")
        except sqlite3.Error:
            return True
        return bool(effects or places) or self.ends[-1].code != 0

    def expect(self, ended: Ended, *codes: int) -> None:
        """Hold one poll to its exit code."""
        if ended.code not in codes:
            self.broken.append(f"I6 expected {codes}, was {ended.code}: {ended.err.strip()[-300:]}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the store by plain SQL."""
        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as store:
            return store.execute(query).fetchall()

    def log(self) -> list[str]:
        log = self.folder / "log"
        return log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []

    def left(self) -> list[str]:
        """Return the command lines of processes that speak of this folder and are not the poll."""
        found = []
        for name in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                line = name.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                if f"{self.folder}/" in line and "pytest" not in line:
                    found.append(line.strip())
        return found

    def _left_at_last(self) -> list[str]:
        """Return what is left after a moment: what was killed needs one, and what it had started."""
        for _ in range(60 if self.killed else 20):
            left = self.left()
            if not left:
                break
            time.sleep(0.1)
        return left

    def verdict(self) -> list[str]:
        """Look at everything that is left, and forget the folder where all is well."""
        validity, listing = self.bench.mailbox.listing()
        broken = self.broken + check(
            Evidence(
                world=self.world, store=self.store, sent=list(self.bench.sink.sent), log=self.log(), listing=listing,
                validity=validity, before=self.before, after=self.bench.mailbox.snapshot(), ends=self.ends,
                crashes=self.crashes, killed=self.killed, codes=frozenset(self.codes), secret=PASSWORD.encode(), left=self._left_at_last(),
                **self.allow,
            )
        )  # fmt: skip
        if broken:
            ends = "; ".join(f"{e.code} after {e.seconds:.1f} s {e.err.strip()[-200:]!r}" for e in self.ends)
            broken[-1] += f"\n      the polls ended with {ends}"
        if not broken and self.bench.template != self.folder / "state":
            shutil.rmtree(self.folder, ignore_errors=True)
        return broken
