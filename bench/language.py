"""How parsing and checking rules grows with their number: python bench/language.py

1,000 and 10,000 rules (with lets and tests, in files below the size cap) are read, checked and formatted in this one run;
the numbers to keep are the ratios. Linear is 10. Nothing here decides whether a test passes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mailrules.language.check import check
from mailrules.language.syntax.format import format_file
from mailrules.language.syntax.parse import parse
from mailrules.ruleset import load, vocabulary
from mailrules.shipped import grammar_text, shipped_rules

GRAMMAR = grammar_text()
ONE = """\
let soon{n} = {days} days

rule "r{n}" {{
  on authorization_expiring
  when developer is "Developer {n}" and (days_left <= soon{n} or region is na) and trust is authenticated
  create task "Renew {{{{ developer }}}} by {{{{ expires }}}}" due 7 days before expires
  notify owner "{{{{ developer }}}} lapses on {{{{ expires }}}}"
}}

"""
TEST = 'test "t{n}" {{\n  mail "n{n}.eml" at 2024-03-11 09:00\n  expect task once\n}}\n\n'
A_FILE = 1500


def files(count: int, broken: str = "") -> list[tuple[str, str]]:
    """Return files with `count` rules together; with `broken`, each rule has that mistake."""
    made = []
    for start in range(0, count, A_FILE):
        numbers = range(start, min(start + A_FILE, count))
        text = "".join(ONE.format(n=n, days=n % 40 + 1) + (TEST.format(n=n) if n % 10 == 0 else "") for n in numbers)
        made.append((f"many-{start}.rules", text.replace("<=", broken) if broken else text))
    return made


def seconds(count: int) -> dict[str, float]:
    """Return the time of each step for `count` rules."""
    texts = [*shipped_rules(), *files(count)]
    took = {}
    parse.cache_clear()
    start = process_time()
    parsed = [parse(text, path, GRAMMAR)[0] for path, text in texts]
    took["parse"] = process_time() - start
    start = process_time()
    _, problems = check(parsed, vocabulary())
    took["check"] = process_time() - start
    assert not any(p.is_error for p in problems), problems[:3]
    parse.cache_clear()
    start = process_time()
    load(texts, GRAMMAR)
    took["load, all together"] = process_time() - start
    start = process_time()
    for path, text in files(count):
        format_file(text, path, GRAMMAR)
    took["format"] = process_time() - start
    parse.cache_clear()
    start = process_time()
    load([*shipped_rules(), *files(count, "=<")], GRAMMAR)
    took["load, a mistake in each rule"] = process_time() - start
    return took


def main() -> None:
    """Print the table."""
    seconds(100)  # the grammar is built, the shipped files are warm
    few, many = seconds(1_000), seconds(10_000)
    print(f"{'step':30} {'1,000':>9} {'10,000':>9} {'ratio':>7}")
    for step, time in few.items():
        print(f"{step:30} {time:8.2f}s {many[step]:8.2f}s {many[step] / time:7.1f}")
    rate = 10_000 / many["load, all together"]
    print(f"\n{rate:,.0f} rules a second, parsed and checked")


if __name__ == "__main__":
    main()
