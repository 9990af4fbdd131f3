"""P6: one notice from its bytes to decided effects, beside mail-parser on the same bytes.

In: whether it is to be quick. Out: one figure. No child process, no check of a signature, 100 rules of a user.
May not live here: files, servers, the store.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import mailparser

from bench.mailbox import notice
from bench.table import Figure, seconds, side_by_side
from mailrules.ledger import Ledger
from mailrules.mail.message import RawMessage
from mailrules.pipeline import conclude, read
from mailrules.ruleset import RuleSet, load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.world import AccountFacts, World

ACCOUNT = AccountFacts(name="shop", zone=ZoneInfo("UTC"))
RULE = """\
rule "r{n}" {{
  on authorization_expiring
  when developer is "{name}" and days_left <= {days} days
  create task "Renew {{{{ developer }}}} by {{{{ expires }}}}" due 7 days before expires
}}
"""


def rules(count: int, name: str = "Developer {n}") -> RuleSet:
    """Return a rule set with `count` rules of a user, each for one developer."""
    files = [
        (f"many-{start}.rules", "".join(
            RULE.format(n=n, name=name.format(n=n), days=n % 40 + 40) for n in range(start, min(start + 1500, count))
        ))
        for start in range(0, count, 1500)
    ]  # fmt: skip
    made = load([*shipped_rules(), *files], grammar_text())
    if made.errors:
        raise RuntimeError(str(made.errors[:2]))
    return made


def figures(*, quick: bool, only: frozenset[str] = frozenset()) -> Iterator[Figure]:  # noqa: ARG001 - every part has it
    """Measure every form of the notice in turn."""
    now = datetime.now(UTC)
    chance = random.Random(6)
    mails = [
        RawMessage(
            source="bench",
            content=notice(number, now.date(), chance)[0],
            received_at=now - timedelta(hours=9),
            account="shop",
        )
        for number in range(0, 600, 100)
    ]
    chosen, world = rules(100), World(accounts={"shop": ACCOUNT})

    def ours() -> None:
        for raw in mails:
            done = conclude(read(raw, chosen), Ledger(), chosen, world, now)
            assert [n.status for n in done.reading.notices] == ["read"], done.reading.notices  # type: ignore[union-attr]

    def theirs() -> None:
        for raw in mails:
            mail = mailparser.parse_from_bytes(raw.content)
            assert mail.subject
            assert mail.body

    rounds = 5 if quick else 60
    found = side_by_side(
        rounds,
        {
            "ours": lambda: 1000 * seconds(ours, time.process_time) / len(mails),
            "theirs": lambda: 1000 * seconds(theirs, time.process_time) / len(mails),
        },
    )
    yield Figure(
        number="P6", work="one notice from bytes to decided effects, 100 rules", ours=found["ours"],
        against="mail-parser alone, same bytes", theirs=found["theirs"], unit="ms", goal=2.0,
    )  # fmt: skip
