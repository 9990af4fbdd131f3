"""Running a declared script: no shell, nothing inherited, nothing left behind.

In: a run_script effect. Out: Outcome. May not live here: which script, its arguments, or whether to run it again.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from mailrules.actions.processes import adopt_orphans, descendants, end, quiet_cores
from mailrules.effects import Effect, Outcome

GRACE = 5.0
KEPT = 32 * 1024


@dataclass(slots=True)
class _Output:
    """The first and the last of what was printed; the middle is counted."""

    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    dropped: int = 0

    def add(self, chunk: bytes) -> None:
        room = KEPT - len(self.head)
        self.head += chunk[:room] if room > 0 else b""
        self.tail += chunk[max(room, 0) :]
        if len(self.tail) > KEPT:
            self.dropped += len(self.tail) - KEPT
            del self.tail[:-KEPT]

    def text(self) -> str:
        gap = f"\n[… {self.dropped} bytes left out …]\n".encode() if self.dropped else b""
        return bytes(self.head + gap + self.tail).decode("utf-8", "replace")


def run_script(effect: Effect, attempt: int) -> Outcome:
    """Run the effect's script to its end or its time-out."""
    args = effect.args
    argv = [str(a) for a in args["argv"]]
    environment = _environment(effect.key, attempt)
    program = _program(argv[0], args.get("cwd"), environment["PATH"])
    problem = _unsafe(program) if program else f"the script {argv[0]} was not found"
    if program is None or problem:
        return Outcome(result="failed", why=problem)
    seconds = float(args.get("timeout") or 60)
    with tempfile.TemporaryDirectory(prefix="mailrules-", ignore_cleanup_errors=True) as private:
        try:
            code, output = _run(
                [str(program), *argv[1:]],
                environment,
                args.get("cwd") or private,
                dict(args.get("stdin") or {}),
                seconds,
            )
        except (OSError, ValueError) as error:
            return Outcome(result="failed", why=f"the script {program} could not be started: {error}")
    return _outcome(code, output, seconds, safe=args.get("retry") == "safe")


def _outcome(code: int | None, output: str, seconds: float, *, safe: bool) -> Outcome:
    if code is None:
        return Outcome(result="failed", why=f"it was stopped after {seconds:g} seconds", output=output)
    if code == 0:
        return Outcome(result="done", why="it ended well", output=output)
    if code == 10:
        return Outcome(result="done", why="already done", output=output)
    if code == 75 and safe:
        return Outcome(result="retry", why="it asked to be run again later (exit code 75)", output=output)
    why = f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"
    return Outcome(result="failed", why=why, output=output)


def _environment(key: str, attempt: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    return {"PATH": os.defpath, **kept, "MAILRULES_EFFECT_KEY": key, "MAILRULES_ATTEMPT": str(attempt)}


def _program(name: str, cwd: str | None, path: str) -> Path | None:
    if os.sep not in name:
        found = shutil.which(name, path=path)
        return Path(found) if found else None
    place = Path(cwd or ".", name).absolute()
    return place if place.is_file() else None


def _unsafe(program: Path) -> str:
    """Return why somebody else could have put the program there, or ""."""
    real = program.resolve()
    for place in (real, real.parent):
        info = place.stat()
        if info.st_uid not in (0, os.geteuid()):
            return f"{place} belongs to somebody else, so it is not run"
        if info.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (place != real and info.st_mode & stat.S_ISVTX):
            return f"others may write to {place}, so it is not run"
    return "" if os.access(real, os.X_OK) else f"the script {program} is not executable"


def _run(
    argv: list[str], environment: dict[str, str], cwd: str, data: dict[str, object], seconds: float
) -> tuple[int | None, str]:
    output = _Output()
    with tempfile.TemporaryFile() as given, adopt_orphans():
        given.write(json.dumps(data, ensure_ascii=False, default=str).encode())
        given.seek(0)
        others = descendants(os.getpid())
        with quiet_cores():
            process = subprocess.Popen(
                argv, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd=cwd,
                close_fds=True, start_new_session=True, umask=0o077,
            )  # fmt: skip
        assert process.stdout is not None  # noqa: S101 - for the type checker
        with process.stdout as pipe, selectors.DefaultSelector() as selector:
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ)
            late = False
            try:
                late = not _watch(process, selector, pipe.fileno(), output, time.monotonic() + seconds)
                if late:
                    end(process, others, signal.SIGTERM)
                    _watch(process, selector, pipe.fileno(), output, time.monotonic() + GRACE)
            finally:
                end(process, others, signal.SIGKILL)
            _read(pipe.fileno(), output)
    return (None if late else process.returncode), output.text()


def _watch(
    process: subprocess.Popen[bytes], selector: selectors.BaseSelector, pipe: int, output: _Output, until: float
) -> bool:
    """Read until the script has ended (True) or the time is up (False)."""
    listening = True
    while process.poll() is None:
        if time.monotonic() >= until:
            return False
        if listening and selector.select(0.05):
            listening = _read(pipe, output, once=True)
        elif not listening:
            time.sleep(0.02)
    return True


def _read(pipe: int, output: _Output, *, once: bool = False) -> bool:
    """Take what is there; False = nothing more will come."""
    for _ in range(1 if once else 64):
        try:
            chunk = os.read(pipe, 65536)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        output.add(chunk)
    return True
