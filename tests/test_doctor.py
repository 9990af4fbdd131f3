"""`mailrules doctor` against broken set-ups: each is told by its cause, with what to do."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailrules import app
from mailrules import config as configuration
from mailrules.demo.imap_server import MailServer
from mailrules.demo.smtp_sink import SmtpSink
from mailrules.errors import ConfigError
from mailrules.store import Store
from tests.mails import DEVELOPER, DEVELOPER_ID, RECEIVER, notice, today
from tests.servers import free_port

pytestmark = pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning")  # a plug-in that Apprise loads

RULES = """\
rule "renew" {
  on authorization_expiring
  notify owner "{{ developer }} lapses on {{ expires }}"
}
"""


@dataclass
class Setup:
    """A working installation; tests break it in one place."""

    folder: Path
    imap: int
    smtp: int

    @property
    def toml(self) -> Path:
        return self.folder / "mailrules.toml"

    def change(self, old: str, new: str, name: str = "mailrules.toml") -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text, old
        (self.folder / name).write_text(text.replace(old, new), encoding="utf-8")

    def sql(self, statement: str) -> None:
        with Store.open(self.folder / "state" / "mailrules.db", now=datetime.now(UTC).isoformat()) as store:
            store._run(statement)


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    day = today() + timedelta(days=20)
    with MailServer("seller", "secret", [notice(expires=day)]) as server, SmtpSink() as sink:
        (tmp_path / "my.rules").write_text(RULES, encoding="utf-8")
        (tmp_path / "password").write_text("secret", encoding="utf-8")
        (tmp_path / "password").chmod(0o600)
        (tmp_path / "renew").write_text("#!/bin/sh\n", encoding="utf-8")
        (tmp_path / "renew").chmod(0o700)
        (tmp_path / "mailrules.toml").write_text(
            f"""timezone = "UTC"
rules = ["my.rules"]

[accounts.shop]
host = "127.0.0.1"
port = {server.port}
tls = "none"
user = "seller"
password = {{ file = "password" }}
mailboxes = ["INBOX"]
receiver = {{ authserv_id = "{RECEIVER}" }}

[smtp]
host = "127.0.0.1"
port = {sink.port}
tls = "none"
from = "mailrules@shop.example"

[people]
owner = "owner@shop.example"

[developers]
"{DEVELOPER_ID}" = "{DEVELOPER}"

[scripts.renew]
argv = ["./renew"]
""",
            encoding="utf-8",
        )
        it = Setup(tmp_path, server.port, sink.port)
        app.poll(configuration.load(str(it.toml)))
        yield it


def doctor(folder: Path, *words: str) -> tuple[int, list[dict[str, Any]]]:
    from typer.testing import CliRunner

    from mailrules.cli.commands import app as commands

    result = CliRunner().invoke(commands, ["doctor", "--json", "--config", str(folder / "mailrules.toml"), *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


@contextmanager
def speaking(first: bytes, certificate: Path | None = None) -> Iterator[int]:
    """A server that says one thing, or makes one TLS handshake, to everybody who comes."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate:
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.settimeout(2)
            talk = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) if certificate else sock
            with talk, contextlib.suppress(OSError):
                if isinstance(talk, ssl.SSLSocket):
                    talk.do_handshake()
                talk.sendall(first)
                talk.recv(100)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def test_a_set_up_that_works_has_nothing_wrong(setup: Setup) -> None:
    code, rows = doctor(setup.folder)
    assert [row for row in rows if not row["ok"]] == []
    assert code == 0
    assert {"store", "rules", "secrets", "modes", "clock", "disk", "polls", "tcp", "login", "mailbox", "smtp"} <= {
        row["check"] for row in rows
    }


Break = Callable[[Setup], object]

