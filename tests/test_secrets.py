"""Secrets stay where they are: searched for in the store, on both outputs, and in everything that is started."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mailrules.cli.commands import app
from mailrules.errors import AuthError
from mailrules.redact import MARK, Redacting, Secrets, without_tokens
from mailrules.secret import COMMANDS, exposed, secret
from tests.house import EXPIRES, House, mail, settled
from tests.mails import DEVELOPER, DEVELOPER_ID
from tests.servers import scripted

ROOT = Path(__file__).resolve().parent.parent
CANARY = "correct-Horse+battery/staple"
TOKEN = "Atzr|IwEBIPlantedRefreshTokenOfAShop1234567890"
CLIENT = "amzn1.oa2-cs.v1.0123456789abcdef0123456789abcdef"
RULES = """\
rule "renew" {
  on authorization_expiring
  create task "Renew {{ developer }}" due 7 days before expires
}

rule "start it" {
  on authorization_expiring
  when trust is bound
  run "renew"
}
"""


@pytest.mark.parametrize(
    ("before", "token", "after"),
    [
        ("", TOKEN, ""),
        ("", TOKEN.replace("Atzr", "Atza"), ""),
        ("", CLIENT, ""),
        ("", "AKIA" + "ABCD1234ABCD1234", ""),
        ("Authorization: Bearer ", "abcdef0123456789", ""),
        ("https://api.shop.example/?password=", "abcd1234", "&x=1"),
        ("", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", ""),
        ("", "1//0" + "gAbcdefghijklmnopqrstuv", ""),
    ],
)
def test_what_has_the_shape_of_a_token_is_taken_out(before, token, after):
    said = f"it said: {before}{token}{after} and ended"
    assert Secrets().redacted(said) == without_tokens(said) == f"it said: {before}{MARK}{after} and ended"


def test_a_secret_that_was_fetched_is_taken_out_also_from_base64():
    assert Secrets().redacted(f"it is {CANARY}") == f"it is {CANARY}"
    redacted = Secrets(CANARY).redacted
    blob = base64.b64encode(f"\0seller\0{CANARY}".encode()).decode()
    assert redacted(f"it is x{CANARY}y") == f"it is x{MARK}y"
    assert redacted(f"BAD unknown command {blob}") == f"BAD unknown command {MARK}"
    assert (
        redacted("an ordinary line with aGVsbG8gd29ybGQgaGVsbG8=") == "an ordinary line with aGVsbG8gd29ybGQgaGVsbG8="
    )


def test_a_secret_is_taken_out_as_json_python_and_base64_write_it_too():
    odd = 'pä"ss\\wörd\n2'
    for one in (odd, "hunter", "\udc80not text", CANARY):
        clear = Secrets(one).redacted
        blob = base64.b64encode(one.encode("utf-8", "replace")).decode()
        for said in (
            one,
            json.dumps({"why": one}),
            json.dumps([one], ensure_ascii=False),
            repr(one),
            f"AUTH {blob} x",
        ):
            told = clear(f"it said {said} and ended")
            assert MARK in told, said
            assert not any(form in told for form in (one, json.dumps(one)[1:-1], repr(one)[1:-1], blob.rstrip("="))), (
                told
            )


def test_a_short_password_does_not_eat_into_words_and_a_very_short_one_is_left():
    assert Secrets("cat", "mouse").redacted("cat, mouse, mousetrap") == f"cat, {MARK}, mousetrap"


def test_a_stream_lets_no_secret_through_and_is_the_stream_otherwise():
    inner = io.StringIO()
    stream = Redacting(inner, Secrets(CANARY))
    stream.writelines([f"a {CANARY}\n", "b\n"])
    assert print("x", CANARY, file=stream) is None
    assert inner.getvalue() == f"a {MARK}\nb\nx {MARK}\n"
    assert stream.isatty() is False


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620, 0o602])
def test_a_secret_that_others_may_read_or_write_is_not_used(tmp_path, mode):
    file = tmp_path / "password"
    file.write_text(CANARY + "\n")
    file.chmod(mode)
    with pytest.raises(AuthError, match="read by others") as caught:
        secret({"file": "password"}, tmp_path, "account shop", Secrets())()
    assert CANARY not in str(caught.value) + caught.value.help
    assert "read by others" in exposed({"file": "password"}, tmp_path)


def test_a_secret_in_a_folder_that_anybody_may_write_to_is_not_used(tmp_path):
    folder = tmp_path / "open" / "inner"
    folder.mkdir(parents=True)
    file = folder / "password"
    file.write_text(CANARY)
    file.chmod(0o600)
    assert secret({"file": "password"}, folder, "account shop", Secrets())() == CANARY
    folder.parent.chmod(0o777)
    with pytest.raises(AuthError, match="anybody may replace"):
        secret({"file": "password"}, folder, "account shop", Secrets())()
    folder.parent.chmod(0o1777)
    assert secret({"file": "password"}, folder, "account shop", Secrets())() == CANARY


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_a_secret_that_belongs_to_somebody_else_is_not_used(tmp_path):
    file = tmp_path / "password"
    file.write_text(CANARY)
    file.chmod(0o600)
    os.chown(file, 12345, 12345)
    with pytest.raises(AuthError, match="somebody else"):
        secret({"file": "password"}, tmp_path, "account shop", Secrets())()


SCRIPT = """\
import os, sys
with open(sys.argv[1], "w") as seen:
    seen.write(repr(dict(os.environ)) + repr(sys.argv) + sys.stdin.read())
    for parent in (os.getpid(), os.getppid()):
        seen.write(open(f"/proc/{parent}/cmdline").read() if os.path.exists("/proc/self") else "")
