"""Mail out against servers that refuse, hang, lie about TLS or go away: real sockets, real TLS, one mail at most."""

from __future__ import annotations

import contextlib
import email
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.message import Message
from pathlib import Path
from typing import Any, Self

import pytest
from aiosmtpd import smtp as aiosmtp
from aiosmtpd.controller import Controller

from mailrules.actions import Services, SmtpSettings, perform
from mailrules.demo.smtp_sink import SmtpSink
from mailrules.effects import Outcome
from mailrules.mail.message import RawMessage
from mailrules.mail.parse import parse_message
from mailrules.redact import Secrets
from mailrules.secret import secret
from tests.house import EXPIRES, NOW, House, mail, settled
from tests.mails import DEVELOPER, DEVELOPER_ID
from tests.test_actions import NOW as INSTANT
from tests.test_actions import ORIGINAL, Sink, claim
from tests.test_actions import mail as letter

PASSWORD = "correct horse"


def settings(port: int, **more: Any) -> SmtpSettings:
    plain = SmtpSettings(
        host="127.0.0.1", port=port, tls="none", user=None, secret=None, sender="bot@own.example", timeout=2
    )
    return replace(plain, **more)


def sent(smtp: SmtpSettings, action: str = "notify", content: bytes = ORIGINAL, **more: Any) -> Outcome:
    services = Services(smtp=smtp, content=lambda _digest: content, sender=smtp.sender, own_id="id-1")
    return perform([claim(action, **letter(**more))], services, INSTANT)


# --- a server that fails at one point -----------------------------------------------------------------------------


class Failing:
    """A server that answers as it should until one point, and there as it is told to: a reply, "close" or "hang"."""

    def __init__(self, point: str, how: str, extensions: tuple[str, ...] = ()) -> None:
        self.point, self.how, self.extensions = point, how, extensions
        self.taken: list[bytes] = []
        self.lines: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                self.connections += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            if not self._say(connection, "GREETING", "220 hello"):
                return
            while line := lines.readline():
                self.lines.append(line)
                verb = line[:8].strip().split(b" ")[0].upper().decode("latin-1")
                good = {"DATA": "354 go on", "AUTH": "235 in", "QUIT": "221 bye", "STARTTLS": "220 begin"}.get(
                    verb, "250 yes"
                )
                if verb == "EHLO":
                    good = "\r\n".join([*(f"250-{e}" for e in ("hello", *self.extensions)), "250 SIZE 10000000"])
                if not self._say(connection, "EHLO" if verb == "HELO" else verb, good):
                    return
                if verb == "DATA" and self._reply("DATA", good).startswith("354"):
                    content = b""
                    while (part := lines.readline()) not in (b".\r\n", b""):
                        content += part
                    self.taken.append(content)
                    if not self._say(connection, "DOT", "250 kept"):
                        return

    def _reply(self, point: str, good: str) -> str:
        return self.how if point == self.point else good

    def _say(self, connection: socket.socket, point: str, good: str) -> bool:
        reply = self._reply(point, good)
        if reply == "close":
            return False
        if reply == "hang":
            threading.Event().wait(1.5)
            return False
        connection.sendall(reply.encode() + b"\r\n")
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._open:
            one.close()


POINTS = ("GREETING", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "DOT", "QUIT")
HOWS = {"451 later": "retry", "550 never": "failed", "close": "retry", "hang": "retry"}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("point", POINTS)
def test_what_a_server_does_at_each_point_of_the_talk_decides_what_comes_of_the_mail(point: str, how: str) -> None:
    with Failing(point, how, ("AUTH PLAIN",)) as server:
        outcome = sent(settings(server.port, user="bot", secret=lambda: PASSWORD, timeout=0.4))
        assert outcome.result == ("done" if point == "QUIT" else HOWS[how]), outcome.why
        assert len(server.taken) == (1 if point in ("DOT", "QUIT") else 0)
        assert PASSWORD not in outcome.why
        if how[0].isdigit() and point != "QUIT":
            assert how[:3] in outcome.why


