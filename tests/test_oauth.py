"""Signing in by OAuth, wholly offline: an authorization server of our own, and a Dovecot that checks tokens itself."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from mailrules import app
from mailrules import config as configuration
from mailrules.actions.mail_out import SmtpSettings, send
from mailrules.errors import EXIT_CONFIG, AuthError, ConfigError, TemporaryError
from mailrules.sources import oauth
from mailrules.sources.imap import ImapSession, ImapSettings
from mailrules.sources.imap_types import Refused
from mailrules.spine import tokens
from mailrules.spine.watch import post_of
from tests.authorization import KEY, Authorization, token
from tests.servers import Dovecot, certificate, dovecot_available, free_port

ROOT = Path(__file__).parent.parent


def ahead(**later: float) -> datetime:
    """Return an instant from now on: a token's end is counted from when it was given, not from when the tests began."""
    return datetime.now(UTC) + timedelta(**later)


def missing(reason):
    if os.environ.get("MAILRULES_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def dovecot():
    if not dovecot_available():
        missing("Dovecot is not installed (Debian: apt install dovecot-imapd)")
    real = Dovecot(KEY)
    yield real
    real.stop()


@pytest.fixture
def google(monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # loopback needs no TLS
    with Authorization() as server:
        yield server


@pytest.fixture
def microsoft(tmp_path_factory, monkeypatch):
    path = certificate(tmp_path_factory.mktemp("tls"))
    if path is None:
        missing("openssl is not installed (Debian: apt install openssl)")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with Authorization(path) as server:
        yield server


def settings(folder: Path, server: Authorization, issuer: str, port: int = 1, **account: str) -> configuration.Config:
    more = "".join(f'{key} = "{value}"\n' for key, value in account.items())
    (folder / "mailrules.toml").write_text(
        f'[accounts.shop]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nuser = "seller"\noauth = "{issuer}"\n{more}'
        f'[oauth.{issuer}]\nclient_id = "ours"\nserver = "{server.url}"\n',
        encoding="utf-8",
    )
    (folder / "state").mkdir(exist_ok=True)
    return configuration.load(str(folder / "mailrules.toml"))


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


class Person:
    """Opens the address that is shown, and pastes where the browser ended."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def tell(self, text: str) -> None:
        self.heard.append(text)

    def ask(self, _: str) -> str:
        address = next(word for word in self.heard[-1].split() if word.startswith("http"))
        try:
            urllib.request.build_opener(_Stay).open(address)
        except urllib.error.HTTPError as error:
            with error:
                return str(error.headers["Location"])
        raise AssertionError(address)


def signed_in(config: configuration.Config) -> Person:
    person = Person()
    tokens.login(config, config.account("shop"), person.tell, person.ask)
    return person


def session(port: int, secret: str, auth: str) -> ImapSession:
    return ImapSession(
        ImapSettings(account="shop", host="127.0.0.1", port=port, tls="none", user="seller", auth=auth), lambda: secret
    )


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_dovecot_takes_a_good_token_and_what_it_says_of_a_bad_one_is_told(dovecot, auth):
    with session(dovecot.port, token(), auth) as it:
        assert it.examine("INBOX").exists == 0
    for bad in (token(lasts=-5), token(key=b"x" * 40), token(user="other"), "nonsense"):
        with (
            pytest.raises(Refused, match="refused the access token: status") as caught,
            session(dovecot.port, bad, auth),
        ):
            pass
        assert bad not in str(caught.value)


def test_a_token_from_a_command_is_enough(dovecot, tmp_path):
    (tmp_path / "mailrules.toml").write_text(
        f'[accounts.shop]\nhost = "127.0.0.1"\nport = {dovecot.port}\ntls = "none"\nuser = "seller"\n'
        f'token = {{ command = ["echo", "{token()}"] }}\n',
        encoding="utf-8",
    )
    assert "logged in" in app.test_login(configuration.load(str(tmp_path / "mailrules.toml")), "shop")


@pytest.mark.parametrize("issuer", ["google", "microsoft"])
def test_after_a_sign_in_polls_log_in_by_themselves_and_ask_for_a_new_token_only_when_the_old_one_ends(
    dovecot, tmp_path, request, issuer
):
    server = request.getfixturevalue(issuer)
    config = settings(tmp_path, server, issuer, dovecot.port)
    person = signed_in(config)
    if issuer == "microsoft":
        assert "type the code ABCD" in person.heard[0]
    kept = tmp_path / "state" / "tokens" / "shop.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    for _ in range(2):
        (report,) = app.poll(config).reports
        assert report.error is None
    assert server.refreshes == 0
    later = ahead(hours=2)
    (report,) = app.poll(config, tell_time=lambda: later).reports
    assert report.error is None
    assert server.refreshes == 1


def test_a_watch_that_connects_again_and_again_asks_for_no_new_token(dovecot, tmp_path, google):
    config = settings(tmp_path, google, "google", dovecot.port)
    signed_in(config)
    post = post_of(config, config.account("shop"), ahead)
    for _ in range(3):
        with post.connect() as listening:
            assert listening.can_listen
    assert google.refreshes == 0


def test_a_browser_of_this_machine_does_without_pasting(google, tmp_path, monkeypatch):
    def browse(url: str, **_: object) -> bool:
        threading.Thread(target=lambda: urllib.request.urlopen(url).close(), daemon=True).start()
        return True

    monkeypatch.setattr("webbrowser.get", lambda *_: type("Browser", (), {"open": staticmethod(browse)}))
    config = settings(tmp_path, google, "google")
    tokens.login(config, config.account("shop"), lambda _: None, None)
    assert tokens.state(config, "shop") == "signed in with google"


@pytest.mark.parametrize("issuer", ["google", "microsoft"])
def test_many_pollers_at_once_ask_for_one_new_token(tmp_path, request, issuer):
    server = request.getfixturevalue(issuer)
    config = settings(tmp_path, server, issuer)
    signed_in(config)
    later, got = ahead(minutes=58), []
    server.lasts = 7200
    workers = [
        threading.Thread(target=lambda: got.append(tokens.access_token(config, "shop", later))) for _ in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(got) == 6
    assert len(set(got)) == 1
    assert server.refreshes == 1


def test_a_renewal_that_is_cut_off_leaves_the_sign_in_as_it_was(google, tmp_path, monkeypatch):
    config = settings(tmp_path, google, "google")
    signed_in(config)
    kept = tmp_path / "state" / "tokens" / "shop.json"
    before, later = kept.read_bytes(), ahead(hours=2)
    for call in ("fsync", "replace"):
        with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
            broken.setattr(os, call, cut_off)
            tokens.access_token(config, "shop", later)
        assert kept.read_bytes() == before
    assert tokens.access_token(config, "shop", later)
    assert kept.stat().st_mode & 0o777 == 0o600


def cut_off(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


ENDINGS = {
    "google": [({"error": "invalid_grant", "error_description": "Token has been expired or revoked."}, "every 7 days")],
    "microsoft": [
        ({"error": "invalid_grant", "error_description": "AADSTS700082: The refresh token has expired."}, "too long"),
        ({"error": "invalid_grant", "error_description": "AADSTS65001: The user has not consented."}, "administrator"),
        (
            {"error": "invalid_client", "error_description": "AADSTS7000218: no client_assertion."},
            "Allow public client",
        ),
        ({"error": "invalid_scope", "error_description": "AADSTS650053: asked for scope"}, "IMAP.AccessAsUser.All"),
    ],
}


@pytest.mark.parametrize(
    ("issuer", "refusal", "told"), [(i, *e) for i, some in ENDINGS.items() for e in some], ids=lambda v: str(v)[:60]
)
def test_each_known_ending_of_a_sign_in_says_what_to_do(tmp_path, request, issuer, refusal, told):
    server = request.getfixturevalue(issuer)
    config = settings(tmp_path, server, issuer)
    signed_in(config)
    server.refusal = refusal
    with pytest.raises(AuthError) as caught:
        tokens.access_token(config, "shop", ahead(hours=2))
    assert "account shop" in str(caught.value)
    assert "`mailrules account login shop`" in caught.value.help
    assert told in caught.value.help


def test_a_sign_in_that_google_ends_after_seven_days_says_so_at_once(google, tmp_path):
    google.more = {"refresh_token_expires_in": 604_799}
    assert any(
        "after 7 days" in text and "publish" in text for text in signed_in(settings(tmp_path, google, "google")).heard
    )


@pytest.mark.parametrize("issuer", ["google", "microsoft"])
def test_an_authorization_server_that_is_down_is_temporary(tmp_path, request, issuer):
    server = request.getfixturevalue(issuer)
    config = settings(tmp_path, server, issuer)
    signed_in(config)
    server.shutdown()
    server.server_close()
    with pytest.raises(TemporaryError, match="account shop"):
        tokens.access_token(config, "shop", ahead(hours=2))


def test_an_account_that_never_signed_in_or_has_no_registration_is_told_what_to_do(tmp_path, google):
    config = settings(tmp_path, google, "google")
    with pytest.raises(AuthError, match="has not signed in yet"):
        tokens.access_token(config, "shop", ahead())
    text = (tmp_path / "mailrules.toml").read_text(encoding="utf-8")
    (tmp_path / "mailrules.toml").write_text(text.partition("[oauth")[0], encoding="utf-8")
    with pytest.raises(ConfigError, match="there is no"):
        tokens.access_token(configuration.load(str(tmp_path / "mailrules.toml")), "shop", ahead())


def test_a_token_file_that_others_can_read_or_that_is_broken_is_refused(tmp_path, google):
    config = settings(tmp_path, google, "google")
    signed_in(config)
    kept = tmp_path / "state" / "tokens" / "shop.json"
    kept.chmod(0o644)
    with pytest.raises(AuthError, match="read by others"):
        tokens.access_token(config, "shop", ahead())
    kept.chmod(0o600)
    kept.write_text("{")
    with pytest.raises(AuthError, match="cannot be read"):
        tokens.access_token(config, "shop", ahead())


def test_a_library_that_is_not_installed_is_one_sentence(monkeypatch):
    def absent(_: str) -> None:
        raise ModuleNotFoundError("No module named 'msal'", name="msal")

    monkeypatch.setattr(oauth, "import_module", absent)
    with pytest.raises(ConfigError, match="not installed \\(msal\\)") as caught:
        oauth.issuer_of("microsoft")
    assert "mailrules[oauth]" in caught.value.help


def test_the_command_signs_in_and_shows_at_once_that_it_works(dovecot, tmp_path, microsoft):
    settings(tmp_path, microsoft, "microsoft", dovecot.port)
    command = [
        sys.executable,
        "-m",
        "mailrules",
        "account",
        "login",
        "shop",
        "--config",
        str(tmp_path / "mailrules.toml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "type the code ABCD and sign in as seller" in done.stdout
    assert "logged in to 127.0.0.1" in done.stdout
    again = subprocess.run([*command[:5], "other", *command[6:]], capture_output=True, text=True, check=False, cwd=ROOT)
    assert again.returncode == EXIT_CONFIG


class Taker:
    """An SMTP server that takes one token."""

    def __init__(self, good: str) -> None:
        self.good, self.mails = good, []

    async def auth_XOAUTH2(self, server: Any, args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's name
        said = base64.b64decode(args[1]).decode()
        if said == f"user=seller\1auth=Bearer {self.good}\1\1":
            return AuthResult(success=True)
        answer = await server.challenge_auth('{"status":"400","scope":"https://mail.google.com/"}')
        assert answer == b""
        return AuthResult(success=False, handled=False)

    async def handle_DATA(self, *told: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(told[-1].content)
        return "250 OK"


def test_mail_goes_out_by_a_token_too_and_a_refusal_says_what_the_server_said():
    taker = Taker("good")
    controller = Controller(taker, hostname="127.0.0.1", port=free_port(), auth_require_tls=False)
    controller.start()
    try:
        for secret, result in (("good", "done"), ("bad", "failed")):
            smtp = SmtpSettings(
                host="127.0.0.1", port=controller.port, tls="none", user="seller", secret=lambda s=secret: s,
                sender="a@firm.example", auth="xoauth2",
            )  # fmt: skip
            outcome = send(smtp, ["b@firm.example"], lambda _: b"Subject: x\r\n\r\nx\r\n")
            assert outcome.result == result, outcome.why
        assert "status 400, scope https://mail.google.com/" in outcome.why
        assert len(taker.mails) == 1
    finally:
        controller.stop()
