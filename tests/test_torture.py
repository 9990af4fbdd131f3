"""The torture's checker is able to fail: what is planted is noticed, each by its invariant. What the torture found stays found."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailrules import app
from mailrules import config as configuration
from mailrules.templates import problem
from tests.servers import PASSWORD
from tests.torture.checker import Ended, Evidence, Sent, check
from tests.torture.runner import faults
from tests.torture.scenario import AGENCY, OFFICE, OWNER, settle, small
from tests.torture.servers import OwnMailbox, Sink, mailbox

ROOT = Path(__file__).parents[1]


def evidence(folder: Path) -> Evidence:
    """Return what a clean poll of the small world leaves."""
    world = small(datetime.now(UTC).date())
    box, sink = OwnMailbox(), Sink()
    try:
        box.fill(world.mails)
        before = box.snapshot()
        outcome = app.poll(configuration.load(str(settle(world, folder, box.port, sink.port))))
        assert outcome.exit_code == 0, outcome
        validity, listing = box.listing()
        log = (folder / "log").read_text(encoding="utf-8").splitlines()
        return Evidence(
            world=world, store=folder / "state" / "mailrules.db", sent=list(sink.sent), log=log, listing=listing,
            validity=validity, before=before, after=box.snapshot(), ends=[Ended(0, "", "", 1.0)], secret=PASSWORD.encode(),
        )  # fmt: skip
    finally:
        box.stop()
        sink.stop()


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    folder = tmp_path_factory.mktemp("torture")
    folder.chmod(0o755)
    yield evidence(folder)


def sql(statement: str) -> Callable[[Evidence], Evidence]:
    """Return the plant that changes a copy of the store."""

    def plant(found: Evidence) -> Evidence:
        copy = found.store.with_name("planted.db")
        copy.unlink(missing_ok=True)
        with sqlite3.connect(found.store) as source, sqlite3.connect(copy) as target:
            source.backup(target)
            target.execute(statement)
        source.close()
        target.close()
        return dataclasses.replace(found, store=copy)

    return plant


def but(**changed: Callable[[Evidence], object]) -> Callable[[Evidence], Evidence]:
    return lambda found: dataclasses.replace(found, **{name: change(found) for name, change in changed.items()})


def to(address: str) -> Callable[[Evidence], list[Sent]]:
    return lambda found: [sent for sent in found.sent if address in sent.recipients]


def flagged(found: Evidence) -> dict[str, bytes]:
    (name, content), *rest = found.before.items()
    return {f"{name}:2,S": content, **dict(rest)}


PLANTED = {
    "a message of which nothing is known": (sql("DELETE FROM places WHERE uid = 2"), "I1 lost: nothing is known"),
    "a message with other bytes": (sql("UPDATE contents SET content = CAST(content || 'x' AS BLOB)"), "I1 lost: message"),
    "a notice that was passed over": (sql("UPDATE places SET status = 'passed over' WHERE uid = 1"), "I1 lost: the notice"),
    "a message that still waits": (sql("UPDATE places SET status = 'pending', reason = 'x'"), "I3 message"),
    "a task less": (sql("DELETE FROM tasks WHERE id = 1"), "I3 lost: task"),
    "a task twice": (
        sql("INSERT INTO tasks (effect, title, due, status) SELECT effect, title, due, status FROM tasks"),
        "I2 twice: task",
    ),
    "a task that nobody asked for": (sql("UPDATE tasks SET title = 'Surprise' WHERE id = 1"), "I2 unasked"),
    "an effect that is stuck": (sql("UPDATE effects SET state = 'claimed' WHERE action = 'forward'"), "I3 forward"),
    "a row without its parent": (sql("UPDATE tasks SET effect = 'none'"), "I4 foreign key"),
    "a mail less": (but(sent=lambda f: [s for s in f.sent if AGENCY not in s.recipients]), "I3 lost: the forward"),
    "a mail twice": (but(sent=lambda f: [*f.sent, *to(OWNER)(f)]), "I2 twice: the notification"),
    "a mail under a second Message-ID": (
        but(crashes=lambda _: 1, sent=lambda f: [
            *f.sent, *(Sent(s.recipients, s.content.replace(b"Message-ID: <", b"Message-ID: <x", 1)) for s in to(AGENCY)(f))
        ]),
        "I2 twice: the forward",
    ),
    "a mail to a stranger": (but(sent=lambda f: [*f.sent, Sent(("x@evil.example",), b"\r\n")]), "I2 unasked: a mail"),
    "a rung too early": (
        but(sent=lambda f: [*f.sent, Sent((OFFICE,), f"Subject: {f.world.cases[0].near}\r\n\r\n".encode())]),
        "I2 unasked: the rung",
    ),
    "a script less": (but(log=lambda _: []), "I3 lost: the script"),
    "a script twice": (but(log=lambda f: [*f.log, *f.log]), "I2 twice: the script"),
    "a script for an unproven mail": (but(log=lambda f: [*f.log, f.world.cases[1].line]), "I2 unasked: the script"),
    "a changed flag": (but(after=flagged), "I5"),
    "a mail removed from the mailbox": (but(after=lambda f: dict(list(f.after.items())[1:])), "I5"),
    "changed bytes in the mailbox": (but(after=lambda f: {name: b"x" + c for name, c in f.after.items()}), "I5 the bytes"),
    "an undeclared exit code": (but(ends=lambda _: [Ended(1, "", "", 1.0)]), "I6 a poll ended with 1"),
    "a bug": (but(ends=lambda _: [Ended(0, "", "mailrules: this is a bug of ours: KeyError", 1.0)]), "I6 a bug"),
    "a traceback": (but(ends=lambda _: [Ended(0, "", "Traceback (most recent call last):", 1.0)]), "I6 a traceback"),
    "the password": (but(ends=lambda _: [Ended(0, f"it is {PASSWORD}", "", 1.0)]), "I6 the password"),
    "a poll without end": (but(ends=lambda _: [Ended(None, "", "", 61.0)]), "I7 a poll was still"),
    "a process left behind": (but(left=lambda _: ["sh renew.sh"]), "I7 a process"),
    "too much memory": (but(ends=lambda _: [Ended(0, "", "", 1.0, memory=301)]), "I7 a poll took 301 MB"),
    "a field of another mail in ours": (
        but(sent=lambda f: [*f.sent, *(Sent(s.recipients, b"X-Injected: yes\r\n" + s.content) for s in to(OWNER)(f))]),
        "I2 unasked: a mail of ours has the field X-Injected",
    ),
    "a message counted twice": (
        sql("INSERT INTO obligations (authorization, due, reminders, history)"
            " SELECT authorization, '2031-01-01', 1, 0 FROM obligations LIMIT 1"),
        "I8",
    ),
}  # fmt: skip


def test_a_clean_poll_holds_every_invariant(clean: Evidence) -> None:
    assert check(clean) == []


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_noticed(name: str, clean: Evidence) -> None:
    plant, sentence = PLANTED[name]
    assert any(line.startswith(sentence) for line in check(plant(clean))), check(plant(clean))


def test_each_invariant_has_something_planted_against_it() -> None:
    assert {sentence[:2] for _, sentence in PLANTED.values()} == {f"I{n}" for n in range(1, 9)}


@pytest.mark.parametrize(
    ("loose", "title", "allowed"),
    [
        ("days", "Renew somebody", True),
        ("days", "Renew somebody by 2031-01-01", False),
        ("days", "Look at a notice of amazon that could not be read: expires is said differently: `2031-01-01`", True),
        ("marked", "[unverified] Renew somebody by 2031-01-01", True),
        ("marked", "Renew somebody by 2031-01-01", False),
        ("any", "Renew somebody by 2031-01-01", True),
        ("", "[unverified] Renew somebody", False),
    ],
)
def test_of_a_strangers_mail_only_what_is_allowed_may_come(
    loose: str, title: str, allowed: bool, clean: Evidence
) -> None:
    planted = sql(
        f"INSERT INTO tasks (effect, title, due, status) SELECT effect, '{title}', due, status FROM tasks LIMIT 1"
    )
    broken = check(dataclasses.replace(planted(clean), loose=loose))
    assert any(line.startswith("I2 unasked") for line in broken) is not allowed


def test_one_duplicate_a_crash_is_declared_and_two_are_not(clean: Evidence) -> None:
    twice = dataclasses.replace(clean, sent=[*clean.sent, *to(OWNER)(clean)], crashes=1)
    assert check(twice) == []
    thrice = dataclasses.replace(twice, sent=[*twice.sent, *to(OWNER)(clean)])
    assert any(line.startswith("I2") for line in check(thrice))


def test_each_class_has_a_name_of_its_own_and_a_row_of_the_matrix() -> None:
    names = [fault.name for fault in faults()]
    assert len(set(names)) == len(names) >= 40
    rows = {row for fault in faults() for row in re.findall(r"[FB]\d\d", spread(fault.row))}
    assert rows == {f"F{n:02}" for n in range(1, 34)} | {f"B{n:02}" for n in range(1, 19)}


def spread(row: str) -> str:
    """Write F11-F14 as each of the rows."""
    return re.sub(r"F(\d\d)-F(\d\d)", lambda m: "+".join(f"F{n:02}" for n in range(int(m[1]), int(m[2]) + 1)), row)


def torture(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", "--seed", "1", *words], cwd=ROOT, capture_output=True, text=True,
        encoding="utf-8", timeout=300, check=False, env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_a_whole_poll_holds_every_invariant_under_some_faults_of_the_torture() -> None:
    code, said = torture(
        "--seconds", "1", *(word for name in ("cut-imap", "kill-time", "lies", "rules") for word in ("--only", name))
    )
    assert code == 0, said
    assert re.search(
        r"^4 faults of 4 classes \(\d rows of the matrix\), 0 of them broke an invariant; seed 1", said, re.MULTILINE
    ), said


@pytest.mark.timeout(300)
def test_one_point_is_tried_again_by_the_name_that_a_failure_gives_it() -> None:
    code, said = torture("--only", "refused", "--point", "('EXAMINE', 'NO [INUSE] busy', '')")
    assert (code, "1 faults of 1 classes" in said) == (0, True), said


# --- found by the torture -----------------------------------------------------------------------------------------------


def test_a_template_of_thousands_of_dots_is_a_problem_and_no_fault_of_ours() -> None:
    assert problem("{{ " + "x." * 5000 + "x }}") == "the template cannot be read: it is nested too deep"


def polled(folder: Path, content: bytes) -> tuple[app.Outcome, list[tuple[object, ...]]]:
    """Poll the small world with one more mail in it; return what stands of the mails' places."""
    world = small(datetime.now(UTC).date())
    box, sink = mailbox(), Sink()
    try:
        box.fill([*world.mails, (content, datetime.now(UTC))])
        outcome = app.poll(configuration.load(str(settle(world, folder, box.port, sink.port))))
        with contextlib.closing(sqlite3.connect(folder / "state" / "mailrules.db")) as store:
            return outcome, store.execute("SELECT status, reason FROM places WHERE uid = 4").fetchall()
    finally:
        box.stop()
        sink.stop()


@pytest.mark.servers
def test_an_empty_mail_is_kept_and_does_not_wait_for_ever(tmp_path: Path) -> None:
    outcome, places = polled(tmp_path, b"")
    assert (outcome.exit_code, places) == (0, [("stored", 'fetch = "all"')])


def test_a_forged_mail_that_is_no_notice_of_any_system_is_taken_in(tmp_path: Path) -> None:
    outcome, places = polled(
        tmp_path, b"From: a@shop.example\r\nFrom: b@shop.example\r\nSubject: hello\r\n\r\nhello\r\n"
    )
    assert (outcome.exit_code, places) == (0, [("stored", 'fetch = "all"')])
