"""The store on real SQLite files."""

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import pytest

from mailrules.effects import Effect, Outcome, effect_key
from mailrules.errors import ConfigError, MailrulesError, StoreError, TemporaryError
from mailrules.ledger import Authorization, Ledger, Obligation, link, observe, snooze
from mailrules.mail.message import MessageKey
from mailrules.pipeline import Ingest, changes
from mailrules.store import Store, database
from mailrules.store.migrations import migrate
from tests.ledger_sights import only, seen, sight, status, token_error, told

NOW = "2026-03-01T00:00:00+00:00"
LATER = "2026-03-01T01:00:00+00:00"


def effect(action="notify", stage="", **args):
    key = effect_key("auth-1", "2026-04-01", "r", action, "me", stage)
    return Effect(
        key=key,
        account="a",
        rule="r",
        action=action,
        target="me",
        stage=stage,
        authorization="auth-1",
        due="2026-04-01",
        args=args,
    )


def ingest(*effects):
    subject = Authorization(
        id="auth-1", account="a", system="s", developer_id="012345678901", developer="D", region="eu"
    )
    owed = Obligation(authorization="auth-1", due="2026-04-01", dated=True)
    return Ingest(ledger=Ledger(), authorizations=(subject,), obligations=(owed,), effects=effects)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "store.db"


@pytest.fixture
def store(path):
    with Store.open(path, now=NOW) as opened:
        yield opened


def test_five_identical_effects_make_one_task_and_the_ledger_comes_back(store):
    assert [store.commit(ingest(effect("create_task", title="Renew")), now=NOW) for _ in range(5)] == [1, 0, 0, 0, 0]
    assert [task["title"] for task in store.tasks("open")] == ["Renew"]
    assert store.ledger().authorizations["auth-1"].developer_id == "012345678901"
    assert store.ledger().obligations["auth-1", "2026-04-01"].dated is True
    assert store.claim(now=NOW) == []
    assert store.finish_task("1", LATER)["done_at"] == LATER


def test_an_effect_is_claimed_once_and_a_settled_one_never_again(store):
    store.commit(ingest(effect()), now=NOW)
    (claim,) = store.claim(now=NOW)
    assert store.claim(now=NOW) == []
    store.settle(claim, Outcome(result="retry", why="busy"), NOW, LATER)
    assert store.claim(now=NOW) == []
    (again,) = store.claim(now=LATER)
    assert (again.attempt, again.batch) == (2, claim.batch)
    store.settle(again, Outcome(result="done", why="sent"), LATER)
    assert store.claim(now="2027-01-01T00:00:00+00:00") == []


def test_notifications_of_one_person_share_a_batch_that_a_retry_keeps(store):
    store.commit(ingest(effect(), effect(stage="7 days before")), now=NOW)
    claims = store.claim(now=NOW)
    assert len({claim.batch for claim in claims}) == 1
    store.settle(claims, Outcome(result="retry", why="busy"), NOW, LATER)
    store.commit(ingest(effect(stage="at expires")), now=NOW)
    batches = [claim.batch for claim in store.claim(now=LATER)]
    assert sorted(batches.count(b) for b in set(batches)) == [1, 2]
    assert claims[0].batch in batches


def test_a_script_whose_claim_lapsed_is_unknown_and_a_safe_one_runs_again(store):
    store.commit(ingest(effect("run_script", retry="never"), effect("run_script", stage="x", retry="safe")), now=NOW)
    assert len(store.claim(now=NOW)) == 2
    (again,) = store.claim(now=LATER)
    assert (again.effect.stage, again.attempt) == ("x", 2)
    assert [row["state"] for row in store.effects()] == ["unknown", "claimed"]
    assert "may or may not have happened" in store.needs_person(NOW)[0]


def test_only_one_script_that_may_run_once_is_claimed_at_a_time(store):
    store.commit(ingest(effect("run_script"), effect("run_script", stage="x")), now=NOW)
    assert [len(store.claim(now=NOW)) for _ in range(3)] == [1, 1, 0]


def test_a_crash_inside_a_transaction_leaves_nothing(path, store):
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.commit(ingest(effect("create_task", title="Renew")), now=NOW)
        store.set_cursor("a", "INBOX", 1, 9, NOW)
        raise ZeroDivisionError
    assert (store.tasks(), store.effects(), store.cursor("a", "INBOX")) == ([], [], None)


