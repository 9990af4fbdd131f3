"""The whole program against a real Dovecot: the command in a process of its own, real SMTP, a real script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mailrules.demo.smtp_sink import SmtpSink
from tests.mails import DEVELOPER, DEVELOPER_ID, FORMS, RECEIVER, mailbox, notice, today
from tests.servers import Dovecot, dovecot_available, free_port

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.servers

RULES = """\
rule "renew" {
  on authorization_expiring
  create task "Renew {{ developer }} by {{ expires }}" due 7 days before expires
  notify owner "{{ developer }} lapses on {{ expires }}"
}

rule "tell the agency" {
  on authorization_expiring
  when trust is bound
  forward to "agency@outside.example"
}

rule "start the renewal" {
  on authorization_expiring
  when trust is bound
  run "renew"
}
"""

SCRIPT = """\
import sys
with open(sys.argv[1], "a") as log:
    log.write(" ".join(sys.argv[2:]) + "\\n")
"""


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    if not dovecot_available():
        if os.environ.get("MAILRULES_REQUIRE_SERVERS") == "1":
            pytest.fail("Dovecot is not installed (Debian: apt install dovecot-imapd)")
        pytest.skip("Dovecot is not installed (Debian: apt install dovecot-imapd)")
    server = Dovecot()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as server:
        yield server


def setting(folder: Path, imap: int, smtp: int, password: str = Dovecot.password, extra: str = "") -> Path:
    """Write a configuration, its rules, its script and its password; return the configuration's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "my.rules").write_text(RULES, encoding="utf-8")
    (folder / "renew.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "password").write_text(password, encoding="utf-8")
    (folder / "password").chmod(0o600)
    argv = json.dumps(
        [sys.executable, str(folder / "renew.py"), str(folder / "log"), "{{ developer_id }}", "{{ expires }}"]
    )
    (folder / "mailrules.toml").write_text(
        f"""{extra}timezone = "UTC"
rules = ["my.rules"]

[accounts.shop]
host = "127.0.0.1"
port = {imap}
tls = "none"
user = "seller"
password = {{ file = "password" }}
region = "na"
receiver = {{ authserv_id = "{RECEIVER}" }}

[smtp]
host = "127.0.0.1"
port = {smtp}
tls = "none"
from = "mailrules@shop.example"

[people]
owner = "owner@shop.example"

[developers]
"{DEVELOPER_ID}" = "{DEVELOPER}"

[scripts.renew]
argv = {argv}
timeout = "20s"
""",
        encoding="utf-8",
    )
    return folder / "mailrules.toml"


def start(config: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mailrules", *words, "--config", str(config)], cwd=config.parent, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(config: Path, *words: str) -> tuple[int, str, str]:
    with start(config, *words) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode != 70, err
    assert "Traceback" not in err, err
    return process.returncode, out, err


def rows(config: Path, *words: str) -> list[dict[str, Any]]:
    code, out, err = run(config, *words, "--json")
    assert (code, err) == (0, "")
    if out.startswith("["):
        return list(json.loads(out))
    return [json.loads(line) for line in out.splitlines()]


def script_runs(config: Path) -> list[str]:
    log = config.parent / "log"
    return log.read_text().splitlines() if log.exists() else []


def sent_to(sink: SmtpSink, address: str) -> list[bytes]:
    return [mail.content for mail in sink.received if address in mail.recipients]


def message_ids(mails: list[bytes]) -> set[bytes]:
    return {
        line
        for mail in mails
        for line in mail.split(b"\r\n\r\n", 1)[0].splitlines()
        if line.lower().startswith(b"message-id:")
    }


def on_disk(dovecot: Dovecot) -> dict[str, bytes]:
    """Return the mails in the Maildir, by name with folder and flags."""
    found = [p for part in ("new", "cur") for p in (dovecot.maildir / part).iterdir()]
    return {f"{p.parent.name}/{p.name}": p.read_bytes() for p in found}


def fill(dovecot: Dovecot, *, stamp: bool) -> list[bytes]:
    """Fill the mailbox; return the notices in it."""
    for content, moment in mailbox(today(), stamp=stamp):
        dovecot.add(content, moment)
    return [notice(form, expires=date.fromordinal(today().toordinal() + 30), stamp=stamp)[0] for form in FORMS]


def assert_all_was_done_once(config: Path, sink: SmtpSink, *, crashed: bool = False) -> None:
    """After a crash a mail may have gone out twice, and then both bear one Message-ID."""
    expires = date.fromordinal(today().toordinal() + 30).isoformat()
    (authorization,) = rows(config, "authorizations")
    assert (authorization["developer_id"], authorization["developer"], authorization["expires"]) == (
        DEVELOPER_ID,
        DEVELOPER,
        expires,
    )
    (task,) = rows(config, "tasks")
    assert task["title"] == f"Renew {DEVELOPER} by {expires}"
    for address in ("agency@outside.example", "owner@shop.example"):
        mails = sent_to(sink, address)
        assert len(message_ids(mails)) == 1
        assert len(mails) <= (2 if crashed else 1)
    assert script_runs(config) == [f"{DEVELOPER_ID} {expires}"]


def test_a_stamped_notice_has_every_effect_once_and_the_mailbox_stays_as_it_was(
    dovecot: Dovecot, sink: SmtpSink, tmp_path: Path
) -> None:
    notices = fill(dovecot, stamp=True)
    before = on_disk(dovecot)
    config = setting(tmp_path, dovecot.port, sink.port)
    assert run(config, "poll") == (0, "", "")
    assert_all_was_done_once(config, sink)
    (forwarded,) = sent_to(sink, "agency@outside.example")
    assert any(original in forwarded for original in notices)
    count = len(sink.received)
    assert run(config, "poll") == (0, "", "")
    assert len(sink.received) == count
    assert_all_was_done_once(config, sink)
    assert on_disk(dovecot) == before


def test_an_unstamped_notice_makes_a_marked_task_and_reaches_neither_the_agency_nor_the_script(
    dovecot: Dovecot, sink: SmtpSink, tmp_path: Path
) -> None:
    fill(dovecot, stamp=False)
    config = setting(tmp_path, dovecot.port, sink.port)
    assert run(config, "poll") == (0, "", "")
    assert len(rows(config, "authorizations")) == 1
    (task,) = rows(config, "tasks")
    assert "[unverified]" in task["title"]
    (told,) = sent_to(sink, "owner@shop.example")
    assert b"unverified" in told
    assert sent_to(sink, "agency@outside.example") == []
    assert script_runs(config) == []


@pytest.mark.slow
@pytest.mark.timeout(400)  # ten moments, each with a mailbox and three processes of its own
def test_a_poll_killed_at_any_moment_is_made_good_by_the_next_ones(dovecot: Dovecot, tmp_path: Path) -> None:
    fill(dovecot, stamp=True)
    length = 60.0
    for name in ("cold", "warm"):  # the shorter of two: a kill after the end would prove nothing
        with SmtpSink() as sink:
            config = setting(tmp_path / name, dovecot.port, sink.port)
            began = time.monotonic()
            assert run(config, "poll")[0] == 0
            length = min(length, time.monotonic() - began)
    landed, tried = 0, 0
    while landed < 10:
        tried += 1
        assert tried <= 40, f"only {landed} of {tried} polls were still at work when they were killed"
        moment = landed + 1
        with SmtpSink() as sink:
            config = setting(tmp_path / str(tried), dovecot.port, sink.port)
            with start(config, "poll") as process:
                time.sleep(length * moment / 12)
                process.kill()
                process.communicate()
            if process.returncode == -9:
                landed += 1
            else:
                length *= 0.8  # the machine is less busy than when the length was taken
            codes = [run(config, "poll")[0]]
            codes += [run(config, "poll")[0] for _ in range(2)]
            assert len(rows(config, "authorizations")) == 1, moment
            assert len(rows(config, "tasks")) == 1, moment
            effects = rows(config, "effects")
            unknown = [e for e in effects if e["state"] == "unknown"]
            assert {e["state"] for e in effects} <= {"done", "unknown"}, (moment, effects)
            assert codes[-1] == (3 if unknown else 0), (moment, effects)
            assert len(script_runs(config)) <= 1
            assert len(message_ids(sent_to(sink, "agency@outside.example"))) <= 1
            assert len(message_ids(sent_to(sink, "owner@shop.example"))) <= 1
            if not unknown:
                assert_all_was_done_once(config, sink, crashed=True)


def test_a_poll_killed_while_the_script_runs_leaves_it_to_a_person_and_never_runs_it_again(
    dovecot: Dovecot, sink: SmtpSink, tmp_path: Path
) -> None:
    dovecot.add(*notice(expires=date.fromordinal(today().toordinal() + 30), stamp=True))
    config = setting(tmp_path, dovecot.port, sink.port)
    with (tmp_path / "renew.py").open("a", encoding="utf-8") as script:
        script.write("import time\ntime.sleep(2)\n")
    with start(config, "poll") as process:
        while not script_runs(config) and process.poll() is None:
            time.sleep(0.02)
        process.kill()
    assert process.returncode == -9
    code, out, err = run(config, "poll")
    assert (code, out) == (3, "")
    assert "may or may not have happened" in err
    assert [e["action"] for e in rows(config, "effects") if e["state"] == "unknown"] == ["run_script"]
    assert run(config, "poll") == (3, "", "")
    assert len(script_runs(config)) == 1


def test_two_polls_at_once_do_what_one_does(dovecot: Dovecot, sink: SmtpSink, tmp_path: Path) -> None:
    fill(dovecot, stamp=True)
    config = setting(tmp_path, dovecot.port, sink.port)
    with start(config, "poll") as one, start(config, "poll") as other:
        results = [process.communicate(timeout=60) for process in (one, other)]
    assert (one.returncode, other.returncode, results) == (0, 0, [("", ""), ("", "")])
    assert_all_was_done_once(config, sink)


def assert_one_error(err: str) -> None:
    assert len([line for line in err.splitlines() if line.startswith(("mailrules:", "error"))]) == 1, err


def test_a_wrong_password_ends_with_77(dovecot: Dovecot, sink: SmtpSink, tmp_path: Path) -> None:
    code, out, err = run(setting(tmp_path, dovecot.port, sink.port, password="wrong"), "poll")
    assert (code, out) == (77, "")
    assert_one_error(err)
    assert "wrong\n" not in err


def test_a_closed_port_ends_with_75(sink: SmtpSink, tmp_path: Path) -> None:
    code, out, err = run(setting(tmp_path, free_port(), sink.port), "poll")
    assert (code, out) == (75, "")
    assert_one_error(err)


def test_an_unknown_key_ends_with_78(sink: SmtpSink, tmp_path: Path) -> None:
    code, out, err = run(setting(tmp_path, free_port(), sink.port, extra="colour = 1\n"), "poll")
    assert (code, out) == (78, "")
    assert "colour" in err
    assert_one_error(err)


def test_broken_rules_leave_the_last_good_ones_at_work_and_end_with_78(
    dovecot: Dovecot, sink: SmtpSink, tmp_path: Path
) -> None:
    config = setting(tmp_path, dovecot.port, sink.port)
    assert run(config, "poll") == (0, "", "")
    (tmp_path / "my.rules").write_text('rule "renew" {\n  on nothing_known\n', encoding="utf-8")
    fill(dovecot, stamp=True)
    code, out, err = run(config, "poll")
    assert (code, out) == (78, "")
    assert "last good" in err
    assert_all_was_done_once(config, sink)
