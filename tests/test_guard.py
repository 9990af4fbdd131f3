"""Reading under guard: hostile documents, poison messages, and polls that died while they read."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from mailrules.errors import UnreadableError
from mailrules.mail.message import MessageKey, RawMessage
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.spine.apart import from_json, to_json
from mailrules.spine.guard import LateError, Limits, Reader, odd, timer
from mailrules.store import Store
from tests.house import NOW, mail, settled
from tests.mails import DEVELOPER, DEVELOPER_ID, notice

ROOT = Path(__file__).resolve().parent.parent
RULES = load(list(shipped_rules()), grammar_text())
EXPIRES = date(2024, 4, 10)
TASKS = (
    'rule "renew" {\n  on authorization_expiring\n  create task "Renew {{ developer }}" due 7 days before expires\n}\n'
)
POISON = b"X-Poison: "
SITE = """\
import mailrules.pipeline as pipeline
import ctypes, os, sys, time
read = pipeline.read
def poisoned(raw, *args, **named):
    here, _, how = raw.content.partition(b"X-Poison: ")
    how = how[:4].decode()
    if how == "rais":
        raise RuntimeError("hostile")
    if how == "hang":
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                pass
    if how == "spin":
        while True:
            pass
    if how == "eats":
        kept = []
        while True:
            kept.append(bytearray(50_000_000))
    if how == "segv":
        if "apart" in " ".join(sys.orig_argv):
            ctypes.string_at(0)
        raise RuntimeError
    if how == "kill":
        os.kill(os.getpid(), 9)
    return read(raw, *args, **named)