def test_a_message_has_one_row_and_a_cursor_moves(store):
    key = MessageKey(account="a", mailbox="INBOX", uidvalidity=1, uid=7)
    store.pending(key, "no text", NOW)
    assert store.pending_uids("a", "INBOX", 1) == [7]
    store.unfetchable(key, "too large", NOW)
    assert store.pending_uids("a", "INBOX", 1) == []
    assert "too large" in store.needs_person(NOW)[0]
    store.passed_over(key.account, key.mailbox, key.uidvalidity, [(key.uid, "abc")], NOW)
    assert store.needs_person(NOW) == []
    store.set_cursor("a", "INBOX", 1, 7, NOW)
    store.set_cursor("a", "INBOX", 2, 1, NOW)
    assert (store.cursor("a", "INBOX").uidvalidity, store.cursor("a", "INBOX").uid) == (2, 1)


def test_two_polls_at_once_are_told_apart(path, store):
    with store.exclusive() as mine, Store.open(path, now=NOW) as other, other.exclusive() as theirs:
        assert (mine, theirs) == (True, False)
    with store.exclusive() as mine:
        assert mine


def test_the_file_is_private_and_set_up_to_lose_nothing(path, store):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    settings = [
        store._rows(f"PRAGMA {name}")[0][0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "wal_autocheckpoint")
    ]
    assert settings == ["wal", 2, 1, 10000, 4000]


def test_a_newer_a_foreign_and_a_damaged_file_are_refused_in_a_sentence(tmp_path):
    for name, sql in (("newer", "PRAGMA user_version=99"), ("foreign", "CREATE TABLE t (x)")):
        connection = sqlite3.connect(tmp_path / name)
        connection.execute(sql)
        connection.close()
    (tmp_path / "damaged").write_bytes(b"this is no database at all " * 100)
    for name, words in (("newer", "newer mailrules"), ("foreign", "another program"), ("damaged", "is damaged")):
        with pytest.raises(StoreError, match=words):
            Store.open(tmp_path / name, now=NOW)


def test_a_dry_run_writes_to_a_copy_only(path, store):
    before = path.read_bytes()
    with Store.scratch(path) as copy, copy.exclusive() as mine:
        assert mine
        copy.commit(ingest(effect("create_task", title="Renew"), effect()), now=NOW)
        assert [e.action for e in copy.planned()] == ["notify", "create_task"]
    assert path.read_bytes() == before
    assert store.effects() == []


def test_a_locked_store_is_a_temporary_error(path, store):
    with Store.open(path, now=NOW) as other, store.transaction():
        other._run("PRAGMA busy_timeout=50")
        with pytest.raises(TemporaryError, match="busy"):
            other.set_cursor("a", "INBOX", 1, 1, NOW)


