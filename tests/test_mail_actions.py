"""Changing mail on a real server, only where a rule says so: flag, keyword, label, another mailbox."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import imapclient
import pytest

from mailrules import app, config
from mailrules.actions import Services, perform
from mailrules.errors import ConfigError, TemporaryError
from mailrules.mail.message import MessageKey
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.spine.drain import drain
from mailrules.store import Claim, Store
from tests.mails import ordinary
from tests.many import ManyAccounts, configured, notice_of
from tests.servers import PASSWORD, dovecot_available

TODAY = date(2024, 3, 11)
NOW = datetime(2024, 3, 11, 9, 0, tzinfo=UTC)
EXPIRES = TODAY + timedelta(days=30)


def now() -> datetime:
    return NOW


@pytest.fixture(params=["MOVE"])
def shop(request: pytest.FixtureRequest) -> Iterator[ManyAccounts]:
    if not dovecot_available():
        if os.environ.get("MAILRULES_REQUIRE_SERVERS") == "1":
            pytest.fail("Dovecot is not installed (Debian: apt install dovecot-imapd)")
        pytest.skip("Dovecot is not installed (Debian: apt install dovecot-imapd)")
    server = ManyAccounts(1)
    try:
        if request.param != "MOVE":
            set_up(server, f"imap_capability = IMAP4rev1 SASL-IR LITERAL+ ID {request.param}\n")
        source = ordinary(3, TODAY)
        server.deliver("shop0", *next(source))
        server.deliver("shop0", *notice_of(1, EXPIRES))
        server.deliver("shop0", *notice_of(1, EXPIRES, days=23))
        server.deliver("shop0", *next(source))
        yield server
    finally:
        server.stop()


def set_up(server: ManyAccounts, lines: str) -> None:
    with (server.folder / "dovecot.conf").open("a") as file:
        file.write(lines)
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)


def client(server: ManyAccounts) -> AbstractContextManager[Any]:
    connection = imapclient.IMAPClient("127.0.0.1", server.port, ssl=False)
    connection.plain_login("shop0", PASSWORD)
    return connection  # type: ignore[no-any-return]


def mailbox(server: ManyAccounts, name: str = "INBOX") -> list[tuple[bytes, tuple[bytes, ...]]]:
    """Return subject and flags of each message, as another client sees them."""
    with client(server) as other:
        other.select_folder(name, readonly=True)
        found = (
            other.fetch(other.search("ALL"), ["FLAGS", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"])
            if other.search("ALL")
            else {}
        )
    flags = [
        (m[b"BODY[HEADER.FIELDS (SUBJECT)]"].strip(), tuple(sorted(set(m[b"FLAGS"]) - {b"\\Recent"})))
        for m in found.values()
    ]
    return sorted(flags)


def made(server: ManyAccounts, *names: str) -> None:
    with client(server) as other:
        for name in names:
            other.create_folder(name)


def ruled(folder: Path, server: ManyAccounts, *lines: str) -> Path:
    path = configured(folder, {"shop": (server.port, "shop0")})
    body = "\n".join(f"  {line}" for line in lines)
    (folder / "my.rules").write_text(f'rule "tidy" {{\n{body}\n}}\n', encoding="utf-8")
    return path


def states(path: Path) -> list[tuple[str, str, str]]:
    with Store.look(config.load(str(path)).store) as store:
        return [(row["action"], row["state"], row["why"]) for row in store.effects()]


def poll(path: Path, moment: Callable[[], datetime] = now) -> app.Outcome:
    return app.poll(config.load(str(path)), tell_time=moment)


def planned_only(path: Path) -> None:
    """Poll, and be stopped before anything is performed."""

    class _StoppedError(Exception):
        pass

    def stopped(*_: object) -> None:
        raise _StoppedError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("mailrules.spine.drain.drain", stopped)
        with pytest.raises(_StoppedError):
            poll(path)


NOTICES = [b"Subject: ACTION REQUIRED - Your software application authorization will expire in 23 days",
           b"Subject: ACTION REQUIRED - Your software application authorization will expire in 30 days"]  # fmt: skip


def flags_of_notices(server: ManyAccounts) -> list[tuple[bytes, ...]]:
    return [flags for subject, flags in mailbox(server) if subject in NOTICES]


def flags_of_others(server: ManyAccounts) -> list[tuple[bytes, ...]]:
    return [flags for subject, flags in mailbox(server) if subject not in NOTICES]


@pytest.mark.servers
def test_without_a_rule_for_it_no_flag_and_no_mailbox_is_changed(shop: ManyAccounts, tmp_path: Path) -> None:
    before = mailbox(shop)
    path = ruled(tmp_path, shop, "on authorization_expiring", 'create task "x"')
    assert poll(path).exit_code == 0
    assert mailbox(shop) == before


@pytest.mark.servers
def test_each_reminder_of_one_deadline_is_flagged_and_marked_and_nothing_else_is(
    shop: ManyAccounts, tmp_path: Path
) -> None:
    path = ruled(tmp_path, shop, "on authorization_expiring", "flag mail", 'mark mail "$Renewal"')
    assert poll(path).exit_code == 0
    assert flags_of_notices(shop) == [(b"$Renewal", b"\\Flagged")] * 2
    assert flags_of_others(shop) == [()] * 2
    assert [state for _, state, _ in states(path)] == ["done"] * 4
    with client(shop) as other:  # a person takes the flag away again: nobody puts it back
        other.select_folder("INBOX")
        other.remove_flags(other.search("FLAGGED"), [b"\\Flagged"])
    assert poll(path).exit_code == 0
    assert flags_of_notices(shop) == [(b"$Renewal",)] * 2


@pytest.mark.servers
@pytest.mark.parametrize("shop", ["MOVE", "UIDPLUS"], indirect=True)
def test_a_mail_is_moved_and_somebody_elses_deleted_mail_stays(shop: ManyAccounts, tmp_path: Path) -> None:
    made(shop, "Done", "Größe & mehr")
    with client(shop) as other:
        other.select_folder("INBOX")
        other.add_flags([1], [b"\\Deleted"])
    before = mailbox(shop)
    path = ruled(tmp_path, shop, "on authorization_expiring", 'move mail to "Größe & mehr"')
    assert poll(path).exit_code == 0
    assert [subject for subject, _ in mailbox(shop, "Größe & mehr")] == NOTICES
    assert mailbox(shop) == [item for item in before if item[0] not in NOTICES]
    again = poll(path)
    assert (again.exit_code, again.performed) == (0, [])
    assert len(mailbox(shop, "Größe & mehr")) == 2


@pytest.mark.servers
def test_each_mail_that_is_marked_and_moved_by_one_rule_has_its_mark_where_it_was_moved(
    shop: ManyAccounts, tmp_path: Path
) -> None:
    for number in range(2, 6):
        shop.deliver("shop0", *notice_of(number, EXPIRES))
    made(shop, "Renewals")
    path = ruled(
        tmp_path, shop, "on authorization_expiring", 'move mail to "Renewals"', 'mark mail "$Renewal"', "flag mail"
    )
    assert poll(path).exit_code == 0
    assert [flags for _, flags in mailbox(shop, "Renewals")] == [(b"$Renewal", b"\\Flagged")] * 6
    assert {why[:8] for _, _, why in states(path)} == {"message "}


@pytest.mark.servers
@pytest.mark.parametrize("shop", [""], indirect=True)
def test_a_server_that_could_only_expunge_everything_is_refused(shop: ManyAccounts, tmp_path: Path) -> None:
    made(shop, "Done")
    before = mailbox(shop)
    path = ruled(tmp_path, shop, "on authorization_expiring", 'move mail to "Done"')
    assert poll(path).exit_code == 3
    assert {(state, "neither MOVE nor UIDPLUS" in why) for _, state, why in states(path)} == {("failed", True)}
    assert (mailbox(shop), mailbox(shop, "Done")) == (before, [])


@pytest.mark.servers
def test_a_mailbox_that_does_not_exist_is_not_made_but_said(shop: ManyAccounts, tmp_path: Path) -> None:
    path = ruled(tmp_path, shop, "on authorization_expiring", 'move mail to "Done"')
    assert poll(path).exit_code == 3
    assert {(state, "no mailbox `Done`" in why) for _, state, why in states(path)} == {("failed", True)}
    assert len(mailbox(shop)) == 4
    made(shop, "Done")
    with Store.open(config.load(str(path)).store, now=NOW.isoformat()) as store:
        for row in store.effects():
            store.set_effect_state(row["id"], "planned", NOW.isoformat())
    assert poll(path).exit_code == 0
    assert len(mailbox(shop, "Done")) == 2


@pytest.mark.servers
@pytest.mark.parametrize(
    ("rights", "said"),
    [
        ({"INBOX": "lr"}, {"flag_mail": "INBOX may only be read", "move_mail": "INBOX may only be read"}),
        ({"Done": "lr"}, {"flag_mail": "message ", "move_mail": "moving a message to Done: no permission"}),
        (
            {"INBOX": "lrt"},
            {"flag_mail": "keeps no `\\Flagged`", "move_mail": "moving a message to Done: no permission"},
        ),
    ],
)
def test_what_a_login_has_no_right_to_is_for_a_person_at_once(
    shop: ManyAccounts, tmp_path: Path, rights: dict[str, str], said: dict[str, str]
) -> None:
    made(shop, "Done")
    rules = shop.folder / "rights"
    rules.mkdir()
    for name, letters in rights.items():
        (rules / name).write_text(f"owner {letters}\n")
    set_up(shop, f"mail_plugins = acl\nplugin {{\n  acl = vfile:{rules}\n}}\n")
    path = ruled(tmp_path, shop, "on authorization_expiring", "flag mail", 'move mail to "Done"')
    assert poll(path).exit_code == 3
    assert {(action, state, said[action] in why) for action, state, why in states(path)} == {
        ("flag_mail", "done" if "Done" in rights else "failed", True),
        ("move_mail", "failed", True),
    }
    assert poll(path).reports[0].error is None  # the account is read as before


@pytest.mark.servers
@pytest.mark.parametrize("shop", ["UIDPLUS"], indirect=True)
def test_a_full_mailbox_makes_a_move_wait_and_its_account_is_read_as_before(shop: ManyAccounts, tmp_path: Path) -> None:
    made(shop, "Done")
    quota = "quota = maildir:all\n  quota_rule = *:bytes=1\n  quota_rule2 = INBOX:ignore\n  quota_grace = 0"
    set_up(shop, f"mail_plugins = quota\nplugin {{\n  {quota}\n}}\n")
    path = ruled(tmp_path, shop, "on authorization_expiring", 'move mail to "Done"')
    assert poll(path).exit_code == 0
    assert {(state, "[OVERQUOTA]" in why) for _, state, why in states(path)} == {("planned", True)}
    assert (poll(path).exit_code, len(mailbox(shop))) == (0, 4)
    set_up(shop, "plugin {\n  quota_rule = *:bytes=1M\n}\n")
    assert poll(path, lambda: NOW + timedelta(minutes=2)).exit_code == 0
    assert len(mailbox(shop, "Done")) == 2


@pytest.mark.servers
def test_labels_are_refused_where_the_server_has_none(shop: ManyAccounts, tmp_path: Path) -> None:
    path = ruled(tmp_path, shop, "on authorization_expiring", 'label mail "Renewals"')
    assert poll(path).exit_code == 3
    assert {(state, "only Gmail has" in why) for _, state, why in states(path)} == {("failed", True)}


@pytest.mark.servers
def test_a_mail_that_is_gone_is_done_with_a_remark(shop: ManyAccounts, tmp_path: Path) -> None:
    path = ruled(tmp_path, shop, "on authorization_expiring", "flag mail")
    settings = config.load(str(path))
    plan = app.poll(settings, dry_run=True, tell_time=now).plan
    assert plan is not None
    assert [e.action for e in plan.effects] == ["flag_mail"] * 2
    assert mailbox(shop) == [(subject, ()) for subject, _ in mailbox(shop)]

    planned_only(path)
    with client(shop) as other:
        other.select_folder("INBOX")
        other.delete_messages(other.search(["SUBJECT", "expire in 30 days"]))
        other.expunge()
    assert poll(path).exit_code == 0
    assert sorted(why for _, _, why in states(path)) == ["it is not on the server any more", "message 3 of INBOX"]


@pytest.mark.servers
def test_all_that_is_done_to_the_mail_of_one_account_takes_one_login(shop: ManyAccounts, tmp_path: Path) -> None:
    path = ruled(tmp_path, shop, "on authorization_expiring", "flag mail", 'mark mail "$Renewal"')
    planned_only(path)
    settings, log = config.load(str(path)), shop.folder / "log"
    before = log.read_text().count("Login: user=<shop0>")
    with Store.open(settings.store, now=NOW.isoformat()) as store:
        assert [why.partition(":")[0] for _, _, why in drain(settings, store, now)] == ["done"] * 4
    assert log.read_text().count("Login: user=<shop0>") == before + 1


@pytest.mark.servers
def test_a_server_that_has_died_is_reached_once_and_not_for_each_mail_anew(shop: ManyAccounts, tmp_path: Path) -> None:
    path = ruled(tmp_path, shop, "on authorization_expiring", "flag mail", 'mark mail "$Renewal"')
    planned_only(path)
    text = path.read_text(encoding="utf-8")
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connections.append(listener.accept()[0])
                    connections[-1].close()

        threading.Thread(target=serve, daemon=True).start()
        path.write_text(text.replace(str(shop.port), str(listener.getsockname()[1])), encoding="utf-8")
        settings = config.load(str(path))
        with Store.open(settings.store, now=NOW.isoformat()) as store:
            assert [why.partition(":")[0] for _, _, why in drain(settings, store, now)] == ["retry"] * 4
        listener.shutdown(socket.SHUT_RDWR)
    assert len(connections) == 1
    assert len({why for _, _, why in states(path)}) == 1
    path.write_text(text, encoding="utf-8")
    assert poll(path, lambda: NOW + timedelta(minutes=2)).exit_code == 0
    assert flags_of_notices(shop) == [(b"$Renewal", b"\\Flagged")] * 2


@pytest.mark.servers
def test_a_renumbered_mailbox_is_not_touched_by_old_numbers(shop: ManyAccounts, tmp_path: Path) -> None:
    path = ruled(tmp_path, shop, "on authorization_expiring", 'create task "x"')
    assert poll(path).exit_code == 0
    settings = config.load(str(path))
    with Store.open(settings.store, now=NOW.isoformat()) as store:
        first = next(m for m in store.messages() if "ACTION" in m.subject)
        (place,) = store.places("shop", first.digest)
        from mailrules.spine.reaching import changing

        claim = claim_of("flag_mail", "", first.digest)
        renumbered = MessageKey(account="shop", mailbox="INBOX", uidvalidity=place.uidvalidity + 1, uid=place.uid)
        services = Services(
            smtp=None, content=store.content, sender="", own_id="", places=lambda _a, _d: [renumbered],
            sessions=lambda name: changing(settings, store, lambda: NOW, name),
        )  # fmt: skip
        outcome = perform([claim], services, NOW.isoformat())
    assert (outcome.result, outcome.why) == ("done", "it is not on the server any more")
    assert flags_of_notices(shop) == [()] * 2


@pytest.mark.servers
@pytest.mark.parametrize("shop", ["UIDPLUS"], indirect=True)
def test_a_move_that_was_cut_after_its_copy_makes_no_second_copy(shop: ManyAccounts, tmp_path: Path) -> None:
    made(shop, "Done")
    path = ruled(tmp_path, shop, "on authorization_expiring", 'create task "x"')
    assert poll(path).exit_code == 0
    with client(shop) as other:
        other.select_folder("INBOX")
        (uid,) = other.search(["SUBJECT", "expire in 30 days"])
        other.copy([uid], "Done")
    from mailrules.spine.reaching import changing

    settings = config.load(str(path))
    with (
        Store.open(settings.store, now=NOW.isoformat()) as store,
        changing(settings, store, lambda: NOW, "shop") as session,
    ):
        session.select("INBOX")
        session.move(uid, "Done", again=True)
    assert len(mailbox(shop, "Done")) == 1
    assert len(mailbox(shop)) == 3


@pytest.mark.servers
def test_a_time_rule_acts_on_the_newest_notice(shop: ManyAccounts, tmp_path: Path) -> None:
    path = ruled(tmp_path, shop, "while authorization is expiring", "20 days before expires: flag mail")
    assert poll(path).exit_code == 0
    assert flags_of_notices(shop) == [(), ()]
    assert poll(path, lambda: NOW + timedelta(days=10)).exit_code == 0
    assert sorted(flags_of_notices(shop)) == [(), (b"\\Flagged",)]
    assert (NOTICES[0], (b"\\Flagged",)) in mailbox(shop)


# --- without a server ---------------------------------------------------------------------------------------------


def claim_of(action: Any, target: str, digest: str | None, attempt: int = 1) -> Claim:
    from mailrules.effects import Effect

    effect = Effect(
        key="k", account="shop", rule="r", action=action, target=target, stage="", authorization="a", due="",
        args={"message": digest},
    )  # fmt: skip
    return Claim(effect=effect, attempt=attempt)


class _Broken:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def select(self, mailbox: str) -> int:
        raise self.error

    def has(self, uid: int) -> bool:
        return True

    def flag(self, uid: int, word: str) -> None: ...

    def label(self, uid: int, label: str) -> None: ...

    def move(self, uid: int, mailbox: str, *, again: bool) -> None: ...


@pytest.mark.parametrize(("error", "result"), [(TemporaryError("later"), "retry"), (ConfigError("never"), "failed")])
def test_what_passes_is_tried_again_and_what_does_not_is_for_a_person(error: Exception, result: str) -> None:
    place = MessageKey(account="shop", mailbox="INBOX", uidvalidity=1, uid=1)
    services = Services(
        smtp=None, content=lambda _: None, sender="", own_id="", places=lambda _a, _d: [place],
        sessions=lambda _: nullcontext(_Broken(error)),
    )  # fmt: skip
    assert perform([claim_of("flag_mail", "", "d")], services, "").result == result


def test_a_mail_that_was_handed_over_lies_on_no_server() -> None:
    services = Services(
        smtp=None,
        content=lambda _: None,
        sender="",
        own_id="",
        sessions=lambda _: nullcontext(_Broken(TemporaryError("x"))),
    )
    for digest in (None, "d"):
        outcome = perform([claim_of("move_mail", "Done", digest)], services, "")
        assert (outcome.result, outcome.why[:10]) == ("done", "no mailbox")


def checked(rule: str) -> list[tuple[str, str, str]]:
    rules = load([*shipped_rules(), ("my.rules", rule)], grammar_text(), people={}, scripts={})
    return [(p.code, p.message, p.help) for p in rules.problems if p.span.file == "my.rules" and p.code.startswith("E")]


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("move mail to Done", "E022", 'write "Done"'),
        ('mark mail "two words"', "E022", "$Renewal"),
        ('mark mail "\\\\Seen"', "E022", "$Renewal"),
        ("mark mail", "E021", 'mark mail "$Renewal"'),
        ("move mail to", "E021", 'move mail to "Done"'),
        ('flag mail "x"', "E021", "delete it"),
        ('archive mail "x"', "E020", 'move mail to "Done"'),
        ("star mail", "E020", "flag mail"),
    ],
)
def test_a_mistake_in_such_an_action_is_told_with_its_edit(line: str, code: str, said: str) -> None:
    ((found, _, help_),) = checked(f'rule "x" {{\n  on authorization_expiring\n  {line}\n}}\n')
    assert (found, said in help_) == (code, True), help_


def test_tests_of_rules_know_what_is_done_to_mail() -> None:
    from mailrules.ruletests import run_tests

    text = """\