print("it says TOKEN and CLIENT and CANARY")
"""


def run(house: House, *words: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "mailrules", *words, "--config", str(house.toml)], cwd=house.folder, capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SHOP_PASSWORD": CANARY, **env}, timeout=60,
    )  # fmt: skip


@pytest.fixture
def house(tmp_path: Path):
    from datetime import UTC, datetime, timedelta

    expires = datetime.now(UTC).date() + timedelta(days=20)
    with settled(tmp_path, RULES, [mail(DEVELOPER, DEVELOPER_ID, expires=expires, days=20)]) as it:
        text = SCRIPT.replace("TOKEN", TOKEN).replace("CLIENT", CLIENT).replace("CANARY", CANARY)
        (tmp_path / "renew.py").write_text(text, encoding="utf-8")
        it.server.password = CANARY
        it.change("mailrules.toml", '{ file = "password" }', '{ env = "SHOP_PASSWORD" }')
        yield it


def assert_nowhere(house: House, *results: subprocess.CompletedProcess[bytes]) -> None:
    stored = b"".join(path.read_bytes() for path in house.config.store.parent.rglob("*") if path.is_file())
    said = b"".join(r.stdout + r.stderr for r in results)
    for planted in (CANARY, TOKEN, CLIENT, base64.b64encode(CANARY.encode()).decode()[:-4]):
        assert planted.encode() not in stored, planted
        assert planted.encode() not in said, planted


def test_no_secret_reaches_the_store_the_outputs_or_the_script(house):
    polled = run(house, "poll")
    assert (polled.returncode, polled.stderr) == (0, b"")
    seen = (house.folder / "log").read_text(encoding="utf-8")
    assert DEVELOPER_ID in seen
    assert CANARY not in seen
    (row,) = [e for e in house.store.effects() if e["action"] == "run_script"]
    assert row["output"].strip() == f"it says {MARK} and {MARK} and {MARK}"
    subject = next(iter(house.store.ledger().authorizations))
    others = [run(house, *words) for words in (["config"], ["effects", "--json"], ["explain", subject], ["doctor"])]
    assert {o.returncode for o in others} <= {0, 1}
    assert_nowhere(house, polled, *others)


def test_no_secret_is_in_what_a_refused_login_or_a_crash_prints(house):
    refused = run(house, "poll", SHOP_PASSWORD=CANARY + "x")
    assert refused.returncode == 77
    assert CANARY.encode() not in refused.stderr
    site = house.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import mailrules.spine.intake as intake\n"
        "def crash(self, account, report, line):\n"
        "    password = self.config.secret(account.password, 'x')()\n"
        f"    raise RuntimeError('a bug with ' + password + ' and {TOKEN}')\n"
        "intake.Intake.poll = crash\n",
        encoding="utf-8",
    )
    path = os.pathsep.join([str(site), str(ROOT)])
    crashed = run(house, "poll", PYTHONPATH=path)
    assert crashed.returncode == 70
    assert MARK.encode() in crashed.stderr
    debugged = run(house, "poll", PYTHONPATH=path, MAILRULES_DEBUG="1")
    assert b"Traceback" in debugged.stderr
    assert MARK.encode() in debugged.stderr
    assert_nowhere(house, refused, crashed, debugged)


def test_what_one_configuration_keeps_secret_is_not_taken_out_of_anothers_texts(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    due = EXPIRES - timedelta(days=16)
    with settled(tmp_path / "one", RULES, []) as one, settled(tmp_path / "two", RULES, []) as two:
        first, second = one.config, two.config
        assert first.secret(first.accounts[0].password, "x")() == "secret"
        assert first.secrets.redacted(f"a secret of {due}") == f"a {MARK} of {due}"
        assert second.secrets.redacted(f"a secret of {due}") == f"a secret of {due}"


def test_a_mail_that_says_what_a_password_is_is_shown_as_it_is(tmp_path):
    """A mark in its place would falsify the ledger's list, and tell everybody who reads the mail what the password is."""
    with settled(tmp_path, RULES, [mail("Never Settle", DEVELOPER_ID, expires=EXPIRES, days=16)]) as house:
        house.server.password = "Never Settle"
        (tmp_path / "password").write_text("Never Settle")
        house.poll()
        shown = [
            CliRunner().invoke(app, [*words, "--config", str(house.toml)]).output
            for words in (["authorizations", "--json"], ["authorizations", "export", "--json"], ["tasks", "--json"])
        ]
        assert [text.count("Never Settle") > 0 for text in shown] == [True] * 3
        assert MARK not in "".join(shown)


