"""Looking after an installation: doctor, health, one report a change, retention, forget."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import date, timedelta
from pathlib import Path

import pytest

from mailrules.errors import UsageError
from mailrules.mail.message import MessageKey
from mailrules.spine.checkup import examine, stale
from mailrules.spine.connections import reach
from mailrules.spine.forgetting import forget
from mailrules.store import Store
from mailrules.store.care import SIGHTINGS
from mailrules.store.sqlite import PATIENCE
from tests.house import NOW, House, mail, settled
from tests.mails import DEVELOPER, DEVELOPER_ID

EXPIRES = date(2024, 4, 10)
RULES = """\
rule "renew" {
  on authorization_expiring
  create task "Renew {{ developer }} by {{ expires }}" due 7 days before expires
  notify owner "{{ developer }} lapses on {{ expires }}"
}

rule "forward it" {
  while authorization is expiring
  3 days before expires: forward to owner
}
"""
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def house(tmp_path: Path):
    mails = [
        mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=16),
        mail("Second Tool", "222233334444", expires=EXPIRES, days=16),
    ]
    with settled(tmp_path, RULES, mails) as it:
        yield it


def findings(house: House, network=None, now=LATER):
    with Store.look(house.config.store) as store:
        return list(examine(house.config, store, now, network))


def wrong(house: House, network=None, now=LATER):
    return [f"{f.check}: {f.detail}" for f in findings(house, network, now) if not f.ok]


def change(house: House, sql: str) -> None:
    with Store.open(house.config.store, now=NOW.isoformat()) as store:
        store._run("PRAGMA foreign_keys=OFF")
        store._run(sql)


def test_all_is_right_after_a_good_poll_and_each_thing_was_looked_at(house):
    house.poll()
    found = findings(house, reach)
    assert [f.detail for f in found if not f.ok] == []
    assert {f.check for f in found} == {
        "store", "invariants", "messages", "effects", "rules", "configuration", "modes", "secrets", "clock", "disk", "polls", "tcp", "login", "mailbox", "smtp",
    }  # fmt: skip
    assert {f.help for f in found} == {""}


def test_doctor_looks_and_changes_nothing(house):
    house.poll()
    before = house.config.store.read_bytes()
    findings(house)
    assert house.config.store.read_bytes() == before


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (
            "UPDATE effects SET state = 'failed', why = 'the server said no' WHERE action = 'notify'",
            "effects: notify owner",
        ),
        ("UPDATE effects SET state = 'unknown' WHERE action = 'notify'", "may or may not have happened"),
        ("DELETE FROM tasks", "invariants: a task that was to be made"),
        (
            "UPDATE places SET status = 'unfetchable', reason = 'too large' WHERE uid = 2",
            "messages: message 2 in INBOX of shop",
        ),
        ("UPDATE places SET status = 'pending', reason = 'no text' WHERE uid = 2", "is pending since"),
        ("UPDATE heartbeats SET updated = '2030-01-01T00:00:00+00:00'", "clock: it is 2024-03-25T09:05 UTC here"),
        ("UPDATE heartbeats SET failed = '2024-03-25T08:00', error = 'no route'", "polls: account shop was last read"),
        ("DELETE FROM heartbeats", "polls: account shop was never read"),
    ],
)
def test_what_is_wrong_in_the_store_is_told(house, sql, words):
    house.poll()
    change(house, sql)
    assert any(words in sentence for sentence in wrong(house)), wrong(house)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (
            "mailrules.toml",
            'receiver = { authserv_id = "mx.shop.example" }\n',
            "",
            "configuration: account shop has no `receiver`",
        ),
        ("mailrules.toml", f'[developers]\n"{DEVELOPER_ID}" = "{DEVELOPER}"\n', "", "no [developers]"),
        ("mailrules.toml", "[smtp]\nhost", "#", "configuration: rules write to people"),
        ("my.rules", "on authorization_expiring", "on nothing_known", "rules: today's may not go live"),
    ],
)
def test_what_is_wrong_in_the_files_is_told(house, file, old, new, words):
    house.poll()
    text = (house.folder / file).read_text("utf-8")
    if old.startswith("[smtp]"):
        begin = text.index("[smtp]")
        old, new = text[begin : text.index("[people]")], ""
    elif old.startswith("receiver"):
        old = next(line + "\n" for line in text.splitlines() if line.startswith("receiver"))
    house.change(file, old, new)
    assert any(words in sentence for sentence in wrong(house)), wrong(house)


def test_files_that_others_may_read_or_replace_are_told(house):
    house.poll()
    for name in ("password", "state/mailrules.db"):
        (house.folder / name).chmod(0o644)
    assert [s for s in wrong(house) if s.startswith("modes: the secret of account shop")]
    assert [s for s in wrong(house) if "mailrules.db holds mail" in s]
    house.change(
        "mailrules.toml", "[scripts.renew]\n", "[scripts.gone]\nargv = ['/no/such/program']\n\n[scripts.renew]\n"
    )
    assert [s for s in wrong(house) if "script gone" in s]


def test_a_login_that_fails_and_a_damaged_store_are_findings(house):
    house.poll()

    (house.folder / "password").write_text("another", encoding="utf-8")
    assert any(s.startswith("login: ") and "refused the login" in s for s in wrong(house, reach))
    with Store.open(house.config.store, now=NOW.isoformat()) as store:
        store.rebuild()
    content = bytearray(house.config.store.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 8] = b"\xa5" * 8
    house.config.store.write_bytes(content)
    assert any(s.startswith("store: ") for s in wrong(house))


def test_health_is_about_the_last_poll_that_read_every_account(house):
    with Store.open(house.config.store, now=NOW.isoformat()) as store:
        assert "never read" in stale(house.config, store, NOW, timedelta(minutes=30))
    house.poll()
    with Store.look(house.config.store) as store:
        assert stale(house.config, store, NOW + timedelta(minutes=29), timedelta(minutes=30)) == ""
        assert "31 minutes ago" in stale(house.config, store, NOW + timedelta(minutes=31), timedelta(minutes=30))
        assert "3 days ago" in stale(house.config, store, NOW + timedelta(days=3), timedelta(minutes=30))
        assert "future" in stale(house.config, store, NOW - timedelta(days=1), timedelta(minutes=30))


def test_an_account_that_is_down_keeps_health_from_being_right_and_says_since_when(house):
    house.poll()
    house.server.close() if hasattr(house.server, "close") else house.change("mailrules.toml", "port = ", "port = 1 #")
    for minutes in (5, 40):
        house.poll(NOW + timedelta(minutes=minutes))
    with Store.look(house.config.store) as store:
        said = stale(house.config, store, NOW + timedelta(minutes=40), timedelta(minutes=30))
    assert "40 minutes ago" in said
    assert "since 2024-03-25T09:05" in said


def test_a_server_that_is_down_is_told_once_and_when_it_is_back(house):
    password = house.folder / "password"
    seen = []
    for turn, text in enumerate(("secret", "wrong-one", "wrong-one", "secret", "secret")):
        password.write_text(text, encoding="utf-8")
        (report,) = house.poll(NOW + timedelta(minutes=turn)).reports
        seen.append((bool(report.error), report.changed, bool(report.down_since)))
    assert seen == [
        (False, False, False), (True, True, False), (True, False, False), (False, True, True), (False, False, False),
    ]  # fmt: skip


def test_broken_rules_are_told_once(house):
    house.poll()
    house.change("my.rules", "on authorization_expiring", "on nothing_known")
    outcomes = [house.poll(NOW + timedelta(minutes=n)) for n in range(1, 4)]
    assert [(bool(o.rules_error), o.rules_changed) for o in outcomes] == [(True, True), (True, False), (True, False)]


def test_bytes_are_purged_after_the_retention_time_and_what_was_read_stays(house):
    house.change("mailrules.toml", 'timezone = "UTC"\n', 'timezone = "UTC"\nretention_days = 10\n')
    house.poll()
    before = house.store.messages()
    house.poll(NOW + timedelta(days=9, hours=23))
    assert all(house.store.content(m.digest) for m in before)
    house.poll(NOW + timedelta(days=11))
    assert [house.store.content(m.digest) for m in before] == [None, None]
    assert [(m.digest, m.subject, m.notices) for m in house.store.messages()] == [
        (m.digest, m.subject, m.notices) for m in before
    ]
    assert len(house.store.tasks()) == 2


def test_bytes_that_a_forward_still_has_to_send_are_not_purged(house):
    house.poll()
    (digest, *_) = [m.digest for m in house.store.messages()]
    with Store.open(house.config.store, now=NOW.isoformat()) as store:
        store._run(
            "UPDATE effects SET action = 'forward', state = 'planned', args = ? WHERE id = (SELECT min(id) FROM effects)",
            (json.dumps({"message": digest}),),
        )
        assert store.purge("2030-01-01", 100) == 1
        assert store.content(digest)


def test_purging_goes_in_small_steps_and_is_looked_for_once_a_day(house):
    house.poll()
    with Store.open(house.config.store, now=NOW.isoformat()) as store:
        assert [store.purge("2030-01-01", 1) for _ in range(3)] == [1, 1, 0]
        assert store.meta_get("purged") == "2024-03-25"


def test_bytes_that_are_gone_do_not_come_back_when_the_mailbox_is_renumbered(house):
    house.poll()
    with Store.open(house.config.store, now=NOW.isoformat()) as store:
        store.purge("2030-01-01", 100)
    house.server.uidvalidity += 1
    house.poll(LATER)
    assert len(house.store.messages()) == 2
    assert [house.store.content(m.digest) for m in house.store.messages()] == [None, None]


@pytest.mark.parametrize("left", [0, 2])
def test_what_waited_in_a_mailbox_that_was_numbered_anew_waits_no_longer(house, left):
    house.poll()
    with Store.open(house.config.store, now=NOW.isoformat()) as store:
        for uid in range(7, 10):
            key = MessageKey(account="shop", mailbox="INBOX", uidvalidity=1, uid=uid)
            for _ in range(PATIENCE):
                store.pending(key, "the server did not give its text", NOW.isoformat())
        store.unfetchable(key, "it is too large", NOW.isoformat())
    assert house.poll(LATER).exit_code == 3
    house.server.uidvalidity += 1
    del house.server.messages[left:]
    assert (house.poll(LATER).exit_code, house.poll(LATER).exit_code) == (0, 0)
    assert len(house.store.messages()) == 2


def on_disk(house: House) -> bytes:
    return b"".join(path.read_bytes() for path in house.config.store.parent.rglob("*") if path.is_file())


def forgetting(house: House, act):
    with Store.open(house.config.store, now=LATER.isoformat()) as store:
        return act(store)


def test_a_forgotten_message_leaves_nothing_on_the_disk_and_is_never_taken_in_again(house):
    house.poll()
    message = next(m for m in house.store.messages() if m.notices[0]["fields"]["developer"] == "Second Tool")
    content = house.store.content(message.digest)
    unique = content[content.index(b"222233334444") - 10 :][:40]
    assert unique in on_disk(house)
    done = forgetting(house, lambda store: forget(store, LATER.isoformat(), named=message.id))
    assert (done.counts["bytes of messages"], done.counts["messages"]) == (1, 1)
    assert unique not in on_disk(house)
    assert message.message_id.encode() not in on_disk(house)
    effects = house.done()
    house.server.uidvalidity += 1
    house.poll(LATER)
    assert house.done() == effects
    assert unique not in on_disk(house)


def test_with_a_message_it_is_forgotten_that_its_sender_was_seen_and_what_was_found_out_about_it(house):
    house.poll()
    first, second = house.store.messages()
    sighted = {row["level"]: row["seen"] for row in house.store.senders()}
    assert sum(sighted.values()) == 2
    assert house.store.verdict(first.digest).result == "pass"
    assert forgetting(house, lambda store: forget(store, LATER.isoformat(), named=first.id)).counts[SIGHTINGS] >= 1
    assert (house.store.verdict(first.digest), sum(row["seen"] for row in house.store.senders())) == (None, 1)
    assert house.store.verdict(second.digest).result == "pass"
    forgetting(house, lambda store: forget(store, LATER.isoformat(), named=second.id))
    assert house.store.senders() == []


def test_a_forgotten_authorization_loses_every_text_and_keeps_what_nothing_is_done_twice_by(house):
    house.poll()
    subject = next(a for a in house.store.ledger().authorizations.values() if a.developer == "Second Tool")
    sent, keys = len(house.sink.received), house.store.effect_keys()
    done = forgetting(house, lambda store: forget(store, LATER.isoformat(), named=subject.id))
    assert done.counts["messages"] == 1
    assert done.counts["texts of tasks"] == 1
    assert b"Second Tool lapses" not in on_disk(house)
    assert b"Renew Second Tool" not in on_disk(house)
    assert any("Developer ID" in line for line in done.kept)
    house.server.uidvalidity += 1
    house.poll(LATER)
    assert house.store.effect_keys() == keys
    assert len(house.sink.received) == sent
    assert wrong(house) == []
    assert {t["title"] for t in house.store.tasks()} == {"(forgotten on request)", "Renew Never Settle by 2024-04-10"}


def test_everything_that_names_a_person_goes(tmp_path: Path):
    import base64

    plain = mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=16)
    body = base64.encodebytes(b"ask Someone@Else.example about it")
    hidden = b"From: no-reply@amazon.com\r\nSubject: x\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body
    named = (
        plain[0]
        .replace(b"Subject:", b"Cc: someone@else.example\r\nSubject:", 1)
        .replace(b"Message-ID: <", b"Message-ID: <2", 1)
    )
    with settled(tmp_path, RULES, [plain, (hidden, NOW), (named, NOW)]) as house:
        house.change("mailrules.toml", "owner@shop.example", "boss@elsewhere.example")
        house.poll()
        assert len(house.store.messages()) == 3
        done = forgetting(house, lambda store: forget(store, LATER.isoformat(), person="Someone@else.example"))
        assert done.counts["bytes of messages"] == 2
        assert body.strip() not in on_disk(house)
        assert b"someone@else.example" not in on_disk(house).lower()
        done = forgetting(house, lambda store: forget(store, LATER.isoformat(), person="boss@elsewhere.example"))
        assert done.counts["texts of effects"] >= 1
        assert b"boss@elsewhere.example" not in on_disk(house)
        assert any("[people]" in line for line in done.kept)
        assert wrong(house) == []


def test_what_was_put_aside_can_be_forgotten_and_is_not_asked_for_again(house):
    key = MessageKey(account="shop", mailbox="INBOX", uidvalidity=1, uid=1)
    with Store.open(house.config.store, now=NOW.isoformat()) as store:
        store.quarantine(key, "f" * 64, b"the poison itself", "it hung", NOW.isoformat())
        store.set_cursor("shop", "INBOX", 1, 1, NOW.isoformat())
        assert store.needs_person(NOW.isoformat())
        assert forget(store, NOW.isoformat(), named="shop/INBOX/1").counts == {"bytes of messages": 1, "places": 1}
        assert store.needs_person(NOW.isoformat()) == []
    assert b"the poison itself" not in on_disk(house)
    assert house.poll().needs == []
    assert {a.developer for a in house.store.ledger().authorizations.values()} == {"Second Tool"}


def test_a_name_that_is_nobodys_is_told(house):
    house.poll()
    for name in ("nothing", "shop/INBOX/77", "a/b"):
        with pytest.raises(UsageError, match="there is no"):
            forgetting(house, lambda store, name=name: forget(store, NOW.isoformat(), named=name))
    with pytest.raises(UsageError, match="no mail address"):
        forgetting(house, lambda store: forget(store, NOW.isoformat(), person="@"))


def test_a_forgotten_effect_that_waits_is_given_up(house):
    house.poll()
    change(house, "UPDATE effects SET state = 'planned' WHERE action = 'notify'")
    done = forgetting(house, lambda store: forget(store, LATER.isoformat(), person="owner@shop.example"))
    assert done.counts["effects given up"] == 2
    assert {row["state"] for row in house.store.effects() if row["action"] == "notify"} == {"cancelled"}
    with contextlib.closing(sqlite3.connect(house.config.store)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def run(capfd, *words: str) -> tuple[int, str, str]:
    """Run the command line in this process; return its exit code, what it printed, and what it complained of."""
    from typer.testing import CliRunner

    from mailrules.cli.commands import app

    result = CliRunner().invoke(app, list(words))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_commands_end_with_1_where_something_is_not_right(house, capfd):
    options = ("--config", str(house.toml))
    assert run(capfd, "health", *options)[0] == 1
    house.poll()
    code, out, err = run(capfd, "health", "--max-age", "1s", *options)  # the house polls in 2024
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "days ago" in err
    code, out, _ = run(capfd, "doctor", "--offline", "--json", *options)
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, {row["check"] for row in rows if not row["ok"]}) == (1, {"polls"}), out  # the house polls in 2024
    assert all(set(row) == {"check", "ok", "detail", "help"} for row in rows)
    change(house, "DELETE FROM tasks")
    code, out, _ = run(capfd, "doctor", "--offline", *options)
    assert code == 1
    assert "WRONG  invariants" in out
    with pytest.raises(UsageError):
        run(capfd, "health", "--max-age", "soon", *options)


def test_forget_says_exactly_what_it_removed_and_what_it_kept(house, capfd):
    house.poll()
    subject = next(iter(house.store.ledger().authorizations))
    (house.config.store.parent / "mailrules.db.schema1-2024-01-01.bak").write_bytes(b"old")
    code, out, _ = run(capfd, "forget", subject, "--config", str(house.toml))
    assert code == 0
    assert "removed: 1 bytes of messages, 1 messages, 2 texts of effects, 1 texts of tasks" in out
    assert "kept: digests" in out
    assert "not touched: " in out
    assert "removed: nothing" not in out
    with pytest.raises(UsageError):
        run(capfd, "forget", "--config", str(house.toml))
