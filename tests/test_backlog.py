"""A backlog that is read while the poll is killed again and again: it ends, right, in little memory, and reads little twice.

`make backlog` does it with 100,000 messages and a kill every 30 seconds; the plain test with 10,000 and one every 5.
MAILRULES_BACKLOG, MAILRULES_KILL_AFTER and MAILRULES_SEED say otherwise.
"""

from __future__ import annotations

import contextlib
import imaplib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from mailrules.sources.imap import HEADER_BATCH, HEADERS
from tests.mails import plain_text, stamped
from tests.servers import Dovecot
from tests.test_end_to_end import ROOT, setting

pytestmark = [pytest.mark.torture, pytest.mark.servers, pytest.mark.timeout(6 * 3600)]

SIZE = int(os.environ.get("MAILRULES_BACKLOG", "10000"))
KILL_AFTER = float(os.environ.get("MAILRULES_KILL_AFTER", "5"))
SEED = int(os.environ.get("MAILRULES_SEED", "1"))
MOST_MEMORY, MOST_BYTES = 150_000_000, 1.05
RULES = """\
rule "renew" {
  on authorization_expiring
  create task "{{ developer_id }} by {{ expires }}" due 7 days before expires
}
"""
AMAZON = b"From: Amazon Seller Central <seller-notification@amazon.com>\r\nTo: seller@shop.example\r\n"
EXPIRING = b"Subject: ACTION REQUIRED - Your software application authorization will expire in 30 days\r\n"


# --- the mailbox ----------------------------------------------------------------------------------------------------


@dataclass
class Backlog:
    """What lies in the mailbox, and what is right: the task of each genuine notice, once."""

    size: int
    seed: int
    today: date
    tasks: set[str] = field(default_factory=set)
    candidates: set[int] = field(default_factory=set)

    def mails(self) -> Iterator[bytes]:
        chance = random.Random(self.seed)
        for number in range(self.size):
            kind = chance.random()
            if kind < 0.05:
                yield self.malformed(number, chance)
            elif kind < 0.06:
                yield self.notice(number, chance)
            else:
                yield self.ordinary(number, chance)

    def dated(self, number: int) -> bytes:
        at = datetime(self.today.year, self.today.month, self.today.day, tzinfo=UTC) - timedelta(days=3)
        return f"Date: {format_datetime(at)}\r\nMessage-ID: <{number}@backlog.example>\r\n".encode()

    def ordinary(self, number: int, chance: random.Random) -> bytes:
        words = " ".join(
            chance.choices(["order", "parcel", "invoice", "lamp", "Größe", "注文"], k=chance.randint(20, 120))
        )
        head = f"From: Somebody <user{number % 997}@shop.example>\r\nTo: seller@shop.example\r\nSubject: order {number}\r\n"
        return (
            head.encode()
            + self.dated(number)
            + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
            + f"{words}\r\n".encode()
        )

    def text(self, number: int, chance: random.Random, day: date | None = None) -> bytes:
        expires = (day or self.today + timedelta(days=chance.randint(25, 35))).isoformat()
        return plain_text(expires, f"{100_000_000_000 + number}", f"Tool {number}").encode()

    def notice(self, number: int, chance: random.Random) -> bytes:
        self.candidates.add(number)
        expires = self.today + timedelta(days=chance.randint(25, 35))
        self.tasks.add(f"{100_000_000_000 + number} by {expires}")
        head = stamped("amazon.com") + AMAZON + EXPIRING + self.dated(number)
        return head + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + self.text(number, chance, expires)

    def malformed(self, number: int, chance: random.Random) -> bytes:
        amazon = chance.random() < 0.5
        content = self.broken(number, chance, AMAZON if amazon else b"From: a@shop.example\r\n")
        if amazon or EXPIRING in content:
            self.candidates.add(number)
        return content

    def broken(self, number: int, chance: random.Random, sender: bytes) -> bytes:
        """Return a mail that breaks a rule of its format and says nothing that can be read."""
        head = sender + self.dated(number)
        text = self.text(number, chance)
        cut = text[: chance.randrange(text.index(b"Access expiration"))]  # the date, which must stand twice, is gone
        match chance.randrange(100):
            case 0:  # so odd that a child reads it
                head += b"".join(
                    b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(40)
                )
                return head + b"\r\n" + cut
            case 1:
                return head + b"Subject: " + b"x" * 220_000 + b"\r\n\r\n" + cut
            case 2:
                return head + b"X-Many: y\r\n" * 1_200 + b"\r\n" + cut
            case n if n < 20:
                return (
                    head
                    + b"Subject: "
                    + chance.randbytes(60).replace(b"\n", b"").replace(b"\r", b"")
                    + b"\r\n\r\n"
                    + chance.randbytes(600)
                )
            case n if n < 40:
                return head + EXPIRING + b"Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n" + cut
            case n if n < 55:
                return (
                    head
                    + EXPIRING
                    + b"Content-Type: text/plain; charset=nowhere-13\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                    + cut
                )
            case n if n < 70:
                return head + EXPIRING + head + b"\r\n" + cut  # everything twice
            case n if n < 85:
                return (
                    head
                    + b"Subject: =?utf-8?b?"
                    + b"A" * 501
                    + b"?= =?x?q?=\r\n\r\n"
                    + b"\x00\x01\x02\x1b$B" * 40
                    + cut
                )
            case _:
                return head + EXPIRING  # no end of the header, no text


