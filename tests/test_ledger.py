"""What holds of the ledger whatever comes, and in whatever order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from mailrules.ledger import Ledger, Sighting, observe
from mailrules.mail.message import RawMessage
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.world import AccountFacts, World
from tests.mails import reminders

TODAY = date(2024, 3, 11)
DAYS = st.dates(TODAY, TODAY + timedelta(days=800))
REGIONS = st.sampled_from([None, "na", "eu", "fe"])
IDS = st.from_regex(r"[0-9]{12}", fullmatch=True)
NAMES = st.text("abcdefgh ß注", min_size=1, max_size=12).map(str.strip).filter(bool)


@st.composite
def sightings(draw: st.DrawFn) -> Sighting:
    return Sighting(
        account="shop", system="amazon", kind="authorization_expiring", developer_id=draw(st.none() | IDS), developer=draw(NAMES),
        region=draw(REGIONS), expires=draw(DAYS).isoformat(), trust=draw(st.sampled_from(["unverified", "authenticated", "bound"])),
        message="m1", at="2024-03-11T09:00:00+00:00", today=TODAY,
    )  # fmt: skip


def seen(*sights: Sighting, ledger: Ledger | None = None) -> Ledger:
    ledger = ledger or Ledger()
    for sight in sights:
        ledger = observe(ledger, sight).ledger
    return ledger


def named(**changes: object) -> Sighting:
    plain = Sighting(
        account="shop", system="amazon", kind="authorization_expiring", developer_id="446453545547", developer="Never Settle",
        region="na", expires="2024-04-10", trust="bound", message="m1", at="2024-03-11T09:00:00+00:00", today=TODAY,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


@given(sightings())
def test_the_same_notice_twice_is_one_obligation(sight: Sighting) -> None:
    once, twice = seen(sight), seen(sight, sight)
    assert twice.authorizations == once.authorizations
    ((key, before),) = once.obligations.items()
    assert dict(twice.obligations) == {key: replace(before, reminders=2)}


@given(sightings(), DAYS, DAYS)
def test_two_dates_in_either_order_leave_the_later_one_and_only_it_open(
    sight: Sighting, one: date, other: date
) -> None:
    low, high = (replace(sight, expires=day.isoformat(), message=day.isoformat()) for day in sorted((one, other)))
    for order in ((low, high), (high, low)):
        ledger = seen(*order)
        (authorization,) = ledger.authorizations.values()
        assert authorization.expires == high.expires
        assert [o.due for o in ledger.of(authorization.id) if o.state == "open"] == [high.expires]
        assert {o.state for o in ledger.of(authorization.id) if o.due != high.expires} <= {"settled"}


@given(st.lists(DAYS, min_size=1, max_size=4, unique=True))
def test_any_order_of_dates_ends_with_the_latest(days: list[date]) -> None:
    for order in permutations(named(expires=day.isoformat(), message=day.isoformat()) for day in days):
        ledger = seen(*order)
        (authorization,) = ledger.authorizations.values()
        current = ledger.current(authorization.id)
        assert current is not None
        assert current.due == authorization.expires == max(days).isoformat()


@given(sightings(), st.integers(1, 400))
def test_a_later_date_settles_the_earlier_one(sight: Sighting, more: int) -> None:
    assert sight.expires
    later = replace(sight, expires=(date.fromisoformat(sight.expires) + timedelta(days=more)).isoformat())
    result = observe(seen(sight), later)
    earlier = result.ledger.obligations[result.authorization.id, sight.expires]
    assert (earlier.state, earlier.closed) == ("settled", later.at)
    assert [(e.what, e.due) for e in result.events if e.what == "settled"] == [("settled", sight.expires)]


@given(NAMES, IDS)
def test_a_record_known_by_name_takes_the_id_when_it_comes_and_keeps_its_own(name: str, number: str) -> None:
    before = seen(named(developer_id=None, developer=name))
    after = seen(named(developer_id=number, developer=name), ledger=before)
    assert list(after.authorizations) == list(before.authorizations)
    (authorization,) = after.authorizations.values()
    assert authorization.developer_id == number
    assert len(after.obligations) == 1


@given(st.sampled_from(["na", "eu", "fe"]), st.booleans())
def test_an_unknown_region_joins_the_only_record_there_is(region: str, unknown_first: bool) -> None:
    sights = [named(region=region), named(region=None)]
    ledger = seen(*(reversed(sights) if unknown_first else sights))
    (authorization,) = ledger.authorizations.values()
    assert authorization.region == region
    assert len(ledger.obligations) == 1


def test_two_regions_are_two_authorizations() -> None:
    assert len(seen(named(region="na"), named(region="eu")).authorizations) == 2


def test_five_weekly_reminders_are_one_obligation() -> None:
    from mailrules.pipeline import conclude, read

    rules = load(shipped_rules(), grammar_text())
    account = AccountFacts(
        name="shop", zone=ZoneInfo("UTC"), language="en", region="na", day_starts=time(8), warn_days=30
    )
    world = World(people={}, scripts={}, developers={}, accounts={"shop": account})
    for order in permutations(reminders()):
        ledger = Ledger()
        for content, arrived in order:
            raw = RawMessage(source="x", content=content, received_at=arrived, account="shop")
            ledger = conclude(read(raw, rules), ledger, rules, world, datetime(2024, 3, 11, 9, tzinfo=UTC)).ledger
        assert len(ledger.authorizations) == 1
        (obligation,) = ledger.obligations.values()
        assert (obligation.due, obligation.reminders, obligation.state) == ("2024-04-10", 5, "open")


def test_a_strangers_later_date_neither_settles_nor_hides_a_proven_deadline() -> None:
    proven, strange = named(), named(expires="2027-01-01", trust="unverified", message="m2")
    for order in ((proven, strange), (strange, proven)):
        ledger = seen(*order)
        (subject,) = ledger.authorizations.values()
        assert subject.expires == "2024-04-10"
        waiting = ledger.current(subject.id)
        assert waiting is not None
        assert (waiting.due, waiting.state, waiting.trust) == ("2024-04-10", "open", "bound")


def test_a_strangers_confirmation_is_no_evidence_of_renewal() -> None:
    ledger = seen(named(), named(kind="authorization_renewed", expires="2025-04-01", trust="unverified"))
    (subject,) = ledger.authorizations.values()
    assert subject.expires == "2024-04-10"
    waiting = ledger.current(subject.id)
    assert waiting is not None
    assert waiting.state == "open"