@pytest.mark.parametrize(
    ("point", "how", "talks"), [("GREETING", "hang", 1), ("AUTH", "535 no", 1), ("DOT", "hang", 2)]
)
def test_a_server_to_which_there_is_no_way_is_tried_once_and_not_for_each_mail(
    point: str, how: str, talks: int
) -> None:
    with Failing(point, how, ("AUTH PLAIN",)) as server:
        smtp = settings(server.port, user="seller", secret=lambda: "x", timeout=0.5)
        first, second = sent(smtp), sent(smtp)
        assert (first, server.connections) == (second, talks)
        sent(replace(smtp, away=[]))
        assert server.connections == talks + 1


def test_a_login_that_is_refused_names_the_user_and_the_section() -> None:
    with Failing("AUTH", "535 bad credentials", ("AUTH PLAIN",)) as server:
        outcome = sent(settings(server.port, user="bot", secret=lambda: PASSWORD))
    assert outcome.result == "failed"
    assert "refused the login of bot: 535 bad credentials; look at [smtp]" in outcome.why


def test_each_recipient_is_told_apart() -> None:
    class Picky(Sink):
        async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
            if address.startswith("full"):
                return "452 mailbox full"
            if address.startswith("gone"):
                return "550 no such user"
            envelope.rcpt_tos.append(address)
            return "250 OK"

    with running(Picky()) as sink:
        for to, result in (
            (["full@own.example"], "retry"),
            (["gone@own.example"], "failed"),
            (["full@own.example", "gone@own.example"], "failed"),
            (["me@own.example", "gone@own.example"], "failed"),
        ):
            outcome = sent(settings(sink.port), to=to)
            assert outcome.result == result, to
            for address in to:
                assert (address in outcome.why) == (not address.startswith("me"))
        assert len(sink.mails) == 1


def test_what_cannot_be_sent_at_all_is_a_sentence(tmp_path: Path) -> None:
    def unknown() -> str:
        return secret({"file": "missing"}, tmp_path, "[smtp]", Secrets())()

    with SmtpSink() as sink, Failing("", "", ("AUTH PLAIN",)) as other:
        assert "ASCII" in sent(settings(sink.port), to=["größe@own.example"]).why
        assert "no recipient" in sent(settings(sink.port), to=[]).why
        assert "without TLS" in sent(settings(25, host="mail.shop.example")).why
        assert "the password of [smtp] could not be had" in sent(settings(other.port, user="bot", secret=unknown)).why
        assert "cannot do what is needed" in sent(settings(sink.port, user="bot", secret=lambda: PASSWORD)).why
        assert sink.received == []


# --- what is sent -------------------------------------------------------------------------------------------------


def test_a_server_that_takes_seven_bits_only_is_given_no_others() -> None:
    with Failing("", "") as server:
        assert sent(settings(server.port), body="Grüße — 注文").result == "done"
        assert sent(settings(server.port), "forward", body="Grüße", message="d").result == "done"
        assert all(content.isascii() for content in server.taken)
        texts = [email.message_from_bytes(content) for content in server.taken]
    assert texts[0].get_payload(decode=True).decode().strip() == "Grüße — 注文"  # type: ignore[union-attr]
    text, attached = texts[1].get_payload()
    assert text.get_payload(decode=True).decode().strip() == "Grüße"  # type: ignore[union-attr]
    assert attached.get_payload(decode=True) == ORIGINAL  # type: ignore[union-attr]


def test_a_mail_says_that_a_program_sent_it_and_names_the_program_and_its_own_sender() -> None:
    with SmtpSink() as sink:
        sent(settings(sink.port, sender="Bot <bot@own.example>"))
        (one,) = sink.received
    found = email.message_from_bytes(one.content)
    assert one.sender == "bot@own.example"
    assert found["From"] == "Bot <bot@own.example>"
    assert found["Message-ID"].endswith("@own.example>")
    assert (found["Auto-Submitted"], found["X-Mailrules-Id"]) == ("auto-generated", "id-1")


def test_a_mail_whose_end_was_not_answered_is_sent_again_as_the_same() -> None:
    with Failing("DOT", "close") as server:
        smtp = settings(server.port)
        assert [sent(smtp).result, sent(smtp).result] == ["retry", "retry"]
        first, second = (email.message_from_bytes(content)["Message-ID"] for content in server.taken)
    assert first == second


