"""P8: many accounts with nothing new, beside the plain way: one after another with IMAPClient.

In: whether it is to be quick. Out: one figure. One real Dovecot with a user for each account, 40 ms away.
May not live here: how accounts are polled at once.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.delay import delayed
from bench.first_run import PEERS, environment
from bench.mailbox import make
from bench.server import INSTALL, PASSWORD, dovecot, program
from bench.table import Figure, seconds, side_by_side

ACCOUNT = """
[accounts.{name}]
host = "127.0.0.1"
port = {port}
tls = "none"
user = "{name}"
password = {{ file = "password" }}
region = "na"
"""


def figures(*, quick: bool, only: frozenset[str] = frozenset()) -> Iterator[Figure]:  # noqa: ARG001 - every part has it
    """Poll all accounts at once and one after another."""
    count = 20 if quick else 200
    work, against = f"{count} accounts, nothing new, 40 ms round trip", "IMAPClient, one after another"
    if program() is None:
        yield Figure(number="P8", work=work, ours=(), against=against, missing=INSTALL)
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-accounts-"))
    folder.chmod(0o755)
    try:
        names = [f"shop{n}" for n in range(count)]
        boxes = {name: folder / "mail" / name for name in names}
        for number, box in enumerate(boxes.values()):
            make(box, 3, datetime.now(UTC).date(), mean=2_000, seed=number)
        with dovecot(boxes) as port, delayed(port, 40) as far:
            config = folder / "mailrules.toml"
            accounts = "".join(ACCOUNT.format(name=name, port=far) for name in names)
            config.write_text(f'timezone = "UTC"\nrules = []\nstore = "store.db"\n{accounts}')
            (folder / "password").write_text(PASSWORD)
            (folder / "password").chmod(0o600)
            ours = [sys.executable, "-m", "mailrules", "poll", "--config", str(config)]
            theirs = [sys.executable, str(PEERS / "one_by_one.py"), str(far), *names]

            def run(words: list[str]) -> float:
                return seconds(lambda: subprocess.run(words, check=True, env=environment(), capture_output=True))

            for _ in range(2):  # the first one takes the mail in, the second writes down that nothing is left to do
                run(ours)
            # why twice: one after another takes more than a minute
            found = side_by_side(2, {"ours": lambda: run(ours), "theirs": lambda: run(theirs)}, warm=False)
        yield Figure(
            number="P8",
            work=work,
            ours=found["ours"],
            against=against,
            theirs=found["theirs"],
            goal=20,
            means="times faster",
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
