"""How much longer a page of a large store takes than one of an empty store, while a poller writes: P12 of docs/performance.md.

In: two stores made here: one in which one notice came and nothing else happened, one of 800 authorizations, 100,000 stored messages, 12,000
actions and 4,000 tasks. Out: a figure for each page. May not live here: the page.

Both are served by one process; a second process commits a message's worth of rows into each store again and again. The
two are asked in turn, so that what else the machine does falls on both.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.table import Figure
from tests.browser import Served, served
from tests.life import warning
from tests.shop import NOW, Shop, empty

PAGES = (
    "/", "/?page=18", "/authorizations/{id}", "/tasks", "/tasks?show=done&page=80", "/outbox", "/outbox?page=400", "/outbox?show=done&page=200", "/mails",
    "/mails?page=3800", "/mails/{message}", "/aside", "/rules", "/rule?name=renew+before+it+lapses", "/health",
)  # fmt: skip
POLLER = """\
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from mailrules.store import Store
stores = [Store.open(Path(p), now="2024-03-25T09:00:00+00:00") for p in sys.argv[1:]]
print("at work", flush=True)
n = 0
while True:
    for store in stores:
        n += 1
        with store.transaction():
            store._run("INSERT INTO places (account, mailbox, uidvalidity, uid, status, digest, reason, attempts, updated)"
                       " VALUES ('shop', 'Busy', 1, ?, 'passed over', ?, '', 0, '2024-03-25')", (n, f"{{n:064}}"))
            store.meta_set("busy", str(n), "2024-03-25")
    time.sleep(0.01)
"""


def fill(shop: Shop, authorizations: int, messages: int) -> None:
    """Give a shop its history: one real message, and so many rows made after it."""
    shop.life.mail(warning(), NOW - timedelta(days=14), trust="bound")
    run = shop.store._connection.execute  # noqa: SLF001 - rows by the 100,000, as no command makes them
    numbers = (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {max(authorizations, messages)})"
    )
    columns = {
        table: [row[1] for row in run(f"PRAGMA table_info({table})")]
        for table in ("authorizations", "obligations", "events", "messages", "effects", "tasks", "places")
    }

    def copy(table: str, count: int, **changed: str) -> None:
        chosen = [changed.get(name, f"t.{name}") for name in columns[table]]
        names = ", ".join(columns[table])
        run(
            f"{numbers} INSERT INTO {table} ({names}) SELECT {', '.join(chosen)} FROM n, (SELECT * FROM {table} LIMIT 1) t WHERE n.i <= {count}"
        )

    key, person = "lower(hex(randomblob(16)))", f"'auth-' || (i % {authorizations})"
    day = "date('2024-03-01', '+' || (i % 360) || ' days')"
    with shop.store.transaction():
        copy("authorizations", authorizations, id="'auth-' || (i - 1)", developer="'Developer ' || i", expires=day)
        copy("obligations", authorizations // 4, authorization="'auth-' || (i - 1)", due=day)
        copy(
            "messages", messages, id="NULL", digest="lower(hex(randomblob(32)))", message_id="'<' || i || '@x.example>'"
        )
        copy("events", authorizations * 30, id="NULL", authorization=person)
        copy("effects", authorizations * 15, key=key, id=key, authorization=person, rule="'rule ' || (i % 40)")
        run(
            "INSERT INTO tasks (effect, title, due, status, rule, authorization, account, body, created, done_at, obligation)"
            " SELECT key, 'Renew it', '2024-04-01', CASE WHEN rowid % 4 THEN 'done' ELSE 'open' END, rule, authorization, 'shop', 'body',"
            f" created, created, due FROM effects WHERE rowid > 1 LIMIT {authorizations * 5}"
        )
        run(f"{numbers} INSERT INTO places (account, mailbox, uidvalidity, uid, status, digest, reason, attempts, updated)"
            f" SELECT 'shop', 'INBOX', 1, i, 'stored', '', '', 0, '2024-03-01' FROM n WHERE i <= {messages}")  # fmt: skip


def ask(page: Served, path: str) -> float:
    """Return how long one page takes."""
    connection = http.client.HTTPConnection("127.0.0.1", page.site.doors.port, timeout=60)
    began = perf_counter()
    connection.request("GET", path, headers={"Cookie": "mailrules=session-secret"})
    answer = connection.getresponse()
    answer.read()
    took = perf_counter() - began
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {page.failed}")
    return took


def figures(*, quick: bool, only: frozenset[str] = frozenset()) -> Iterator[Figure]:
    """Measure every page."""
    del only
    authorizations, messages, rounds = (40, 1_000, 3) if quick else (800, 100_000, 9)
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name, "small"), Path(name, "large")]
        for folder in folders:
            folder.mkdir()
        small, large = (empty(folder) for folder in folders)
        small.life.mail(warning(), NOW - timedelta(days=14), trust="bound")
        fill(large, authorizations, messages)
        command = [sys.executable, "-c", POLLER.format(root=str(Path(__file__).resolve().parent.parent))]
        with subprocess.Popen(
            [*command, *(str(s.config.store) for s in (small, large))], stdout=subprocess.PIPE
        ) as poller:
            try:
                assert poller.stdout
                poller.stdout.readline()
                with served(small) as one, served(large) as many:
                    (known,) = small.store.ledger().live()
                    for path in PAGES:
                        few, lot = path.format(id=known.id, message=1), path.format(id=known.id, message=messages // 2)
                        ask(one, few), ask(many, lot)
                        pairs = [(ask(one, few), ask(many, lot)) for _ in range(rounds)]
                        yield Figure(
                            number="P12", work=f"page {path}, {authorizations} authorizations, {messages} messages",
                            ours=[pair[1] for pair in pairs], against="the same of an empty store", theirs=[pair[0] for pair in pairs],
                            goal=3, means="at most",
                        )  # fmt: skip
            finally:
                poller.kill()


if __name__ == "__main__":
    from bench.table import table

    print(table(list(figures(quick="--quick" in sys.argv))))