# --- between mailrules and the server -------------------------------------------------------------------------------


class Counting:
    """A way to a server that counts the bytes that come from it."""

    def __init__(self, port: int) -> None:
        self.target, self.bytes = port, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._join, args=(self.listener.accept()[0],), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self.target)) as far:
            back = threading.Thread(target=self._pump, args=(near, far, False), daemon=True)
            back.start()
            self._pump(far, near, True)
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket, count: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.bytes += len(data) if count else 0
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def taken(self) -> int:
        """Return what was counted since the last time."""
        was, self.bytes = self.bytes, 0
        return was

    def close(self) -> None:
        self.listener.close()


def two_phases(port: int, server: Dovecot, candidates: set[int]) -> None:
    """Read what reading in two phases needs and nothing else, by another library."""
    with imaplib.IMAP4("127.0.0.1", port) as client:
        client.authenticate("PLAIN", lambda _: f"\0{server.user}\0{server.password}".encode())
        client.select(readonly=True)
        uids = client.uid("SEARCH", "ALL")[1][0].split()
        for start in range(0, len(uids), HEADER_BATCH):
            client.uid(
                "FETCH",
                b",".join(uids[start : start + HEADER_BATCH]).decode(),
                f"(UID RFC822.SIZE INTERNALDATE {HEADERS})",
            )
        for number in sorted(candidates):
            client.uid("FETCH", str(number + 1), "(UID BODY.PEEK[])")


# --- a poll, measured -----------------------------------------------------------------------------------------------


def _memory(pid: int) -> int:
    """Return what a process and its children hold now."""
    held = 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        held = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        held += sum(_memory(int(child)) for child in children)
    return held


