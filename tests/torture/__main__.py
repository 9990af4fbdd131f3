"""The torture's command line: `python3 run.py torture`.

In: --seconds N or --full, --seed S, --only CLASS, --point P. A signal ends it early, with the table of what was tried. Out: one table; exit code 1 where an invariant broke.
May not live here: faults, invariants.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import signal
import sys
import time
from datetime import timedelta

from tests.servers import dovecot_available
from tests.torture.runner import Torture, faults
from tests.torture.table import Row, shown

SHOWN = 3
PROGRESS = 60.0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="run.py torture", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--seconds",
        type=float,
        default=120,
        help="one point of each class, then the more of each the more it has (default: 120)",
    )
    parser.add_argument("--full", action="store_true", help="every point of every class: hours")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", action="append", metavar="CLASS", help="one class (may be repeated)")
    parser.add_argument("--point", help="one point of it, as the report names it")
    parser.add_argument("--list", action="store_true", help="name the classes and end")
    parser.add_argument(
        "--jobs", type=int, default=2 * (os.cpu_count() or 1), help="so many trials at once (they wait a lot)"
    )
    words = parser.parse_args()
    chosen = [f for f in faults() if not words.only or f.name in words.only]
    unknown = set(words.only or ()) - {f.name for f in chosen}
    if unknown:
        parser.error(f"there is no class {', '.join(sorted(unknown))}; --list names them")
    if words.list:
        say("\n".join(f"{f.name:14} {f.row}" for f in chosen))
        return 0
    if words.point and len(chosen) != 1:
        parser.error("--point needs one --only")
    seed = words.seed if words.seed is not None else random.SystemRandom().randrange(10**6)
    server = "Dovecot" if dovecot_available() else "our own server: Dovecot is NOT here"
    say(f"torture: seed {seed}; the mailbox is {server}; {words.jobs} at once")
    torture = Torture(chosen, seed, words.jobs, None if words.full or words.point else words.seconds)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(torture, "stop", True))
    began = told = time.monotonic()

    def failed(part: Row) -> None:
        nonlocal told
        if time.monotonic() - told > PROGRESS:
            told = time.monotonic()
            say(f"  {sum(row.tried for row in torture.rows.values())} tried after {told - began:.0f} s")
        for point, broken in part.failures[:SHOWN]:
            again = f"python3 run.py torture --seed {seed} --only {part.name} --point {shlex.quote(str(point))}"
            say("    " + "\n    ".join([again, *broken[:4]]))

    torture.run(failed, words.point)
    rows = list(torture.rows.values())
    say(shown(rows, seed, str(timedelta(seconds=round(time.monotonic() - began)))))
    untried = any(row.untried for row in rows) and not torture.stop
    return 1 if any(row.failures for row in rows) or untried or not any(row.tried for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
