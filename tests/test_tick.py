"""A poll that finds nothing to do: what it imports and writes, and that being quick never puts anything off."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mailrules import config as configuration
from mailrules.cli.polling import Asked, plain
from mailrules.effects import Outcome
from mailrules.ledger import ENTERED, Ledger, Observed, Sighting, enter, renewed, revoked, snooze
from mailrules.pipeline import changes
from mailrules.spine.heartbeat import purge
from mailrules.spine.intake import Intake
from mailrules.spine.live import Gate
from mailrules.spine.quiet import MOVING, note, standing
from mailrules.store import Store
from mailrules.vocabulary import FACTS
from tests.servers import Dovecot, dovecot_available

ROOT = Path(__file__).resolve().parent.parent
START = datetime(2024, 3, 29, 22, 10, tzinfo=UTC)  # two days before the clocks change in Berlin
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Los_Angeles", "Pacific/Kiritimati")
HEAVY = (
    "typer", "click", "lark", "dataclasses", "inspect", "shutil", "lzma", "jinja2", "mailparser", "imapclient", "pydantic", "rich", "sqlite_utils", "selectolax", "filelock", "smtplib",
    "mailrules.language", "mailrules.notices", "mailrules.ledger", "mailrules.decide", "mailrules.pipeline",
    "mailrules.mail", "mailrules.ruletests", "mailrules.actions",
)  # fmt: skip


def setting(folder: Path, rules: str, account: str = "", extra: str = "") -> configuration.Config:
    (folder / "own.rules").write_text(rules, encoding="utf-8")
    (folder / "password").write_text(Dovecot.password, encoding="utf-8")
    (folder / "password").chmod(0o600)
    (folder / "mailrules.toml").write_text(
        f"""rules = ["own.rules"]

[accounts.shop]
host = "127.0.0.1"
tls = "none"
user = "seller"
password = {{ file = "password" }}
{account}

[people]
owner = "owner@shop.example"

