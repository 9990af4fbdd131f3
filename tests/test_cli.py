"""What a person types and what comes back, through the real program on real files."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailrules.shipped import shipped_text
from mailrules.store.lock import locked
from tests.mails import DEVELOPER_ID, notice, today

ROOT = Path(__file__).resolve().parent.parent
CONFIG = """\
rules = ["rules/*.rules"]

[accounts.main]
host = "127.0.0.1"
port = 1
tls = "none"
user = "seller"
password = { env = "PASSWORD" }

[people]
owner = "owner@shop.example"
"""


def run(folder: Path, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), "PASSWORD": "secret"}
    done = subprocess.run(
        [sys.executable, "-m", "mailrules", *arguments], cwd=folder, env=environment, input=stdin, capture_output=True, timeout=60, check=False
    )  # fmt: skip
    assert b"Traceback" not in done.stderr
    assert done.returncode != 70, done.stderr
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def listed(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    code, out, err = run(folder, *arguments, "--json")
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mailrules.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "starter.rules").write_text(shipped_text("rules/starter.rules"), encoding="utf-8")
    (tmp_path / "notice.eml").write_bytes(notice(expires=today() + timedelta(days=20), days=20)[0])
    return tmp_path


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_that_comes_within_a_callback_of_pythons_own_is_not_lost(name: str, code: int) -> None:
    program = f"""
import signal, sys, time
from mailrules.cli import heed_signals
class Passing:
    def __del__(self):
        signal.raise_signal(signal.{name})
heed_signals()
try:
    Passing()
    time.sleep(9)
except KeyboardInterrupt:
    sys.exit(130)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.parametrize("words", ["ingest notice.eml", "forget --person a@b.example", "apply plan.json"])
def test_who_asks_for_a_change_while_a_poll_is_at_work_is_told_that_nothing_was_done(folder: Path, words: str) -> None:
    assert run(folder, "ingest", "notice.eml")[0] == 0
    assert run(folder, "poll", "--plan", "plan.json")[0] == 75  # no server is there
    with locked(folder / "state" / "mailrules.db.lock") as mine:
        assert mine
        code, out, err = run(folder, *words.split())
    assert (code, out) == (75, "")
    assert "a poll of this store is at work, so nothing was done" in err


def test_what_is_taken_in_by_the_last_good_rules_is_said_to_be(folder: Path) -> None:
    assert run(folder, "ingest", "notice.eml") == (0, "", "")
    (folder / "rules" / "starter.rules").write_text('rule "x" {\n  on nothing\n}\n', encoding="utf-8")
    code, _, err = run(folder, "ingest", "notice.eml")
    assert (code, "the last good rules are at work, because today's may not go live" in err) == (78, True)


def test_a_finished_task_settles_the_deadline_and_a_year_is_assumed(folder: Path) -> None:
    assert run(folder, "ingest", "notice.eml")[0] == 0
    (task,) = listed(folder, "tasks")
    assert set(task) == {"id", "title", "due", "status", "rule", "authorization"}
    assert run(folder, "tasks", "done", task["id"])[0] == 0
    assert listed(folder, "tasks") == []
    (authorization,) = listed(folder, "authorizations")
    assert authorization["expires"] == (today() + timedelta(days=365)).isoformat()
    assert (authorization["assumed"], authorization["state"], authorization["developer_id"]) == (
        True,
        "active",
        DEVELOPER_ID,
    )
    code, _, err = run(folder, "tasks", "done", task["id"])
    assert (code, "done already" in err) == (2, True)


def test_the_same_document_taken_in_twice_asks_for_nothing_new(folder: Path) -> None:
    run(folder, "ingest", "notice.eml")
    before = listed(folder, "effects")
    assert before
    run(folder, "ingest", "notice.eml")
    assert listed(folder, "effects") == before


def test_an_authorization_entered_by_hand_is_listed_and_can_be_renewed(folder: Path) -> None:
    expires = (today() + timedelta(days=10)).isoformat()
    words = ("--account", "main", "--system", "amazon", "--developer", "shippinno", "--developer-id", "5259-6479-4073")
    code, out, _ = run(folder, "authorizations", "add", *words, "--expires", expires)
    assert code == 0
    (row,) = listed(folder, "authorizations")
    assert (row["id"], row["developer_id"], row["expires"], row["days_left"], row["state"], row["trust"]) == (
        out.strip(), "525964794073", expires, 10, "expiring", "confirmed",
    )  # fmt: skip
    code, _, err = run(folder, "authorizations", "renewed", row["id"], "--until", expires)
    assert (code, "not later" in err) == (2, True)
    assert run(folder, "authorizations", "renewed", "5259-6479-4073")[0] == 0
    (row,) = listed(folder, "authorizations")
    assert (row["state"], row["assumed"]) == ("active", True)


