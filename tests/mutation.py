"""Prints, for each shipped rules file or those named, the mistakes that none of its tests notices: `make mutation`."""

from __future__ import annotations

import sys

from tests.mutants import ROOT, survivors


def main() -> int:
    names = sys.argv[1:] or sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "rules").rglob("*.rules"))
    total = missed = 0
    for name in names:
        left, count = survivors(name)
        total, missed = total + count, missed + len(left)
        sys.stdout.write(f"{name}: {count - len(left)} of {count} mutants noticed\n")
        sys.stdout.writelines(f"  survives: {mutant}\n" for mutant in left)
        sys.stdout.flush()
    sys.stdout.write(f"{total - missed} of {total}: {100 * (total - missed) / max(total, 1):.1f} %\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
