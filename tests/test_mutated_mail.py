"""Mails damaged at random, through a real server and the whole poll: none lost, no crash, no hang.

`make mutate-mail` does it for five minutes; MAILRULES_SECONDS and MAILRULES_SEED say otherwise. What is damaged are our own
mails and, where MAILRULES_CORPUS names a folder of mails, some of those.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from mailrules.sources.files import documents
from tests.mails import FORMS, notice, ordinary
from tests.servers import Dovecot
from tests.test_end_to_end import ROOT, setting

pytestmark = [pytest.mark.torture, pytest.mark.servers, pytest.mark.timeout(7200)]

SECONDS = float(os.environ.get("MAILRULES_SECONDS", "30"))
SEED = int(os.environ.get("MAILRULES_SEED", "1"))
BATCH = 300
HANGS = 280.0
PIECES = (
    b"\r\n", b"\n", b"\r", b"\0", b"\r\n\r\n", b"\n\n", b"--", b"--cut\r\n", b"--cut--", b"=", b"=?utf-8?b?", b"?=", b"=?x?q?=00?=",
    b"Content-Type: multipart/mixed; boundary=cut\r\n", b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: text/html; charset=utf-7\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n", b"From: a@amazon.com\r\n", b"Date: 99\r\n",
    b"<table><tr><td>", b"<!--", b"&#x110000;", b"\xff\xfe", b"\xed\xa0\x80", b"\x1b$B", "２０２４".encode(), b"(" * 3000, b"<div>" * 2000,
    b"a" * 5000, b" \r\n" * 300, b";" * 2000, b"X: y\r\n" * 800, b"Authentication-Results: mx.shop.example; dmarc=pass header.from=amazon.com\r\n",
    b"DKIM-Signature: v=1; a=rsa-sha256; d=amazon.com; s=x; h=from; bh=; b=\r\n", b"filename*0*=x''%41;\r\n " * 40,
)  # fmt: skip


def sources() -> list[bytes]:
    day = datetime.now(UTC).date()
    own = [notice(form, stamp=True)[0] for form in FORMS] * 6 + [
        content for content, _ in islice(ordinary(SEED, day), 60)
    ]
    folder = os.environ.get("MAILRULES_CORPUS")
    return own + ([raw.content for raw in islice(documents(folder, io.BytesIO()), 0, None, 20)] if folder else [])


def damaged(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Return a copy with some mistakes."""
    for _ in range(chance.choice((1, 1, 2, 3, 8, 30))):
        at = chance.randint(0, len(content))
        end = min(len(content), at + chance.choice((1, 1, 2, 8, 60, 600)))
        match chance.randrange(9):
            case 0:
                content = content[:at] + content[end:]
            case 1:
                content = content[:end] + content[at:end] * chance.choice((1, 2, 30)) + content[end:]
            case 2:
                content = content[:at] + chance.choice(PIECES) + content[at:]
            case 3:
                content = content[:at] + chance.randbytes(end - at) + content[end:]
            case 4:
                content = content[:at] + content[at:end].swapcase() + content[end:]
            case 5:
                content = content[:at]
            case 6:
                other = chance.choice(others)
                content = content[:at] + other[chance.randint(0, len(other)) :]
            case 7:
                lines = content.split(b"\n")
                one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
                lines[one], lines[two] = lines[two], lines[one]
                content = b"\n".join(lines)
            case _:
                content = content[:at] + bytes(b ^ 1 << chance.randrange(8) for b in content[at:end]) + content[end:]
    return content[:400_000]


def plain(content: bytes) -> str:
    """Return the digest of a message as no server changes it: Dovecot mends line ends, and gives 0x80 for NUL."""
    return hashlib.sha256(content.replace(b"\r", b"").replace(b"\0", b"\x80")).hexdigest()


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    server = Dovecot()
    yield server
    server.stop()


def test_mails_damaged_at_random_are_all_taken_in_or_put_aside_with_their_bytes(
    tmp_path: Path, dovecot: Dovecot
) -> None:
    chance, originals = random.Random(SEED), sources()
    config = setting(tmp_path, dovecot.port, 9)
    config.write_text(
        config.read_text(encoding="utf-8").replace('region = "na"', 'region = "na"\nfetch = "all"'), encoding="utf-8"
    )
    (tmp_path / "my.rules").write_text(
        'rule "t" {\n  on authorization_expiring\n  create task "{{ developer }}"\n}\n', encoding="utf-8"
    )
    command = [sys.executable, "-m", "mailrules", "poll", "--config", str(config)]
    wanted: set[str] = set()
    delivered, slowest, until = 0, 0.0, time.monotonic() + SECONDS
    while time.monotonic() < until:
        for _ in range(BATCH):
            content = damaged(chance.choice(originals), chance, originals)
            wanted.add(plain(content))
            name = f"{1_700_000_000 + delivered}.M{delivered:06d}.test"
            (dovecot.maildir / "tmp" / name).write_bytes(content)
            os.chown(dovecot.maildir / "tmp" / name, dovecot.owner.pw_uid, dovecot.owner.pw_gid)
            (dovecot.maildir / "tmp" / name).rename(dovecot.maildir / "new" / name)
            delivered += 1
        began = time.monotonic()
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            timeout=HANGS,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        slowest = max(slowest, time.monotonic() - began)
        assert done.returncode in (0, 3), f"seed {SEED}, {delivered} delivered: {done.stderr[-2000:]!r}"
        assert b"Traceback" not in done.stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "mailrules.db")) as base:
        places = dict(base.execute("SELECT status, count(*) FROM places GROUP BY status"))
        reasons = Counter(row[0] for row in base.execute("SELECT reason FROM places WHERE status = 'quarantined'"))
        kept = {plain(row[0]) for row in base.execute("SELECT content FROM contents")}
    sys.stdout.write(
        f"\nseed {SEED}: {delivered} damaged mails, {places}, slowest poll of {BATCH}: {slowest:.1f} s; put aside: {dict(reasons)}\n"
    )
    assert set(places) <= {"stored", "quarantined"}
    assert sum(places.values()) == delivered
    assert not [reason for reason in reasons if "a bug of ours" in reason]
    assert kept == wanted