def test_a_new_store_is_what_all_steps_together_come_to(tmp_path):
    """The file is written anew with MAILRULES_GOLDEN=write after a step was added."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as stepwise:
        migrate(stepwise)
        made = stepwise.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
        steps = stepwise.execute("SELECT name FROM _sqlite_migrations ORDER BY id").fetchall()
    taken = [
        f"INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('mailrules', '{name}', 'made new')"
        for (name,) in steps
    ]
    text = ";\n\n".join([sql for (sql,) in made] + taken) + "\n"
    file = Path(database.__file__).with_name("schema.sql")
    if os.environ.get("MAILRULES_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert file.read_text("utf-8") == text
    assert len(steps) == database.SCHEMA
    with Store.open(tmp_path / "new.db", now=NOW) as store:
        laid_out = store._rows("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
        assert [tuple(row) for row in laid_out] == made
        assert len(store.own_id()) == 32


def schema_1(path):
    """Make the store that the first released step made, with what a year of use had put into it."""
    connection = sqlite3.connect(path)
    connection.executescript((Path(__file__).parent / "fixtures" / "store" / "schema1.sql").read_text("utf-8"))
    connection.close()
    return path


def test_a_store_of_the_first_schema_is_taken_over_with_what_it_knew(tmp_path):
    path = schema_1(tmp_path / "old.db")
    with Store.open(path, now=NOW) as store:
        ledger = store.ledger()
        assert [(a.id, a.expires, a.assumed, a.trust, a.source, a.acted_on) for a in ledger.live()] == [
            ("auth-1", "2025-03-20", True, "confirmed", "", "2024-03-20"),
            ("auth-2", "2025-04-01", False, "authenticated", "amazon", ""),
            ("auth-3", None, False, "confirmed", "", ""),
            ("auth-4", "2024-06-01", False, "confirmed", "", ""),
        ]
        assert {(o.authorization, o.due): (o.state, o.grade, o.proof) for o in ledger.obligations.values()} == {
            ("auth-1", "2024-04-10"): ("settled", "a person said so", "confirmed"),
            ("auth-2", "2024-04-01"): ("settled", "later date", "confirmed"),
            ("auth-2", "2025-04-01"): ("open", "", ""),
            ("auth-4", "2024-06-01"): ("open", "", ""),
        }
        late = sight("2024-03-25", account="main", written=date(2024, 3, 18))
        assert not observe(ledger, late).ledger.current("auth-1")
    with contextlib.closing(sqlite3.connect(tmp_path / f"old.db.schema1-{NOW[:10]}.bak")) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    with Store.open(path, now=NOW) as store:
        assert store.ledger() == ledger


def at_once(paths, count=4):
    """Open each of the stores in `count` processes at the same moment; return what each said of it."""
    import multiprocessing

    processes = multiprocessing.get_context("fork")
    start, said = processes.Barrier(count), processes.SimpleQueue()

    def opened():
        for path in paths:
            start.wait(30)
            try:
                with Store.open(path, now=NOW) as store:
                    said.put(store.own_id())
            except MailrulesError as error:
                said.put(str(error))

    workers = [processes.Process(target=opened) for _ in range(count)]
    for worker in workers:
        worker.start()
    answers = [said.get() for _ in range(count * len(paths))]
    for worker in workers:
        worker.join(30)
    return answers


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_store_that_several_begin_at_the_same_moment_is_begun_once_and_opened_by_all(tmp_path):
    answers = at_once([tmp_path / f"new{number}" / "store.db" for number in range(60)])
    assert {len(answer) for answer in answers} == {32}, set(answers)
    assert len(set(answers)) == 60


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_store_that_several_take_over_at_the_same_moment_is_taken_over_once_and_its_copy_is_the_old_one(tmp_path):
    answers = at_once([schema_1(tmp_path / f"{number}.db") for number in range(20)])
    assert set(answers) == {"0123456789abcdef0123456789abcdef"}
    for copy in tmp_path.glob("*.bak"):
        with contextlib.closing(sqlite3.connect(copy)) as old:
            assert old.execute("PRAGMA user_version").fetchone() == (1,)
    assert len(list(tmp_path.glob("*.bak"))) == 20


def test_a_ledger_comes_back_as_it_was_written(store):
    ledger = seen(sight(), token_error("2024-03-15"), status("2024-03-20", "active", "2025-03-20"))
    ledger = snooze(ledger, only(ledger).id, date(2024, 4, 1), at=NOW, day=date(2024, 3, 21)).ledger
    ledger = link(told(ledger, sight(developer_id=None, developer="other")), *told_ids(ledger), at=NOW).ledger
    for _ in range(2):
        store.commit(changes(Ledger(), ledger, ()), now=NOW)
        assert store.ledger() == ledger


def told_ids(ledger):
    return only(ledger).id, only(seen(sight(developer_id=None, developer="other"))).id


def test_the_newest_finished_run_is_told_for_each_deadline(store):
    store.commit(ingest(effect("run_script", settle_hours=24), effect("run_script", stage="x")), now=NOW)
    assert store.runs() == {}
    for at, settle in ((NOW, "2026-03-02T00:00:00+00:00"), (LATER, None)):
        (claim,) = [c for c in store.claim(now=at) if c.effect.action == "run_script"]
        store.settle(claim, Outcome(result="done", why="it ended well"), at)
        hours = claim.effect.args.get("settle_hours")
        (run,) = store.runs().values()
        assert run.finished_at == at
        assert (run.settle_until is None) == (hours is None)
        assert run.settle_until in (settle, "2026-03-02T01:00:00+00:00", None)
    assert list(store.runs()) == [("auth-1", "2026-04-01")]


def test_a_run_that_failed_is_no_run(store):
    store.commit(ingest(effect("run_script")), now=NOW)
    (claim,) = store.claim(now=NOW)
    store.settle(claim, Outcome(result="failed", why="it ended badly"), NOW)
    assert store.runs() == {}


def test_events_are_told_by_authorization_and_by_kind(store):
    observed = observe(seen(sight()), sight("2024-03-12", expires="2024-04-01"))
    store.commit(changes(Ledger(), observed.ledger, observed.events), now=NOW)
    assert [e["what"] for e in store.events(what="contradiction")] == ["contradiction"]
    assert [e["what"] for e in store.events("auth-none")] == []


@contextlib.contextmanager
def powerless():
    """Be somebody who may not do everything, where the tests are run by root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def open_folder():
    folder = Path(tempfile.mkdtemp(prefix="mailrules-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def test_a_file_or_folder_that_may_not_be_written_is_a_matter_of_configuration_and_is_left_alone(open_folder):
    path = open_folder / "store.db"
    with powerless(), Store.open(path, now=NOW) as store:
        store.commit(ingest(effect()), now=NOW)
    before = path.read_bytes()
    path.chmod(0o400)
    with powerless(), pytest.raises(ConfigError, match="cannot be written"), Store.open(path, now=NOW) as store:
        store.commit(ingest(effect(stage="x")), now=NOW)
    path.chmod(0o600)
    open_folder.chmod(0o555)
    with powerless(), pytest.raises(ConfigError, match="cannot be written"), Store.open(path, now=NOW) as store:
        store.commit(ingest(effect(stage="x")), now=NOW)
    with powerless(), pytest.raises(ConfigError, match="cannot be written"):
        Store.open(open_folder / "new" / "store.db", now=NOW)
    assert path.read_bytes() == before
    open_folder.chmod(0o777)
    with powerless(), Store.open(path, now=NOW) as store:
        assert len(store.effects()) == 1


def test_a_folder_whose_parent_is_missing_is_not_made(tmp_path):
    with pytest.raises(ConfigError, match="cannot be written"):
        Store.open(tmp_path / "unmounted" / "state" / "store.db", now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_all_files_of_the_store_are_private_whatever_the_umask(path):
    before = os.umask(0)
    try:
        with Store.open(path, now=NOW) as store, store.exclusive():
            store.commit(ingest(effect()), now=NOW)
            files = {f.name: stat.S_IMODE(f.stat().st_mode) for f in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert set(files) == {"store.db", "store.db-wal", "store.db-shm", "store.db.lock"}
    assert set(files.values()) == {0o600}


FILLER = """
import resource, sys
from pathlib import Path
from mailrules.errors import MailrulesError
from mailrules.mail.message import MessageKey
from mailrules.store import Store, database
from mailrules.store.migrations import migrate
now = "2026-03-01T00:00:00+00:00"
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    with Store.open(Path(sys.argv[1]), now=now) as store:
        for n in range(200):
            key = MessageKey(account="a", mailbox="INBOX", uidvalidity=1, uid=n + 1)
            store.quarantine(key, f"{n:064}", b"x" * 40_000, "too large", now)
            print(n, flush=True)
except MailrulesError as error:
    print(error.exit_code, error)
"""


def fill(path, limit=0):
    done = subprocess.run(
        [sys.executable, "-c", FILLER, str(path), str(limit)], env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def assert_kept(path, lines):
    """What was acknowledged is there and whole, and with room again everything goes on."""
    assert lines[-1].startswith("75 the store ")
    assert "bytes are free" in lines[-1]
    with Store.open(path, now=NOW) as store:
        assert store.damage() == []
        assert store.content(f"{int(lines[-2]):064}") == b"x" * 40_000
    assert fill(path)[-1] == "199"
    with Store.look(path) as store:
        assert len(store.waiting()) == 200
        assert store.damage() == []


def test_a_write_that_the_system_refuses_ends_with_75_and_loses_nothing(tmp_path):
    for limit in (400_000, 1_000_000, 3_333_333):
        path = tmp_path / f"{limit}.db"
        assert_kept(path, fill(path, limit))


def test_a_full_disk_ends_with_75_and_loses_nothing(tmp_path):
    mount = shutil.which("mount")
    if not mount or subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    ).returncode:  # fmt: skip
        pytest.skip("a small file system cannot be mounted here (needs root)")
    try:
        lines = fill(tmp_path / "store.db")
        subprocess.run([mount, "-o", "remount,size=40m", str(tmp_path)], check=True)
        assert_kept(tmp_path / "store.db", lines)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_newer_store_is_refused_and_nothing_of_it_is_touched(path, store):
    store._run("PRAGMA user_version=99")
    store._rows("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    before = path.read_bytes()
    for way in (lambda: Store.open(path, now=NOW), lambda: Store.look(path), lambda: Store.scratch(path)):
        with pytest.raises(StoreError, match="newer mailrules"):
            way()
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.bak"))


def test_a_page_that_was_overwritten_is_told_in_a_sentence_and_never_made_new(path, store, tmp_path):
    for n in range(30):
        store.commit(ingest(effect("create_task", stage=f"s{n}", title="Renew " * 50)), now=NOW)
    store._rows("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    good = path.read_bytes()
    pages = len(good) // 4096
    told = 0
    for page in range(pages):
        bad = tmp_path / "bad.db"
        for old in tmp_path.glob("bad.db*"):
            old.unlink()
        bad.write_bytes(good[: page * 4096] + b"\xa5" * 4096 + good[(page + 1) * 4096 :])
        try:
            with Store.open(bad, now=NOW) as opened:
                opened.ledger(), opened.effects(), opened.tasks(), opened.needs_person(NOW)
                assert opened.damage() or page
        except MailrulesError as error:
            told += 1
            assert error.exit_code == 70
            assert "damaged" in str(error)
            assert bad.read_bytes()[page * 4096 : (page + 1) * 4096] == b"\xa5" * 4096
    assert told > pages / 4


def test_a_reader_beside_the_poller_sees_what_was_committed_and_waits_for_nobody(path, store):
    store.commit(ingest(effect()), now=NOW)
    with Store.look(path) as reader:
        with store.transaction():
            store.commit(ingest(effect(stage="x")), now=NOW)
            assert len(reader.effects()) == 1
        assert len(reader.effects()) == 2
        with pytest.raises(MailrulesError):
            reader.meta_set("a", "b")


def test_to_look_at_a_store_makes_and_migrates_nothing(tmp_path):
    with pytest.raises(StoreError, match="no store"):
        Store.look(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []
    begun = tmp_path / "begun.db"
    begun.touch()  # the first poll is at it
    with pytest.raises(StoreError, match="no store"):
        Store.look(begun)
    begun.unlink()
    old = schema_1(tmp_path / "old.db")
    before = old.read_bytes()
    with pytest.raises(StoreError, match="older mailrules"):
        Store.look(old)
    assert old.read_bytes() == before
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE effects SET key = 'short' WHERE action = 'notify'", "without a key"),
        ("INSERT INTO tasks (effect, title) VALUES ('none', 'x')", "no effect asked for"),
        ("DELETE FROM tasks", "is not there"),
        ("DELETE FROM authorizations", "of no authorization"),
        ("UPDATE places SET status = 'stored', digest = 'none'", "stored and is not there"),
        ("UPDATE cursors SET uid = 100", "read further"),
    ],
)
def test_what_must_never_be_is_found(path, store, sql, words):
    key = MessageKey(account="a", mailbox="INBOX", uidvalidity=1, uid=7)
    store.commit(ingest(effect("create_task", title="Renew"), effect()), now=NOW)
    store.passed_over(key.account, key.mailbox, key.uidvalidity, [(key.uid, "abc")], NOW)
    store.set_cursor("a", "INBOX", 1, 7, NOW)
    assert store.broken() == store.damage() == []
    store._run("PRAGMA foreign_keys=OFF")
    store._run(sql)
    assert any(words in sentence for sentence in store.broken())


def test_a_message_that_has_to_wait_is_not_counted_as_one_that_killed_its_reader(store):
    key = MessageKey(account="a", mailbox="INBOX", uidvalidity=1, uid=7)
    for _ in range(5):
        store.begin_reading([key], NOW)
        assert store.tries("a", "INBOX", 1, [7, 8]) == {7: 1}
        store.pending(key, "its key cannot be fetched", NOW)
        store.reading_ended(key)
        assert store.pending_uids("a", "INBOX", 1) == [7]
    assert store.tries("a", "INBOX", 1, [7]) == {}