pipeline.read = poisoned
"""


def raw(content: bytes) -> RawMessage:
    return RawMessage(source="x.eml", content=content, received_at=datetime(2024, 3, 25, tzinfo=UTC))


def genuine() -> bytes:
    return notice(expires=EXPIRES, stamp=True)[0]


def poison(how: str) -> tuple[bytes, datetime]:
    content, arrived = mail("Another Tool", "111122223333", expires=EXPIRES, days=16)
    return POISON + how.encode() + b"\r\n" + content, arrived


def test_what_a_child_reads_is_what_is_read_here() -> None:
    reader = Reader(rules=RULES, developers=[DEVELOPER_ID])
    nested = b"From: a@shop.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
    for content in (genuine(), nested + genuine() + b"\n--b--\n", b"", b"\xff\x00\n\nno mail \xed\xa0\x80"):
        here = reader.read(raw(content))
        assert reader.read(raw(content), apart=True) == here
        assert from_json(to_json(here), raw(content)) == here


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"message": {}, "notices": []}', '{"message": 3, "notices": 4}', "[" * 100_000]
)
def test_a_child_that_writes_anything_else_is_not_believed(text: str) -> None:
    with pytest.raises(ValueError, match=r"no reading|Expecting|type"):
        from_json(text, raw(b""))
    good = json.loads(to_json(Reader(rules=RULES).read(raw(genuine()))))
    good["notices"][0]["trust"] = "almighty"
    with pytest.raises(ValueError, match="type"):
        from_json(json.dumps(good), raw(b""))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(wall=0.05), "longer than 0.05 seconds"),
        (Limits(memory=1_000_000), "reading it"),
        (Limits(processor=0), "0 seconds of processor time"),
        (Limits(answer=100), "reading it failed|signal"),
    ],
)
def test_a_child_over_a_limit_is_ended_and_says_which(limits: Limits, words: str) -> None:
    began = time.monotonic()
    with pytest.raises(UnreadableError, match=words):
        Reader(rules=RULES, limits=limits).read(raw(genuine()), apart=True)
    assert time.monotonic() - began < 10


def test_what_takes_too_long_here_is_read_by_a_child() -> None:
    assert Reader(rules=RULES, limits=Limits(here=0.000_001)).read(raw(genuine())).notices[0].status == "read"
    with pytest.raises(UnreadableError):
        Reader(rules=RULES, limits=Limits(here=0.000_001, wall=0.05)).read(raw(genuine()))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")
def test_a_timer_that_runs_out_at_any_place_leaves_nothing_behind() -> None:
    before, ended = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0]
    for moment in range(2_000):
        with contextlib.suppress(LateError), timer(1e-6 + moment % 200 * 1e-7):
            sum(range(30))
        assert signal.getsignal(signal.SIGALRM) is before, moment
        assert (signal.getitimer(signal.ITIMER_REAL)[0] > 0) == (ended > 0), moment  # that of whoever runs the tests


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\n\n" + b"y\n" * 1_600_000, "size"),
        (b"X: y\n" * 50_000 + b"\n", "header"),
        (b"\n" + b"--b\n\n" * 400, "parts"),
        (b"\n\n" + b"Content-Type: multipart/mixed; boundary=a\n" * 20, "nested"),
        (b"Subject: x\n\n" + b"y" * 300_000, "line"),
    ],
)
def test_a_linear_scan_finds_what_is_odd(content: bytes, what: str) -> None:
    assert what in odd(content)
    began = time.process_time()
    odd(content * (25_000_000 // len(content)))
    assert time.process_time() - began < 3


def test_ordinary_mail_is_not_odd() -> None:
    assert odd(genuine()) == ""


HOSTILE = {
    "parameters": b"Content-Type: text/plain" + b"; a=b" * 60_000 + b"\n\nx",
    "continuations": b"Content-Type: text/plain" + b"".join(b";\n a*%d=b" % n for n in range(20_000)) + b"\n\nx",
    "dots": b"From: " + b"." * 100_000 + b"@x\n\nx",
    "comments": b"From: " + b"(" * 100_000 + b"\n\nx",
    "date": b"Date: " + b"(" * 50_000 + b"\n\nx",
    "words": b"Subject: " + b"=?utf-8?q?a?= " * 15_000 + b"\n\nx",
    "deep": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3_000)),
    "rfc822": b"Content-Type: message/rfc822\n\n" * 10_000,
    "parts": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n\n" * 100_000,
    "boundary": b'Content-Type: multipart/mixed; boundary="'
    + b"b" * 4_000
    + b'"\n\n'
    + (b"--" + b"b" * 4_000 + b"\n") * 400,
    "tags": b"Content-Type: text/html\n\n" + b"<div>" * 200_000,
    "entities": b"Content-Type: text/html\n\n" + b"&" * 2_000_000,
    "open": b"Content-Type: text/html\n\n" + b"<!--<a " * 200_000,
    "lines": b"Subject: x\n\n" + b"Developer ID: " * 150_000,
    "blank": b"Subject: x\n\n" + b" \t" * 1_000_000,
    "fields": b"From: a@x.example\n" * 900 + b"\nx",
    "base64": b"Content-Transfer-Encoding: base64\n\n" + b"=" * 2_000_000,
    "quoted": b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=" * 2_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_is_read_or_refused_in_bounded_time(name: str) -> None:
    began = time.monotonic()
    with contextlib.suppress(UnreadableError):
        Reader(rules=RULES).read(raw(HOSTILE[name]))
    assert time.monotonic() - began < 30


def poll(folder: Path, *words: str, site: str = SITE) -> tuple[int, str]:
    """Poll in a process of its own, whose reader has a defect for mail that asks for it."""
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site" / "sitecustomize.py").write_text(site, encoding="utf-8")
    path = os.pathsep.join([str(folder / "site"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "mailrules", *(words or ("poll",))], cwd=folder, env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, encoding="utf-8", timeout=110, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr + done.stdout


@pytest.mark.parametrize("how", ["rais", "eats", "segv"])
def test_a_poison_message_is_put_aside_with_its_bytes_and_all_others_are_read(tmp_path: Path, how: str) -> None:
    mails = [
        mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=30),
        poison(how),
        mail("B", "222233334444", expires=EXPIRES, days=5),
    ]
    with settled(tmp_path, TASKS, mails) as house:
        code, said = poll(tmp_path)
        assert (code, said.count("put aside unread")) == (3, 1)
        assert {a.developer for a in house.store.ledger().authorizations.values()} == {DEVELOPER, "B"}
        (row,) = house.store.waiting()
        assert (row["status"], row["uid"]) == ("quarantined", 2)
        assert house.store.content(row["digest"]) == mails[1][0]
        assert poll(tmp_path) == (3, "")
        code, told = poll(tmp_path, "doctor", "--offline")
        assert code == 1
        assert "quarantined" in told
        assert "mailrules forget shop/INBOX/2" in told


@pytest.mark.slow
def test_a_reader_that_hangs_is_interrupted(tmp_path: Path) -> None:
    site = "import mailrules.spine.guard as guard\nguard.LIMITS = guard.Limits(here=0.5, processor=2, wall=5)\n"
    site += "guard.Reader.__init__.__kwdefaults__['limits'] = guard.LIMITS\n"
    mails = [poison("hang"), mail("B", "222233334444", expires=EXPIRES, days=5), poison("spin")]
    with settled(tmp_path, TASKS, mails) as house:
        code, said = poll(tmp_path, site=SITE + site)
        assert (code, said.count("put aside unread")) == (3, 2)
        assert {a.developer for a in house.store.ledger().authorizations.values()} == {"B"}


def test_a_message_that_kills_the_whole_process_is_given_to_a_child_and_then_put_aside(tmp_path: Path) -> None:
    mails = [
        mail("A", "222233334444", expires=EXPIRES, days=5),
        poison("kill"),
        mail("B", "333344445555", expires=EXPIRES, days=5),
    ]
    with settled(tmp_path, TASKS, mails) as house:
        assert poll(tmp_path)[0] == -9
        assert house.store.ledger().authorizations == {}
        assert poll(tmp_path)[0] == -9  # now each alone, so that what stands before it is taken in
        assert {a.developer for a in house.store.ledger().authorizations.values()} == {"A"}
        code, said = poll(tmp_path)
        assert (code, said.count("put aside unread")) == (3, 1)
        assert {a.developer for a in house.store.ledger().authorizations.values()} == {"A", "B"}


def test_a_message_at_which_three_polls_stopped_is_put_aside_unread(tmp_path: Path) -> None:
    mails = [mail("A", "222233334444", expires=EXPIRES, days=5), mail("B", "333344445555", expires=EXPIRES, days=5)]
    with settled(tmp_path, TASKS, mails) as house:
        key = MessageKey(account="shop", mailbox="INBOX", uidvalidity=house.server.uidvalidity, uid=1)
        with Store.open(house.config.store, now=NOW.isoformat()) as store:
            for _ in range(3):
                store.begin_reading([key], NOW.isoformat())
        outcome = house.poll()
        assert [n for n in outcome.needs if "stopped 3 times" in n]
        assert {a.developer for a in house.store.ledger().authorizations.values()} == {"B"}
        with Store.open(house.config.store, now=NOW.isoformat()) as store:
            assert store.read_again(NOW.isoformat()) == 1
        assert house.poll(NOW + timedelta(minutes=5)).needs == []
        assert {a.developer for a in house.store.ledger().authorizations.values()} == {"A", "B"}


def test_a_poll_that_is_killed_while_a_child_reads_is_no_try_of_the_message(tmp_path: Path) -> None:
    killing = "import os, sys\nif 'mailrules.spine.apart' in sys.orig_argv:\n    os.kill(os.getppid(), 9)\n"
    with settled(tmp_path, TASKS, [mail("A", "222233334444", expires=EXPIRES, days=5)]) as house:
        key = MessageKey(account="shop", mailbox="INBOX", uidvalidity=house.server.uidvalidity, uid=1)
        with Store.open(house.config.store, now=NOW.isoformat()) as store:
            for _ in range(2):
                store.begin_reading([key], NOW.isoformat())
        assert [poll(tmp_path, site=killing)[0] for _ in range(3)] == [-9] * 3
        assert poll(tmp_path, site="")[0] == 0
        assert {a.developer for a in house.store.ledger().authorizations.values()} == {"A"}


def test_an_innocent_message_in_a_batch_that_was_killed_is_read_by_the_next_poll(tmp_path: Path) -> None:
    mails = [mail("A", "222233334444", expires=EXPIRES, days=5), mail("B", "333344445555", expires=EXPIRES, days=5)]
    with settled(tmp_path, TASKS, mails) as house:
        keys = [
            MessageKey(account="shop", mailbox="INBOX", uidvalidity=house.server.uidvalidity, uid=u) for u in (1, 2)
        ]
        with Store.open(house.config.store, now=NOW.isoformat()) as store:
            store.begin_reading(keys, NOW.isoformat())
        assert house.poll().needs == []
        assert len(house.store.tasks()) == 2


def test_a_document_that_cannot_be_read_is_told_and_the_others_are_taken_in(tmp_path: Path) -> None:
    (tmp_path / "bad.eml").write_bytes(poison("rais")[0])
    (tmp_path / "good.eml").write_bytes(mail("B", "222233334444", expires=EXPIRES, days=5)[0])
    with settled(tmp_path, TASKS, []) as house:
        code, said = poll(tmp_path, "ingest", "bad.eml", "good.eml")
        assert code == 3
        assert "bad.eml was not taken in: reading it failed" in said
        assert len(house.store.messages()) == 1


def test_a_defect_of_ours_in_one_message_puts_that_one_aside_and_all_others_are_taken_in(
    tmp_path: Path, monkeypatch
) -> None:
    from mailrules import pipeline

    conclude = pipeline.conclude

    def faulty(reading, *args):
        if any(n.fields.get("developer") == "A" for n in reading.notices):
            raise ZeroDivisionError("a defect")
        return conclude(reading, *args)

    mails = [
        mail(name, number, expires=EXPIRES, days=16)
        for name, number in (("A", "1" * 12), ("B", "2" * 12), ("C", "3" * 12))
    ]
    with settled(tmp_path, TASKS, mails) as house:
        with monkeypatch.context() as patched:
            patched.setattr(pipeline, "conclude", faulty)
            outcome = house.poll()
        assert [n for n in outcome.needs if "a bug of ours: ZeroDivisionError" in n]
        assert (outcome.reports[0].notices, outcome.reports[0].new_effects) == (2, 2)
        assert {a.developer for a in house.store.ledger().authorizations.values()} == {"B", "C"}
        with Store.open(house.config.store, now=NOW.isoformat()) as store:
            store.read_again(NOW.isoformat())
        assert house.poll(NOW + timedelta(minutes=5)).needs == []
        assert len(house.store.tasks()) == 3
