"""How much leaves the house in an hour: what is over a limit waits, is told, and is done later."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailrules import config as configuration
from mailrules.config_values import Limits
from mailrules.effects import Effect
from mailrules.errors import ConfigError
from mailrules.spine.breaker import held
from tests.house import EXPIRES, NOW, House, mail, settled
from tests.mails import DEVELOPER_ID

RUN = 'rule "renew" {\n  on authorization_expiring\n  when trust is bound\n  run "renew"\n}\n'
TELL = 'rule "tell" {\n  on authorization_expiring\n  forward to owner\n}\n'
NOTIFY = 'rule "tell" {\n  on authorization_expiring\n  notify owner "{{ developer }}"\n}\n'
HOUR = timedelta(hours=1)


def number(n: int) -> str:
    return str(int(DEVELOPER_ID) + n)


def many(count: int) -> list[tuple[bytes, datetime]]:
    return [mail(f"Developer {n}", number(n), expires=EXPIRES, days=30) for n in range(count)]


def known(house: House, count: int, limits: str) -> None:
    house.change("mailrules.toml", "[developers]\n", f"[limits]\n{limits}\n\n[developers]\n")
    rows = "".join(f'"{number(n)}" = "Developer {n}"\n' for n in range(1, count))
    house.change("mailrules.toml", "[scripts.renew]\n", f"{rows}\n[scripts.renew]\n")


def test_scripts_over_the_hourly_limit_wait_and_are_run_in_the_next_hours(tmp_path: Path) -> None:
    with settled(tmp_path, RUN, many(5)) as house:
        known(house, 5, "scripts_per_hour = 2")
        outcome = house.poll()
        assert len(house.script_runs()) == 2
        assert outcome.exit_code == 3
        assert len(outcome.needs) == 1
        assert "2 script starts in an hour (limits.scripts_per_hour)" in outcome.needs[0]
        waiting = [row for row in house.store.effects() if row["state"] == "planned"]
        assert len(waiting) == 3
        assert {row["why"] for row in waiting} == {
            "held back by a limit: 2 script starts in an hour (limits.scripts_per_hour)"
        }
        assert {row["attempts"] for row in waiting} == {0}
        again = house.poll(NOW + timedelta(minutes=30))
        assert (len(house.script_runs()), again.needs_changed) == (2, False)
        house.poll(NOW + HOUR)
        assert len(house.script_runs()) == 4
        last = house.poll(NOW + 2 * HOUR)
        assert len(set(house.script_runs())) == len(house.script_runs()) == 5
        assert last.needs == []


def test_the_daily_limit_holds_across_hours(tmp_path: Path) -> None:
    with settled(tmp_path, RUN, many(5)) as house:
        known(house, 5, "scripts_per_hour = 2\nscripts_per_day = 3")
        for hours in range(24):
            house.poll(NOW + hours * HOUR)
        assert len(house.script_runs()) == 3
        house.poll(NOW + timedelta(days=1))
        assert len(house.script_runs()) == 5


def test_a_script_that_fails_counts_as_a_start(tmp_path: Path) -> None:
    with settled(tmp_path, RUN, many(4)) as house:
        known(house, 4, "scripts_per_hour = 2")
        house.change("renew.py", "import sys\n", "import sys\nsys.exit(4)\n")
        house.poll()
        assert house.done() == [("run_script", "failed")] * 2 + [("run_script", "planned")] * 2


def test_mails_over_a_limit_wait_and_are_sent_later(tmp_path: Path) -> None:
    with settled(tmp_path, TELL, many(5)) as house:
        known(house, 5, "mails_per_hour = 3")
        assert "3 mails in an hour" in house.poll().needs[0]
        assert len(house.sink.received) == 3
        house.poll(NOW + HOUR)
        assert len(house.sink.received) == 5
        assert len({m.content.split(b"Message-ID: ")[1].split(b"\r\n")[0] for m in house.sink.received}) == 5


def test_one_recipient_is_written_to_so_often_and_others_still_are(tmp_path: Path) -> None:
    rules = (
        TELL
        + 'rule "also" {\n  on authorization_expiring\n  when trust is bound\n  forward to "agency@outside.example"\n}\n'
    )
    with settled(tmp_path, rules, many(3)) as house:
        known(house, 3, "mails_per_recipient = 2")
        needs = house.poll().needs
        assert (
            sorted(m.recipients[0] for m in house.sink.received)
            == ["agency@outside.example"] * 2 + ["owner@shop.example"] * 2
        )
        assert ["agency@outside.example" in text or "owner@shop.example" in text for text in needs] == [True, True]


def test_notifications_of_one_mail_count_once(tmp_path: Path) -> None:
    with settled(tmp_path, NOTIFY, many(6)) as house:
        known(house, 6, "mails_per_hour = 1")
        assert house.poll().needs == []
        assert len(house.sink.received) == 1
        assert {row["state"] for row in house.store.effects()} == {"done"}
        (row,) = house.store.performed_since((NOW - HOUR).isoformat())
        assert row["to"] == ["owner@shop.example"]


def test_a_limit_of_nothing_stops_a_kind_and_loses_nothing(tmp_path: Path) -> None:
    with settled(tmp_path, RUN + TELL, many(1)) as house:
        known(house, 1, "scripts_per_day = 0")
        house.poll()
        house.poll(NOW + timedelta(days=9))
        assert house.script_runs() == []
        assert len(house.sink.received) == 1
        assert ("run_script", "planned") in house.done()
        house.change("mailrules.toml", "scripts_per_day = 0", "")
        house.poll(NOW + timedelta(days=10, hours=1))
        assert len(house.script_runs()) == 1


def test_an_apply_holds_to_the_limits_too(tmp_path: Path) -> None:
    with settled(tmp_path, RUN, many(4)) as house:
        known(house, 4, "scripts_per_hour = 1")
        outcome = house.apply(house.plan())
        assert outcome.moved == []
        assert len(house.script_runs()) == 1
        assert len(outcome.needs) == 1


def test_a_limit_that_is_none_is_a_problem_with_its_place(tmp_path: Path) -> None:
    with settled(tmp_path, RUN, []) as house:
        known(house, 1, 'scripts_per_hour = "many"\nmails_per_hour = -1\nmails_a_day = 3')
        with pytest.raises(ConfigError) as caught:
            configuration.load(str(house.toml))
    told = str(caught.value)
    for part in (
        "`limits.scripts_per_hour` must be a whole number",
        "`limits.mails_per_hour` must be between",
        "unknown key `mails_a_day`",
    ):
        assert part in told


def effect(key: str, action: Any, to: str = "", target: str = "t") -> Effect:
    args = {"to": [to]} if to else {}
    return Effect(
        key=key, account="a", rule="r", action=action, target=target, stage="", authorization="x", due="d", args=args
    )


def test_no_span_ever_holds_more_starts_than_its_limit() -> None:
    chance = random.Random(5)
    for _ in range(60):
        limits = Limits(
            scripts_per_hour=chance.randint(1, 4),
            scripts_per_day=chance.randint(4, 9),
            mails_per_hour=5,
            mails_per_recipient=2,
        )
        waiting = [effect(f"s{n}", "run_script") for n in range(chance.randint(0, 15))]
        waiting += [
            effect(f"m{n}", "forward", f"{chance.choice('abc')}@shop.example") for n in range(chance.randint(0, 15))
        ]
        done: list[dict[str, Any]] = []
        now, until = NOW, dict[str, str]()
        for _ in range(900):
            now += timedelta(minutes=chance.randint(1, 20))
            due = [e for e in waiting if until.get(e.key, "") <= now.isoformat()]
            over = {h.key: h.until for h in held(due, done, limits, now)}
            until.update(over)
            done += [
                {"at": now.isoformat(), "action": e.action, "to": e.args.get("to", [])}
                for e in due
                if e.key not in over
            ]
            waiting = [e for e in waiting if e not in due or e.key in over]
        assert waiting == []
        scripts = [d for d in done if d["action"] == "run_script"]
        assert _most(scripts, HOUR) <= limits.scripts_per_hour
        assert _most(scripts, timedelta(days=1)) <= limits.scripts_per_day
        for who in "abc":
            assert _most([d for d in done if d["to"] == [f"{who}@shop.example"]], HOUR) <= 2
        assert _most([d for d in done if d["to"]], HOUR) <= 5


def _most(rows: list[dict[str, Any]], span: timedelta) -> int:
    times = [datetime.fromisoformat(row["at"]) for row in rows]
    return max((sum(begin <= t < begin + span for t in times) for begin in times), default=0)
