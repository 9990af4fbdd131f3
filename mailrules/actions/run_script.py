"""Running a declared script: no shell, nothing inherited, nothing left behind.

In: a run_script effect. Out: Outcome. May not live here: which script, its arguments, or whether to run it again.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mailrules.actions.limits import fix, limited
from mailrules.actions.ownership import unsafe
from mailrules.actions.processes import adopt_orphans, descendants, end
from mailrules.effects import Effect, Outcome
from mailrules.world import INTERPRETER, STARTERS

GRACE = 5.0
KEPT = 32 * 1024
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TZ")
"""All that a script inherits; never a value of mail, never a secret."""
DONE = {0: "it ended well", 10: "already done (exit code 10)"}
AGAIN = 75


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
    if os.name != "posix":
        return Outcome(result="failed", why="scripts are not run on this system: what they start could not be ended")
    args = effect.args
    argv = [str(a) for a in args["argv"]]
    drill = bool(args.get("drill"))
    environment = _environment(effect.key, attempt, drill=drill)
    program, problem = _checked(argv, args.get("cwd"), environment["PATH"])
    if problem:
        return Outcome(result="failed", why=problem)
    seconds = float(args.get("timeout") or 60)
    data = {**dict(args.get("stdin") or {}), "drill": drill}
    with tempfile.TemporaryDirectory(prefix="mailrules-", ignore_cleanup_errors=True) as private:
        try:
            code, output = _run([program, *argv[1:]], environment, args.get("cwd") or private, data, seconds)
        except (OSError, ValueError) as error:
            return Outcome(result="failed", why=f"the script {program} could not be started: {error}")
    return _outcome(code, output, seconds, safe=args.get("retry") == "safe")


def _outcome(code: int | None, output: str, seconds: float, *, safe: bool) -> Outcome:
    result: Literal["done", "retry", "failed"] = "failed"
    if code is None:
        why = f"it was stopped after {seconds:g} seconds"
    elif code in DONE:
        result, why = "done", DONE[code]
    elif code == AGAIN and safe:
        result, why = "retry", f"it asked to be run again later (exit code {AGAIN})"
    elif code < 0:
        why = f"it was ended by signal {_signal(-code)}"
    else:
        why = f"it ended with exit code {code}"
        if code == AGAIN:
            why += '; it is run again only where its `retry` is "safe"'
    return Outcome(result=result, why=why, output=output, code=code)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _environment(key: str, attempt: int, *, drill: bool) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    marks = {"MAILRULES_EFFECT_KEY": key, "MAILRULES_ATTEMPT": str(attempt)}
    return {"PATH": os.defpath, **kept, **marks, **({"MAILRULES_DRILL": "1"} if drill else {})}


def _checked(argv: list[str], cwd: str | None, path: str) -> tuple[str, str]:
    """Return the program and "", or why it is not run. A program that runs a file of ours is as good as that file."""
    name = argv[0]
    found = (shutil.which(name, path=path) or "") if os.sep not in name else str(Path(cwd or ".", name).absolute())
    if not found:
        return "", f"the script {name} was not found"
    problem = unsafe(Path(found))
    if not problem and not os.access(found, os.X_OK):
        problem = f"the script {found} is not executable; `chmod u+x {found}` mends it"
    return found, problem or _unsafe_inside(Path(found).name, argv[1:], cwd, path)


def _unsafe_inside(program: str, words: list[str], cwd: str | None, path: str) -> str:
    """Return why what a program is to start in its turn may be somebody else's doing, or ""."""
    if INTERPRETER.match(program):
        return _unsafe_text(words, cwd)
    if program not in STARTERS:
        return ""
    for at, word in enumerate(words, 1):
        inner = shutil.which(word, path=path) if os.sep not in word else shutil.which(Path(cwd or os.sep, word))
        if inner and not word.startswith("-"):
            return unsafe(Path(inner)) or _unsafe_inside(Path(inner).name, words[at:], cwd, path)
    return ""


def _unsafe_text(words: list[str], cwd: str | None) -> str:
    """Return why the file that an interpreter is to run may be somebody else's doing, or ""."""
    if words[:1] and words[0] in ("-c", "-e", "-m"):
        return ""
    # why not Path.is_file: a long argument is no file, and no error
    files = (path for path in (os.path.join(cwd or os.sep, w) for w in words) if os.path.isfile(path))  # noqa: PTH113, PTH118
    file = next(files, None)
    return unsafe(Path(file)) if file else ""


def _run(
    argv: list[str], environment: dict[str, str], cwd: str, data: dict[str, object], seconds: float
) -> tuple[int | None, str]:
    output = _Output()
    with tempfile.TemporaryFile() as given, adopt_orphans():
        given.write(json.dumps(data, default=str).encode())
        given.seek(0)
        others = descendants(os.getpid())
        with limited():
            process = subprocess.Popen(
                argv, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd=cwd,
                close_fds=True, start_new_session=True, umask=0o077,
            )  # fmt: skip
        assert process.stdout is not None  # noqa: S101 - for the type checker
        with process.stdout as pipe, selectors.DefaultSelector() as selector:
            late = False
            try:
                fix(process.pid, seconds)
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
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
