"""Every figure of docs/performance.md, side by side in one run: `python3 run.py bench [--quick] [--only P3,P6]`.

In: which figures. Out: one table, and 1 where a goal was not reached. Nothing here decides whether a test passes.
May not live here: how one figure is measured.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.table import Figure, table

PARTS = (
    ("bench.tick", ("P1", "P2", "P9")),
    ("bench.first_run", ("P3", "P4", "P5")),
    ("bench.one_notice", ("P6",)),
    ("bench.many_rules", ("P7",)),
    ("bench.accounts", ("P8",)),
    ("bench.storing", ("P10",)),
    ("bench.hostile", ("P11",)),
    ("bench.page", ("P12",)),
)  # fmt: skip


def main() -> int:
    """Measure what is asked for and print the table."""
    numbers = [number for _, found in PARTS for number in found]
    parser = argparse.ArgumentParser(
        prog="run.py bench", description="Measure every figure, ours and others side by side."
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes and few rounds: shows that it runs, not how fast"
    )
    parser.add_argument("--only", default="", metavar="P3,P6", help=f"some of {', '.join(sorted(numbers, key=_place))}")
    chosen = parser.parse_args()
    only = frozenset(word.strip().upper() for word in chosen.only.split(",") if word.strip())
    if unknown := only - set(numbers):
        parser.error(f"there is no figure {', '.join(sorted(unknown))}")
    found = sorted(_measured(only, quick=chosen.quick), key=lambda figure: _place(figure.number))
    print(table(found))
    for missing in dict.fromkeys(figure.missing for figure in found if figure.missing):
        print(f"not compared, because it is not installed: {missing}")
    return int(any(figure.reached is False for figure in found))


def _measured(only: frozenset[str], *, quick: bool) -> Iterator[Figure]:
    for module, numbers in PARTS:
        if only and only.isdisjoint(numbers):
            continue
        for figure in importlib.import_module(module).figures(quick=quick, only=only):
            print(" | ".join(cell for cell in figure.row() if cell), file=sys.stderr, flush=True)
            yield figure


def _place(number: str) -> int:
    return int(number[1:])


if __name__ == "__main__":
    sys.exit(main())