rule "tidy" {
  on authorization_expiring
  flag mail
  mark mail "$Renewal"
  label mail "Renewals"
  move mail to "Done"
}

test "it is put away" {
  mail \"\"\"
From: seller-notification@amazon.com
Subject: ACTION REQUIRED - Your software application authorization will expire in 30 days
Message-ID: <one@mail.example>

That access will expire on 2024-04-10.

Developer ID: 446453545547
Developer nickname: Never Settle
Access expiration date: 2024-04-10
\"\"\" at 2024-03-11 09:00
  expect flag once
  expect mark "$Renewal" once
  expect label "Renewals"
  expect move "Done" once on 2024-03-11
  expect nothing else
}
"""
    rules = load([*shipped_rules(), ("my.rules", text)], grammar_text())
    assert [p.message for p in rules.errors] == []
    results = [
        r
        for r in run_tests(rules, lambda step, _: step.inline.value.encode() if step.inline else b"")
        if r.name == "it is put away"
    ]
    assert [r.failures for r in results] == [()]


@pytest.mark.servers
def test_a_dry_run_the_effects_and_an_explanation_name_what_is_done_to_mail(shop: ManyAccounts, tmp_path: Path) -> None:
    path = ruled(tmp_path, shop, "on authorization_expiring", "flag mail", 'move mail to "Done"')
    made(shop, "Done")
    shop.deliver("shop0", *notice_of(2, datetime.now(UTC).date() + timedelta(days=30)))

    def told(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mailrules", *words, "--config", str(path)], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}, cwd=tmp_path,
        )  # fmt: skip
        return done.stdout

    planned = told("poll", "--dry-run")
    assert planned.count("would flag mail  (rule `tidy`)") == planned.count("would move mail Done  (rule `tidy`)") == 1
    plan = tmp_path / "plan.json"
    told("poll", "--plan", str(plan))
    told("apply", str(plan))
    listed = told("effects")
    assert listed.count("flag_mail") == listed.count("move_mail") == 1
    assert "move mail to Done" in told("explain", "n2-30@mail.example")