[scripts.renew]
argv = ["/bin/true"]
{extra}
""",
        encoding="utf-8",
    )
    return configuration.load(str(folder / "mailrules.toml"))


class Polls:
    """One store that is polled; with the short cut or without it."""

    def __init__(self, config: configuration.Config, *, short: bool) -> None:
        self.config, self.short, self.looked = config, short, 0
        path = config.store.with_name("short.db" if short else "long.db")
        self.store = Store.open(path, now=START.isoformat())
        self.gate = Gate(config, self.store, START.isoformat())

    def poll(self, at: datetime) -> None:
        """Do what app.poll does where no mailbox has anything new; what is to be done succeeds at once."""
        now, needs = at.isoformat(), None
        if self.short:
            needs = standing(self.gate, self.store, at)
        if needs is None:
            self.looked += 1
            Intake(self.config, self.gate, self.store, lambda: at).tick()
            while claims := self.store.claim(now=now):
                self.store.settle(claims, Outcome(result="done", why=""), now, None)
            purge(self.config, self.store, at)
            needs = self.store.needs_person(now)
            if self.short:
                with self.store.transaction():
                    note(self.gate, self.store, needs, at)
        assert needs == self.store.needs_person(now)

    def act(self, done: Callable[[Ledger], Observed], at: datetime) -> None:
        before = self.store.ledger()
        observed = done(before)
        self.store.commit(changes(before, observed.ledger, observed.events), now=at.isoformat())

    def told(self) -> list[Any]:
        """All that a person could see of it, with the instants."""
        return [self.store.effects(), self.store.tasks(), self.store.events(), self.store.ledger()]


def entered(name: str, expires: date, at: datetime) -> Callable[[Ledger], Observed]:
    seen = Sighting(
        account="shop", system="amazon", kind=ENTERED, developer_id=None, developer=name, region="na", expires=expires.isoformat(),
        trust="confirmed", message="", at=at.isoformat(), today=at.date(),
    )  # fmt: skip
    return lambda ledger: enter(ledger, seen)


def acts(what: int, at: datetime) -> Callable[[Ledger], Observed] | None:
    """Return what a person does."""
    day = at.date()

    def of_first(ledger: Ledger) -> Observed:
        first = next(iter(ledger.authorizations))
        if what == 0:
            return renewed(ledger, first, at=at.isoformat(), day=day)
        if what == 1:
            return snooze(ledger, first, day + timedelta(days=3), at=at.isoformat(), day=day)
        return revoked(ledger, first, at=at.isoformat(), day=day)

    return entered(f"Maker {at:%H%M%S}", day + timedelta(days=what), at) if what > 2 else of_first


@st.composite
def stories(draw: st.DrawFn) -> tuple[str, str, list[tuple[int, int]]]:
    """Return rules, an account's settings, and polls: (minutes since the one before, what a person does before it)."""
    offsets = st.tuples(st.integers(-40, 20).filter(bool), st.sampled_from(["expires", "opened"]))
    rungs = draw(st.lists(offsets, min_size=1, max_size=4, unique=True))
    said = [
        f'{abs(n)} days {"before" if n < 0 else "after"} {day}: notify owner "{i}"' for i, (n, day) in enumerate(rungs)
    ]
    said.append(
        draw(
            st.sampled_from(
                [
                    "",
                    'every 2 days from 5 days before expires: notify owner "E"',
                    'at expires: run "renew", settle within 5 hours',
                ]
            )
        )
    )
    held = draw(st.sampled_from(["", "", "when weekday is one of monday, friday, sunday", "when silent_for > 90 minutes", "when days_left <= 9 days",
                                 "when renewal is unconfirmed", "when since_run > 3 hours"]))  # fmt: skip
    trust = "and trust is bound" if "run" in said[-1] else ""
    rule = "\n  ".join(filter(None, [f"while expires is not nothing {trust}", held, *said]))
    rules = f'rule "r" {{\n  {rule}\n}}\nrule "u" {{\n  while renewal is unconfirmed\n  at expires: create task "look"\n}}\n'
    zone, starts = draw(st.sampled_from(ZONES)), draw(st.times().map(lambda t: time(t.hour, t.minute)))
    account = f'timezone = "{zone}"\nday_starts = "{starts:%H:%M}"\nquiet = ["21:30", "06:15"]\nworking_days = ["mon", "tue", "wed", "fri", "sun"]'
    steps = st.tuples(st.sampled_from([1, 7, 29, 61, 240]), st.sampled_from([-1] * 25 + [0, 1, 2, 3, 9, 30]))
    return rules, account, draw(st.lists(steps, min_size=40, max_size=160))