def _spent(pid: int) -> float:
    """Return the processor time that a process has used."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def polled(config: Path, seconds: float | None) -> tuple[int | None, int, float]:
    """Poll, and kill it after some seconds; return (exit code, None where it was killed; peak of memory; processor time)."""
    with Path(config.parent / "told").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mailrules", "poll", "--config", str(config)], cwd=config.parent, stdout=output, stderr=output,
            stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True,
        )  # fmt: skip
    began, most, killed = time.monotonic(), 0, False
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        most = max(most, _memory(process.pid))
        # why the processor's time: on a busy machine a poll may need most of its seconds to start
        if (
            seconds is not None
            and time.monotonic() - began > seconds
            and _spent(process.pid) > seconds / 4
            and not killed
        ):
            os.kill(process.pid, signal.SIGKILL)
            killed = True
        time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    code = None if process.returncode == -signal.SIGKILL else process.returncode
    return code, max(most, usage.ru_maxrss * 1024), usage.ru_utime + usage.ru_stime


def outcome(config: Path) -> tuple[list[str], list[tuple[int, str, str]]]:
    """Return what a store came to: the titles of all tasks, and what became of each message."""
    with contextlib.closing(sqlite3.connect(config.parent / "state" / "mailrules.db")) as base:
        titles = sorted(row[0] for row in base.execute("SELECT title FROM tasks"))
        places = base.execute("SELECT uid, status, digest FROM places ORDER BY uid").fetchall()
    return titles, places


def progress(config: Path) -> list[tuple[object, ...]]:
    """Return how far a store has come, tries included."""
    with contextlib.closing(sqlite3.connect(config.parent / "state" / "mailrules.db")) as base:
        return base.execute("SELECT status, count(*), sum(tries) FROM places GROUP BY status").fetchall()


def told(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def place(folder: Path, port: int) -> Path:
    config = setting(folder, port, 9)
    (folder / "my.rules").write_text(RULES, encoding="utf-8")
    return config


def test_a_backlog_read_under_kills_ends_right_in_little_memory_and_reads_little_twice(tmp_path: Path) -> None:
    backlog = Backlog(SIZE, SEED, datetime.now(UTC).date())
    server = Dovecot()
    way = Counting(server.port)
    try:
        for number, content in enumerate(backlog.mails()):
            (server.maildir / "new" / f"{1_700_000_000 + number}.M{number:06d}.test").write_bytes(content)
        server._own()
        two_phases(way.port, server, backlog.candidates)
        needed = way.taken()

        clean = place(tmp_path / "clean", way.port)
        began = time.monotonic()
        code, clean_memory, cpu = polled(clean, None)
        assert code in (0, 3), (clean.parent / "told").read_text()[-2000:]
        told(
            f"\n{SIZE} messages, seed {SEED}, {len(backlog.candidates)} candidates; two-phase reading needs {needed / 1e6:.1f} MB"
        )
        told(
            f"clean: {time.monotonic() - began:.0f} s, CPU {cpu:.0f} s, {clean_memory / 1e6:.0f} MB, {way.bytes / needed:.3f} of the bytes"
        )
        way.taken()

        config = place(tmp_path / "killed", way.port)
        began, memory, kills, stalled, before = time.monotonic(), 0, 0, 0, progress(clean)[:0]
        while True:
            code, most, _ = polled(config, KILL_AFTER)
            memory = max(memory, most)
            if code is not None:
                break
            kills += 1
            now = progress(config)
            stalled = stalled + 1 if now == before else 0
            assert stalled < 10, f"it does not get on: {now} after {kills} kills"
            before = now
        ratio = way.taken() / needed
        told(f"killed {kills} times: {time.monotonic() - began:.0f} s, {memory / 1e6:.0f} MB, {ratio:.3f} of the bytes")
    finally:
        way.close()
        server.stop()
    assert code in (0, 3), (config.parent / "told").read_text()[-2000:]
    assert b"Traceback" not in (config.parent / "told").read_bytes()
    titles, places = outcome(config)
    assert (titles, places) == outcome(clean)
    assert len(places) == SIZE
    assert {status for _, status, _ in places} <= {"passed over", "stored", "quarantined"}
    read = {uid - 1 for uid, status, _ in places if status != "passed over"}
    assert read == backlog.candidates
    # why: a notice that cannot be read asks a person to look at it
    assert [title for title in titles if "could not be read" not in title] == sorted(backlog.tasks)
    assert max(memory, clean_memory) <= MOST_MEMORY
    assert ratio <= MOST_BYTES