def test_our_own_mail_that_comes_back_is_known_and_asks_for_nothing(tmp_path: Path) -> None:
    rules = 'rule "any" {\n  on mail\n  forward to owner\n}\nrule "tell" {\n  on authorization_expiring\n  forward to owner\n}\n'
    first, second = tmp_path / "one", tmp_path / "two"
    first.mkdir()
    second.mkdir()
    with settled(first, rules, [mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=30)]) as house:
        house.poll()
        ours = [m.content for m in house.sink.received]
    assert ours
    assert all(parse_message(RawMessage(source="", content=c, received_at=NOW)).automatic for c in ours)
    with settled(second, rules, [(content, NOW) for content in ours]) as other:
        outcome = other.poll()
        assert [r.seen for r in outcome.reports] == [len(ours)]
        assert (other.done(), other.sink.received) == ([], [])


def test_a_server_that_is_away_is_tried_for_five_days_and_then_a_person_is_told(tmp_path: Path) -> None:
    rules = 'rule "tell" {\n  on authorization_expiring\n  notify owner "{{ developer }}"\n}\n'
    with settled(tmp_path, rules, [mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=30)]) as house:
        port = house.sink.port
        house.change("mailrules.toml", f"port = {port}\n", "port = 1\n")
        for hours in range(0, 5 * 24, 6):
            assert house.poll(NOW + timedelta(hours=hours)).needs == []
        (row,) = house.store.effects()
        assert (row["state"], row["attempts"]) == ("planned", 20)
        assert "did not take the mail" in row["why"]
        last = house.poll(NOW + timedelta(days=5, hours=1))
        assert "given up after 5 days" in last.needs[0]
        assert last.exit_code == 3
        house.change("mailrules.toml", "port = 1\n", f"port = {port}\n")
        house.poll(NOW + timedelta(days=6))
        assert house.sink.received == []


def test_a_server_that_comes_back_in_time_gets_the_mail_once(tmp_path: Path) -> None:
    rules = 'rule "tell" {\n  on authorization_expiring\n  notify owner "{{ developer }}"\n}\n'
    with settled(tmp_path, rules, [mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=30)]) as house:
        house.change("mailrules.toml", f"port = {house.sink.port}\n", "port = 1\n")
        house.poll()
        house.poll(NOW + timedelta(seconds=30))
        assert attempts(house) == 1
        house.change("mailrules.toml", "port = 1\n", f"port = {house.sink.port}\n")
        for hours in range(1, 9):
            house.poll(NOW + timedelta(hours=hours))
        assert (len(house.sink.received), attempts(house)) == (1, 2)


