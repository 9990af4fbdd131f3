"""How each provider's servers differ, as scripted servers: every quirk that the table and docs/providers.md name."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailrules.errors import AuthError, ConfigError, MailrulesError, TemporaryError
from mailrules.redact import Secrets
from mailrules.sources import providers
from mailrules.sources.imap import ImapSession, ImapSettings
from mailrules.sources.imap_change import Changes
from mailrules.sources.imap_types import UNKNOWN_UIDNEXT, Missing, Refused, Throttled, members
from tests.servers import certificate

ROOT = Path(__file__).resolve().parent.parent
CAPABILITY = b"IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER SASL-IR ID"
STATE = b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 4] x\r\n"
BODY = b"* 1 FETCH (UID 1 BODY[]<0> {3}\r\nM01)\r\n"


class Script:
    """A server: what a line begins with leads to its answer; `@` in one stands for the tag, else OK is added.

    `lines` are what clients said, `flights` how often they waited for us.
    """

    def __init__(
        self, answers: dict[bytes, bytes | Callable[[bytes], bytes]] | None = None, greeting: bytes = b""
    ) -> None:
        self.greeting = greeting or b"* OK [CAPABILITY " + CAPABILITY + b"] hello\r\n"
        offered = re.search(rb"\[CAPABILITY ([^]]*)\]", self.greeting)
        again = b"@ OK [CAPABILITY " + offered[1] + b"] welcome\r\n" if offered else b""
        self.answers: dict[bytes, bytes | Callable[[bytes], bytes]] = {
            b"AUTHENTICATE": again, b"STATUS": self._status, b"EXAMINE": STATE, b"UID FETCH": BODY, **(answers or {}),
        }  # fmt: skip
        self.secured: ssl.SSLContext | None = None
        self.starttls = False
        self.lines: list[bytes] = []
        self.connections = self.flights = 0
        self.replies: list[bytes] = []

    @staticmethod
    def _status(line: bytes) -> bytes:
        return b"* STATUS " + line.split()[1] + b" (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7)\r\n"

    def handle(self, sock: socket.socket) -> None:
        self.connections += 1
        if self.secured and not self.starttls:
            sock = self.secured.wrap_socket(sock, server_side=True)
        try:
            sock.sendall(self.greeting)
            begins_tls = self._talk(sock)
            if begins_tls is not None:
                sock.sendall(begins_tls + b" OK begin\r\n* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n")
                sock = self.secured.wrap_socket(sock, server_side=True)
                self._talk(sock)
        finally:
            sock.close()

    def _talk(self, sock: socket.socket) -> bytes | None:
        """Answer until the client goes, or wants to begin TLS: then return the tag."""
        held = b""
        while data := sock.recv(65_536):
            held += data
            self.flights += 1
            while b"\r\n" in held:
                line, _, held = held.partition(b"\r\n")
                tag, _, rest = line.partition(b" ")
                if rest == b"STARTTLS":
                    return tag
                if rest:
                    self.lines.append(rest)
                    self._answer(sock, tag, rest)
                else:
                    self.replies.append(base64.b64decode(line))
                    sock.sendall(self.tag + b" NO [AUTHENTICATIONFAILED] no\r\n")
        return None

    def _answer(self, sock: socket.socket, tag: bytes, rest: bytes) -> None:
        self.tag = tag
        found = next((a for begin, a in self.answers.items() if rest.upper().startswith(begin)), b"")
        data = found(rest) if callable(found) else found
        if not data.startswith(b"+"):
            data = data.replace(b"@", tag) if b"@" in data else data + tag + b" OK done\r\n"
        sock.sendall(data)

    @contextlib.contextmanager
    def running(self) -> Iterator[int]:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    with sock, contextlib.suppress(OSError):
                        sock.settimeout(10)
                        self.handle(sock)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(5)


def session(port: int, provider: str = "", **changes: object) -> ImapSession:
    row = providers.by_name(provider) or providers.PLAIN
    base = {
        "account": "main",
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "user": "s@firm.example",
        "read_timeout": 5,
    }
    return ImapSession(ImapSettings(**{**base, "provider": row, **changes}), lambda: "proof")


# --- what a visit costs -------------------------------------------------------------------------------------------


def test_nothing_new_is_known_after_two_round_trips_from_the_greeting_on():
    server = Script()
    with server.running() as port, session(port) as it:
        states = it.states(["INBOX", "Archive"])
        assert server.flights == 2
        assert {name: s.uidnext for name, s in states.items()} == {"INBOX": 4, "Archive": 4}
    assert [line.split()[0] for line in server.lines[:4]] == [b"AUTHENTICATE", b"ID", b"STATUS", b"STATUS"]


def test_a_server_without_the_extensions_is_asked_in_more_steps_and_says_the_same():
    greeting = b"* OK hello\r\n"
    server = Script({b"CAPABILITY": b"* CAPABILITY IMAP4rev1\r\n"}, greeting)
    with server.running() as port, session(port) as it:
        assert it.states(["INBOX"])["INBOX"].exists == 3
        assert it.login_method == "LOGIN"


def test_nobody_waits_for_the_answer_to_the_good_bye():
    silent = Script({b"LOGOUT": lambda _: time.sleep(3) or b""})
    with silent.running() as port:
        with session(port) as it:
            it.states(["INBOX"])
        begin = time.monotonic()
    assert time.monotonic() - begin < 8
    assert any(line == b"LOGOUT" for line in silent.lines)


def test_highestmodseq_is_asked_for_where_it_is_offered():
    def status(line: bytes) -> bytes:
        assert b"HIGHESTMODSEQ" in line
        return b"* STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7 HIGHESTMODSEQ 715)\r\n"

    server = Script({b"STATUS": status}, b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR CONDSTORE] hello\r\n")
    with server.running() as port, session(port) as it:
        assert it.states(["INBOX"])["INBOX"].modseq == 715


STRANGE = {
    "a space at the end": b"* STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7 )\r\n",
    "a quoted name": b'* STATUS "INBOX" (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7)\r\n',
    "a name in small letters": b"* STATUS inbox (messages 3 uidnext 4 uidvalidity 7)\r\n",
    "a tagged answer without words": b"* STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7)\r\n@ OK\r\n",
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_status_is_understood(name):
    server = Script({b"STATUS": STRANGE[name]})
    with server.running() as port, session(port) as it:
        assert (it.states(["INBOX"])["INBOX"].uidnext, it.states(["INBOX"])["INBOX"].exists) == (4, 3)


USELESS = {
    "nothing": b"",
    "an empty list, as 163.com": b"* STATUS INBOX ()\r\n",
    "NO": b"@ NO later\r\n",
    "BAD": b"@ BAD what\r\n",
    "another mailbox": b"* STATUS Sent (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7)\r\n",
    "garbage": b"* STATUS INBOX (MESSAGES\r\n",
}


@pytest.mark.parametrize("name", USELESS)
def test_a_status_that_says_nothing_leaves_it_to_opening_the_mailbox(name):
    server = Script({b"STATUS": USELESS[name]})
    with server.running() as port, session(port) as it:
        state = it.states(["INBOX"])["INBOX"]
        assert state is None or state.uidvalidity == 0
        assert it.examine("INBOX").uidnext == 4


@pytest.mark.parametrize("said", [b"* OK [UIDVALIDITY 0] x\r\n", b""])
def test_a_server_without_uidvalidity_is_read_and_its_numbers_are_marked_as_worthless(said):
    server = Script({b"EXAMINE": b"* 3 EXISTS\r\n* OK [UIDNEXT 4] x\r\n" + said})
    with server.running() as port, session(port) as it:
        assert (it.examine("INBOX").uidvalidity, it.examine("INBOX").exists) == (0, 3)


# --- who wants what -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["163", "126", "yeah.net"])
def test_netease_gets_an_id_before_it_opens_a_mailbox_even_where_it_does_not_say_that_it_knows_it(name):
    def examine(_: bytes) -> bytes:
        known = [line for line in server.lines if line.startswith(b"ID")]
        return (
            STATE
            if known
            else b"@ NO EXAMINE Unsafe Login. Please contact kefu@188.com for help\r\n".replace(b"fu@", b"fu-at-")
        )

    server = Script({b"EXAMINE": examine, b"STATUS": examine}, b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] x\r\n")
    with server.running() as port, session(port, name) as it:
        assert it.states(["INBOX"]) == {"INBOX": None}
        assert it.examine("INBOX").exists == 3
    assert [line.split()[0] for line in server.lines[:2]] == [b"AUTHENTICATE", b"ID"]


def test_an_id_is_never_empty():
    server = Script(
        {
            b"ID": lambda line: (
                b"" if re.fullmatch(rb'ID \("name" "mailrules" "version" "[^"]+"\)', line) else b"@ BAD\r\n"
            )
        }
    )
    with server.running() as port, session(port, "gmx") as it:
        it.examine("INBOX")
    assert sum(line.startswith(b"ID") for line in server.lines) == 1


def test_a_server_that_refuses_the_id_is_read_all_the_same():
    server = Script({b"ID": b"@ BAD Invalid arguments\r\n"})
    with server.running() as port, session(port) as it:
        assert it.states(["INBOX"])["INBOX"].exists == 3
        assert it.examine("INBOX").exists == 3


@pytest.mark.parametrize("name", ["qq", "exmail.qq"])
def test_qq_gets_short_ascending_sets(name):
    asked: list[bytes] = []

    def fetch(line: bytes) -> bytes:
        uids = line.split()[2]
        asked.append(uids)
        numbers = members(uids.decode())
        if numbers != sorted(numbers) or len(uids) > 500:
            return b"@ BAD UID parameters!\r\n"
        return b"".join(b"* %d FETCH (UID %d BODY[]<0> {3}\r\nM01)\r\n" % (n, n) for n in numbers)

    server = Script({b"UID FETCH": fetch})
    with server.running() as port, session(port, name) as it:
        it.examine("INBOX")
        got = dict(it.bodies(range(399_999, 300_001, -777)))
    assert len(got) == 129
    assert None not in got.values()
    assert len(asked) > 1


def test_icloud_which_gives_nothing_for_rfc822_is_asked_for_body():
    def fetch(line: bytes) -> bytes:
        return BODY if b"BODY.PEEK[]" in line else b"* 1 FETCH (UID 1)\r\n"

    server = Script({b"UID FETCH": fetch})
    with server.running() as port, session(port, "icloud") as it:
        it.examine("INBOX")
        assert dict(it.bodies([1])) == {1: b"M01"}
    assert not any(b" RFC822 " in line or b"(RFC822" in line for line in server.lines)


def test_a_label_of_gmails_is_added_and_nothing_else_is_changed():
    greeting = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR X-GM-EXT-1] hello\r\n"
    server = Script({b"SELECT": STATE, b"UID FETCH": b"* 1 FETCH (UID 1 FLAGS ())\r\n"}, greeting)
    with server.running() as port, Changes(session(port, "gmail")._settings, lambda: "proof") as it:
        assert it.select("INBOX") == 7
        assert it.has(1)
        assert not it.has(2)
        it.label(1, "To renew")
    changing = [line for line in server.lines if line.startswith(b"UID STORE")]
    assert changing == [b'UID STORE 1 +X-GM-LABELS.SILENT ("To renew")']


def test_what_one_mailbox_keeps_is_not_taken_for_what_another_does():
    kept = {
        b'SELECT "A': STATE + b"* OK [PERMANENTFLAGS (\\Seen)] x\r\n",
        b'SELECT "B': STATE,
        b'SELECT "C': STATE + b"* OK [PERMANENTFLAGS ()] x\r\n",
    }
    server = Script(kept)
    with server.running() as port, Changes(session(port)._settings, lambda: "proof") as it:
        for mailbox in ("A A", "C C"):
            it.select(mailbox)
            with pytest.raises(ConfigError, match="keeps no `ToRenew`"):
                it.flag(1, "ToRenew")
        it.select("B B")
        it.flag(1, "ToRenew")
    assert [line for line in server.lines if line.startswith(b"UID STORE")] == [b"UID STORE 1 +FLAGS.SILENT (ToRenew)"]


def test_gmail_that_gives_no_text_when_it_throttles_gave_nothing():
    server = Script({b"UID FETCH": b"* 1 FETCH (UID 1 BODY[]<0> NIL)\r\n@ OK [THROTTLED] Success\r\n"})
    with server.running() as port, session(port, "gmail") as it:
        it.examine("INBOX")
        assert dict(it.bodies([1])) == {1: None}


THROTTLES = {
    b"@ BAD Request is throttled. Suggested Backoff Time: 299910 milliseconds\r\n": 299.91,
    b"@ NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)\r\n": 900,
    b"@ NO [THROTTLED] later\r\n": 900,
}


@pytest.mark.parametrize("words", THROTTLES)
def test_a_server_that_wants_to_be_left_alone_is_understood_with_its_time(words):
    for command in (b"AUTHENTICATE", b"ID", b"STATUS", b"EXAMINE", b"UID FETCH"):
        server = Script({command: words})
        with server.running() as port, pytest.raises(Throttled) as caught, session(port, "outlook") as it:
            it.states(["INBOX"])
            it.examine("INBOX")
            list(it.bodies([1]))
        assert caught.value.seconds == THROTTLES[words]


def test_exchange_that_logs_in_and_has_no_mailbox_yet_is_temporary_and_no_refusal():
    server = Script({b"EXAMINE": b"@ BAD User is authenticated but not connected.\r\n"})
    with server.running() as port, session(port, "outlook") as it, pytest.raises(TemporaryError, match="not connected"):
        it.examine("INBOX")


def test_the_share_of_a_day_ends_a_visit_and_says_so():
    server = Script()
    with server.running() as port, pytest.raises(Throttled, match="share"), session(port, "gmail", budget=400) as it:
        for _ in range(100):
            it.states(["INBOX"])
    assert 1 < sum(line.startswith(b"STATUS") for line in server.lines) < 10


@pytest.mark.parametrize("listing", [b'* LIST () "." {11}\r\n&UWZ0BnIIgH8\r\n', b'* LIST () "/" "&UWZ0BnIIgH8-"\r\n'])
def test_a_name_in_another_script_goes_out_in_utf_7_even_where_the_server_would_take_utf_8(listing):
    greeting = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR UTF8=ACCEPT ENABLE] hello\r\n"
    server = Script({b"LIST": listing}, greeting)
    with server.running() as port, session(port, "qq") as it:
        assert it.states(["処理済み"])["処理済み"].exists == 3
        it.examine("処理済み")
    assert all(line.isascii() for line in server.lines)
    assert not any(line.startswith(b"ENABLE") for line in server.lines)


def test_a_name_with_a_line_end_never_reaches_a_status():
    server = Script()
    with server.running() as port, session(port) as it, pytest.raises(ConfigError, match="line break"):
        it.states(["INBOX\r\nA2 DELETE x"])


# --- signing in ---------------------------------------------------------------------------------------------------

GOOGLE = {"status": "400", "schemes": "Bearer", "scope": "https://mail.google.com/"}
REFUSALS = {
    ("xoauth2", json.dumps(GOOGLE)): "status 400, scope https://mail.google.com/",
    ("oauthbearer", json.dumps({"status": "invalid_token"})): "status invalid_token",
    ("xoauth2", "not json \x1b[31m"): "not json",
}


@pytest.mark.parametrize(("auth", "told"), REFUSALS)
def test_what_a_server_says_of_a_token_is_told_and_the_token_is_sent_once(auth, told):
    server = Script({b"AUTHENTICATE": b"+ " + base64.b64encode(told.encode()) + b"\r\n"})
    with server.running() as port, pytest.raises(Refused) as caught, session(port, auth=auth):
        pass
    assert REFUSALS[auth, told] in str(caught.value)
    assert "mailrules account login main" in caught.value.help
    assert "\x1b" not in str(caught.value)
    assert server.replies == [b"\1" if auth == "oauthbearer" else b""]


def test_what_a_server_says_back_of_a_password_can_be_taken_out_of_its_refusal():
    server = Script({b"AUTHENTICATE": lambda line: b"@ NO no such luck, open-sesame-1 " + line.split()[-1] + b"\r\n"})
    with server.running() as port, pytest.raises(Refused) as caught:  # noqa: SIM117
        with ImapSession(session(port)._settings, lambda: "open-sesame-1"):
            pass
    shown = Secrets("open-sesame-1").redacted(str(caught.value))
    assert "no such luck" in shown
    assert "sesame" not in shown
    assert base64.b64encode(b"\0s@firm.example\0open-sesame-1").decode() not in shown


@pytest.mark.parametrize("before", range(240, 300, 7))
def test_of_a_secret_where_what_a_server_says_is_cut_off_no_piece_is_left(before):
    said = b"n" * before + b" open-sesame-1 " + base64.b64encode(b"\0s@firm.example\0open-sesame-1")
    servers = (
        ("password", Script({b"AUTHENTICATE": b"@ NO " + said + b"\r\n"})),
        ("password", Script({b"EXAMINE": b"@ NO [NONEXISTENT] " + said + b"\r\n"})),
        ("xoauth2", Script({b"AUTHENTICATE": b"+ " + base64.b64encode(said) + b"\r\n"})),
    )
    for auth, server in servers:
        with server.running() as port, pytest.raises(MailrulesError) as caught:  # noqa: SIM117
            with ImapSession(session(port, auth=auth)._settings, lambda: "open-sesame-1") as it:
                it.examine("INBOX")
        assert "nnnn" in str(caught.value)
        assert "open" not in str(caught.value)
        assert base64.b64encode(b"\0s@firm").decode()[:8] not in str(caught.value)


@pytest.mark.parametrize("invitation", [b"+\r\n", b"+ \r\n", b"+ Ready when you are\r\n"])
def test_an_invitation_to_sign_in_is_taken_whatever_stands_in_it(invitation):
    server = Script({b"AUTHENTICATE": invitation}, b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n")
    with server.running() as port, pytest.raises(Refused), session(port):
        pass
    assert server.replies == [b"\0s@firm.example\0proof"]


@pytest.mark.parametrize("words", [b"[CAPABILITY IMAP4rev1 AUTH=PLAIN] you are in", b"you are in"])
def test_a_tunnel_that_has_signed_in_is_not_asked_to_again(words):
    server = Script({b"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"}, b"* PREAUTH " + words + b"\r\n")
    with server.running() as port, session(port) as it:
        assert it.states(["INBOX"])["INBOX"].exists == 3
        assert it.login_method == "PREAUTH"
    assert not any(line.startswith((b"AUTHENTICATE", b"LOGIN")) for line in server.lines)


def test_numbers_that_cannot_be_are_no_numbers():
    huge = b"9" * 30
    told = b"* STATUS INBOX (MESSAGES %s UIDNEXT %s UIDVALIDITY %s)\r\n" % (huge, huge, huge)
    server = Script({b"STATUS": told})
    with server.running() as port, session(port) as it:
        state = it.states(["INBOX"])["INBOX"]
    assert (state.exists, state.uidnext, state.uidvalidity) == (0, UNKNOWN_UIDNEXT, 0)


FORMS = {
    "xoauth2": b"user=s@firm.example\1auth=Bearer proof\1\1",
    "oauthbearer": b"n,a=s@firm.example,\1host=127.0.0.1\1port=%d\1auth=Bearer proof\1\1",
}


@pytest.mark.parametrize("auth", FORMS)
def test_a_token_is_sent_in_the_form_of_its_mechanism(auth):
    server = Script()
    with server.running() as port, session(port, auth=auth):
        pass
    verb, mechanism, first = server.lines[0].split()
    assert (verb, mechanism.decode()) == (b"AUTHENTICATE", auth.upper())
    assert base64.b64decode(first) == (FORMS[auth] % port if b"%d" in FORMS[auth] else FORMS[auth])


def test_a_server_that_takes_no_token_is_told_apart_from_a_wrong_token():
    server = Script(greeting=b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN] hello\r\n")
    with server.running() as port, pytest.raises(ConfigError, match="does not take XOAUTH2, but LOGIN, PLAIN"):  # noqa: SIM117
        with session(port, auth="xoauth2"):
            pass


def test_a_server_that_takes_no_password_says_so():
    server = Script(greeting=b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2] hello\r\n")
    with server.running() as port, pytest.raises(AuthError, match="takes no password"), session(port, "outlook"):
        pass


def gone_with(words: bytes) -> Callable[[bytes], bytes]:
    """Return an answer that says good-bye, and after which the server hangs up."""

    def answer(_: bytes) -> bytes:
        raise ByeError(words)

    return answer


class ByeError(OSError):
    """The server goes."""


class Leaving(Script):
    def _answer(self, sock: socket.socket, tag: bytes, rest: bytes) -> None:
        try:
            super()._answer(sock, tag, rest)
        except ByeError as bye:
            sock.sendall(b"* BYE" + bye.args[0] + b"\r\n")
            raise


WORDLESS = {
    "a login refused": (b"AUTHENTICATE", b"@ NO\r\n", "refused the login: it does not say why"),
    "a listing refused": (b"UID SEARCH", b"@ BAD\r\n", "listing INBOX: the server refused without a word"),
    "a good-bye at the login": (b"AUTHENTICATE", gone_with(b" [UNAVAILABLE] 9 are in"), "logging in: [UNAVAILABLE] 9 are in"),
    "a good-bye at the status": (b"STATUS", gone_with(b" [UNAVAILABLE] 9 are in"), "mailboxes: [UNAVAILABLE] 9 are in"),
    "a good-bye without words": (b"UID SEARCH", gone_with(b""), "listing INBOX: the server closed the connection"),
    "another mailbox refused": (b"EXAMINE", b"@ NO [INUSE] x\r\n", "opening INBOX: [INUSE] x"),
}  # fmt: skip


@pytest.mark.parametrize("name", WORDLESS)
def test_what_a_server_says_when_it_refuses_or_leaves_is_told_and_no_word_of_a_librarys(name):
    command, answer, told = WORDLESS[name]
    with (
        Leaving({command: answer}).running() as port,
        pytest.raises(MailrulesError, match=re.escape(told) + r"\Z"),
        session(port) as it,
    ):
        it.states(["INBOX"])
        it.examine("INBOX")
        it.uids(0)


def test_a_server_that_is_full_is_told_apart_from_one_that_speaks_no_imap():
    helps = []
    for greeting in (b"* BYE Too many connections\r\n", b"+OK pop3 ready\r\n"):
        with Script(greeting=greeting).running() as port, pytest.raises(TemporaryError) as caught, session(port):
            pass
        assert "None" not in str(caught.value)
        helps.append("does not speak IMAP" in caught.value.help)
    assert helps == [False, True]


# --- time ---------------------------------------------------------------------------------------------------------


def test_a_server_that_drips_an_answer_ends_with_the_time_of_one_command_long_before_the_session():
    class Dripping(Script):
        def _answer(self, sock: socket.socket, tag: bytes, rest: bytes) -> None:
            if not rest.startswith(b"UID FETCH"):
                super()._answer(sock, tag, rest)
                return
            for _ in range(200):
                sock.sendall(b"* OK still here\r\n")
                time.sleep(0.05)

    server = Dripping()
    begin = time.monotonic()
    with server.running() as port, session(port, read_timeout=0.6) as it:
        it.examine("INBOX")
        with pytest.raises(TemporaryError, match="did not answer in time"):
            list(it.headers([1]))
    assert time.monotonic() - begin < 8


def test_a_slow_line_gets_the_time_that_a_large_message_takes():
    content = b"x" * 20_000
    header = b"* 1 FETCH (UID 1 RFC822.SIZE 20000 BODY[HEADER] {4}\r\n\r\n\r\n)\r\n"

    class Slow(Script):
        def _answer(self, sock: socket.socket, tag: bytes, rest: bytes) -> None:
            if b"BODY.PEEK[]" not in rest:
                super()._answer(sock, tag, rest)
                return
            sock.sendall(b"* 1 FETCH (UID 1 BODY[]<0> {20000}\r\n")
            for start in range(0, len(content), 1_000):
                sock.sendall(content[start : start + 1_000])
                time.sleep(0.08)
            sock.sendall(b")\r\n" + tag + b" OK done\r\n")

    with Slow({b"UID FETCH": header}).running() as port, session(port, read_timeout=0.7) as it:
        it.examine("INBOX")
        assert [told.size for told in it.headers([1])] == [20_000]
        assert list(it.bodies([1])) == [(1, content)]


def test_one_message_that_a_server_cannot_give_costs_neither_the_others_nor_a_round_trip_for_each_of_them():
    def fetch(line: bytes) -> bytes:
        time.sleep(0.02)
        asked = members(line.split()[2].decode())
        if 150 in asked:
            return b"@ NO Some messages could not be fetched\r\n"
        return b"".join(b"* %d FETCH (UID %d BODY[HEADER] {4}\r\n\r\n\r\n)\r\n" % (uid, uid) for uid in asked)

    server = Script({b"UID FETCH": fetch})
    with server.running() as port, session(port, read_timeout=1) as it:
        it.examine("INBOX")
        assert [h.uid for h in it.headers(range(1, 201)) if isinstance(h, Missing)] == [150]
    assert sum(line.startswith(b"UID FETCH") for line in server.lines) < 20


def test_who_is_stopped_while_a_server_is_silent_waits_for_nobody(tmp_path):
    released = threading.Event()

    def silent(_: bytes) -> bytes:
        released.wait(30)
        return b""

    server = Script({b"EXAMINE": silent})
    (tmp_path / "password").write_text("proof")
    (tmp_path / "password").chmod(0o600)
    with server.running() as port:
        (tmp_path / "mailrules.toml").write_text(
            f'[accounts.shop]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nuser = "seller"\npassword = {{ file = "password" }}\n'
        )
        command = [sys.executable, "-m", "mailrules", "poll", "--config", str(tmp_path / "mailrules.toml")]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL) as process:
            try:
                while not any(line.startswith(b"EXAMINE") for line in server.lines):
                    assert process.poll() is None
                    time.sleep(0.05)
                process.terminate()
                assert process.wait(10) == 143
            finally:
                released.set()
                process.kill()


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    path = certificate(tmp_path_factory.mktemp("tls"))
    if path is None:
        pytest.skip("openssl is not installed (Debian: apt install openssl)")
    return path


def secured(server: Script, pem: Path, *, starttls: bool = False) -> Script:
    server.secured, server.starttls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), starttls
    server.secured.load_cert_chain(pem, pem.with_suffix(".key"))
    return server


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_over_tls_the_same_is_read_and_what_was_said_before_starttls_counts_for_nothing(pem, tls):
    again = {
        b"CAPABILITY": b"* CAPABILITY " + CAPABILITY + b"\r\n",
        b"AUTHENTICATE": b"@ OK [CAPABILITY " + CAPABILITY + b"] in\r\n",
    }
    greeting = b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hello\r\n" if tls == "starttls" else b""
    server = secured(Script(again, greeting), pem, starttls=tls == "starttls")
    with server.running() as port, session(port, host="localhost", tls=tls, ca_file=str(pem)) as it:
        assert it.states(["INBOX"])["INBOX"].exists == 3
        it.examine("INBOX")
        assert dict(it.bodies([1])) == {1: b"M01"}
        assert it.received > 200
    assert (b"CAPABILITY" in server.lines) == (tls == "starttls")


def test_a_dripping_server_ends_in_time_over_tls_too(pem):
    class Dripping(Script):
        def _answer(self, sock: socket.socket, tag: bytes, rest: bytes) -> None:
            if not rest.startswith(b"EXAMINE"):
                super()._answer(sock, tag, rest)
                return
            for _ in range(200):
                sock.sendall(b"*")
                time.sleep(0.05)

    begin = time.monotonic()
    with secured(Dripping(), pem).running() as port:  # noqa: SIM117
        with session(port, host="localhost", tls="implicit", ca_file=str(pem), read_timeout=0.6) as it:
            with pytest.raises(TemporaryError, match="did not answer in time"):
                it.examine("INBOX")
    assert time.monotonic() - begin < 8


def test_a_certificate_of_somebody_else_ends_before_any_secret_is_sent(pem):
    server = secured(Script(), pem)
    with server.running() as port, pytest.raises(ConfigError, match="certificate"):  # noqa: SIM117
        with session(port, host="127.0.0.1", tls="implicit", ca_file=str(pem)):
            pass
    assert server.lines == []
