"""P7: one situation against 10,000 rules of which few can match, beside 10 rules, every rule looked at, and sieve-filter.

In: whether it is to be quick. Out: figures. Each rule asks for one developer, as in a set that grew over years.
May not live here: parsing rules (its growth is linear, and told where rules are loaded).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.mailbox import make
from bench.one_notice import ACCOUNT
from bench.table import Figure, seconds, side_by_side
from mailrules.decide import decide
from mailrules.ledger import Ledger, Sighting, observe
from mailrules.ruleset import RuleSet, load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.situations import of_deadline
from mailrules.world import World

NOW = datetime(2024, 3, 20, 9, tzinfo=UTC)
ONE = (
    'rule "r{n}" {{\n  while authorization is expiring and developer is "Developer {n}"\n'
    '  7 days before expires: create task "Renew {{{{ developer }}}} by {{{{ expires }}}}"\n}}\n'
)
SIEVE = 'if header :contains "subject" "Developer {n}" {{\n  addflag "$renew{n}";\n}}\n'
FEW, MORE = 5, 45
"""Messages that sieve-filter reads; the difference is what a message costs, without compiling the script."""


def figures(*, quick: bool, only: frozenset[str] = frozenset()) -> Iterator[Figure]:  # noqa: ARG001 - every part has it
    """Measure many rules beside few."""
    count = 1_000 if quick else 10_000
    few, many = _rules(10), _rules(count)
    found = side_by_side(20 if quick else 200, {"few": lambda: _situation(few), "many": lambda: _situation(many)})
    work = f"one situation against {count:,} rules"
    yield Figure(number="P7", work=work, ours=found["many"], against="10 rules", theirs=found["few"], unit="µs", goal=3)
    plain = [_situation(many, plain=True) for _ in range(3)]
    yield Figure(number="P7", work=work, ours=found["many"], against="every rule looked at", theirs=plain, unit="µs")
    missing = "" if shutil.which("sieve-filter") else "sudo apt-get install dovecot-sieve"
    yield Figure(
        number="P7", work=work, ours=found["many"], against="sieve-filter, a message", unit="µs",
        theirs=() if missing else [_sieve(count) for _ in range(1 if quick else 3)], goal=500, means="times faster", missing=missing,
    )  # fmt: skip


def _rules(count: int) -> RuleSet:
    files = [
        (f"many-{start}.rules", "".join(ONE.format(n=n) for n in range(start, min(start + 5000, count))))
        for start in range(0, count, 5000)
    ]
    return load([*shipped_rules(), *files], grammar_text())


def _situation(chosen: RuleSet, *, plain: bool = False) -> float:
    """Return the microseconds of one situation."""
    seen = Sighting(
        account="shop", system="amazon", kind="authorization_expiring", developer_id="446453545547", developer="Developer 7",
        region="na", expires="2024-03-25", trust="bound", message="", at=NOW.isoformat(), today=NOW.date(),
    )  # fmt: skip
    observed = observe(Ledger(), seen)
    assert observed.obligation is not None
    situation = of_deadline(observed.ledger, observed.authorization, observed.obligation, ACCOUNT, chosen, NOW)
    world = World(accounts={"shop": ACCOUNT})

    def job() -> None:
        rules = chosen.rules if plain else chosen.index.concerned("", situation.facts)
        assert sum(d.fired for d in decide(rules, situation, world)) == 1

    return 1e6 * seconds(job)


def _sieve(count: int) -> float:
    """Return the microseconds that sieve-filter spends on one message."""
    folder = Path(tempfile.mkdtemp(prefix="bench-sieve-"))
    try:
        script = folder / "many.sieve"
        script.write_text('require "imap4flags";\n' + "".join(SIEVE.format(n=n) for n in range(count)))
        times = []
        for size in (FEW, MORE):
            box = folder / f"box{size}"
            make(box, size, (NOW - timedelta(days=1)).date(), mean=8_000)
            config = folder / f"dovecot{size}.conf"
            # why: Dovecot refuses to read mail as root
            user = "" if os.geteuid() else "mail_uid = mail\nmail_gid = mail\nfirst_valid_uid = 1\n"
            for path in (folder, box, *box.rglob("*")) if user else ():
                shutil.chown(path, "mail", "mail")
            config.write_text(
                f"base_dir = {folder}/run\nlog_path = {folder}/log\nmail_location = maildir:{box}\n{user}"
                "plugin {\n  sieve_max_script_size = 0\n  sieve_max_redirects = 0\n  sieve_max_actions = 0\n}\n"
            )
            words = ["sieve-filter", "-c", str(config), str(script), "INBOX"]
            environment = {
                **os.environ,
                "HOME": str(folder),
                "USER": os.environ.get("USER", "") if os.geteuid() else "mail",
            }

            def once(words: list[str] = words, environment: dict[str, str] = environment) -> None:
                subprocess.run(words, env=environment, check=True, capture_output=True)

            once()
            times.append(min(seconds(once) for _ in range(2)))
        return 1e6 * (times[1] - times[0]) / (MORE - FEW)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