def test_a_server_that_says_our_password_gets_it_into_no_store_and_no_output(house):
    def refuse(sock):
        sock.sendall(b"* OK IMAP4rev1 ready\r\n")
        said = b""
        for line in sock.makefile("rb"):
            said += line
            tag = line.split()[0] if line.split() else b"*"
            if CANARY.encode() in line or b"AUTHENTICATE" in line.upper():
                blob = base64.b64encode(f"\0seller\0{CANARY}".encode())
                sock.sendall(
                    tag + b" NO [AUTHENTICATIONFAILED] no user with " + CANARY.encode() + b" or " + blob + b"\r\n"
                )
            else:
                sock.sendall(b"* CAPABILITY IMAP4rev1\r\n" + tag + b" OK done\r\n")

    with scripted(refuse) as port:
        house.change("mailrules.toml", f"port = {house.server.port}", f"port = {port}")
        polled = run(house, "poll")
    assert polled.returncode == 77
    assert MARK.encode() in polled.stderr
    assert_nowhere(house, polled)
    others = [run(house, *words) for words in (["poll"], ["account", "list"], ["health"])]
    assert_nowhere(house, polled, *others)


def by_command(*argv: str, folder: Path) -> Callable[[], str]:
    return secret({"command": list(argv)}, folder, "account shop", Secrets())


def test_the_commands_of_many_accounts_run_beside_one_another(tmp_path: Path) -> None:
    meet = 'touch "$1"; while [ ! -e "$2" ]; do sleep 0.01; done; echo "$1"'  # each waits for the other to have begun
    fetches = [by_command("sh", "-c", meet, "sh", *names, folder=tmp_path) for names in ("ab", "ba")]
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(lambda fetch: fetch(), fetches)) == ["a", "b"]


def test_no_command_runs_beside_a_script_whose_leavings_are_ended(tmp_path: Path) -> None:
    wait = 'touch begun; while [ ! -e "$1" ]; do sleep 0.01; done; echo it'
    with ThreadPoolExecutor() as pool:
        first = pool.submit(by_command("sh", "-c", wait, "sh", "go", folder=tmp_path))
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)

        def script() -> list[bool]:
            with COMMANDS.none():
                seen = [first.done()]
                second.append(pool.submit(by_command("echo", "two", folder=tmp_path)))
                time.sleep(0.2)
                return [*seen, second[0].done()]

        second: list[Future[str]] = []
        running = pool.submit(script)
        time.sleep(0.2)
        assert not running.done()
        (tmp_path / "go").touch()
        assert running.result() == [True, False]
        assert (first.result(), second[0].result()) == ("it", "two")


@pytest.mark.parametrize(
    ("argv", "said"), [(["sleep", "9"], "did not end within 0.2 sec"), (["no-such"], "No such file")]
)
def test_a_command_that_gives_no_secret_is_told_with_the_reason(
    argv: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailrules.secret.COMMAND_SECONDS", 0.2)
    with pytest.raises(AuthError, match=said):
        by_command(*argv, folder=tmp_path)()
