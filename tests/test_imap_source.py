"""The IMAP source against our own server, a real Dovecot, and servers that lie."""

import os
import re
import socket
import threading
import time
from datetime import UTC, datetime

import pytest

from mailrules.demo.imap_server import MailServer
from mailrules.errors import AuthError, ConfigError, TemporaryError
from mailrules.sources.imap import ImapSession, ImapSettings, Missing, Unfetchable
from mailrules.sources.imap_types import MailboxState, members, ranges, windows
from mailrules.sources.imap_wire import tls_context
from tests.servers import PASSWORD, Dovecot, dovecot_available, free_port, lying, scripted

WHEN = datetime(2024, 3, 11, 9, 30, tzinfo=UTC)
ONE = "From: a@amazon.com\r\nSubject: Größe\r\n folded\r\nX-Other: y\r\n\r\n日本 {5}\r\n)\r\n".encode()
TWO = b"Subject: two\r\nFrom: b@amazon.de\r\n\r\n" + b"A1 OK\r\n.\r\n" * 2000
THREE = b"From: c@x.test\r\n\r\n"


@pytest.fixture(params=["own", "dovecot"])
def server(request):
    if request.param == "own":
        with MailServer("seller", PASSWORD) as own:
            own.add = lambda content, moment: own.messages.append((content, moment))
            yield own
        return
    if not dovecot_available():
        reason = "Dovecot is not installed (Debian: apt install dovecot-imapd)"
        if os.environ.get("MAILRULES_REQUIRE_SERVERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    real = Dovecot()
    try:
        yield real
    finally:
        real.stop()


def settings(port, **changes):
    base = {"account": "main", "host": "127.0.0.1", "port": port, "tls": "none", "user": "seller", "read_timeout": 5}
    return ImapSettings(**{**base, **changes})


def opened(port, password=PASSWORD, **changes):
    return ImapSession(settings(port, **changes), lambda: password)


def test_headers_and_bodies_arrive_byte_for_byte(server):
    for content in (ONE, TWO, THREE):
        server.add(content, WHEN)
    with opened(server.port) as session:
        state = session.examine("INBOX")
        assert (state.exists, state.uidnext) == (3, 4)
        states = session.states(["INBOX", "None"])
        assert (states["INBOX"]._replace(modseq=0), states["None"]) == (state, None)
        headers = list(session.headers(session.uids(0)))
        assert [h.size for h in headers] == [len(ONE), len(TWO), len(THREE)]
        assert [h.received_at for h in headers] == [WHEN] * 3
        assert headers[0].block == "From: a@amazon.com\r\nSubject: Größe\r\n folded\r\n\r\n".encode()
        assert session.key(1).uidvalidity == state.uidvalidity
        assert dict(session.bodies([3, 1, 2])) == {1: ONE, 2: TWO, 3: THREE}
        assert session.body(1, 1000) == ONE
        with pytest.raises(Unfetchable):
            session.body(2, 1000)


def test_only_what_is_above_the_low_mark_is_listed(server):
    server.add(ONE, WHEN)
    server.add(TWO, WHEN)
    with opened(server.port) as session:
        session.examine("INBOX")
        assert list(session.uids(0)) == [1, 2]
        assert list(session.uids(1)) == [2]
        assert list(session.uids(2)) == []  # `3:*` names message 2, by the RFC
        server.add(THREE, WHEN)
        session.examine("INBOX")
        assert list(session.uids(2)) == [3]


def test_a_message_that_is_not_there_is_missing_not_an_error(server):
    server.add(ONE, WHEN)
    with opened(server.port) as session:
        session.examine("INBOX")
        one, two = session.headers([1, 99])
        assert one.uid == 1
        assert isinstance(two, Missing)
        assert two.uid == 99
        assert dict(session.bodies([1, 99])) == {1: ONE, 99: None}


def test_no_flag_is_changed_by_reading(server):
    server.add(ONE, WHEN)
    with opened(server.port) as session:
        session.examine("INBOX")
        list(session.headers([1]))
        list(session.bodies([1]))
    with opened(server.port) as session:
        session.examine("INBOX")
        [(_, item)] = session._fetch("1", "(UID FLAGS)")
        assert b"\\Seen" not in item[b"FLAGS"]
    if isinstance(server, Dovecot):
        names = [path.name for path in server.maildir.rglob("17*") if path.is_file()]
        assert len(names) == 1
        assert names[0].rpartition(",")[2] in ("", names[0], f"S={len(ONE)}") or names[0].endswith(":2,")


def test_two_thousand_messages_are_all_answered():
    messages = [(b"Subject: %d\r\n\r\n" % n, WHEN) for n in range(2001)]
    with MailServer("seller", PASSWORD, messages) as server, opened(server.port) as session:
        session.examine("INBOX")
        assert [h.uid for h in session.headers(range(1, 2001, 2))] == list(range(1, 2001, 2))


def test_a_wrong_password_is_an_auth_error(server):
    with pytest.raises(AuthError, match=r"account main, 127\.0\.0\.1") as caught, opened(server.port, "wrong"):
        pass
    assert "password" in caught.value.help
    assert "wrong" not in str(caught.value).replace("wrong user", "")


def test_a_mailbox_that_does_not_exist_is_a_configuration_error(server):
    with opened(server.port) as session, pytest.raises(ConfigError, match="Archive"):
        session.examine("Archive")


def test_a_password_goes_out_by_plain_where_that_is_offered(server):
    with opened(server.port) as session:
        assert session.login_method == "AUTHENTICATE PLAIN"


def test_a_line_end_never_reaches_the_server():
    with MailServer("seller", PASSWORD) as own, opened(own.port) as session:
        for name in ("INBOX\r\nA2 DELETE x", "a\nb", "a\0b"):
            with pytest.raises(ConfigError, match="line break"):
                session.examine(name)
        session.examine("INBOX")


def test_a_closed_port_is_temporary():
    with pytest.raises(TemporaryError, match="connecting"), opened(free_port()):
        pass


def test_a_password_in_the_clear_is_refused_beyond_this_machine():
    with pytest.raises(ConfigError, match="this machine only"):
        ImapSession(ImapSettings(account="main", host="imap.test", port=143, tls="none", user="u"), lambda: "x")


def test_tls_to_a_plain_port_is_named():
    with (
        MailServer("seller", PASSWORD) as own,
        pytest.raises(ConfigError, match="TLS"),
        opened(own.port, tls="implicit"),
    ):
        pass


def test_certificates_are_read_once_however_many_connections_begin_at_the_same_time():
    together, found = threading.Barrier(8), []
    threads = [threading.Thread(target=lambda: (together.wait(), found.append(tls_context(None)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tls_context(None)] * 8


def test_a_server_without_starttls_is_a_configuration_error():
    with (
        MailServer("seller", PASSWORD) as own,
        pytest.raises(ConfigError, match="STARTTLS"),
        opened(own.port, tls="starttls"),
    ):
        pass


def test_a_silent_port_is_told_apart_as_perhaps_a_tls_port():
    with scripted(lambda sock: sock.recv(1)) as port, pytest.raises(TemporaryError) as caught:  # noqa: SIM117
        with opened(port, connect_timeout=0.3):
            pass
    assert "implicit" in caught.value.help


def trickle(sock: socket.socket) -> None:
    for _ in range(200):
        sock.sendall(b"*")
        time.sleep(0.05)


def test_the_deadline_ends_a_trickling_server():
    begin = time.monotonic()
    with (
        scripted(trickle) as port,
        pytest.raises(TemporaryError, match=r"longer than 0\.5 seconds"),
        opened(port, deadline=0.5),
    ):
        pass
    assert time.monotonic() - begin < 3


def numbers(request: bytes) -> list[int]:
    return members(request.split()[2].decode())


def item(uid: int) -> bytes:
    return b"* %d FETCH (UID %d BODY[]<0> {3}\r\nM%02d)\r\n" % (uid, uid, uid)


LIES = {
    "OK without data": (lambda _: b"", {1: None, 2: None, 3: None}),
    "1 of 3": (lambda _: item(2), {1: None, 2: b"M02", 3: None}),
    "NIL body": (lambda _: b"* 1 FETCH (UID 1 BODY[]<0> NIL)\r\n" + item(3), {1: None, 2: None, 3: b"M03"}),
    "empty body": (lambda _: b"* 1 FETCH (UID 1 BODY[]<0> {0}\r\n)\r\n" + item(3), {1: None, 2: None, 3: b"M03"}),
    "no UID": (lambda _: b"* 1 FETCH (BODY[]<0> {3}\r\nM99)\r\n", {1: None, 2: None, 3: None}),
    "other UID": (lambda _: item(1).replace(b"UID 1", b"UID 9"), {1: None, 2: None, 3: None}),
    "flags of another, unasked": (lambda _: item(1) + b"* 2 FETCH (FLAGS (\\Seen))\r\n", {1: b"M01", 2: None, 3: None}),
    "one cannot be had": (
        lambda r: item(1) + b"@ NO Some messages could not be fetched\r\n" if len(numbers(r)) > 1 or numbers(r) == [2] else item(*numbers(r)),
        {1: b"M01", 2: None, 3: b"M03"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_server_loses_nothing(lie):
    fetch, expected = LIES[lie]
    with scripted(lying(fetch)) as port, opened(port) as session:
        session.examine("INBOX")
        assert dict(session.bodies([1, 2, 3])) == expected


FIELDS = b"BODY[HEADER.FIELDS (FROM SUBJECT MESSAGE-ID CONTENT-TYPE)]"
BLOCK = b"Subject: one\r\n\r\n"
DATE = b'INTERNALDATE "11-Mar-2024 09:30:00 +0000"'
TOLD = b"UID 1 RFC822.SIZE 3 " + DATE
ODD_HEADERS = {
    "another order": (b"* 1 FETCH (%s {%d}\r\n%s " + TOLD + b")\r\n", 3, WHEN),
    "small letters": (b"* 1 fetch (" + TOLD.replace(b"UID", b"uid") + b" %s {%d}\r\n%s)\r\n", 3, WHEN),
    "a literal8": (b"* 1 FETCH (" + TOLD + b" %s ~{%d}\r\n%s)\r\n", 3, WHEN),
    "more items": (b'* 1 FETCH (FLAGS (\\Seen) X-GM-LABELS ("a" {1}\r\nb) ' + TOLD + b" %s {%d}\r\n%s)\r\n", 3, WHEN),
    "two answers": (b"* 1 FETCH (" + TOLD + b")\r\n* 1 FETCH (UID 1 %s {%d}\r\n%s)\r\n", 3, WHEN),
    "no size": (b"* 1 FETCH (UID 1 " + DATE + b" %s {%d}\r\n%s)\r\n", None, WHEN),
    "a size of nothing": (b"* 1 FETCH (UID 1 RFC822.SIZE NIL " + DATE + b" %s {%d}\r\n%s)\r\n", None, WHEN),
    "no date": (b"* 1 FETCH (UID 1 RFC822.SIZE 3 %s {%d}\r\n%s)\r\n", 3, None),
    "a date of nothing": (b"* 1 FETCH (UID 1 INTERNALDATE NIL RFC822.SIZE 3 %s {%d}\r\n%s)\r\n", 3, None),
    "a strange date": (b'* 1 FETCH (UID 1 INTERNALDATE "11 Foo 24" RFC822.SIZE 3 %s {%d}\r\n%s)\r\n', 3, None),
}


@pytest.mark.parametrize("odd", ODD_HEADERS)
def test_header_fields_are_read_however_they_are_answered(odd):
    form, size, when = ODD_HEADERS[odd]
    with scripted(lying(lambda _: form % (FIELDS, len(BLOCK), BLOCK))) as port, opened(port) as session:
        session.examine("INBOX")
        (header,) = session.headers([1])
    assert (header.size, header.received_at, header.block) == (size, when, BLOCK)


CUT_SHORT = {
    "more follows": (b'* 1 FETCH (UID 1 BODY[]<3> "X")\r\n', None),
    "nothing follows": (b'* 1 FETCH (UID 1 BODY[]<3> "")\r\n', b"M01"),
    "NIL follows": (b"* 1 FETCH (UID 1 BODY[]<3> NIL)\r\n", b"M01"),
    "no answer": (b"", b"M01"),
    "refused": (b"@ BAD no\r\n", b"M01"),
}


@pytest.mark.parametrize("rest", CUT_SHORT)
def test_a_message_shorter_than_was_said_counts_only_where_nothing_follows(rest):
    follows, expected = CUT_SHORT[rest]

    def fetch(asked: bytes) -> bytes:
        if b"HEADER" in asked:
            return b"* 1 FETCH (UID 1 RFC822.SIZE 900 %s %s {%d}\r\n%s)\r\n" % (DATE, FIELDS, len(BLOCK), BLOCK)
        return follows if b"<3.1>" in asked else item(1)

    with scripted(lying(fetch)) as port, opened(port) as session:
        session.examine("INBOX")
        assert [header.size for header in session.headers([1])] == [900]
        assert dict(session.bodies([1])) == {1: expected}


BREAKS = {
    "throttled": b"@ NO [THROTTLED] later\r\n",
    "bye": b"* BYE Connection closed. 14\r\n",
    "short literal": b"* 1 FETCH (UID 1 BODY[]<0> {2}\r\nM01)\r\n",
    "endless literal": b"* 1 FETCH (UID 1 BODY[]<0> {999999999999999}\r\nM",
    "a literal that nobody asked for": b"* 1 FETCH (UID 1 BODY[]<0> {70000000}\r\nM",
    "a line without an end": b"x" * 1_100_000,
    "no end of answers": b"* OK\r\n" * 250_000,
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_fetch_is_temporary(name):
    def fetch(_: bytes) -> bytes:
        return BREAKS[name] if b"@" in BREAKS[name] else BREAKS[name] + b"* @\r\n"

    with scripted(lying(fetch)) as port, pytest.raises(TemporaryError), opened(port, read_timeout=0.5) as session:
        session.examine("INBOX")
        list(session.bodies([1]))


@pytest.mark.parametrize(
    "search",
    [
        b"* SEARCH 1 2\r\n* SEARCH 3\r\n",
        b"* SEARCH 3 1 2 2 9223372036854775808\r\n",
        b"* SEARCH 1 (odd)\r\n",
        b'* ESEARCH (TAG "A1") UID ALL 1:3\r\n',
        b"",
    ],
)
def test_an_unusual_search_answer_is_understood(search):
    def fetch(_: bytes) -> bytes:
        return b"".join(b"* %d FETCH (UID %d)\r\n" % (n, n) for n in (1, 2, 3))

    with scripted(lying(fetch, search)) as port, opened(port) as session:
        session.examine("INBOX")
        assert list(session.uids(0)) == [1, 2, 3]


def test_sets_are_compressed_ascending_and_short():
    assert ranges([5, 1, 3, 2, 9]) == ["1:3,5,9"]
    sets = ranges(range(1, 20_000, 2))
    assert all(len(text) <= 4_000 and re.fullmatch(r"[\d:,]+", text) for text in sets)
    assert [uid for text in sets for uid in members(text)] == list(range(1, 20_000, 2))


def test_a_very_large_mailbox_is_listed_in_windows_without_a_gap():
    state = MailboxState(uidvalidity=1, uidnext=120_001, exists=120_000)
    assert windows(11, state) == ["11:50010", "50011:100010", "100011:*"]
    assert windows(120_001, state) == ["120001:*"]
