"""`mailrules init`: from an empty folder to the first deadline shown."""

from __future__ import annotations

import http.server
import json
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from mailrules.sources.autoconfig import look_up
from tests.mails import DEVELOPER, DEVELOPER_ID, notice, today
from tests.servers import Dovecot, dovecot_available, free_port, scripted
from tests.terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    if not dovecot_available():
        if os.environ.get("MAILRULES_REQUIRE_SERVERS") == "1":
            pytest.fail("Dovecot is not installed (Debian: apt install dovecot-imapd)")
        pytest.skip("Dovecot is not installed (Debian: apt install dovecot-imapd)")
    server = Dovecot()
    try:
        server.add(*notice(expires=today() + timedelta(days=12), days=18))
        yield server
    finally:
        server.stop()


def env(language: str = "en_US.UTF-8", **more: str) -> dict[str, str]:
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("MAILRULES_", "LC_", "LANG", "TZ"))}
    return keep | {"LANG": language, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "200"} | more


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "mailrules", *words]


def run(folder: Path, *words: str, typed: str = "", **more: str) -> tuple[int, str]:
    done = subprocess.run(
        command(*words),
        cwd=folder,
        env=env(**more),
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def with_user(server: Dovecot, user: str, password: str) -> None:
    with (server.folder / "users").open("a", encoding="utf-8") as file:
        file.write(f"{user}:{{PLAIN}}{password}\n")


PROFILES = {
    "gmail": ("shop@gmail.com", "shop@gmail.com", "en_US.UTF-8", "App password", "answer/185833", "12 days"),
    "icloud": ("shop@icloud.com", "shop", "ja_JP.UTF-8", "アプリ用パスワード", "support.apple.com", "12日"),
    "gmx": ("shop@gmx.de", "shop@gmx.de", "de_DE.UTF-8", "Passwort", "hilfe.gmx.net", "12 Tagen"),
    "qq": ("shop@qq.com", "shop@qq.com", "zh_CN.UTF-8", "授权码", "service.mail.qq.com", "12 天"),
}


@pytest.mark.servers
@pytest.mark.parametrize("name", PROFILES)
def test_a_person_who_knows_the_address_only_sees_the_next_deadline(
    name: str, tmp_path: Path, dovecot: Dovecot
) -> None:
    address, user, language, asked, link, days = PROFILES[name]
    with_user(dovecot, user, "made up 1")
    server = ("--host", "127.0.0.1", "--port", str(dovecot.port), "--tls", "none")
    with Terminal(command("init", "--provider", name, *server), tmp_path, env(language)) as person:
        person.see(": ")
        person.type(address)
        person.see(link)
        person.see(asked)
        person.see(": ")  # what is typed before the terminal has gone silent is thrown away
        person.type("made up 1")
        person.see(days)
        person.see(DEVELOPER)
        person.see(DEVELOPER_ID)
        person.see("/N]")
        person.type("y")
        person.see("mailrules poll --config")
        assert person.end() == 0, person.screen
    assert "made up 1" not in person.screen
    secret = tmp_path / "secrets" / "main"
    assert secret.read_text(encoding="utf-8") == "made up 1\n"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
    assert run(tmp_path, "check")[0] == 0
    listed = [json.loads(line) for line in run(tmp_path, "trust", "--json")[1].splitlines()]
    assert [row["sender"] for row in listed if row["confirmed"]] == [DEVELOPER_ID]
    effects = [json.loads(line) for line in run(tmp_path, "effects", "--json")[1].splitlines()]
    assert {row["state"] for row in effects if row["action"] != "create_task"} <= {"planned"}, "somebody was written to"


@pytest.mark.servers
def test_an_unknown_domain_is_asked_for_its_server_and_a_mistyped_password_again(
    tmp_path: Path, dovecot: Dovecot
) -> None:
    with_user(dovecot, "you@shop.example", "right one")
    with Terminal(command("init", "--port", str(dovecot.port), "--tls", "none"), tmp_path, env()) as person:
        person.see("Mail address")
        person.type("you at shop.example")
        person.see("is no mail address")
        person.see("Mail address")
        person.type("you@shop.example")
        person.see("shop.example")
        person.see("IMAP server [imap.shop.example]")
        person.type("127.0.0.1")
        person.see("Password (it is not shown): ")
        person.type("wrong one")
        person.see("did not let us in: [AUTHENTICATIONFAILED]")
        person.see("Password (it is not shown): ")
        person.type("right one")
        person.see("the next lapses in 12 days")
        person.see("[y/N]")
        person.type("")
        assert person.end() == 0, person.screen
    assert "[smtp]" in (tmp_path / "mailrules.toml").read_text(encoding="utf-8")
    assert "confirmed" not in run(tmp_path, "trust")[1].replace("confirmed  reason", "")


@pytest.mark.servers
def test_without_a_terminal_the_flags_say_everything(tmp_path: Path, dovecot: Dovecot) -> None:
    words = (
        "init", "--address", "you@shop.example", "--user", dovecot.user, "--host", "127.0.0.1", "--port", str(dovecot.port),
        "--tls", "none", "--password-stdin", "--timezone", "Europe/Berlin",
    )  # fmt: skip
    code, said = run(tmp_path, *words, typed=dovecot.password + "\n")
    assert code == 0, said
    assert "only read: INBOX." in said
    assert f"mailrules trust developer {DEVELOPER_ID}" in said
    assert 'timezone = "Europe/Berlin"' in (tmp_path / "mailrules.toml").read_text(encoding="utf-8")
    assert dovecot.password not in said


@pytest.mark.servers
def test_a_second_init_keeps_every_file_and_offers_what_is_missing(tmp_path: Path, dovecot: Dovecot) -> None:
    words = ("init", "--address", "you@shop.example", "--user", dovecot.user, "--host", "127.0.0.1")
    words += ("--port", str(dovecot.port), "--tls", "none", "--password-stdin")
    assert run(tmp_path, *words, typed=dovecot.password + "\n")[0] == 0
    with (tmp_path / "mailrules.toml").open("a", encoding="utf-8") as file:
        file.write("# mine\n")
    kept = ("mailrules.toml", "rules/starter.rules", "secrets/main")
    before = [(tmp_path / name).read_bytes() for name in kept]
    code, said = run(tmp_path, *words, "--language", "de", typed="something else\n")
    assert code == 0, said
    assert [(tmp_path / name).read_bytes() for name in kept] == before
    (tmp_path / "rules" / "starter.rules").unlink()
    code, said = run(tmp_path, "init", "--address", "other@shop.example", "--language", "de")
    assert code == 0, said
    assert (tmp_path / "rules" / "starter.rules").exists()
    assert (tmp_path / "mailrules.toml").read_bytes() == before[0]
    assert "other@shop.example" in said


def test_a_refused_login_ends_with_the_code_for_it_and_keeps_what_was_written(tmp_path: Path) -> None:
    def refuse(sock: object) -> None:
        sock.sendall(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n")  # type: ignore[attr-defined]
        while line := sock.recv(4096):  # type: ignore[attr-defined]
            tag = line.split()[0]
            if b"AUTHENTICATE" in line.upper() or b"LOGIN" in line.upper():
                sock.sendall(tag + b" NO [AUTHENTICATIONFAILED] no\r\n")  # type: ignore[attr-defined]
            else:
                sock.sendall(tag + b" BAD what\r\n")  # type: ignore[attr-defined]

    with scripted(refuse) as port:
        words = ("--host", "127.0.0.1", "--port", str(port), "--tls", "none", "--password-stdin")
        code, said = run(tmp_path, "init", "--address", "you@shop.example", *words, typed="made up\n")
    assert code == 77
    assert "refused" in said
    assert (tmp_path / "mailrules.toml").exists()


@pytest.mark.servers
def test_a_server_that_was_mistyped_is_asked_for_again_and_the_right_one_is_kept(
    tmp_path: Path, dovecot: Dovecot
) -> None:
    with_user(dovecot, "you@shop.example", "right one")
    with Terminal(command("init", "--port", str(dovecot.port), "--tls", "none"), tmp_path, env()) as person:
        person.see("Mail address")
        person.type("you@shop.example")
        person.see("IMAP server [imap.shop.example]")
        person.type("127.0.0.3")
        person.see("Password (it is not shown): ")
        person.type("right one")
        person.see("No answer there")
        person.see("IMAP server [127.0.0.3]")
        person.type("127.0.0.1")
        person.see("the next lapses in 12 days")
        person.see("[y/N]")
        person.type("")
        assert person.end() == 0, person.screen
    assert 'host      = "127.0.0.1"' in (tmp_path / "mailrules.toml").read_text(encoding="utf-8")


def test_a_server_that_does_not_answer_says_what_stays_and_what_to_do(tmp_path: Path) -> None:
    words = ("--host", "127.0.0.1", "--port", str(free_port()), "--tls", "none", "--password-stdin")
    code, said = run(tmp_path, "init", "--address", "you@shop.example", *words, typed="made up\n")
    assert code == 75
    assert "Correct mailrules.toml, or remove it to begin anew" in said


def test_an_address_that_looks_mistyped_is_asked_about(tmp_path: Path) -> None:
    with Terminal(command("init", "--no-test"), tmp_path, env("de_DE.UTF-8")) as person:
        person.see("Mailadresse")
        person.type("shop@gmial.com")
        person.see("Meinten Sie shop@gmail.com?")
        person.type("j")
        person.see("App-Passwort (wird nicht angezeigt): ")
        person.type("made up")
        assert person.end() == 0, person.screen
    assert 'user      = "shop@gmail.com"' in (tmp_path / "mailrules.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_who_stops_at_a_question_leaves_nothing_behind(key: str, tmp_path: Path) -> None:
    with Terminal(command("init"), tmp_path, env()) as person:
        person.see("Mail address of the inbox to watch: ")
        person.press(key)
        assert person.end() == 130, person.screen
    assert "Aborted" not in person.screen
    assert not list(tmp_path.iterdir())


def test_a_place_where_nothing_can_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, said = run(tmp_path, "init", "--folder", "file")
    assert code == 2
    assert "nothing can be written in" in said
    assert "--folder" in said


@pytest.mark.servers
@pytest.mark.parametrize(
    ("language", "lapses", "past"),
    [("en", "lapses today", "lapsed 6 days ago"), ("de", "läuft heute ab", "vor 6 Tagen abgelaufen"),
     ("ja", "次の期限は本日です", "6日前に失効"), ("zh", "最近的一项今天到期", "6 天前已失效")],
)  # fmt: skip
def test_what_lapses_today_or_has_lapsed_is_said_in_words_and_history_is_only_counted(
    language: str, lapses: str, past: str, tmp_path: Path, dovecot: Dovecot
) -> None:
    for number, days in ((1, 0), (2, -6), (3, -100)):
        content, moment = notice(expires=today() + timedelta(days=days), days=30)
        content = content.replace(DEVELOPER_ID.encode(), b"10000000000%d" % number)
        dovecot.add(content.replace(DEVELOPER.encode(), b"Firm %d" % number), moment)
    words = (
        "--address",
        "you@shop.example",
        "--user",
        dovecot.user,
        "--host",
        "127.0.0.1",
        "--port",
        str(dovecot.port),
    )
    code, said = run(
        tmp_path, "init", *words, "--tls", "none", "--password-stdin", "--language", language, typed=dovecot.password
    )
    assert code == 0, said
    assert lapses in said
    assert past in said
    assert "Firm 3" not in said


def test_a_provider_without_passwords_is_signed_in_to_afterwards(tmp_path: Path) -> None:
    code, said = run(tmp_path, "init", "--address", "shop@outlook.com", "--client-id", "1234-abcd")
    assert code == 0
    assert "mailrules account login main" in said
    text = (tmp_path / "mailrules.toml").read_text(encoding="utf-8")
    assert 'oauth     = "microsoft"' in text
    assert '[oauth.microsoft]\nclient_id = "1234-abcd"\n' in text
    assert "password" not in text.replace("password = { env", "")


def test_nothing_is_asked_where_nobody_can_answer(tmp_path: Path) -> None:
    code, said = run(tmp_path, "init")
    assert code == 2
    assert "--address" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("language", ["en", "ja", "de", "zh"])
def test_what_init_writes_checks_and_tests_in_every_language(language: str, tmp_path: Path) -> None:
    code, said = run(tmp_path, "init", "--address", "shop@gmx.de", "--language", language, "--no-test")
    assert code == 0, said
    for words in (("check",), ("test",), ("config",)):
        code, said = run(tmp_path, *words)
        assert code == 0, said


def test_a_language_that_nobody_speaks_here_is_refused_with_those_that_are(tmp_path: Path) -> None:
    code, said = run(tmp_path, "init", "--address", "shop@gmx.de", "--language", "tlh")
    assert code == 2
    assert "en, ja, de, zh" in said


# --- autoconfig -------------------------------------------------------------------------------------------------

ANSWER = """<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="shop.example"><domain>shop.example</domain>
<incomingServer type="pop3"><hostname>pop.shop.example</hostname><port>995</port><socketType>SSL</socketType></incomingServer>
<incomingServer type="imap"><hostname>imap.shop.example</hostname><port>143</port><socketType>STARTTLS</socketType>
<username>%EMAILLOCALPART%</username></incomingServer>
<incomingServer type="imap"><hostname>imap.shop.example</hostname><port>993</port><socketType>SSL</socketType>
<username>%EMAILLOCALPART%</username></incomingServer>
<outgoingServer type="smtp"><hostname>smtp.shop.example</hostname><port>465</port><socketType>SSL</socketType></outgoingServer>
</emailProvider></clientConfig>"""
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + ANSWER.partition("?>")[2].replace("993", "&b;")
PLAIN = re.sub("STARTTLS|SSL", "plain", ANSWER)


@contextmanager
def web(answer: str, status: int = 200) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{{domain}}.xml"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_the_domain_itself_names_the_server_and_tls_from_the_first_byte_is_preferred() -> None:
    with web("gone", 404) as absent, web(ANSWER) as place:
        found = look_up("shop.example", (absent, place))
    assert found is not None
    assert (found.imap.host, found.imap.port, found.imap.tls) == ("imap.shop.example", 993, "implicit")
    assert found.imap.user == "%EMAILLOCALPART%"
    assert found.smtp is not None
    assert found.smtp.host == "smtp.shop.example"


@pytest.mark.parametrize(
    "answer",
    [BOMB, PLAIN, "", "<a>", "not xml", ANSWER + " " * 300_000, ANSWER.replace("993", "99999").replace("143", "0")],
)
def test_an_answer_that_is_hostile_or_useless_names_no_server(answer: str) -> None:
    with web(answer) as place:
        assert look_up("shop.example", (place,)) is None


def test_only_https_is_asked_on_other_machines() -> None:
    assert look_up("shop.example", ("http://{domain}.invalid/x",)) is None