def test_a_document_on_standard_input_is_read(folder: Path) -> None:
    code, out, _ = run(folder, "read", "--json", "-", stdin=(folder / "notice.eml").read_bytes())
    row = json.loads(out)
    assert (code, row["source"], row["status"], row["fields"]["developer_id"]) == (0, "-", "read", DEVELOPER_ID)
    assert set(row) == {
        "source", "message_id", "system", "notice", "wording", "status", "reason", "trust", "fields", "evidence",
        "notes",
    }  # fmt: skip


def test_every_rule_says_why_it_fired_or_held_back(folder: Path) -> None:
    run(folder, "ingest", "notice.eml")
    for what in ("notice.eml", json.loads(run(folder, "read", "--json", "notice.eml")[1])["message_id"]):
        code, out, _ = run(folder, "explain", "--json", what)
        row = json.loads(out)
        assert code == 0
        assert row["candidate"]
        assert {r["rule"]: r["fired"] for r in row["rules"]}["renew before it lapses"]
        assert all(r["reason"] for r in row["rules"] if not r["fired"])


def test_init_writes_what_check_accepts_and_never_writes_over(tmp_path: Path) -> None:
    words = ("init", "--host", "127.0.0.1", "--user", "seller@shop.example", "--tls", "none", "--no-test")
    assert run(tmp_path, *words)[0] == 0
    assert run(tmp_path, "check")[0] == 0
    assert run(tmp_path, "test")[0] == 0
    before = (tmp_path / "mailrules.toml").read_bytes()
    assert run(tmp_path, *words)[0] == 0
    assert (tmp_path / "mailrules.toml").read_bytes() == before


def test_settings_are_shown_with_their_origin_and_without_secrets(folder: Path) -> None:
    code, out, _ = run(folder, "config")
    assert code == 0
    assert "PASSWORD" not in out
    assert "a reference" in out
    assert "default" in out


def test_a_failed_effect_needs_a_person_and_can_be_cancelled(folder: Path) -> None:
    run(
        folder,
        "authorizations",
        "add",
        "--account",
        "main",
        "--system",
        "amazon",
        "--developer",
        "A",
        "--expires",
        today().isoformat(),
    )
    assert run(folder, "ingest", "notice.eml")[0] == 3  # no [smtp], so nobody could be told
    failed = [row for row in listed(folder, "effects") if row["state"] == "failed"]
    assert failed
    for row in failed:
        assert run(folder, "effects", "cancel", row["id"])[0] == 0
    assert run(folder, "ingest", "notice.eml")[0] == 0


@pytest.mark.parametrize("host", ["imap.shop.example", "127.shop.example", "localhost.shop.example", "10.0.0.1"])
def test_a_password_never_travels_in_the_clear_to_another_machine(folder: Path, host: str) -> None:
    (folder / "mailrules.toml").write_text(CONFIG.replace("127.0.0.1", host), encoding="utf-8")
    code, out, err = run(folder, "poll")
    assert (code, out, "this machine only" in err) == (78, "", True)


def in_a_shell(folder: Path, line: str) -> tuple[int, str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    command = f"{shlex.quote(sys.executable)} -m mailrules {line}"
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, timeout=60, check=False
    )
    return done.returncode, done.stderr.decode()


def test_standard_input_that_is_closed_holds_nothing(tmp_path: Path) -> None:
    assert in_a_shell(tmp_path, "read - <&-") == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_output_to_a_full_disk_is_to_be_tried_again_and_no_bug(tmp_path: Path) -> None:
    (tmp_path / "mail.eml").write_bytes(notice("plain")[0])
    code, said = in_a_shell(tmp_path, "read --json mail.eml > /dev/full")
    assert code == 75
    assert said.startswith("mailrules: there is no room to write") and "\n  help: make room" in said


def test_a_code_that_does_not_exist_is_told_with_those_that_do(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "explain", "e099")
    assert (code, out) == (2, "")
    assert "no problem has the code e099" in err and "E013" in err


def test_a_message_over_a_limit_says_so_instead_of_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "large.eml").write_bytes(notice("plain")[0] + b"x" * 25_000_000)
    (row,) = listed(tmp_path, "read", "large.eml")
    assert (row["status"], row["reason"], row["fields"]) == ("unparsed", "The message is larger than 25 MB.", {})
