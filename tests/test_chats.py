"""Chats and the weekly digest: what reaches a real receiver on loopback, what never leaves, and when it is tried again."""

from __future__ import annotations

import http.server
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailrules import config as configuration
from mailrules.actions.chats import _cut, _parts, _Said, to_chat
from mailrules.effects import Effect, Outcome
from mailrules.errors import ConfigError
from mailrules.spine.digest import digest_text, plan_digest
from mailrules.words import LANGUAGES
from tests.house import House, settled
from tests.mails import DEVELOPER, DEVELOPER_ID
from tests.test_care import mail

pytestmark = pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning")  # a plug-in that Apprise loads

NOW = datetime(2024, 3, 25, 9, 0, tzinfo=UTC)  # a Monday
EXPIRES = date(2024, 4, 10)
TOKEN = "T0123456789/B0123456789/abcdefghijklmnopqrst"
RULES = """\
rule "say it" {
  on authorization_expiring
  notify team "{{ developer }} lapses on {{ expires }}"
}
"""


class Room:
    """A chat server: keeps what was posted, answers with `status`."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.status = 200
        room = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                room.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                room.paths.append(self.path)
                self.send_response(room.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_port}/{TOKEN}"


@pytest.fixture
def room() -> Iterator[Room]:
    it = Room()
    thread = threading.Thread(target=it.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield it
    finally:
        it.server.shutdown()
        it.server.server_close()
        thread.join(5)


@contextmanager
def chatting(folder: Path, room: Room, rules: str = RULES, more: str = "") -> Iterator[House]:
    mails = [
        mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=16),
        mail("Second Tool", "222233334444", expires=EXPIRES, days=16),
    ]
    with settled(folder, rules, mails) as house:
        (folder / "team").write_text(room.url, encoding="utf-8")
        (folder / "team").chmod(0o600)
        house.change("mailrules.toml", "[people]", f'[chats.team]\nurl = {{ file = "team" }}\n\n{more}[people]')
        yield house


def effect(subject: str = "a", body: str = "b", key: str = "k") -> Effect:
    return Effect(
        key=key, account="main", rule="r", action="notify", target="team", stage="", authorization="", due="",
        args={"to": ["chat:team"], "subject": subject, "body": body},
    )  # fmt: skip


def told(url: str, *effects: Effect) -> Outcome:
    return to_chat(effects or (effect(),), "team", {"team": lambda: url}, "en")


def test_what_is_due_in_one_poll_reaches_the_chat_as_one_message_and_only_once(tmp_path: Path, room: Room) -> None:
    with chatting(tmp_path, room) as house:
        house.poll(NOW)
        house.poll(NOW + timedelta(hours=1))
        assert [(row["state"], row["target"]) for row in house.store.effects()] == [("done", "team")] * 2
        assert house.sink.received == []
    assert len(room.posts) == 1
    assert room.posts[0]["title"] == "2 things need you"
    assert DEVELOPER in room.posts[0]["message"]
    assert "Second Tool" in room.posts[0]["message"]


def test_a_chat_that_is_down_is_tried_again_and_its_address_is_shown_nowhere(tmp_path: Path, room: Room) -> None:
    with chatting(tmp_path, room) as house:
        room.status = 503
        house.poll(NOW)
        rows = house.store.effects()
        assert {row["state"] for row in rows} == {"planned"}
        assert not any(TOKEN[-20:] in str(row) for row in rows)
        house.poll(NOW + timedelta(seconds=10))
        assert len(room.posts) == 1, "it is left alone for a minute"
        room.status = 200
        house.poll(NOW + timedelta(minutes=2))
        assert {row["state"] for row in house.store.effects()} == {"done"}
    assert len(room.posts) == 2
    assert room.posts[0] == room.posts[1]


def test_of_a_long_complaint_no_piece_of_the_address_is_left_where_it_is_cut_off() -> None:
    said = _Said(_parts(f"json://127.0.0.1/{TOKEN}"))
    said.emit(logging.LogRecord("apprise", logging.WARNING, "", 0, "n" * 290 + f" {TOKEN[-20:]} is unknown", (), None))
    assert "nnnn" in said.lines[0]
    assert TOKEN[-20:-16] not in said.lines[0]


def test_a_chat_that_refuses_for_good_needs_a_person(tmp_path: Path, room: Room) -> None:
    with chatting(tmp_path, room) as house:
        room.status = 404
        outcome = house.poll(NOW)
        assert outcome.needs
        assert {row["state"] for row in house.store.effects()} == {"failed"}
        assert "the chat team did not take it" in house.store.effects()[0]["why"]


def test_nothing_is_sent_to_a_chat_in_quiet_hours(tmp_path: Path, room: Room) -> None:
    with chatting(tmp_path, room) as house:
        house.change("mailrules.toml", "region =", 'quiet = ["08:00", "10:00"]\nregion =')
        house.poll(NOW)
        assert room.posts == []
        house.poll(NOW + timedelta(hours=1, minutes=1))
    assert len(room.posts) == 1


def test_no_chat_is_reached_where_nobody_listens_and_it_is_tried_again() -> None:
    outcome = told(f"json://127.0.0.1:9/{TOKEN}")
    assert outcome.result == "retry"
    assert TOKEN not in outcome.why


@pytest.mark.parametrize(
    "url",
    ["file:///etc/hosts", "exec://id", "mailto://you:secret@shop.example", "syslog://", "dbus://", "nothing://x", ""],
)
def test_an_address_that_is_no_chat_does_nothing_on_this_machine(url: str) -> None:
    outcome = told(url)
    assert outcome.result == "failed"
    assert "secret" not in outcome.why


def test_a_text_from_a_mail_calls_nobody_and_links_nothing(room: Room) -> None:
    said = told(room.url, effect("hello <!channel>", "@everyone @here <https://evil.example|Amazon> a@b.example"))
    assert said.result == "done"
    assert "<" not in json.dumps(room.posts[0], ensure_ascii=False)
    assert "@everyone" not in room.posts[0]["message"]
    assert "a@b.example" in room.posts[0]["message"]


def test_a_long_message_is_cut_off_where_services_would_refuse_it(room: Room) -> None:
    assert told(room.url, effect(body="x" * 100_000)).result == "done"
    assert len(room.posts[0]["message"]) < 5_000


def test_more_than_a_service_takes_names_each_thing_in_one_line(room: Room) -> None:
    many = [effect(f"Nummer {n}", "b" * 300, key=str(n)) for n in range(20)]
    assert told(room.url, *many).result == "done"
    assert room.posts[0]["message"].splitlines() == [f"- Nummer {n}" for n in range(20)]


@pytest.mark.parametrize(("scheme", "text"), [("wecombot", "认" * 2000), ("json", "認" * 2000)])
def test_a_limit_of_bytes_is_kept_without_breaking_a_character(scheme: str, text: str) -> None:
    cut = _cut(text, 2048, scheme)
    assert (len(cut.encode()) <= 2048) is (scheme == "wecombot")
    assert cut.rstrip("…") in text


def test_a_chat_takes_no_forwarded_mail_and_the_rule_says_so(tmp_path: Path, room: Room) -> None:
    rules = RULES.replace('notify team "{{ developer }} lapses on {{ expires }}"', "forward to team")
    with chatting(tmp_path, room, rules) as house, pytest.raises(ConfigError, match="takes no forwarded mail"):
        house.poll(NOW)
    assert room.posts == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[chats.team]\nurl = "slack://a/b/c"\n', "stands there in the clear"),
        ("[chats.team]\n", "must be one reference"),
        ('[chats.team]\nurl = { file = "x" }\nto = "y"\n', "unknown key `to`"),
        ('[chats.owner]\nurl = { file = "x" }\n', "in [people] and in [chats]"),
        ('[digest]\nto = "nobody"\n', "`digest.to` is a name"),
        ('[digest]\nto = "owner"\nday = "mondy"\n', "did you mean `monday`"),
        ('[digest]\nto = "owner"\ndays = 0\n', "between 1 and 365"),
        ("[digest]\n", "`to` is missing"),
    ],
)
def test_what_is_wrong_with_a_chat_or_a_digest_is_told(tmp_path: Path, text: str, said: str) -> None:
    base = 'rules = []\n[accounts.main]\nhost = "127.0.0.1"\nuser = "a"\npassword = { env = "X" }\n[people]\nowner = "o@shop.example"\n'
    (tmp_path / "mailrules.toml").write_text(base + text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        configuration.load(str(tmp_path / "mailrules.toml"))
    assert said in str(error.value)


def test_the_address_of_a_chat_is_a_reference_wherever_settings_are_shown(tmp_path: Path, room: Room) -> None:
    with chatting(tmp_path, room) as house:
        assert house.config.origins["chats.team"][0] == "(a reference)"
        assert TOKEN not in repr(house.config)


# --- the weekly digest ------------------------------------------------------------------------------------------

DIGEST = '[digest]\nto = "owner"\nday = "monday"\n\n'
QUIET = 'rule "nothing" {\n  on mail\n  when subject contains "never"\n  create task "never"\n}\n'


def test_the_digest_comes_once_a_week_and_says_what_lapses(tmp_path: Path, room: Room) -> None:
    with chatting(tmp_path, room, QUIET, DIGEST) as house:
        for hours in (-2, 0, 1, 30, 24 * 6, 24 * 7 - 2, 24 * 7, 24 * 7 + 5):
            house.poll(NOW + timedelta(hours=hours))
        texts = [delivered.content.decode() for delivered in house.sink.received]
    digests = [text for text in texts if "Authorizations watched: 2." in text]
    assert len(digests) == 2, "one a week, once the Monday has begun"
    assert "Subject: 2 authorizations lapse in the next 30 days" in digests[0]
    assert DEVELOPER in digests[0]
    assert "2024-04-10 (Wed), 16 days left" in digests[0]


def test_that_nothing_lapses_is_news_too(tmp_path: Path, room: Room) -> None:
    with chatting(tmp_path, room, QUIET, DIGEST.replace("owner", "team")) as house:
        house.change("mailrules.toml", "[digest]", "[digest]\ndays = 3")
        house.poll(NOW)
    assert [post["title"] for post in room.posts] == ["Nothing lapses in the next 3 days"]


def test_a_dry_run_shows_the_digest_and_the_plan_sends_exactly_it(tmp_path: Path, room: Room) -> None:
    with chatting(tmp_path, room, QUIET, DIGEST) as house:
        plan = house.plan(NOW)
        assert [e.rule for e in plan.effects] == ["weekly digest"]
        assert house.sink.received == []
        outcome = house.apply(plan, NOW)
        assert outcome.moved == []
        assert len(house.sink.received) == 1


def test_a_digest_of_a_missed_monday_comes_later_in_the_week_and_not_twice(tmp_path: Path, room: Room) -> None:
    with chatting(tmp_path, room, QUIET, DIGEST) as house:
        house.poll(NOW + timedelta(days=2))
        assert plan_digest(house.config, house.store, NOW + timedelta(days=3)) == []
        assert len(plan_digest(house.config, house.store, NOW + timedelta(days=7))) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_digest_names_every_deadline_in_every_language(language: str) -> None:
    row = {
        "id": "a",
        "developer": "Never Settle",
        "developer_id": "1",
        "state": "expiring",
        "days_left": 3,
        "expires": "2024-04-10",
    }
    rows = [row, row | {"developer": "Old", "expires": "2024-03-01", "days_left": -37, "state": "expired"}]
    rows += [row | {"developer": "Later", "expires": "2025-01-01", "days_left": 200, "state": "active"}]
    rows += [row | {"developer": "Undated", "expires": None, "days_left": None, "state": "expired"}]
    subject, text = digest_text(language, rows, [{"title": "Renew it", "due": None}], 30, date(2024, 4, 7))
    assert "1" in subject
    assert text.startswith(subject)
    today, _ = digest_text(language, [row | {"days_left": 0}], [], 30, date(2024, 4, 10))
    assert "1" in today
    assert "0" not in digest_text(language, [row | {"days_left": 0}], [], 30, date(2024, 4, 10))[1].splitlines()[1][12:]
    for name in ("Never Settle", "Old", "Later", "Undated", "Renew it", "2024-04-10", "2024-03-01", "2025-01-01"):
        assert text.count(name) == 1, text
