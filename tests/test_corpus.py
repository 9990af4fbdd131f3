"""A corpus of real mail that has no notice in it: nothing is recognized, and nothing breaks.

`make corpus` fetches the SpamAssassin public corpus into a folder of its own and runs this; nothing of it is kept here.
MAILRULES_CORPUS names the folder: every file below it is one message, or one mbox.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mailrules.mail.message import RawMessage
from mailrules.pipeline import read
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.sources.files import documents
from tests.servers import Dovecot
from tests.test_end_to_end import setting

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600)]


def corpus() -> list[RawMessage]:
    folder = Path(os.environ.get("MAILRULES_CORPUS") or pytest.fail("MAILRULES_CORPUS names no folder of mail"))
    return list(documents(str(folder), io.BytesIO()))


def test_nothing_in_a_corpus_without_notices_is_taken_for_one() -> None:
    rules = load(shipped_rules(), grammar_text())
    taken: list[str] = []
    spent = []
    mails = corpus()
    for raw in mails:
        began = time.process_time()
        taken += [
            f"{raw.source}: {n.status} {n.kind} {n.reason}"
            for n in read(raw, rules).notices
            if n.status != "unrecognized"
        ]
        spent.append(time.process_time() - began)
    spent.sort()
    print(  # noqa: T201 - the figures are what the run is for
        f"\n{len(mails)} read; CPU median {spent[len(spent) // 2] * 1000:.1f} ms, p99 {spent[-len(spent) // 100] * 1000:.1f} ms, most {spent[-1] * 1000:.0f} ms"
    )
    assert len(mails) >= 1000
    assert taken == []


def plain(content: bytes) -> str:
    """Return the digest of a message whatever its line ends: Dovecot gives every line CR LF, as IMAP wants."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


@pytest.mark.parametrize("fetch", ["candidates", "all"])
def test_every_message_of_a_corpus_is_accounted_for_after_a_poll_over_a_real_server(tmp_path: Path, fetch: str) -> None:
    mails = corpus()
    server = Dovecot()
    try:
        for number, raw in enumerate(mails):
            (server.maildir / "new" / f"{1_700_000_000 + number}.M{number}.test").write_bytes(raw.content)
        server._own()
        config = setting(tmp_path, server.port, 9)
        config.write_text(
            config.read_text(encoding="utf-8").replace('region = "na"', f'region = "na"\nfetch = "{fetch}"'),
            encoding="utf-8",
        )
        began = time.monotonic()
        command = [sys.executable, "-m", "mailrules", "poll", "--config", str(config)]
        done = [subprocess.run(command, capture_output=True, check=False, timeout=3000) for _ in range(2)]
        took = time.monotonic() - began
    finally:
        server.stop()
    assert b"Traceback" not in b"".join(d.stderr for d in done)
    assert {d.returncode for d in done} <= {0, 3}, done[0].stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "mailrules.db")) as base:
        places = dict(base.execute("SELECT status, count(*) FROM places GROUP BY status"))
        kept = {plain(row[0]) for row in base.execute("SELECT content FROM contents")}
    print(f'\nfetch = "{fetch}": {places}, two polls in {took:.0f} s')  # noqa: T201 - the figures are what the run is for
    assert sum(places.values()) == len(mails)
    wanted = {plain(raw.content) for raw in mails}
    assert kept <= wanted
    if fetch == "all":
        assert kept == wanted
