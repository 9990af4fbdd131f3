"""`poll --watch`: a day of bad luck in half a minute, real servers, signals, and cron beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mailrules import app, config
from mailrules.demo.imap_server import MailServer
from mailrules.errors import MailrulesError, TemporaryError
from mailrules.sources.imap import ImapSettings
from mailrules.sources.imap_idle import Listener
from mailrules.spine import systemd
from mailrules.spine.watch import FREE, Post, Times, Watch
from mailrules.store import Store
from tests.idling import TROUBLES, IdleServer
from tests.many import ManyAccounts, configured, notice_of
from tests.servers import dovecot_available, lying, scripted

ROOT = Path(__file__).resolve().parent.parent
NOON = datetime(2024, 3, 11, 12, 0, tzinfo=UTC)
SECONDS_OF_A_DAY = 24.0
"""So long does a day last here: an hour is a second."""
QUICK = Times(
    poll_every=1.0, listened=1000, renew_after=0.4, tick_every=0.2, answer=0.4, first_pause=0.02, longest_pause=0.2, steady=0.2
)  # fmt: skip


class _OverError(Exception):
    """The test has seen enough."""


def tasks_of(path: Path) -> list[dict[str, Any]]:
    with Store.look(config.load(str(path)).store) as store:
        return store.tasks()


def test_a_day_of_drops_byes_half_open_and_split_words_misses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    expires = date(2024, 4, 10)  # 30 days from the first day, 29 from the second
    begun = time.monotonic()

    def compressed() -> datetime:
        return NOON + (time.monotonic() - begun) * timedelta(days=1) / SECONDS_OF_A_DAY

    with IdleServer("seller", "secret") as server:
        path = configured(tmp_path, {"shop": (server.port, "seller")}, "secret")
        rules = (tmp_path / "my.rules").read_text().replace("40 days before", "29 days before")
        (tmp_path / "my.rules").write_text(rules)
        settings = config.load(str(path))
        notices: list[int] = []
        errors: list[MailrulesError] = []

        def deliver() -> None:
            for number in range(20):
                content, _ = notice_of(number, expires)
                server.deliver(content, compressed(), TROUBLES[number % len(TROUBLES)])
                time.sleep(SECONDS_OF_A_DAY / 22)

        def told(what: app.Outcome | MailrulesError) -> None:
            if isinstance(what, MailrulesError):
                errors.append(what)
                return
            notices.extend(report.notices for report in what.reports)
            if time.monotonic() - begun > SECONDS_OF_A_DAY and not thread.is_alive() and sum(notices) >= 20:
                raise _OverError
            if time.monotonic() - begun > 2 * SECONDS_OF_A_DAY:
                raise _OverError

        thread = threading.Thread(target=deliver, daemon=True)
        thread.start()
        with pytest.raises(_OverError):
            app.watch(lambda: settings, told, times=QUICK, tell_time=compressed)
        thread.join()
        assert server.idles > 20  # renewed again and again
    assert errors == []
    assert sum(notices) == 20
    tasks = tasks_of(path)
    assert sorted(t["title"] for t in tasks if "Renew" in t["title"]) == sorted(
        f"[unverified] Renew Tools {number} by {expires}" for number in range(20)
    )
    nearly = [t for t in tasks if "Nearly" in t["title"]]
    assert len(nearly) == 20
    # The second day starts at 08:00: who was known before is told of then, each once, and at no other time.
    first = min(datetime.fromisoformat(t["created"]) for t in nearly)
    assert datetime(2024, 3, 12, 8, tzinfo=UTC) <= first < datetime(2024, 3, 12, 12, tzinfo=UTC)


# --- one listening connection -------------------------------------------------------------------------------------


@pytest.fixture
def wake() -> Iterator[tuple[socket.socket, socket.socket]]:
    pair = socket.socketpair()
    yield pair
    for sock in pair:
        sock.close()


def listener(port: int, password: str = "secret") -> Listener:
    settings = ImapSettings(account="shop", host="127.0.0.1", port=port, tls="none", user="seller", read_timeout=5)
    return Listener(settings, lambda: password)


@pytest.mark.parametrize("trouble", ["told", "split", "joined"])
def test_news_are_heard_however_they_are_cut_into_packets(
    trouble: str, wake: tuple[socket.socket, socket.socket]
) -> None:
    with IdleServer("seller", "secret") as server, listener(server.port) as session:
        session.examine("INBOX")
        assert not session.news(0.05, wake[1])
        delay = 0.0 if trouble == "joined" else 0.1  # joined: it is there before the next IDLE, and told with its "+"
        timer = threading.Timer(delay, server.deliver, (b"Subject: x\r\n\r\n", NOON, trouble))
        timer.start()
        if trouble == "joined":
            timer.join()
        begun = time.monotonic()
        assert session.news(60, wake[1])
        assert time.monotonic() - begun < 30
        assert not session.news(0.2, wake[1])


def idling(greeted: bytes, asked: list[bytes]) -> Callable[[socket.socket], None]:
    """Return a server that answers IDLE so, each with its tag in `asked`, and that is silent until DONE."""

    def handle(sock: socket.socket) -> None:
        stream = sock.makefile("rb")
        sock.sendall(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR IDLE] hello\r\n")
        tag = b""
        while line := stream.readline():
            if line.strip() != b"DONE":
                tag, verb = line.split()[:2]
            if verb == b"IDLE" and line.strip() != b"DONE":
                asked.append(tag)
                sock.sendall(greeted)
                continue
            state = b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" if verb == b"EXAMINE" else b""
            told = b" OK [CAPABILITY IMAP4rev1 IDLE] in\r\n" if verb == b"AUTHENTICATE" else b" OK done\r\n"
            sock.sendall(state + tag + told)
        stream.close()

    return handle


@pytest.mark.parametrize("invitation", [b"+\r\n", b"+ \r\n", b"+ idling\r\n"])
def test_an_invitation_to_wait_is_taken_whatever_stands_in_it(
    invitation: bytes, wake: tuple[socket.socket, socket.socket]
) -> None:
    with scripted(idling(invitation, [])) as port, listener(port) as session:
        session.examine("INBOX")
        begun = time.monotonic()
        assert not session.news(0.2, wake[1])
        assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize("always", [b"* 3 EXISTS\r\n+ idling\r\n", b"+ idling\r\n* OK Still here\r\n"])
def test_a_server_that_speaks_at_every_beginning_is_not_asked_without_a_pause(always: bytes) -> None:
    asked: list[bytes] = []
    with scripted(idling(always, asked)) as port:
        post = Post(account="shop", mailbox="INBOX", connect=lambda: listener(port))
        with Watch([post], Times(poll_every=1000, first_pause=0.1)):
            time.sleep(1)
    assert 1 < len(asked) < 8


def test_a_connection_that_is_gone_without_a_word_is_found(wake: tuple[socket.socket, socket.socket]) -> None:
    with IdleServer("seller", "secret") as server, listener(server.port) as session:
        session.examine("INBOX")
        assert not session.news(0.05, wake[1])
        threading.Timer(0.05, server.deliver, (b"Subject: x\r\n\r\n", NOON, "half-open")).start()
        with pytest.raises(TemporaryError):
            for _ in range(4):
                session.news(0.2, wake[1], 0.3)


@pytest.mark.parametrize("trouble", ["dropped", "bye"])
def test_a_connection_that_ends_is_an_error_and_no_silence(
    trouble: str, wake: tuple[socket.socket, socket.socket]
) -> None:
    with IdleServer("seller", "secret") as server, listener(server.port) as session:
        session.examine("INBOX")
        threading.Timer(0.1, server.deliver, (b"Subject: x\r\n\r\n", NOON, trouble)).start()
        with pytest.raises(TemporaryError):
            for _ in range(10):
                session.news(0.3, wake[1])


def test_a_wait_ends_at_once_when_somebody_asks(wake: tuple[socket.socket, socket.socket]) -> None:
    with IdleServer("seller", "secret") as server, listener(server.port) as session:
        session.examine("INBOX")
        wake[0].close()
        begun = time.monotonic()
        assert not session.news(60, wake[1])
        assert time.monotonic() - begun < 30


def test_a_server_without_idle_is_known() -> None:
    with scripted(lying(lambda _: b"")) as port, listener(port) as session:
        assert not session.can_listen


# --- when to poll -------------------------------------------------------------------------------------------------


def refused() -> Listener:
    raise TemporaryError("closed")


def test_accounts_that_fail_are_asked_less_and_less_often_and_at_once_again_after_success() -> None:
    times = Times(poll_every=10, listened=10, longest_pause=100, tick_every=1000)
    with Watch([Post(account="shop", mailbox="INBOX", connect=refused)], times) as lookout:
        assert lookout.wait() == ["shop"]
        waits = []
        for _ in range(6):
            lookout.polled({"shop": TemporaryError("no")})
            waits.append(lookout._due["shop"].at - time.monotonic())
        assert waits[0] < 13
        assert all(later > earlier * 1.2 for earlier, later in pairwise(waits[:4]))
        assert max(waits) < 121
        lookout.polled({"shop": None})
        assert lookout._pause(lookout._due["shop"]) == 10


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system has no /proc")
def test_a_watch_that_ends_leaves_nothing_open_whether_its_threads_have_gone_or_not() -> None:
    released = threading.Event()

    def hanging() -> Listener:
        released.wait(30)
        raise TemporaryError("late")

    with scripted(lying(lambda _: b"")) as port:  # no IDLE: its thread ends at once
        posts = [
            Post(account="gone", mailbox="INBOX", connect=lambda: listener(port)),
            Post(account="failing", mailbox="INBOX", connect=refused),
            Post(account="hanging", mailbox="INBOX", connect=hanging),
        ]
        before = open_files()
        with Watch(posts, Times(first_pause=0.01, longest_pause=0.01)) as lookout:
            until(lambda: not lookout._threads[0].is_alive())
        assert lookout._threads[2].is_alive()
        released.set()
        lookout._threads[2].join(10)
        until(lambda: open_files() <= before, 5)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system has no /proc")
def test_hundreds_of_reconnections_leave_no_open_file_and_no_thread() -> None:
    connections = 0

    def connect() -> Listener:
        nonlocal connections
        connections += 1
        return listener(server.port)

    with IdleServer("seller", "secret") as server:
        times = Times(poll_every=1000, first_pause=0.0001, longest_pause=0.0001, tick_every=1000, answer=5)
        threads = threading.active_count()
        with Watch([Post(account="shop", mailbox="INBOX", connect=connect)], times):

            def dropped(times: int) -> int:
                def again() -> bool:
                    server.deliver(b"Subject: x\r\n\r\n", NOON, "dropped")
                    server.messages.clear()
                    return connections >= times

                until(again, pause=0.005)
                return open_files()

            before = dropped(20)
            assert dropped(220) <= before + 6  # a connection or two of the moment, on both sides
        until(lambda: threading.active_count() <= threads + 2, 10)


def test_only_so_many_accounts_are_listened_to_that_polls_can_open_files_and_all_are_polled() -> None:
    resource = pytest.importorskip("resource", reason="this system has no limit of open files")
    tried: list[int] = []

    def connecting(number: int) -> Post:
        def connect() -> Listener:
            tried.append(number)
            raise TemporaryError("closed")

        return Post(account=f"shop{number}", mailbox="INBOX", connect=connect)

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FREE + 3, before[1]))
    try:
        with Watch(map(connecting, range(8)), Times(first_pause=0.01, longest_pause=0.01)) as lookout:
            until(lambda: {*tried} == {0, 1, 2}, pause=0.01)
            assert lookout.wait() == [f"shop{n}" for n in range(8)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_an_account_whose_polls_fail_is_not_connected_to_behind_their_backs() -> None:
    tries = 0

    def connect() -> Listener:
        nonlocal tries
        tries += 1
        raise TemporaryError("closed")

    times = Times(poll_every=1000, first_pause=0.01, longest_pause=0.01)
    with Watch([Post(account="shop", mailbox="INBOX", connect=connect)], times) as lookout:
        until(lambda: tries > 3, pause=0.01)
        lookout.polled({"shop": TemporaryError("throttled")})
        time.sleep(0.1)
        before = tries
        time.sleep(0.3)
        assert tries == before
        lookout.polled({"shop": None})
        until(lambda: tries > before, pause=0.01)


@pytest.mark.parametrize(("whole", "pause"), [(True, 1000), (False, 10)])
def test_an_account_with_other_mailboxes_is_polled_as_often_as_one_that_nobody_listens_to(
    whole: bool, pause: float
) -> None:
    with IdleServer("seller", "secret") as server:
        post = Post(account="shop", mailbox="INBOX", connect=lambda: listener(server.port), whole=whole)
        with Watch([post], Times(poll_every=10, listened=1000)) as lookout:
            until(lambda: server.idles > 0, pause=0.01)
            assert lookout._pause(lookout._due["shop"]) == pause


def test_time_rules_are_looked_at_when_no_mail_comes() -> None:
    times = Times(poll_every=1000, tick_every=0.05)
    with Watch([Post(account="shop", mailbox="INBOX", connect=refused)], times) as lookout:
        assert lookout.wait() == ["shop"]
        seen = [lookout.wait() for _ in range(6)]
        assert [] in seen
        assert ["shop"] not in seen


# --- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def one() -> Iterator[ManyAccounts]:
    if not dovecot_available():
        if os.environ.get("MAILRULES_REQUIRE_SERVERS") == "1":
            pytest.fail("Dovecot is not installed (Debian: apt install dovecot-imapd)")
        pytest.skip("Dovecot is not installed (Debian: apt install dovecot-imapd)")
    server = ManyAccounts(2)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def command(path: Path, *words: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "mailrules", "poll", *words, "--config", str(path)], cwd=path.parent, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()  # a watch that a failed test leaves behind would be waited for


def until(what: Any, seconds: float = 60, pause: float = 0.1) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(pause)


@pytest.mark.servers
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_one_process_watches_real_servers_hears_signals_and_lives_beside_cron(
    one: ManyAccounts, tmp_path: Path
) -> None:
    today = datetime.now(UTC).date()
    path = configured(tmp_path, {"shop0": (one.port, "shop0")})
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(one.folder / "notify"))
    manager.settimeout(60)
    with (
        manager,
        command(path, "--watch", NOTIFY_SOCKET=str(one.folder / "notify"), WATCHDOG_USEC="2000000") as process,
    ):
        assert manager.recv(100) == b"READY=1"
        assert manager.recv(100) == b"WATCHDOG=1"
        until(lambda: (tmp_path / "state").exists() and list((tmp_path / "state").glob("*.db")))
        time.sleep(2)  # listening by now; where it is not, the poll at its beginning brings the message
        one.deliver("shop0", *notice_of(1, today + timedelta(days=30)))
        until(lambda: any("Tools 1" in t["title"] for t in tasks_of(path)))

        with command(path) as cron:  # the lock is not held while there is nothing to do
            assert cron.wait(60) == 0

        configured(tmp_path, {"shop0": (one.port, "shop0"), "shop1": (one.port, "shop1")})
        one.deliver("shop1", *notice_of(2, today + timedelta(days=30)))
        process.send_signal(signal.SIGHUP)
        until(lambda: any("Tools 2" in t["title"] for t in tasks_of(path)))

        process.terminate()
        out, err = process.communicate(timeout=10)
        assert process.returncode == 143
        assert (out, err) == ("", "")
    with command(path) as cron:
        assert cron.wait(60) == 0
    assert len(tasks_of(path)) == 4


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize(("ended", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_watch_of_a_server_without_idle_hears_signals_all_the_same(
    ended: signal.Signals, code: int, tmp_path: Path
) -> None:
    today = datetime.now(UTC).date()
    with MailServer("seller", "secret") as server:
        path = configured(tmp_path, {"shop": (server.port, "seller")}, "secret")

        def renewals() -> int:
            with contextlib.suppress(MailrulesError):  # the store is being made
                return sum("Renew" in task["title"] for task in tasks_of(path))
            return 0

        server.messages.append(notice_of(1, today + timedelta(days=30)))
        with command(path, "--watch") as process:
            until(lambda: renewals() == 1)
            until(
                lambda: server._server is not None and not server._server.connections
            )  # the thread that would listen has found that it cannot, and is gone
            server.messages.append(notice_of(2, today + timedelta(days=30)))
            process.send_signal(signal.SIGHUP)
            until(lambda: renewals() == 2)
            process.send_signal(ended)
            assert process.communicate(timeout=10) == ("", "")
            assert process.returncode == code


def test_watching_goes_alone(tmp_path: Path) -> None:
    path = configured(tmp_path, {"shop": (1, "seller")})
    for words in (("--dry-run",), ("--plan", "x"), ("--since", "2024-01-01")):
        with command(path, "--watch", *words) as process:
            assert process.wait(60) == 2
            assert process.stderr is not None
            assert "goes alone" in process.stderr.read()


def test_each_thing_that_is_done_is_a_sign_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        MailServer("seller", "secret", [notice_of(n, NOON.date() + timedelta(days=30)) for n in range(3)]) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        path = configured(tmp_path, {"shop": (server.port, "seller")}, "secret")
        (tmp_path / "my.rules").write_text('rule "mark" {\n  on authorization_expiring\n  mark mail "seen"\n}\n')
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        outcome = app.poll(config.load(str(path)), tell_time=lambda: NOON)
        assert len(outcome.performed) == 3
        assert [manager.recv(100) for _ in outcome.performed] == [b"WATCHDOG=1"] * 3


def test_the_service_manager_is_told_only_where_it_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    systemd.notify("READY=1")
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert systemd.watchdog() == 30
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "deaf"))
        for _ in range(3_000):  # more than any queue holds
            systemd.notify("WATCHDOG=1")
        assert deaf.recv(100) == b"WATCHDOG=1"
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert systemd.watchdog() is None
