"""The first run over an old mailbox: from a day on, in pieces, and with something to look at."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailrules import app, config
from mailrules.errors import MailrulesError
from mailrules.store import Store
from tests.many import ManyAccounts, configured, notice_of
from tests.servers import dovecot_available, lying, scripted
from tests.test_backlog import Counting

ROOT = Path(__file__).resolve().parent.parent
TODAY = date(2024, 3, 11)
NOW = datetime(2024, 3, 11, 9, 0, tzinfo=UTC)
SINCE = date(2024, 1, 1)


def now() -> datetime:
    return NOW


@pytest.fixture
def shop() -> Iterator[ManyAccounts]:
    if not dovecot_available():
        if os.environ.get("MAILRULES_REQUIRE_SERVERS") == "1":
            pytest.fail("Dovecot is not installed (Debian: apt install dovecot-imapd)")
        pytest.skip("Dovecot is not installed (Debian: apt install dovecot-imapd)")
    server = ManyAccounts(1)
    try:
        yield server
    finally:
        server.stop()


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def fill(server: ManyAccounts, old: int, new: int) -> None:
    """Put old mail below new mail, a notice among each, and one old message that came late into the mailbox."""
    for number in range(old):
        server.deliver("shop0", plain(number), at(SINCE - timedelta(days=10 + number % 300)))
    server.deliver("shop0", notice_of(1, date(2023, 12, 1))[0], at(date(2023, 11, 1)))
    for number in range(old, old + new):
        server.deliver("shop0", plain(number), at(SINCE + timedelta(days=number % 60)))
    server.deliver("shop0", *notice_of(2, TODAY + timedelta(days=30)))
    server.deliver("shop0", plain(old + new), at(SINCE - timedelta(days=100)))


def plain(number: int) -> bytes:
    return b"From: a@shop.example\r\nSubject: order %d\r\nMessage-ID: <%d@shop.example>\r\n\r\nx\r\n" % (number, number)


def shop_config(folder: Path, server: ManyAccounts) -> Path:
    return configured(folder, {"shop": (server.port, "shop0")})


def places(path: Path) -> list[tuple[int, str]]:
    with Store.look(config.load(str(path)).store) as store:
        return [(row[0], row[1]) for row in store._rows("SELECT uid, status FROM places ORDER BY uid")]


def developers(path: Path) -> list[str]:
    with Store.look(config.load(str(path)).store) as store:
        return sorted(a.developer for a in store.ledger().authorizations.values())


def poll(path: Path, since: date | None = None, moment: datetime = NOW) -> Any:
    (report,) = app.poll(config.load(str(path)), since=since, tell_time=lambda: moment).reports
    assert report.error is None
    return report


@pytest.mark.servers
def test_what_came_before_the_day_is_passed_over_for_good_and_nothing_after_it_is_missed(
    shop: ManyAccounts, tmp_path: Path
) -> None:
    fill(shop, 30, 20)
    path = shop_config(tmp_path, shop)
    assert poll(path, SINCE).seen == 21
    assert [uid for uid, _ in places(path)] == list(range(32, 53))
    assert developers(path) == ["Tools 2"]
    shop.deliver("shop0", *notice_of(3, TODAY + timedelta(days=20)))
    for days in range(4):  # a listing of the whole mailbox is due each day, and brings nothing of it up again
        report = poll(path, moment=NOW + timedelta(days=days))
        assert report.seen == (1 if days == 0 else 0)
    assert developers(path) == ["Tools 2", "Tools 3"]


@pytest.mark.servers
def test_the_day_is_for_mailboxes_that_were_never_read(shop: ManyAccounts, tmp_path: Path) -> None:
    fill(shop, 5, 5)
    path = shop_config(tmp_path, shop)
    assert poll(path).seen == 13
    assert poll(path, SINCE).seen == 0
    assert len(places(path)) == 13


@pytest.mark.servers
def test_a_renumbered_mailbox_is_read_from_the_same_day_on(shop: ManyAccounts, tmp_path: Path) -> None:
    fill(shop, 10, 5)
    path = shop_config(tmp_path, shop)
    assert poll(path, SINCE).seen == 6
    box = shop.folder / "boxes" / "shop0"
    for old in box.glob("dovecot*"):
        old.unlink()
    time.sleep(1.1)  # UIDVALIDITY is a second's number
    shop.deliver("shop0", *notice_of(3, TODAY + timedelta(days=20)))
    assert poll(path).seen == 7
    assert developers(path) == ["Tools 2", "Tools 3"]


@pytest.mark.servers
def test_a_mail_of_the_day_itself_is_read_in_every_time_zone(shop: ManyAccounts, tmp_path: Path) -> None:
    for hours in (-14, -12, 0, 12, 26):
        moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
        shop.deliver("shop0", b"Subject: x\r\n\r\n", moment)
    path = shop_config(tmp_path, shop)
    assert poll(path, SINCE).seen == 5


def searching(answer: bytes, when: bytes) -> Any:
    """Return a server with three messages of one day, whose search by date errs."""

    def fetch(request: bytes) -> bytes:
        if b"HEADER" in request:
            return b"".join(
                b'* %d FETCH (UID %d RFC822.SIZE 30 INTERNALDATE "%s" BODY[HEADER.FIELDS (FROM)] {9}\r\nFrom: x\r\n)\r\n' % (n, n, when)
                for n in (1, 2, 3)
            )  # fmt: skip
        return b"".join(b'* %d FETCH (UID %d INTERNALDATE "%s")\r\n' % (n, n, when) for n in (1, 2, 3))

    honest = lying(fetch)

    def handle(sock: Any) -> None:
        class Wrapped:
            """Sees requests before they are answered."""

            def __init__(self) -> None:
                self.last = b""

            def makefile(self, mode: str) -> Any:
                outer, stream = self, sock.makefile(mode)

                class Lines:
                    def readline(self) -> bytes:
                        outer.last = stream.readline()
                        return bytes(outer.last)

                    def close(self) -> None:
                        stream.close()

                return Lines()

            def sendall(self, data: bytes) -> None:
                if b"SINCE" in self.last and data.startswith(b"* SEARCH"):
                    data = answer + data[data.index(b"\r\n") + 2 :]
                sock.sendall(data)

        honest(Wrapped())  # type: ignore[arg-type]

    return handle


@pytest.mark.parametrize(("day", "seen"), [(b"10-Mar-2024 10:00:00 +0000", 3), (b"10-Mar-2020 10:00:00 +0000", 0)])
def test_a_search_that_finds_nothing_is_believed_only_where_the_dates_agree(
    day: bytes, seen: int, tmp_path: Path
) -> None:
    with scripted(searching(b"* SEARCH\r\n", day)) as port:
        path = configured(tmp_path, {"shop": (port, "seller")}, "secret")
        assert poll(path, SINCE).seen == seen


# --- in pieces ----------------------------------------------------------------------------------------------------


def command(path: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mailrules", "poll", *words, "--config", str(path)], cwd=path.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def looked_at(path: Path) -> int:
    file = path.parent / "state" / "mailrules.db"
    if not file.exists():
        return 0
    try:
        with Store.look(file) as store:
            return int(store._rows("SELECT count(*) FROM places")[0][0])
    except MailrulesError:  # it is just being made
        return 0


@pytest.mark.servers
@pytest.mark.slow
def test_a_first_run_that_is_killed_again_and_again_comes_to_the_same(shop: ManyAccounts, tmp_path: Path) -> None:
    fill(shop, 100, 1100)
    whole, pieces = shop_config(tmp_path / "whole", shop), shop_config(tmp_path / "pieces", shop)
    with command(whole, "--since", SINCE.isoformat()) as process:
        assert process.wait(100) == 0
    known, killed = 0, 0
    while killed < 3:
        with command(pieces, "--since", SINCE.isoformat()) as process:
            while process.poll() is None and looked_at(pieces) <= known:
                time.sleep(0.05)
            killed += process.poll() is None
            process.kill()
            assert process.wait() in (0, -signal.SIGKILL)
        known = looked_at(pieces)
        if known >= len(places(whole)):
            break
    assert killed
    with command(pieces, "--since", SINCE.isoformat()) as process:
        assert process.wait(100) == 0
    assert places(pieces) == places(whole)
    assert developers(pieces) == developers(whole) == ["Tools 2"]


@pytest.mark.servers
def test_header_fields_that_a_stopped_poll_has_decided_by_are_not_read_again(
    shop: ManyAccounts, tmp_path: Path
) -> None:
    fill(shop, 0, 200)
    way = Counting(shop.port)
    try:
        path = configured(tmp_path, {"shop": (way.port, "shop0")})
        poll(path)
        whole, before = way.taken(), places(path)
        with Store.open(config.load(str(path)).store, now=NOW.isoformat()) as store:  # as where it was stopped midway
            store._run("DELETE FROM cursors")
            store._run("DELETE FROM meta WHERE key LIKE 'state %'")
            store._run("DELETE FROM places WHERE uid = 7")
        assert poll(path).seen == 1
        assert (way.taken() < whole / 10, places(path)) == (True, before)
        with Store.look(config.load(str(path)).store) as store:
            assert store._rows("SELECT uid FROM cursors")[0][0] == len(before)
    finally:
        way.close()


@pytest.mark.servers
def test_a_bar_is_drawn_on_a_terminal_and_nowhere_else(shop: ManyAccounts, tmp_path: Path) -> None:
    fill(shop, 0, 1200)
    first, second = shop_config(tmp_path / "a", shop), shop_config(tmp_path / "b", shop)
    with command(first) as process:
        assert process.wait(100) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "mailrules", "poll", "--config", str(second)], cwd=second.parent, stdin=theirs, stdout=theirs,
        stderr=theirs, env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"},
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = b""
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
        assert process.wait(100) == 0
    os.close(ours)
    assert re.search(rb"\d+/1203", shown)
