"""The calendar, read back by a library that had no part in writing it."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest
import vobject
from typer.testing import CliRunner

from mailrules.cli.commands import app
from mailrules.errors import ConfigError
from mailrules.ledger import renewed, revoked
from mailrules.page.calendar import calendar
from tests.browser import served
from tests.life import warning
from tests.shop import EVIL_NAME, NOW, Shop, empty, filled
from tests.test_page import ask

NASTY = "Acme; Tools, Inc.\\n and more: BEGIN:VALARM 青空" + "é" * 90


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    with closing(filled(tmp_path_factory.mktemp("shop"))) as shop:
        yield shop


@pytest.fixture
def shop(tmp_path):
    with closing(filled(tmp_path)) as made:
        yield made


def written(shop: Shop, *, now: datetime = NOW, language: str = "en") -> str:
    with shop.look(language, now) as it:
        return calendar(it)


def parts(text: str, name: str) -> dict[str, object]:
    """Return the events or to-dos of a calendar by their UIDs, as the other library reads them."""
    (made,) = vobject.readComponents(text, validate=True)
    found = made.contents.get(name, [])
    assert len({one.uid.value for one in found}) == len(found)
    return {one.uid.value: one for one in found}


def test_every_deadline_is_a_day_with_alarms_and_every_task_a_to_do(lived):
    text = written(lived)
    events = {e.summary.value: e for e in parts(text, "vevent").values()}
    event = events["Never Settle lapses"]
    assert event.dtstart.value == date(2024, 4, 10)
    assert event.dtend.value == date(2024, 4, 11)
    assert [alarm.trigger.value for alarm in event.valarm_list] == [
        timedelta(hours=9) - timedelta(days=n) for n in (30, 7, 1)
    ]
    assert "Developer ID 4464-5354-5547" in event.description.value
    known = {f"{a.developer} lapses" for a in lived.store.ledger().live() if a.expires}
    assert set(events) == known
    todos = {t.summary.value: t for t in parts(text, "vtodo").values()}
    assert todos["Renew Never Settle by 2024-04-10"].due.value == date(2024, 4, 3)
    assert todos["Renew Never Settle by 2024-04-10"].status.value == "NEEDS-ACTION"


def test_the_same_exported_twice_is_the_same_to_the_letter(lived):
    assert written(lived) == written(lived, now=NOW + timedelta(hours=3))


def test_a_task_that_is_done_and_a_deadline_that_moves_keep_their_names(shop):
    first = written(shop)
    name = shop.named("Never Settle")
    (task,) = [t["id"] for t in shop.store.tasks("open") if t["authorization"] == name]
    at = NOW + timedelta(hours=1)
    shop.store.finish_task(task, at.isoformat())
    shop.life.act(lambda ledger: renewed(ledger, name, at=at.isoformat(), day=at.date()), at)
    second = written(shop, now=at)
    for kind in ("vevent", "vtodo"):
        before, after = parts(first, kind), parts(second, kind)
        assert set(before) == set(after)
        (changed,) = [uid for uid in before if before[uid].serialize() != after[uid].serialize()]
        assert int(after[changed].sequence.value) > int(before[changed].sequence.value)
        assert after[changed].dtstamp.value == at
        if kind == "vevent":
            assert after[changed].dtstart.value == date(2025, 3, 25)
            assert "assumed" in after[changed].description.value
        else:
            assert after[changed].status.value == "COMPLETED"
            assert after[changed].completed.value == at


def test_what_was_revoked_is_cancelled_and_rings_no_more(shop):
    name = shop.named("Never Settle")
    shop.life.act(lambda ledger: revoked(ledger, name, at=NOW.isoformat(), day=NOW.date()), NOW)
    (event,) = [e for e in parts(written(shop), "vevent").values() if e.summary.value.startswith("Never Settle")]
    assert event.status.value == "CANCELLED"
    assert "valarm" not in event.contents


@pytest.mark.parametrize("name", [NASTY, EVIL_NAME, "x\\", "=1+1", "a\\;b\\,c"])
def test_a_hostile_name_is_text(tmp_path, name):
    with closing(empty(tmp_path)) as shop:
        shop.life.mail(warning(name=name), datetime(2024, 3, 11, 8, tzinfo=UTC), trust="bound")
        (known,) = shop.store.ledger().live()
        text = written(shop)
    (event,) = parts(text, "vevent").values()
    assert event.summary.value == f"{known.developer} lapses"
    assert len(event.valarm_list) == 3
    assert text.count("BEGIN:VEVENT") == 1
    assert "\u202e" not in text
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    assert "\n" not in text.replace("\r\n", "")


def test_it_is_there_in_every_language(lived):
    for language, said in {
        "en": "Never Settle lapses",
        "ja": "Never Settle の期限",
        "de": "Never Settle läuft ab",
        "zh": "Never Settle 到期",
    }.items():
        assert said in [e.summary.value for e in parts(written(lived, language=language), "vevent").values()]


def test_the_command_writes_a_file_for_its_owner_only(lived, tmp_path):
    target = tmp_path / "deadlines.ics"
    words = ["calendar", "--config", str(lived.folder / "mailrules.toml"), "--language", "en"]
    assert CliRunner().invoke(app, [*words, "--file", str(target)]).exit_code == 0
    assert target.stat().st_mode & 0o777 == 0o600
    content = target.read_bytes()
    assert CliRunner().invoke(app, words).stdout_bytes == content
    assert set(parts(content.decode(), "vevent")) == set(parts(written(lived), "vevent"))


def test_the_feed_is_given_to_whoever_has_its_secret_address_and_to_nobody_else(lived):
    with served(lived) as page:
        status, headers, text = ask(page, "/calendar/feed-secret.ics")
        assert (status, headers["content-type"]) == (200, "text/calendar; charset=utf-8")
        assert text == written(lived)
        for wrong in (
            "/calendar/feed-secre.ics",
            "/calendar/.ics",
            "/calendar/feed-secret.ics/",
            "/calendar/session-secret.ics",
        ):
            assert ask(page, wrong)[0] == 404
        assert ask(page, "/calendar")[0] == 401
        assert "/calendar/feed-secret.ics" in ask(page, "/calendar", Cookie="mailrules=session-secret")[2]
        assert ask(page, "/calendar/feed-secret.ics", host="evil.example")[0] == 421


def test_a_missing_library_is_one_sentence(lived, monkeypatch):
    monkeypatch.setitem(sys.modules, "icalendar", None)
    with pytest.raises(ConfigError, match="icalendar") as caught:
        written(lived)
    assert "mailrules[calendar]" in caught.value.help
