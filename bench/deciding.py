"""How much longer one situation takes against many rules than against few: python bench/deciding.py

Few rules can match (each asks for one developer), as in a set that grew over years. The limit is the plain way, every
rule looked at; both in this one run, as ratios. Nothing here decides whether a test passes.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mailrules.decide import decide
from mailrules.language.index import RuleIndex
from mailrules.ledger import Ledger, Sighting, observe
from mailrules.ruleset import RuleSet, load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.situations import of_deadline
from mailrules.world import AccountFacts, World

NOW = datetime(2024, 3, 20, 9, tzinfo=UTC)
ACCOUNT = AccountFacts(name="shop", zone=ZoneInfo("UTC"))


def rules(count: int) -> RuleSet:
    """Return a rule set with `count` rules, each for a developer of its own."""
    one = (
        'rule "r{n}" {{\n  while authorization is expiring and developer is "Developer {n}"\n'
        '  7 days before expires: create task "Renew {{{{ developer }}}} by {{{{ expires }}}}"\n}}\n'
    )
    files = [
        (f"many-{start}.rules", "".join(one.format(n=n) for n in range(start, min(start + 5000, count))))
        for start in range(0, count, 5000)
    ]
    made = load([*shipped_rules(), *files], grammar_text())
    return replace(made, index=RuleIndex(made.rules))


def milliseconds(chosen: RuleSet, *, plain: bool = False) -> float:
    """Return the median time of one situation."""
    seen = Sighting(
        account="shop", system="amazon", kind="authorization_expiring", developer_id="446453545547", developer="Developer 7",
        region="na", expires="2024-03-25", trust="bound", message="", at=NOW.isoformat(), today=NOW.date(),
    )  # fmt: skip
    observed = observe(Ledger(), seen)
    assert observed.obligation is not None
    situation = of_deadline(observed.ledger, observed.authorization, observed.obligation, ACCOUNT, chosen, NOW)
    world = World(accounts={"shop": ACCOUNT})
    times = []
    for _ in range(5 if plain else 200):
        start = perf_counter()
        found = decide(chosen.rules if plain else chosen.index.concerned("", situation.facts), situation, world)
        times.append((perf_counter() - start) * 1000)
        assert sum(d.fired for d in found) == 1
    return statistics.median(times)


def main() -> None:
    """Print the times and their ratios."""
    few, many = rules(10), rules(10_000)
    small, large, limit = milliseconds(few), milliseconds(many), milliseconds(many, plain=True)
    print(f"10 rules: {small:.3f} ms   10,000 rules: {large:.3f} ms   every one of 10,000 looked at: {limit:.1f} ms")
    print(f"ratio 10,000 to 10: {large / small:.2f} (goal: at most 3)   without the index: {limit / small:.0f}")


if __name__ == "__main__":
    main()
