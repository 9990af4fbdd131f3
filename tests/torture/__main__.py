"""The torture's command line: `python3 run.py torture`.

In: --seconds N (divided over all classes) or --full, --seed S, --only CLASS. Out: one table; exit code 1 where an invariant broke.
May not live here: faults, invariants.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shlex
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

from tests.servers import dovecot_available
from tests.torture.runner import faults, tried
from tests.torture.table import Row, shown

SHOWN = 3


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="run.py torture", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=120, help="divided over all classes (default: 120)")
    parser.add_argument("--full", action="store_true", help="every point of every class: hours")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", action="append", metavar="CLASS", help="one class (may be repeated)")
    parser.add_argument("--point", help="one point of it, as the report names it")
    parser.add_argument("--list", action="store_true", help="name the classes and end")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    words = parser.parse_args()
    chosen = [f for f in faults() if not words.only or f.name in words.only]
    unknown = set(words.only or ()) - {f.name for f in chosen}
    if unknown:
        parser.error(f"there is no class {', '.join(sorted(unknown))}; --list names them")
    if words.list:
        say("\n".join(f"{f.name:14} {f.row}" for f in chosen))
        return 0
    seed = words.seed if words.seed is not None else random.SystemRandom().randrange(10**6)
    server = "Dovecot" if dovecot_available() else "our own server: Dovecot is NOT here"
    say(f"torture: seed {seed}; the mailbox is {server}")
    each = None if words.full or words.point else words.seconds * words.jobs / len(chosen)
    rows = []
    began = time.monotonic()
    with ProcessPoolExecutor(words.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(tried, f.name, seed, each, words.point) for f in chosen]
        for fault, done in zip(chosen, waiting, strict=True):
            try:
                row = done.result()
            except Exception as error:
                row = Row(fault.name, fault.row, failures=[((), [f"?? {type(error).__name__}: {error}"])])
            rows.append(row)
            say(row.line())
            for point, broken in row.failures[:SHOWN]:
                again = f"python3 run.py torture --seed {seed} --only {row.name} --point {shlex.quote(str(point))}"
                say("    " + "\n    ".join([again, *broken[:4]]))
    say(shown(rows, seed, str(timedelta(seconds=round(time.monotonic() - began)))))
    return 1 if any(row.failures for row in rows) or not any(row.tried for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
