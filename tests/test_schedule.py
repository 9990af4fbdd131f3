"""When rungs and repeats come, and when people may be written to."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from mailrules.decide.schedule import due, may_write_from
from mailrules.language.ast import ActionCall, DurationLiteral, Name, Offset, Repeat, Rule, Rung, Text, WhileTrigger
from mailrules.world import AccountFacts

EXPIRES = date(2024, 4, 10)  # a Wednesday
ACTION = ActionCall(verb="notify", target=Name(value="owner"), text=Text(value="x"))
WEEKDAYS = frozenset(range(5))


def rule(*, rungs: tuple[int, ...] = (), repeats: tuple[Repeat, ...] = ()) -> Rule:
    anchored = tuple(Rung(offset=Offset(days=days, anchor=Name(value="expires")), action=ACTION) for days in rungs)
    trigger = WhileTrigger(condition=Name(value="x"))
    return Rule(name=Text(value="r"), trigger=trigger, rungs=anchored, repeats=repeats)


def stages(made: Rule, now: datetime, account: AccountFacts, *, expires: date = EXPIRES) -> dict[str, str]:
    facts = {"expires": expires, "opened": date(2024, 3, 11)}
    return {stage: state for _, stage, state in due(made, facts, account, now)}


def account(**changes: object) -> AccountFacts:
    return AccountFacts(**{"name": "shop", "zone": ZoneInfo("Europe/Berlin"), **changes})  # type: ignore[arg-type]


def berlin(*when: int) -> datetime:
    return datetime(*when, tzinfo=ZoneInfo("Europe/Berlin"))  # type: ignore[misc,arg-type]


def test_a_rung_comes_when_the_accounts_day_starts_and_not_before() -> None:
    made = rule(rungs=(-3,))
    assert not stages(made, berlin(2024, 4, 7, 7, 59), account())
    assert stages(made, berlin(2024, 4, 7, 8, 0), account()) == {"3 days before expires": "planned"}


def test_after_a_gap_the_latest_rung_fires_and_the_passed_ones_are_missed() -> None:
    made = rule(rungs=(-14, -7, -3, 0))
    assert stages(made, berlin(2024, 4, 8, 9, 0), account()) == {
        "14 days before expires": "missed",
        "7 days before expires": "missed",
        "3 days before expires": "planned",
    }


def test_a_rung_on_a_day_off_comes_sooner_before_the_deadline_and_later_after_it() -> None:
    made = rule(rungs=(-3, 3))  # 3 days before is Sunday the 7th, 3 days after Saturday the 13th
    workers = account(working_days=WEEKDAYS)
    assert stages(made, berlin(2024, 4, 5, 9, 0), workers) == {"3 days before expires": "planned"}
    assert "3 days after expires" not in stages(made, berlin(2024, 4, 14, 9, 0), workers)
    assert stages(made, berlin(2024, 4, 15, 9, 0), workers)["3 days after expires"] == "planned"


def every(days: int, **more: object) -> Repeat:
    return Repeat(interval=DurationLiteral(amount=days, unit="days"), action=ACTION, **more)  # type: ignore[arg-type]


def test_a_repeat_begins_on_the_day_it_was_opened_unless_it_says_from_when() -> None:
    found = stages(rule(repeats=(every(2),)), berlin(2024, 3, 15, 9, 0), account())
    assert found == {
        "every from 2024-03-11": "missed",
        "every from 2024-03-13": "missed",
        "every from 2024-03-15": "planned",
    }


def test_a_doubling_repeat_leaves_twice_the_gap_each_time_and_ends_after_its_times() -> None:
    start = Offset(days=-20, anchor=Name(value="expires"))
    found = stages(rule(repeats=(every(1, doubling=True, start=start, times=4),)), berlin(2024, 4, 30, 9, 0), account())
    assert {stage.rpartition(" ")[2] for stage in found} == {"2024-03-21", "2024-03-22", "2024-03-24", "2024-03-28"}


def test_what_a_repeat_would_have_done_before_the_deadline_was_known_is_not_missed() -> None:
    start = Offset(days=-60, anchor=Name(value="expires"))
    found = stages(rule(repeats=(every(7, start=start),)), berlin(2024, 3, 12, 9, 0), account())
    assert list(found.values()) == ["planned"]


@given(
    hours=st.integers(min_value=0, max_value=24 * 90),
    gap=st.integers(min_value=1, max_value=40),
    doubling=st.booleans(),
    rungs=st.sets(st.integers(min_value=-40, max_value=20), max_size=5),
)
def test_at_every_moment_at_most_one_turn_of_a_repeat_fires_and_what_came_stays_come(
    hours: int, gap: int, doubling: bool, rungs: set[int]
) -> None:
    made = rule(rungs=tuple(rungs), repeats=(every(gap, doubling=doubling),))
    now = berlin(2024, 3, 11, 0, 0) + timedelta(hours=hours)
    found, later = stages(made, now, account()), stages(made, now + timedelta(hours=7), account())
    assert set(found) <= set(later)
    planned = [stage for stage, state in found.items() if state == "planned"]
    assert sum(stage.startswith("every") for stage in planned) <= 1
    assert len(planned) <= 2


def test_nobody_is_written_to_in_quiet_hours_also_over_midnight() -> None:
    quiet = account(quiet=(time(22), time(7)))
    assert may_write_from(quiet, berlin(2024, 4, 1, 12, 0), EXPIRES) is None
    assert may_write_from(quiet, berlin(2024, 4, 1, 23, 0), EXPIRES) == berlin(2024, 4, 2, 7, 0)
    assert may_write_from(quiet, berlin(2024, 4, 2, 6, 59), EXPIRES) == berlin(2024, 4, 2, 7, 0)
    assert may_write_from(quiet, berlin(2024, 4, 2, 7, 0), EXPIRES) is None


def test_a_day_off_is_waited_for_only_where_the_deadline_is_still_ahead() -> None:
    workers = account(working_days=WEEKDAYS)
    saturday = berlin(2024, 4, 6, 12, 0)
    assert may_write_from(workers, saturday, EXPIRES) == berlin(2024, 4, 8, 8, 0)
    assert may_write_from(workers, saturday, date(2024, 4, 7)) is None
    assert may_write_from(workers, saturday, None) == berlin(2024, 4, 8, 8, 0)


@given(
    at=st.datetimes(datetime.fromisoformat("2024-01-01"), datetime.fromisoformat("2025-01-01")),
    begin=st.times(),
    end=st.times(),
    days=st.frozensets(st.integers(0, 6), min_size=1),
)
def test_waiting_is_never_for_the_past_and_never_longer_than_nine_days(
    at: datetime, begin: time, end: time, days: frozenset[int]
) -> None:
    now = at.replace(tzinfo=UTC)
    found = may_write_from(account(quiet=(begin, end), working_days=days), now, None)
    assert found is None or now < found <= now + timedelta(days=9)
