"""A process that has everything loaded and forks a poll whenever it is asked to: a kill then costs no start-up.

In: a line of JSON each on stdin: load rules, start a command line, or wait for a pid. Out: a line of JSON each on stdout.
May not live here: what is tried. The forked child runs the real command line.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import resource
import signal
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import mailrules

if TYPE_CHECKING:
    from mailrules.ruleset import RuleSet
    from mailrules.spine.kept import Kept


def load_all() -> None:
    for found in pkgutil.walk_packages(mailrules.__path__, "mailrules."):
        if found.name.rpartition(".")[2] != "__main__" and not found.name.startswith("mailrules.demo"):
            importlib.import_module(found.name)
    for name in ("filelock", "sqlite_utils", "jinja2", "lark", "mailparser", "smtplib", "ssl", "zoneinfo"):
        importlib.import_module(name)


def remember() -> None:
    """Keep in memory what the files of kept rules say, by their bytes: a fork reads the file, and need not rebuild it.

    Only computing is saved, half of that of a small poll; every system call is made as a new process makes it.
    """
    from mailrules.spine.kept import Kept

    known: dict[tuple[str, bytes], RuleSet | None] = {}
    find = Kept.find

    def remembered(self: Kept, key: str, files: Sequence[tuple[str, str]]) -> RuleSet | None:
        text = self._text(key)
        if (key, text) not in known:
            known[key, text] = find(self, key, files)
        return known[key, text]

    Kept.find = remembered  # type: ignore[method-assign]


def warm(config: str, mails: Sequence[str]) -> None:
    """Load the kept rules once, and read some mail with them: what a process makes of them in memory, the forks need not."""
    from mailrules.cli import main

    for words in (["check"], ["read", *mails]):
        sys.argv = ["mailrules", *words, "--config", config]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            main()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # why: a child is to meet it as a new process does
    gc.collect()
    gc.freeze()  # why: a collection in a fork would touch, and so copy, all that was loaded


def child(order: dict[str, Any]) -> NoReturn:
    """Become the command line that was asked for."""
    os.setsid()
    os.chdir(order["folder"])
    quiet = os.open(os.devnull, os.O_RDONLY)
    os.dup2(quiet, 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    os.environ.update(order.get("environment", {}))
    if order.get("hold"):
        os.close(os.open(order["hold"], os.O_RDONLY))
    if order.get("limit"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["limit"], order["limit"]))
    code = 1
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.argv = ["mailrules", *order["words"]]
        if order.get("ahead"):
            later(order["words"][-1], order["ahead"])
        from mailrules.cli import main

        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def later(config: str, seconds: float) -> NoReturn:
    """Poll as if so much time had passed: the command line has no clock of its own to be set."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.cli import tell
    from mailrules.cli.outcome import show_outcome
    from mailrules.errors import MailrulesError

    try:
        outcome = app.poll(configuration.load(config), tell_time=lambda: app.clock() + timedelta(seconds=seconds))
        show_outcome(outcome, as_json=False)
    except MailrulesError as error:
        tell(error)
        sys.exit(error.exit_code)
    sys.exit(outcome.exit_code)


def wait(pid: int, seconds: float) -> dict[str, Any]:
    """Return how a process ended (None: it has not), and the most memory it had, in megabytes."""
    end = time.monotonic() + seconds
    while True:
        found, status, used = os.wait4(pid, os.WNOHANG)
        if found:
            return {"code": os.waitstatus_to_exitcode(status), "memory": used.ru_maxrss // 1024}
        if time.monotonic() > end:
            return {"code": None, "memory": 0}
        time.sleep(0.002)


def main() -> None:
    load_all()
    remember()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # why: a child may be sent one before it is a command line
    for line in sys.stdin:
        order = json.loads(line)
        if "pid" in order:
            answer = wait(order["pid"], order["seconds"])
        elif "warm" in order:
            warm(order["warm"], order["mails"])
            answer = {}
        else:
            pid = os.fork()
            if not pid:
                child(order)
            answer = {"pid": pid}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