def attempts(house: House) -> int:
    return int(house.store.effects()[0]["attempts"])


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Make a certificate for this machine and one for another; they vouch for themselves."""
    if not shutil.which("openssl"):
        if os.environ.get("MAILRULES_REQUIRE_SERVERS") == "1":
            pytest.fail("openssl is not installed (Debian: apt install openssl)")
        pytest.skip("openssl is not installed (Debian: apt install openssl)")
    folder = tmp_path_factory.mktemp("tls")
    for name, subject in (("here", "IP:127.0.0.1"), ("elsewhere", "DNS:mail.other.example")):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", "/CN=test", "-addext", f"subjectAltName={subject}", "-keyout", f"{name}.key", "-out", f"{name}.pem"],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
    return {name: folder / f"{name}.pem" for name in ("here", "elsewhere")}


def context(certificate: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return made


@contextlib.contextmanager
def running(handler: Any, tls: str = "none", certificate: Path | None = None) -> Iterator[Any]:
    """Serve with aiosmtpd; `tls` as in the configuration. `handler.port` is where."""
    secured = context(certificate) if certificate else None

    class Secured(Controller):
        def factory(self) -> aiosmtp.SMTP:
            extra = {"tls_context": secured, "require_starttls": True} if tls == "starttls" else {}
            return aiosmtp.SMTP(self.handler, enable_SMTPUTF8=False, **extra)

        def _trigger_server(self) -> None:
            if tls != "implicit":
                super()._trigger_server()
                return
            blind = ssl._create_unverified_context()
            with socket.create_connection(("127.0.0.1", handler.port), 5) as plain, blind.wrap_socket(plain) as inside:
                inside.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as free:
        handler.port = free.getsockname()[1]
    implicit = {"ssl_context": secured} if tls == "implicit" else {}
    controller = Secured(handler, hostname="127.0.0.1", port=handler.port, **implicit)
    controller.start()
    try:
        yield handler
    finally:
        controller.stop()


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_certificate_that_the_configuration_trusts_is_enough(certificates: dict[str, Path], tls: str) -> None:
    with running(Sink(), tls, certificates["here"]) as sink:
        outcome = sent(settings(sink.port, tls=tls, ca_file=str(certificates["here"])))
        assert outcome.result == "done", outcome.why
        assert len(sink.mails) == 1


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize(
    ("shown", "trusted", "told"),
    [
        ("here", None, "self-signed"),
        ("elsewhere", "elsewhere", "IP address mismatch"),
        ("here", "elsewhere", "self-signed"),
    ],
)
def test_a_certificate_that_does_not_hold_sends_nothing_and_says_why(
    certificates: dict[str, Path], tls: str, shown: str, trusted: str | None, told: str
) -> None:
    asked: list[str] = []

    def password() -> str:
        asked.append("asked")
        return PASSWORD

    with running(Sink(), tls, certificates[shown]) as sink:
        ca_file = str(certificates[trusted]) if trusted else None
        outcome = sent(settings(sink.port, tls=tls, ca_file=ca_file, user="bot", secret=password))
        assert outcome.result == "failed"
        assert "nothing was sent: the certificate of 127.0.0.1 does not hold" in outcome.why
        assert told in outcome.why.replace("self signed", "self-signed")
        assert (sink.mails, asked) == ([], [])


def test_a_server_whose_offer_of_tls_was_taken_away_is_sent_nothing() -> None:
    for point, how, result in (
        ("", "", "failed"),
        ("STARTTLS", "454 not now", "retry"),
        ("STARTTLS", "502 unknown", "failed"),
        ("STARTTLS", "220 come in, without", "retry"),
    ):
        with Failing(point, how, ("AUTH PLAIN", "STARTTLS") if point else ("AUTH PLAIN",)) as server:
            outcome = sent(settings(server.port, tls="starttls", user="bot", secret=lambda: PASSWORD, timeout=0.5))
            assert outcome.result == result, (how, outcome.why)
            assert server.taken == []
            assert not [line for line in server.lines if line.upper().startswith((b"AUTH", b"MAIL"))]


def test_what_is_slipped_in_before_tls_begins_is_not_believed(certificates: dict[str, Path]) -> None:
    said: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.sendall(b"220 hello\r\n")
        connection.recv(1000)
        connection.sendall(b"250-hello\r\n250 STARTTLS\r\n")
        connection.recv(1000)
        connection.sendall(b"220 begin\r\n250-evil\r\n250 AUTH LOGIN\r\n")
        with context(certificates["here"]).wrap_socket(connection, server_side=True) as inside:
            said.append(inside.recv(1000))
            inside.sendall(b"250-hello\r\n250 SIZE 1\r\n")
            said.append(inside.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        smtp = settings(port, tls="starttls", ca_file=str(certificates["here"]), user="bot", secret=lambda: PASSWORD)
        outcome = sent(smtp)
        thread.join(5)
    assert said[0].lower().startswith(b"ehlo")
    assert (outcome.result, "cannot do what is needed" in outcome.why) == ("failed", True)
    assert PASSWORD.encode() not in b"".join(said)


def test_the_trusted_certificates_of_the_configuration_reach_the_mail(
    tmp_path: Path, certificates: dict[str, Path]
) -> None:
    rules = 'rule "tell" {\n  on authorization_expiring\n  notify owner "{{ developer }}"\n}\n'
    shutil.copy(certificates["here"], tmp_path / "trusted.pem")
    with (
        settled(tmp_path, rules, [mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=30)]) as house,
        running(Sink(), "implicit", certificates["here"]) as sink,
    ):
        house.change(
            "mailrules.toml",
            f'port = {house.sink.port}\ntls = "none"\nfrom',
            f'port = {sink.port}\nca_file = "trusted.pem"\nfrom',
        )
        house.poll()
        assert house.done() == [("notify", "done")]
        found: Message = email.message_from_bytes(sink.mails[0])
    assert found["Subject"] == DEVELOPER
