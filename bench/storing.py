"""P10: notices stored durably with their decisions and effects, beside plain sqlite3 and sqlite-utils with the same rows.

In: whether it is to be quick. Out: figures. What is stored was read and decided before; the clock runs for storing only.
May not live here: reading mail, deciding.
"""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.mailbox import notice
from bench.one_notice import ACCOUNT, rules
from bench.table import Figure, seconds, side_by_side
from mailrules.ledger import Ledger
from mailrules.mail.message import MessageKey, RawMessage
from mailrules.pipeline import Ingest, conclude, read
from mailrules.spine.intake import BODIES_AT_ONCE
from mailrules.spine.mailboxes import AT_ONCE
from mailrules.store import Store
from mailrules.world import World

ROOT = Path(__file__).resolve().parent.parent


def figures(*, quick: bool, only: frozenset[str] = frozenset()) -> Iterator[Figure]:  # noqa: ARG001 - every part has it
    """Measure storing."""
    count = 200 if quick else 1_000
    folder = Path(tempfile.mkdtemp(prefix="bench-store-"))
    try:
        yield from _measured(folder, count, rounds=2 if quick else 5)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measured(folder: Path, count: int, rounds: int) -> Iterator[Figure]:
    made, now = ingests(count)
    rows = _rows_of(folder, made, now)
    numbers = iter(range(10**6))

    def timed(job: Callable[[Path], float]) -> Callable[[], float]:
        return lambda: job(folder / f"{next(numbers)}.db")

    found = side_by_side(
        rounds,
        {
            "ours": timed(lambda path: store_all(path, made, now)),
            "plain": timed(lambda path: _plain(path, rows)),
            "one by one": timed(lambda path: _one_by_one(path, rows)),
        },
    )
    work = f"{count:,} notices stored with decisions and effects"
    same = f"{sum(len(some) for _, _, some in rows):,} rows"
    yield Figure(
        number="P10", work=work, ours=found["ours"], against=f"sqlite3 executemany, the same {same}", theirs=found["plain"],
        goal=0.25, means="times faster",
    )  # fmt: skip
    yield Figure(
        number="P10", work=work, ours=found["ours"], against=f"sqlite-utils insert() of {same}", theirs=found["one by one"], goal=3,
        means="times faster",
    )  # fmt: skip
    missing = "" if shutil.which("strace") else "sudo apt-get install strace"
    batches = -(-count // BODIES_AT_ONCE)
    synced = [] if missing else [(_fsyncs(folder, count) - _fsyncs(folder, 0)) / batches]
    yield Figure(
        number="P10",
        work="fsyncs of a batch",
        ours=synced,
        against="1",
        theirs=[] if missing else [1],
        unit="",
        goal=3,
        missing=missing,
    )


def ingests(count: int) -> tuple[list[Ingest], datetime]:
    """Return what as many notices change, one after another."""
    now = datetime.now(UTC)
    chance = random.Random(6)
    chosen, world, ledger = rules(max(count, 100)), World(accounts={"shop": ACCOUNT}), Ledger()
    made = []
    for number in range(count):
        raw = RawMessage(
            source="shop:INBOX", content=notice(number, now.date(), chance)[0], received_at=now - timedelta(hours=9), account="shop",
            key=MessageKey(account="shop", mailbox="INBOX", uidvalidity=1, uid=number + 1),
        )  # fmt: skip
        ingest = conclude(read(raw, chosen), ledger, chosen, world, now)
        ledger = ingest.ledger
        made.append(ingest)
    return made, now


def store_all(path: Path, made: Sequence[Ingest], now: datetime) -> float:
    """Return the seconds that storing takes as a poll does it: looked over a thousand at a time, then begun, then committed, a hundred at a time."""
    with Store.open(path, now=now.isoformat()) as store:

        def job() -> None:
            at = now.isoformat()
            for start in range(0, len(made), BODIES_AT_ONCE):
                some = made[start : start + BODIES_AT_ONCE]
                if start % AT_ONCE == 0:  # what is known from header fields, and how far was read before
                    with store.transaction():
                        store.set_cursor("shop", "INBOX", 1, start, at)
                        store.passed_over("shop", "INBOX", 1, (), at)
                store.begin_reading([i.reading.raw.key for i in some if i.reading and i.reading.raw.key], at)
                with store.transaction():
                    for ingest in some:
                        store.commit(ingest, now=at, reason="sender domain")
            with store.transaction():
                store.set_cursor("shop", "INBOX", 1, len(made), at)

        return seconds(job)


def _rows_of(folder: Path, made: Sequence[Ingest], now: datetime) -> list[tuple[str, str, list[tuple[Any, ...]]]]:
    """Return what storing wrote: (table, how it is made, rows)."""
    path = folder / "rows.db"
    store_all(path, made, now)
    with sqlite3.connect(path) as connection:
        tables = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '%sqlite%'"
        ).fetchall()
        found = [(name, sql, connection.execute(f"SELECT * FROM [{name}]").fetchall()) for name, sql in tables]
    connection.close()
    return [(name, sql, rows) for name, sql, rows in found if len(rows) > 1]


def _empty(path: Path, rows: Sequence[tuple[str, str, list[tuple[Any, ...]]]]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    for _, sql, _ in rows:
        connection.execute(re.sub(r",\s*FOREIGN KEY.*", ")", sql, flags=re.DOTALL) if "FOREIGN" in sql else sql)
    return connection


def _plain(path: Path, rows: Sequence[tuple[str, str, list[tuple[Any, ...]]]]) -> float:
    connection = _empty(path, rows)

    def job() -> None:
        connection.execute("BEGIN")
        for name, _, some in rows:
            connection.executemany(f"INSERT INTO [{name}] VALUES ({', '.join('?' * len(some[0]))})", some)
        connection.execute("COMMIT")

    taken = seconds(job)
    connection.close()
    return taken


def _one_by_one(path: Path, rows: Sequence[tuple[str, str, list[tuple[Any, ...]]]]) -> float:
    import sqlite_utils

    connection = _empty(path, rows)
    columns = {name: [row[1] for row in connection.execute(f"PRAGMA table_info([{name}])")] for name, _, _ in rows}
    database = sqlite_utils.Database(connection)
    records = [(name, dict(zip(columns[name], row, strict=True))) for name, _, some in rows for row in some]

    def job() -> None:
        for name, record in records:
            database[name].insert(record)

    taken = seconds(job)
    connection.close()
    return taken


def _fsyncs(folder: Path, count: int) -> int:
    """Return how often a process that stores so many notices waits for the disk."""
    told = folder / "strace"
    path = folder / f"strace-{count}.db"
    code = f"from bench.storing import ingests, store_all; from pathlib import Path; store_all(Path({str(path)!r}), *ingests({count}))"
    words = ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", str(told), sys.executable, "-c", code]
    subprocess.run(words, check=True, cwd=ROOT)
    return sum(
        int(line.split()[3]) for line in told.read_text().splitlines() if line.strip().endswith(("fsync", "fdatasync"))
    )