BROKEN: dict[str, tuple[Break, str, str]] = {
    "no configuration": (lambda s: s.toml.unlink(), "configuration", "there is no configuration file"),
    "not TOML": (lambda s: s.change('user = "seller"', 'user = "seller'), "configuration", "not valid TOML"),
    "a misspelled key": (lambda s: s.change("mailboxes =", "mailboxs ="), "configuration", "did you mean `mailboxes`"),
    "the password in the clear": (
        lambda s: s.change('{ file = "password" }', '"secret"'), "configuration", "stands there in the clear",
    ),
    "no password file": (lambda s: (s.folder / "password").unlink(), "secrets", "password cannot be read"),
    "an empty password": (
        lambda s: (s.folder / "password").write_text("", encoding="utf-8"), "secrets", "the password of account shop is empty",
    ),
    "an unset variable": (
        lambda s: s.change('{ file = "password" }', '{ env = "MAILRULES_NOT_SET" }'), "secrets", "no variable MAILRULES_NOT_SET",
    ),
    "a password command that fails": (
        lambda s: s.change('{ file = "password" }', '{ command = ["false"] }'), "secrets", "ended with exit code 1",
    ),
    "a password that others can read": (lambda s: (s.folder / "password").chmod(0o644), "modes", "can be read by others"),
    "a rule that does not check": (
        lambda s: s.change("on authorization_expiring", "on authorization_expirin", "my.rules"), "rules", "authorization_expiring",
    ),
    "no rule file": (lambda s: s.change('"my.rules"', '"mine/*.rules"'), "rules", "there is no such file"),
    "no receiver": (
        lambda s: s.change(f'receiver = {{ authserv_id = "{RECEIVER}" }}\n', ""), "configuration", "has no `receiver`",
    ),
    "nobody to send by": (
        lambda s: s.change(f'[smtp]\nhost = "127.0.0.1"\nport = {s.smtp}\ntls = "none"\nfrom = "mailrules@shop.example"\n', ""),
        "configuration", "there is no [smtp] to send by",
    ),
    "a script that is gone": (lambda s: (s.folder / "renew").unlink(), "modes", "script renew: there is no"),
    "a script that others can replace": (lambda s: (s.folder / "renew").chmod(0o777), "modes", "script renew"),
    "a host name that is none": (
        lambda s: s.change(f'host = "127.0.0.1"\nport = {s.imap}\ntls = "none"', 'host = "imap.shop.invalid"'),
        "dns", "imap.shop.invalid:993 does not resolve",
    ),
    "nobody listens": (lambda s: s.change(f"port = {s.imap}", f"port = {free_port()}"), "tcp", "refused"),
    "TLS at a port without it": (lambda s: s.change('tls = "none"\nuser', 'tls = "implicit"\nuser'), "tls", "does not speak TLS"),
    "a wrong password": (
        lambda s: (s.folder / "password").write_text("another", encoding="utf-8"), "login", "the server refused the login",
    ),
    "a mailbox that is none": (lambda s: s.change('["INBOX"]', '["INBOX", "Nowhere"]'), "mailbox", "Nowhere"),
    "no server for mail out": (lambda s: s.change(f"port = {s.smtp}", f"port = {free_port()}"), "smtp", "refused"),
    "a damaged store": (
        lambda s: (s.folder / "state" / "mailrules.db").write_bytes(b"this is no database" * 1000), "store", "mailrules.db",
    ),
    "no store yet": (lambda s: shutil.rmtree(s.folder / "state"), "store", "there is no store"),
    "a folder where the store should be": (
        lambda s: (shutil.rmtree(s.folder / "state"), (s.folder / "state" / "mailrules.db").mkdir(parents=True)), "store", "it is a folder",
    ),
    "a store that a full disk kept from being begun": (
        lambda s: (shutil.rmtree(s.folder / "state"), (s.folder / "state").mkdir(), (s.folder / "state" / "mailrules.db").touch()),
        "store", "there is no store",
    ),
    "a store that others can read": (
        lambda s: (s.folder / "state" / "mailrules.db").chmod(0o644), "modes", "holds mail and can be read by others",
    ),
    "a clock that went back": (
        lambda s: s.sql("UPDATE heartbeats SET updated = '2060-01-01T00:00:00+00:00'"), "clock", "was written down before",
    ),
    "nothing starts it": (
        lambda s: s.sql("UPDATE heartbeats SET succeeded = '2020-01-01T00:00:00+00:00'"), "polls", "days ago",
    ),
    "mail that could not go out": (
        lambda s: s.sql("UPDATE effects SET state = 'failed', why = 'the server said no' WHERE action = 'notify'"), "effects", "the server said no",
    ),
    "mail that waits and waits": (
        lambda s: s.sql("UPDATE effects SET state = 'planned', attempts = 4, why = 'no route', created = '2020-01-01T00:00:00+00:00' WHERE action = 'notify'"),
        "effects", "waits since 2020-01-01",
    ),
    "a folder in place of the configuration": (lambda s: (s.toml.unlink(), s.toml.mkdir()), "configuration", "is a folder"),
    "curly quotes": (lambda s: s.change('user = "seller"', "user = “seller”"), "configuration", "not valid TOML"),
    "rules that are not UTF-8": (
        lambda s: (s.folder / "my.rules").write_bytes(RULES.replace("lapses", "läuft").encode("latin-1")), "rules", "my.rules cannot be read",
    ),
    "a password on the second line": (
        lambda s: (s.folder / "password").write_text("\nsecret\n", encoding="utf-8"), "login", "has a line break",
    ),
    "a script that may not run": (lambda s: (s.folder / "renew").chmod(0o600), "modes", "is not executable"),
    "a script whose interpreter is gone": (
        lambda s: (s.folder / "renew").write_text("#!/no/such/program\n", encoding="utf-8"), "modes", "names /no/such/program",
    ),
    "certificates that are none": (
        lambda s: ((s.folder / "own.pem").write_text("hello", encoding="utf-8"),
                   s.change('tls = "none"\nuser', 'tls = "implicit"\nca_file = "own.pem"\nuser')),
        "tls", "holds no certificate",
    ),
    "a web address in place of a chat's": (
        lambda s: ((s.folder / "team").touch(0o600), (s.folder / "team").write_text("https://shop.example/x", encoding="utf-8"),
                   s.change("[people]", '[chats.team]\nurl = { file = "team" }\n\n[people]')),
        "secrets", "no address of this form",
    ),
    "a chat without an address": (
        lambda s: s.change("[people]", '[chats.team]\nurl = { file = "team" }\n\n[people]'), "secrets", "[chats.team]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_set_up_is_told_by_its_cause_with_what_to_do(setup: Setup, name: str) -> None:
    damage, check, words = BROKEN[name]
    damage(setup)
    code, rows = doctor(setup.folder)
    assert code == 1
    found = [row for row in rows if not row["ok"] and row["check"] == check]
    assert any(words in row["detail"] for row in found), rows
    assert all(row["help"] for row in rows if not row["ok"]), rows
    assert "secret" not in json.dumps([row["detail"] for row in rows]).replace("the secret ", "").replace("secrets", "")


def test_without_a_store_nothing_is_said_of_what_would_stand_in_it(setup: Setup) -> None:
    shutil.rmtree(setup.folder / "state")
    _, rows = doctor(setup.folder)
    assert [
        (row["check"], row["ok"]) for row in rows if row["check"] in ("store", "invariants", "messages", "effects")
    ] == [("store", False)]


def test_a_store_on_a_disk_that_is_read_only_is_told(setup: Setup) -> None:
    state = setup.folder / "state"
    mount = shutil.which("mount")
    if not mount or subprocess.run([mount, "--bind", state, state], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here (needs root)")
    try:
        subprocess.run([mount, "-o", "remount,bind,ro", state], check=True)
        _, rows = doctor(setup.folder)
        assert ["cannot be written" in row["detail"] for row in rows if not row["ok"]] == [True]
        with pytest.raises(ConfigError, match="cannot be written"):
            app.poll(configuration.load(str(setup.toml)))
    finally:
        subprocess.run(["umount", state], check=True)


def test_a_certificate_that_nobody_vouches_for_is_told(setup: Setup, tmp_path: Path) -> None:
    made = tmp_path / "own.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(made.with_suffix(".key")), "-out", str(made)],
        check=True, capture_output=True,
    )  # fmt: skip
    with speaking(b"* BYE\r\n", made) as port:
        setup.change(f"port = {setup.imap}", f"port = {port}")
        setup.change('tls = "none"\nuser', 'tls = "implicit"\nuser')
        _, rows = doctor(setup.folder)
        assert [row["check"] for row in rows if "certificate was refused" in row["detail"]] == ["tls"]
        setup.change("user =", 'ca_file = "own.pem"\nuser =')
        _, rows = doctor(setup.folder)
    assert [row["ok"] for row in rows if row["check"] == "tls"] == [True]


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail.shop.example ESMTP\r\n"])
def test_a_server_of_another_kind_is_told(setup: Setup, said: bytes) -> None:
    with speaking(said) as port:
        setup.change(f"port = {setup.imap}", f"port = {port}")
        _, rows = doctor(setup.folder)
    assert ["does not speak IMAP" in row["help"] for row in rows if row["check"] == "login"] == [True]


def test_without_a_network_nothing_hangs_and_it_is_said_once(setup: Setup) -> None:
    setup.change('host = "127.0.0.1"\nport = ' + str(setup.imap), 'host = "imap.shop.invalid"\nport = 993')
    setup.change('host = "127.0.0.1"\nport = ' + str(setup.smtp), 'host = "smtp.shop.invalid"\nport = 465')
    setup.change('tls = "none"', 'tls = "implicit"')
    code, rows = doctor(setup.folder)
    assert code == 1
    assert [row["check"] for row in rows if not row["ok"]] == ["network"]
    assert "offline" in next(row["detail"] for row in rows if row["check"] == "network")


def test_offline_leaves_the_network_alone_and_says_so(setup: Setup) -> None:
    with speaking(b"") as port:
        setup.change(f"port = {setup.imap}", f"port = {port}")
        code, rows = doctor(setup.folder, "--offline")
    assert code == 0, rows
    assert [row["detail"] for row in rows if row["check"] == "network"] == ["left out, as --offline says"]
    assert not {"tcp", "login", "smtp"} & {row["check"] for row in rows}
