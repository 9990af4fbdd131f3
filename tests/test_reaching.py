"""Leaving a server alone, over processes; and what UIDs are worth: renumbered, missing, copied, delivered again."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from datetime import timedelta

import imapclient
import pytest

from mailrules import app
from mailrules.demo.imap_server import _Handler
from mailrules.errors import EXIT_AUTH, EXIT_CONFIG, EXIT_DONE, EXIT_NEEDS_PERSON, EXIT_TEMPORARY, TemporaryError
from mailrules.sources import providers
from mailrules.sources.imap_types import Refused, members
from mailrules.sources.line import Line
from mailrules.spine.mailboxes import Mailboxes, Visit
from mailrules.spine.pool import alone
from mailrules.spine.reaching import Patience, changing, conditions, dialled
from mailrules.store import Store
from tests.house import EXPIRES, NOW, mail, settled
from tests.servers import Dovecot, dovecot_available
from tests.test_provider_servers import Script, session

RULES = """
rule "keep" {
  on authorization_expiring
  create task "Renew {{ developer }}"
}
"""
MINUTE = timedelta(minutes=1)


@pytest.fixture
def house(tmp_path):
    with settled(tmp_path, RULES, [mail("Never Settle", "446453545547", expires=EXPIRES, days=20)]) as it:
        yield it


@contextlib.contextmanager
def only(house, server):
    """Let another server answer."""
    with server.running() as port:
        house.change("mailrules.toml", f"port = {house.server.port}", f"port = {port}")
        house.change("mailrules.toml", '"127.0.0.1"\n', f'"127.0.0.1"\n# {port}\n')
        yield server


def codes(house, *moments):
    return [house.poll(moment).exit_code for moment in moments]


# --- leaving alone ------------------------------------------------------------------------------------------------


def test_refused_logins_are_spaced_and_every_poll_says_so(house):
    with only(house, Script({b"AUTHENTICATE": b"@ NO [AUTHENTICATIONFAILED] Invalid credentials\r\n"})) as server:
        moments = [NOW + MINUTE * n for n in range(0, 180, 4)]
        assert set(codes(house, *moments)) == {EXIT_AUTH}
        assert server.connections == 5  # at 0, 8, 24, 84 and 144 minutes
        (report,) = house.poll(moments[-1] + MINUTE).reports
    assert "refused 5 times" in str(report.error)
    assert "the next try is at" in str(report.error)
    assert "`mailrules account test`" in report.error.help


def test_a_changed_password_is_tried_at_once_and_a_login_that_works_ends_the_pause(house):
    password = house.folder / "password"
    password.write_text("wrong", encoding="utf-8")
    assert codes(house, NOW, NOW + MINUTE) == [EXIT_AUTH, EXIT_AUTH]
    password.write_text("secret", encoding="utf-8")
    assert codes(house, NOW + 2 * MINUTE) == [EXIT_DONE]
    password.write_text("wrong", encoding="utf-8")
    assert codes(house, NOW + 3 * MINUTE) == [EXIT_AUTH]
    (report,) = house.poll(NOW + 4 * MINUTE).reports
    assert "refused 1 times" in str(report.error)


def test_a_login_test_always_tries(house):
    with only(house, Script({b"AUTHENTICATE": b"@ NO [AUTHENTICATIONFAILED] no\r\n"})) as server:
        codes(house, NOW)
        for _ in range(3):
            with pytest.raises(app.MailrulesError):
                app.test_login(house.config, "shop")
        assert server.connections == 4


def test_a_login_test_that_works_lets_the_polls_go_on(house):
    house.poll(app.clock())
    with Store.open(house.config.store, now=NOW.isoformat()) as store:
        patience = Patience(house.config, store, house.config.account("shop"))
        alone(patience.note(Refused("no"), app.clock()))
    assert codes(house, app.clock()) == [EXIT_AUTH]
    tried = subprocess.run(
        [sys.executable, "-m", "mailrules", "account", "test", "--config", str(house.toml)],
        check=False,
        capture_output=True,
    )
    assert tried.returncode == EXIT_DONE
    assert codes(house, app.clock()) == [EXIT_DONE]


def test_a_secret_that_cannot_be_had_is_no_refused_login(house):
    (house.folder / "password").unlink()
    assert codes(house, NOW) == [EXIT_AUTH]
    (house.folder / "password").write_text("secret", encoding="utf-8")
    (house.folder / "password").chmod(0o600)
    assert codes(house, NOW + MINUTE) == [EXIT_DONE]


def test_a_throttled_account_is_not_connected_to_before_the_time_that_the_server_named(house):
    words = b"@ BAD Request is throttled. Suggested Backoff Time: 299910 milliseconds\r\n"
    with only(house, Script({b"EXAMINE": words, b"STATUS": b"@ BAD later\r\n"})) as server:
        assert codes(house, NOW, NOW + MINUTE, NOW + 4 * MINUTE) == [EXIT_TEMPORARY] * 3
        assert server.connections == 1
        (report,) = house.poll(NOW + 4 * MINUTE).reports
        assert "not asked before 2024-03-25 09:04 UTC" in str(report.error)
        assert codes(house, NOW + 5 * MINUTE) == [EXIT_TEMPORARY]
        assert server.connections == 2


def test_a_throttled_account_is_not_connected_to_for_what_a_rule_does_to_mail_either(house):
    house.change("my.rules", 'create task "Renew {{ developer }}"', "flag mail")
    words = b"@ BAD Request is throttled. Suggested Backoff Time: 299910 milliseconds\r\n"
    with only(house, Script({b"EXAMINE": words, b"STATUS": b"@ BAD later\r\n"})) as throttled:
        codes(house, NOW)
        with Store.open(house.config.store, now=NOW.isoformat()) as store:
            for moment in (NOW, NOW + 4 * MINUTE):
                with pytest.raises(TemporaryError, match="not asked before"), changing(house.config, store, lambda m=moment: m, "shop"):  # fmt: skip
                    pass
            with changing(house.config, store, lambda: NOW + 5 * MINUTE, "shop"):
                pass
        assert throttled.connections == 2


def test_what_a_rule_does_to_mail_has_what_is_left_of_the_days_share_and_a_login_that_works_ends_the_wait(
    house, monkeypatch
):
    monkeypatch.setattr(providers, "PROVIDERS", (providers.by_name("gmail")._replace(daily_bytes=50_000),))
    house.change("mailrules.toml", "[accounts.shop]\n", '[accounts.shop]\nprovider = "gmail"\n')
    with Store.open(house.config.store, now=NOW.isoformat()) as store:
        patience = Patience(house.config, store, house.config.account("shop"))
        alone(patience.note(Refused("no"), NOW))
        patience.spend(49_000, NOW)
        later = NOW + 5 * MINUTE
        with changing(house.config, store, lambda: later, "shop") as session:
            assert session._settings.budget == 1_000
        alone(patience.note(Refused("no"), later))
        alone(patience.hold(later + 5 * MINUTE))


def test_a_refused_login_for_what_a_rule_does_to_mail_counts_as_one(house):
    with only(house, Script({b"AUTHENTICATE": b"@ NO [AUTHENTICATIONFAILED] no\r\n"})) as server:
        with Store.open(house.config.store, now=NOW.isoformat()) as store, pytest.raises(Refused), changing(house.config, store, lambda: NOW, "shop"):  # fmt: skip
            pass
        assert codes(house, NOW + MINUTE) == [EXIT_AUTH]
        assert server.connections == 1


def test_a_clock_that_was_set_back_holds_no_account_for_years(house):
    with only(house, Script({b"AUTHENTICATE": b"@ NO [AUTHENTICATIONFAILED] no\r\n"})) as server:
        codes(house, NOW, NOW - timedelta(days=400))
        assert server.connections == 2


def test_the_state_of_each_account_can_be_seen(house):
    with Store.scratch(None) as store:
        assert conditions(house.config, store, NOW)[0]["last_ok"] is None
    house.poll()
    (house.folder / "password").write_text("wrong", encoding="utf-8")
    house.poll(NOW + MINUTE)
    (row,) = conditions(house.config, house.store, NOW + 2 * MINUTE)
    assert row["last_ok"] == NOW.isoformat()
    assert row["failing_since"] == (NOW + MINUTE).isoformat()
    assert row["left_alone_until"] == (NOW + 6 * MINUTE).isoformat()
    assert conditions(house.config, house.store, NOW + timedelta(hours=1))[0]["left_alone_until"] is None


def test_the_bytes_of_a_day_are_counted_over_polls_and_the_next_day_begins_anew(house, monkeypatch):
    monkeypatch.setattr(providers, "PROVIDERS", (providers.by_name("gmail")._replace(daily_bytes=2_000),))
    house.change("mailrules.toml", "[accounts.shop]\n", '[accounts.shop]\nprovider = "gmail"\n')
    results = [house.poll(NOW + MINUTE * n * 20).exit_code for n in range(12)]
    assert results[0] == EXIT_DONE
    assert results[-1] == EXIT_TEMPORARY
    (report,) = house.poll(NOW + timedelta(hours=5)).reports
    assert "near the provider's limit" in str(report.error)
    assert house.poll(NOW + timedelta(days=1)).exit_code == EXIT_DONE


# --- a connection that is begun before it is needed -----------------------------------------------------------------


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as it:
        it.settimeout(20)
        yield it


def heard(listener):
    """Return what comes over the next connection, until it is closed."""
    with listener.accept()[0] as far:
        far.settimeout(20)
        return b"".join(iter(lambda: far.recv(100), b""))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])  # the second has an address more, where nobody listens
def test_a_line_that_was_taken_is_its_takers_and_one_that_was_not_is_hung_up(listener, host):
    port = listener.getsockname()[1]
    with Line(host, port, 20) as line:
        taken = line.take()
    taken.sendall(b"hello")
    taken.close()
    assert heard(listener) == b"hello"
    with Line(host, port, 20):
        pass
    assert heard(listener) == b""


def test_a_line_that_comes_about_after_it_was_hung_up_is_closed_then():
    with socket.socket() as narrow:
        narrow.bind(("127.0.0.1", 0))
        narrow.settimeout(20)
        narrow.listen(0)
        with socket.create_connection(narrow.getsockname()), Line(*narrow.getsockname(), 20) as late:
            pass  # there is room for one at a time: the other is tried again in a second
        assert heard(narrow) == heard(narrow) == b""
        with pytest.raises(ConnectionAbortedError):
            late.take()


def test_what_kept_a_line_from_being_made_is_told_to_whoever_asks_for_it(listener):
    port = listener.getsockname()[1]
    listener.close()
    with Line("127.0.0.1", port, 20) as line, pytest.raises(ConnectionRefusedError):
        line.take()
    with Line("nowhere..invalid", port, 20) as line, pytest.raises(socket.gaierror):
        line.take()


def test_only_an_account_that_may_be_reached_and_is_to_be_read_is_dialled_ahead(house):
    house.change("mailrules.toml", "[smtp]", '[accounts.unread]\nhost = "127.0.0.1"\ntls = "none"\nuser = "u"\n'
                 'password = { file = "password" }\nmailboxes = []\n\n[smtp]')  # fmt: skip
    config = house.config
    with Store.open(config.store, now=NOW.isoformat()) as store:
        patience = Patience(config, store, config.account("shop"))
        with dialled(config, store, ["shop", "unread"], NOW) as lines:
            assert list(lines) == ["shop"]
        alone(patience.note(Refused("no"), NOW))
        with dialled(config, store, ["shop", "unread"], NOW) as lines:
            assert not lines


def test_a_quiet_poll_makes_one_connection_and_one_whose_rules_have_changed_does_as_well(house):
    with only(house, Script({})) as server:
        codes(house, NOW, NOW + MINUTE, NOW + 2 * MINUTE)
        assert server.connections == 3
        house.change("my.rules", "Renew", "Prolong")
        codes(house, NOW + 3 * MINUTE)
        house.change("my.rules", "create task", "create nonsense")
        codes(house, NOW + 4 * MINUTE)
        assert server.connections == 5


# --- nothing new --------------------------------------------------------------------------------------------------


def test_a_mailbox_in_which_nothing_happened_is_not_opened(house):
    server = Script({b"UID SEARCH": b"* SEARCH\r\n"})
    with only(house, server):
        assert codes(house, NOW) == [EXIT_DONE]
        assert sum(line.startswith(b"EXAMINE") for line in server.lines) == 1
        before = len(server.lines)
        assert codes(house, NOW + MINUTE, NOW + 2 * MINUTE) == [EXIT_DONE] * 2
        assert [line.split()[0] for line in server.lines[before:]] == [b"AUTHENTICATE", b"ID", b"STATUS", b"LOGOUT"] * 2
        codes(house, NOW + timedelta(hours=25))
        assert sum(line.startswith(b"EXAMINE") for line in server.lines) == 2


def test_a_quiet_poll_and_a_plan_agree_on_how_far_was_read(house):
    house.poll()
    first, second = house.plan(NOW + MINUTE), house.plan(NOW + MINUTE)
    assert first.mailboxes == second.mailboxes
    assert first.mailboxes[0].uid == 1
    assert house.apply(second, NOW + MINUTE).moved == []


def test_new_mail_is_seen_at_once_after_any_number_of_quiet_polls(house):
    codes(house, NOW, NOW + MINUTE, NOW + 2 * MINUTE)
    house.server.messages.append(mail("Other", "111122223333", expires=EXPIRES, days=19))
    house.poll(NOW + 3 * MINUTE)
    assert house.done() == [("create_task", "done")] * 2


def test_a_mailbox_that_is_not_there_is_told_and_the_others_are_read_all_the_same(house):
    house.change("mailrules.toml", 'region = "na"', 'region = "na"\nmailboxes = ["Gone", "INBOX"]')
    for _ in range(2):
        outcome = house.poll()
        assert outcome.exit_code == EXIT_CONFIG
        assert "there is no mailbox `Gone`" in str(outcome.reports[0].error)
        assert house.done() == [("create_task", "done")]


def test_new_mail_is_seen_where_a_servers_highestmodseq_stands_still(house):
    told = {b"UIDNEXT": b"4", b"MESSAGES": b"3"}

    def status(_):
        return b"* STATUS INBOX (MESSAGES %b UIDNEXT %b UIDVALIDITY 7 HIGHESTMODSEQ 1)\r\n" % (
            told[b"MESSAGES"],
            told[b"UIDNEXT"],
        )

    greeting = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR ID CONDSTORE] hello\r\n"
    with only(house, Script({b"STATUS": status, b"UID SEARCH": b"* SEARCH\r\n"}, greeting)) as server:
        codes(house, NOW, NOW + MINUTE)
        assert sum(line.startswith(b"EXAMINE") for line in server.lines) == 1
        told.update({b"UIDNEXT": b"5", b"MESSAGES": b"4"})
        codes(house, NOW + 2 * MINUTE)
        assert sum(line.startswith(b"EXAMINE") for line in server.lines) == 2


@contextlib.contextmanager
def withholding(house):
    """Let the server leave out what is named: texts, or all messages where it lists them."""
    withheld = set()

    class Withholding(_Handler):
        def _search(self, words):
            return super()._search([b"UID", b"0"] if "listing" in withheld else words)

        def _fetch(self, sequence, items):
            return b"OK done" if "texts" in withheld else super()._fetch(sequence, items)

    house.server._server.RequestHandlerClass = Withholding
    yield withheld


@pytest.mark.parametrize("empty", [b" {0}\r\n", b' ""'])
def test_a_message_whose_header_fields_come_back_empty_is_known_by_its_text(house, empty):
    class Mute(_Handler):
        @staticmethod
        def _section(content, item):
            return b"BODY[" + item[1] + b"]" + empty if item[1] else _Handler._section(content, item)

    house.server._server.RequestHandlerClass = Mute
    assert codes(house, NOW) == [EXIT_DONE]
    assert house.done() == [("create_task", "done")]


def test_a_message_that_was_deleted_before_it_was_read_is_waited_for_no_longer_than_an_hour(house):
    with withholding(house) as withheld:
        withheld.add("texts")
        codes(house, NOW)
        assert house.store.pending_uids("shop", "INBOX", 1) == [1]
        withheld.add("listing")
        hours = [NOW + timedelta(hours=n) for n in range(1, 30)]
        assert set(codes(house, *hours)) == {EXIT_DONE}
        assert house.store.pending_uids("shop", "INBOX", 1) == []


def test_a_message_that_a_listing_left_out_while_it_waited_is_read_when_another_names_it(house):
    with withholding(house) as withheld:
        withheld.add("texts")
        house.server.messages.append(mail("Other", "111122223333", expires=EXPIRES, days=19))
        codes(house, NOW)
        withheld.add("listing")
        codes(house, NOW + timedelta(hours=2))
        withheld.clear()
        codes(house, NOW + timedelta(hours=4), NOW + timedelta(hours=6))
    assert house.done() == [("create_task", "done")] * 2


# --- what a UID is worth ------------------------------------------------------------------------------------------


def test_a_renumbered_mailbox_is_read_again_without_doing_anything_twice(house):
    house.poll()
    for validity in (77, 78, 77, 1):
        house.server.uidvalidity = validity
        assert house.poll(NOW + MINUTE).exit_code == EXIT_DONE
    assert house.done() == [("create_task", "done")]
    house.server.messages.insert(0, mail("Other", "111122223333", expires=EXPIRES, days=19))
    house.server.uidvalidity = 79
    house.poll(NOW + 2 * MINUTE)
    assert house.done() == [("create_task", "done")] * 2


def test_a_server_without_uidvalidity_loses_nothing_and_repeats_nothing(house):
    house.server.uidvalidity = 0
    assert codes(house, NOW, NOW + MINUTE) == [EXIT_DONE] * 2
    house.server.messages[0:0] = [mail("Other", "111122223333", expires=EXPIRES, days=19)]  # UIDs move without a word
    assert codes(house, NOW + 2 * MINUTE, NOW + 3 * MINUTE) == [EXIT_DONE] * 2
    assert house.done() == [("create_task", "done")] * 2


def test_the_same_bytes_delivered_again_do_nothing(house):
    house.poll()
    house.server.messages.extend([house.server.messages[0]] * 3)
    (report,) = house.poll(NOW + MINUTE).reports
    assert (report.candidates, report.new_effects) == (3, 0)
    assert house.done() == [("create_task", "done")]
    assert len(house.store.messages()) == 1


def test_one_mail_under_many_labels_and_moved_to_and_fro_is_one_notice(tmp_path):
    if not dovecot_available():
        pytest.skip("Dovecot is not installed (Debian: apt install dovecot-imapd)")
    content, moment = mail("Never Settle", "446453545547", expires=EXPIRES, days=20)
    real = Dovecot()
    try:
        real.add(content, moment)
        for label in ("Important", "&UWZ0BmIIgH8-"):
            for part in ("cur", "new", "tmp"):
                (real.maildir / f".{label}" / part).mkdir(parents=True)
            (real.maildir / f".{label}" / "new" / f"1700000001.{len(label)}.test").write_bytes(content)
        real._own()
        with settled(tmp_path, RULES, []) as house:
            house.change("mailrules.toml", f"port = {house.server.port}", f"port = {real.port}")
            other = imapclient.imap_utf7.decode(b"&UWZ0BmIIgH8-")
            house.change(
                "mailrules.toml", 'region = "na"', f'region = "na"\nmailboxes = ["INBOX", "Important", "{other}"]'
            )
            (house.folder / "password").write_text(real.password, encoding="utf-8")
            (report,) = house.poll().reports
            assert (report.error, report.candidates, report.notices) == (None, 3, 1)
            (file,) = (
                (real.maildir / "new").iterdir()
                if any((real.maildir / "new").iterdir())
                else (real.maildir / "cur").iterdir()
            )
            file.rename(real.maildir / ".Important" / "new" / "1700000009.moved.test")
            house.poll(NOW + MINUTE)
            (real.maildir / ".Important" / "new" / "1700000010.back.test").write_bytes(content)
            real._own()
            assert house.poll(NOW + 2 * MINUTE).exit_code == EXIT_DONE
            assert house.done() == [("create_task", "done")]
            assert len(house.store.messages()) == 1
    finally:
        real.stop()


@pytest.mark.parametrize("part", [b"HEADER", b"BODY.PEEK[]"], ids=["header fields", "text"])
def test_a_message_at_which_a_server_always_hangs_up_costs_some_polls_and_no_other_message(house, part):
    """It is found by asking for fewer and fewer, given up after three tries alone, and asked for last when the mailbox is listed."""
    size, fatal = 2_400, 1_300
    notices = {
        uid: mail(f"Developer {uid}", f"{uid:012}", expires=EXPIRES, days=20)[0] for uid in (1, 1299, fatal, 1301, 2400)
    }
    asked = []

    class Fatal(Script):
        def _answer(self, sock, tag, rest):
            if not rest.startswith(b"UID FETCH"):
                super()._answer(sock, tag, rest)
                return
            uids = members(rest.split()[2].decode())
            if part in rest and fatal in uids:
                asked.append(len(uids))
                raise ConnectionResetError
            sock.sendall(b"".join(told(uid, rest) for uid in uids) + tag + b" OK done\r\n")

    def told(uid, line):
        content = notices.get(uid, b"From: a@shop.example\r\nSubject: Hello\r\n\r\n")
        head = content[: content.index(b"\r\n\r\n") + 4]
        name, given = (b"BODY[]<0>", content) if b"BODY.PEEK[]" in line else (b"BODY[HEADER]", head)
        return b"* %d FETCH (UID %d RFC822.SIZE %d %s {%d}\r\n%s)\r\n" % (
            uid,
            uid,
            len(content),
            name,
            len(given),
            given,
        )

    state = b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT %d] .\r\n"
    server = Fatal({
        b"EXAMINE": lambda _: state % (size, size + 1),
        b"UID SEARCH": lambda _: b"* SEARCH " + b" ".join(b"%d" % uid for uid in range(1, size + 1)) + b"\r\n",
        b"STATUS": lambda _: b'* STATUS "INBOX" (MESSAGES %d UIDNEXT %d UIDVALIDITY 7)\r\n' % (size, size + 1),
    })  # fmt: skip
    with only(house, server):
        polls = [house.poll(NOW + 5 * MINUTE * n) for n in range(14)]
        assert {row["title"] for row in house.store.tasks()} == {
            f"Renew Developer {uid}" for uid in notices if uid != fatal
        }
        assert polls[-1].exit_code == EXIT_NEEDS_PERSON
        assert "message 1300 in INBOX of shop could not be fetched" in polls[-1].needs[0]
        tries = len(asked)
        assert asked[-3:] == [1, 1, 1]
        assert tries <= 12
        house.poll(NOW + timedelta(days=1, hours=2))
        assert asked[tries:] == [1]
        notices[2401] = mail("Developer 2401", "000000002401", expires=EXPIRES, days=20)[0]
        size = 2_401
        assert house.poll(NOW + timedelta(days=1, hours=3)).exit_code == EXIT_NEEDS_PERSON
        assert "Renew Developer 2401" in {row["title"] for row in house.store.tasks()}
        assert len(asked) == tries + 1


def test_a_full_disk_is_no_message_s_doing(house):
    account = house.config.account("shop")
    with Script().running() as port, session(port) as it, Store.scratch(None) as store:
        it.examine("INBOX")
        boxes = Mailboxes(store=store, clock=lambda: NOW, bounds=None, since=None)
        visit = Visit(mailbox="INBOX", uidvalidity=7, low=0, uids=[1], again=[], reached=1, ended=1)
        for _ in range(3):
            with pytest.raises(TemporaryError, match="is full"), boxes.turn(account, visit, [1], it):
                raise TemporaryError("the disk is full")
        assert store.needs_person(NOW.isoformat()) == []
        assert store.pending_uids("shop", "INBOX", 7) == []
        assert list(boxes.turns(account, visit)) == [[1]]