@settings(
    max_examples=20, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(story=stories(), soon=st.integers(-2, 35))
def test_with_the_short_cut_all_happens_at_the_same_instants(
    tmp_path_factory: pytest.TempPathFactory, story: tuple[str, str, list[tuple[int, int]]], soon: int
) -> None:
    rules, account, steps = story
    folder = tmp_path_factory.mktemp("story")
    config = setting(folder, rules, account)
    both = (Polls(config, short=True), Polls(config, short=False))
    for polls in both:
        polls.act(entered("Never Settle", START.date() + timedelta(days=soon), START), START)
    at = START
    for minutes, what in steps:
        at += timedelta(minutes=minutes)
        for polls in both:
            act = acts(what, at) if what >= 0 else None
            if act:
                polls.act(act, at)
            polls.poll(at)
    quick, slow = (polls.told() for polls in both)
    assert quick == slow
    for polls in both:
        polls.store.close()


QUIET = 'rule "r" {\n  while authorization is expiring\n  1 day before expires: notify owner "T"\n}\n'


@pytest.fixture
def polls(tmp_path: Path) -> Iterator[Polls]:
    found = Polls(setting(tmp_path, QUIET), short=True)
    found.act(entered("Never Settle", START.date() + timedelta(days=20), START), START)
    for minutes in range(3):
        found.poll(START + timedelta(minutes=minutes))
    found.looked = 0
    yield found
    found.store.close()


WORD = {
    "since": "2024-03-29T22:10:00+00:00",
    "until": "2024-03-29T23:00:00+00:00",
    "inputs": "",
    "mails": [],
    "needs": [],
}
LATER = START + timedelta(minutes=5)


def test_a_quiet_hour_is_looked_at_once(polls: Polls) -> None:
    for minutes in range(3, 60):
        polls.poll(START + timedelta(minutes=minutes))
    assert polls.looked == 0
    polls.poll(START + timedelta(minutes=70))
    assert polls.looked == 1


def test_a_clock_that_goes_back_is_no_reason_to_be_quiet(polls: Polls) -> None:
    assert standing(polls.gate, polls.store, START - timedelta(minutes=1)) is None


def test_rules_settings_scripts_and_people_end_the_quiet_when_they_change(polls: Polls) -> None:
    folder = polls.config.folder
    (folder / "own.rules").write_text(QUIET + "# a word\n", encoding="utf-8")
    assert standing(Gate(polls.config, polls.store, ""), polls.store, LATER) is None
    for extra in ('timeout = "5s"', "changes_nothing = true"):
        assert standing(Gate(setting(folder, QUIET, extra=extra), polls.store, ""), polls.store, LATER) is None
    assert standing(Gate(setting(folder, QUIET, 'day_starts = "09:00"'), polls.store, ""), polls.store, LATER) is None
    assert standing(Gate(setting(folder, QUIET), polls.store, ""), polls.store, LATER) == []


def test_a_mail_that_a_test_names_ends_the_quiet_when_it_changes(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(b"Subject: hello\n\nhello\n")
    test = 'test "t" {\n  mail "one.eml" at 2024-03-11 09:00\n  expect nothing else\n}\n'
    polls = Polls(setting(tmp_path, QUIET + test), short=True)
    polls.poll(START)
    assert standing(Gate(polls.config, polls.store, ""), polls.store, LATER) == []
    (tmp_path / "one.eml").write_bytes(b"Subject: hello\n\nhello again\n")
    assert standing(Gate(polls.config, polls.store, ""), polls.store, LATER) is None
    polls.store.close()


def test_whoever_writes_to_what_time_rules_look_at_ends_the_quiet(polls: Polls) -> None:
    ways = (
        "UPDATE authorizations SET snoozed = '2024-04-02'",
        "UPDATE obligations SET state = 'settled'",
        "DELETE FROM obligations",
        "INSERT INTO effects (key, id, state, attempts) VALUES ('k', 'k', 'planned', 0)",
        "UPDATE effects SET state = 'planned'",
        "DELETE FROM effects",
        "INSERT INTO places (account, mailbox, uidvalidity, uid, status) VALUES ('shop', 'INBOX', 1, 1, 'unfetchable')",
        "UPDATE places SET status = 'quarantined'",
        "DELETE FROM places",
    )
    for way in ways:
        if polls.store.meta_get("quiet") is None:  # what is due has no quiet that could be ended
            polls.store.meta_set("quiet", json.dumps(WORD), "")
        with sqlite3.connect(polls.store._path) as stranger:
            stranger.execute(way)
        stranger.close()
        assert polls.store.meta_get("quiet") is None, way


def test_every_fact_that_moves_within_a_day_is_known_to_be_such() -> None:
    by_day_or_ledger = {
        "account", "system", "region", "authorization", "developer", "developer_id", "expires", "days_left", "trust", "reminders",
        "opened", "assumed", "renewal", "renew_at", "renew_by", "how", "today", "weekday",
    }  # fmt: skip
    assert {fact.name for fact in FACTS if not fact.needs} == by_day_or_ledger | MOVING


# --- the call that cron makes ---------------------------------------------------------------------------------

SAME = (
    ["poll"], ["poll", "--config", "a.toml"], ["poll", "-c", "a.toml"], ["poll", "--config=a.toml"], ["poll", "--account", "b"],
    ["poll", "-a", "b", "-c", "a=b.toml"], ["poll", "--config", "a.toml", "--account=b"], ["poll", "--config==x"],
)  # fmt: skip
FOR_THE_LIBRARY = (
    [], ["--version"], ["polls"], ["poll", "--help"], ["poll", "-n"], ["poll", "--json"], ["poll", "--config"], ["poll", "-ca.toml"],
    ["poll", "--conf", "a.toml"], ["poll", "--config="], ["poll", "--config", ""], ["poll", "--config", "-n"], ["poll", "x"],
    ["poll", "-c", "a", "-c", "b"], ["poll", "--config", "a", "--", "x"], ["poll", "-c=a"], ["poll", "--watch"], ["check"],
)  # fmt: skip


@pytest.mark.parametrize("arguments", SAME, ids=" ".join)
def test_a_plain_poll_means_what_the_library_reads(arguments: list[str]) -> None:
    import typer.main

    from mailrules.cli.commands import app

    command: Any = typer.main.get_command(app)
    read = command.commands["poll"].make_context("poll", arguments[1:]).params
    asked = plain(arguments)
    assert asked == Asked(config=read["config"], account=read["account"])
    others = {name: value for name, value in read.items() if name not in ("config", "account", "every")}
    assert not any(others.values())


@pytest.mark.parametrize("arguments", FOR_THE_LIBRARY, ids=" ".join)
def test_any_other_call_is_left_to_the_library(arguments: list[str]) -> None:
    assert plain(arguments) is None


def run(*words: str, folder: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "mailrules", *words], cwd=folder, text=True, capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, encoding="utf-8",
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_both_ways_of_reading_a_call_end_alike(tmp_path: Path) -> None:
    setting(tmp_path, QUIET)
    for words in (("-c", "absent.toml"), ("--account", "nobody")):
        assert run("poll", *words, folder=tmp_path) == run("poll", "--every", "5", *words, folder=tmp_path)


# --- the whole thing --------------------------------------------------------------------------------------------


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    if not dovecot_available():
        if os.environ.get("MAILRULES_REQUIRE_SERVERS") == "1":
            pytest.fail("Dovecot is not installed (Debian: apt install dovecot-imapd)")
        pytest.skip("Dovecot is not installed (Debian: apt install dovecot-imapd)")
    server = Dovecot()
    try:
        yield server
    finally:
        server.stop()


LISTING = """\
import sys
from mailrules.cli import main
try:
    sys.argv = ["mailrules", "poll"]
    main()
except SystemExit as end:
    print(end.code, *sorted(sys.modules))
"""


ORDER = """\
import sys
from mailrules.cli import main
order = []
def imported(event, arguments):
    if event == "import" and arguments[0] in ("mailrules.spine.intake", "imaplib"):
        order.append(arguments[0])
def called(frame, event, what):
    if event == "c_call" and what.__name__ in ("start_new_thread", "start_joinable_thread"):
        order.append("a-thread")
sys.addaudithook(imported)
sys.setprofile(called)
try:
    sys.argv = ["mailrules", "poll"]
    main()
except SystemExit as end:
    print(end.code, *order)
"""


def told_by(code: str, folder: Path) -> list[str]:
    """Return the words that a poll in a process of its own prints behind its exit code, which is 0."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, text=True, capture_output=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, encoding="utf-8",
    )  # fmt: skip
    ended, *words = done.stdout.split()
    assert ended == "0", done.stderr
    return words


@pytest.mark.servers
def test_a_quiet_poll_begins_to_connect_before_it_imports_what_reads_mail(dovecot: Dovecot, tmp_path: Path) -> None:
    setting(tmp_path, QUIET, f"port = {dovecot.port}")
    for _ in range(2):
        assert run("poll", folder=tmp_path) == (0, "", "")
    order = told_by(ORDER, tmp_path)
    assert order == ["a-thread", "mailrules.spine.intake", "imaplib", "a-thread"]  # it dials; it waits for answers


@pytest.mark.servers
def test_a_quiet_poll_imports_nothing_heavy_and_reads_no_rules(dovecot: Dovecot, tmp_path: Path) -> None:
    setting(tmp_path, QUIET, f"port = {dovecot.port}")
    dovecot.add(b"From: a@shop.example\r\nSubject: hello\r\n\r\nhello\r\n", datetime(2024, 3, 11, 8, tzinfo=UTC))
    for _ in range(2):
        assert run("poll", folder=tmp_path) == (0, "", "")
    modules = told_by(LISTING, tmp_path)
    assert "imaplib" in modules
    assert [m for m in modules if re.match(rf"(?:{'|'.join(map(re.escape, HEAVY))})(?:\.|$)", m)] == []
