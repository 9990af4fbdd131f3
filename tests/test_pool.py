"""Many accounts at once: what each comes to, who waits for whom, and that the store has one writer."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mailrules import app, config
from mailrules.errors import EXIT_AUTH, EXIT_DONE, AuthError, TemporaryError
from mailrules.spine.pool import Pool, alone, away
from mailrules.store import Store
from tests.many import ManyAccounts, configured, dead_accounts, fill
from tests.servers import dovecot_available

TODAY = date(2024, 3, 11)
NOW = datetime(2024, 3, 11, 9, 0, tzinfo=UTC)


def now() -> datetime:
    return NOW


async def _asked(answers: list[str], *calls: Any) -> str:
    for call in calls:
        answer = await away(call)
        answers.append(answer)
    return "".join(answers)


def test_a_job_alone_runs_on_this_thread_to_its_end() -> None:
    here = threading.get_ident()
    assert alone(_asked([], lambda: str(threading.get_ident() == here), lambda: "!")) == "True!"


def test_what_a_call_raises_is_raised_where_the_job_waits() -> None:
    async def job() -> str:
        try:
            await away(int, "x")
        except ValueError as error:
            return str(error)
        return ""

    assert "invalid literal" in alone(job())
    with Pool[str]() as pool:
        pool.add("one", job())
        assert "invalid literal" in pool.wait(5)[0]


def test_what_lies_between_two_waits_runs_on_the_callers_thread() -> None:
    places: list[int] = []

    async def job() -> None:
        places.append(threading.get_ident())
        await away(time.sleep, 0.01)
        places.append(threading.get_ident())

    with Pool[None]() as pool:
        for number in range(50):
            pool.add(str(number), job())
        assert len(pool.wait(10)) == 50
    assert set(places) == {threading.get_ident()}
    assert len(places) == 100


def test_jobs_wait_for_the_network_at_the_same_time_and_no_more_of_them_than_allowed() -> None:
    waiting, most = 0, 0
    lock = threading.Lock()

    def call() -> None:
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)
        time.sleep(0.05)
        with lock:
            waiting -= 1

    async def job() -> None:
        await away(call)

    with Pool[None](at_once=4) as pool:
        for number in range(12):
            pool.add(str(number), job())
        assert len(pool.wait(10)) == 12
    assert most == 4


def test_jobs_that_have_stalled_make_room_for_others() -> None:
    released = threading.Event()

    async def stuck() -> str:
        await away(released.wait, 30)
        return "late"

    async def quick() -> str:
        await away(int)
        return "quick"

    with Pool[str](at_once=2, stalled=0.05) as pool:
        for number in range(6):
            pool.add(f"stuck{number}", stuck())
        pool.add("quick", quick())
        assert pool.wait(1.5) == ["quick"]
        assert len(pool.busy) == 6
        released.set()
        assert pool.wait(10) == ["late"] * 6
        assert not pool.busy


def test_a_bug_in_a_job_is_raised_to_the_caller() -> None:
    async def job() -> None:
        await away(int)
        raise KeyError("ours")

    with Pool[None]() as pool, pytest.raises(KeyError, match="ours"):
        pool.add("one", job())
        pool.wait(5)


def test_leaving_early_ends_every_job_where_it_waits() -> None:
    ended: list[str] = []

    async def job(name: str) -> None:
        try:
            await away(time.sleep, 0.2)
        finally:
            ended.append(name)

    with Pool[None](at_once=1) as pool:
        pool.add("running", job("running"))
        pool.add("waiting", job("waiting"))
        assert pool.wait(0.01) == []
    assert ended == ["running"]


# --- with real servers --------------------------------------------------------------------------------------------


@pytest.fixture
def many(request: pytest.FixtureRequest) -> Iterator[ManyAccounts]:
    if not dovecot_available():
        if os.environ.get("MAILRULES_REQUIRE_SERVERS") == "1":
            pytest.fail("Dovecot is not installed (Debian: apt install dovecot-imapd)")
        pytest.skip("Dovecot is not installed (Debian: apt install dovecot-imapd)")
    server = ManyAccounts(request.param)
    try:
        fill(server, TODAY)
        yield server
    finally:
        server.stop()


def what_came_of_it(path: Path) -> tuple[set[tuple[str, ...]], set[tuple[str, ...]]]:
    """Return the effects and the tasks of a store, without what is only a moment or a number in it."""
    with Store.look(config.load(str(path)).store) as store:
        effects = {tuple(str(row[k]) for k in ("key", "account", "rule", "action", "target", "stage", "due", "state")) for row in store.effects()}  # fmt: skip
        tasks = {(row["account"], row["title"], row["due"], row["status"]) for row in store.tasks()}
    return effects, tasks


def finished(path: Path, names: list[str]) -> bool:
    """Whether the mail of all these accounts has been read and what it asks for has been done, as seen from outside."""
    with Store.look(config.load(str(path)).store) as store:
        return {row["account"] for row in store.tasks() if row["title"].startswith("[unverified] Nearly")} >= set(names)


@pytest.mark.servers
@pytest.mark.parametrize("many", [12], indirect=True)
def test_accounts_at_once_come_to_the_same_as_one_after_another(many: ManyAccounts, tmp_path: Path) -> None:
    accounts = {name: (many.port, name) for name in many.names}
    at_once, in_turn = configured(tmp_path / "a", accounts), configured(tmp_path / "b", accounts)
    outcome = app.poll(config.load(str(at_once)), tell_time=now)
    assert [(r.account, r.seen, r.notices, r.error) for r in outcome.reports] == [(n, 3, 1, None) for n in many.names]
    for name in many.names:
        app.poll(config.load(str(in_turn)), only=[name], tell_time=now)
    assert what_came_of_it(at_once) == what_came_of_it(in_turn)
    assert len(what_came_of_it(at_once)[1]) == 24
    again = app.poll(config.load(str(at_once)), tell_time=now)
    assert [r.seen for r in again.reports] == [0] * 12
    assert what_came_of_it(at_once) == what_came_of_it(in_turn)


def others_finish_as_if_alone(many: ManyAccounts, dead: int, folder: Path) -> None:
    good = {name: (many.port, name) for name in many.names}
    over = threading.Event()
    with dead_accounts(dead, many, over) as broken:
        mixed = list({**good, **broken}.items())
        path = configured(folder / "mixed", dict(mixed[::2] + mixed[1::2]))
        alone_path = configured(folder / "alone", good)
        begun = time.monotonic()
        app.poll(config.load(str(alone_path)), tell_time=now)
        by_themselves = time.monotonic() - begun
        seen = threading.Event()
        begun = time.monotonic()

        def look() -> None:
            # The silent servers go on being silent until everybody else's work is done: who waits for them, waits in vain.
            while not over.is_set():
                if path.with_name("state").exists() and finished(path, many.names):
                    seen.set()
                    over.set()
                    sys.stdout.write(
                        f"{len(good)} accounts alone: {by_themselves:.1f} s;"
                        f" beside {dead} dead ones all of it was done after {time.monotonic() - begun:.1f} s\n"
                    )
                time.sleep(0.1)

        (folder / "mixed" / "state").mkdir(mode=0o700)
        app.Store.open(config.load(str(path)).store, now=NOW.isoformat()).close()
        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        outcome = app.poll(config.load(str(path)), tell_time=now)
        over.set()
        watcher.join(10)
    assert seen.is_set(), "the others' work was not done while the silent servers were silent"
    errors = {report.account: report.error for report in outcome.reports}
    assert set(errors) == {*good, *broken}
    assert [name for name in good if errors[name]] == []
    for name in broken:
        kind = AuthError if name.startswith("refused") else TemporaryError
        assert isinstance(errors[name], kind), (name, errors[name])
    assert outcome.exit_code == EXIT_AUTH
    assert what_came_of_it(path) == what_came_of_it(alone_path)


@pytest.mark.servers
@pytest.mark.parametrize("many", [36], indirect=True)
def test_four_dead_accounts_of_forty_hold_up_nobody(many: ManyAccounts, tmp_path: Path) -> None:
    others_finish_as_if_alone(many, 4, tmp_path)


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.servers
@pytest.mark.parametrize("many", [190], indirect=True)
def test_ten_dead_accounts_of_two_hundred_hold_up_nobody(many: ManyAccounts, tmp_path: Path) -> None:
    others_finish_as_if_alone(many, 10, tmp_path)


@pytest.mark.servers
@pytest.mark.parametrize("many", [2], indirect=True)
def test_a_dry_run_over_many_accounts_is_a_plan_that_apply_accepts(many: ManyAccounts, tmp_path: Path) -> None:
    path = configured(tmp_path, {name: (many.port, name) for name in many.names})
    plan = app.poll(config.load(str(path)), dry_run=True, tell_time=now).plan
    assert plan is not None
    outcome = app.apply(config.load(str(path)), plan, tell_time=now)
    assert outcome.moved == []
    assert outcome.exit_code == EXIT_DONE
    assert len(what_came_of_it(path)[1]) == 4
