"""Laws of the ledger that hold for whatever comes, found by searching for a counter-example."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date, timedelta
from itertools import permutations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailrules.ledger import (
    Authorization,
    Event,
    Ledger,
    Obligation,
    Sighting,
    enter,
    grow,
    link,
    observe,
    renewed,
    state_of,
)
from mailrules.ledger.exchange import table, take_in, to_csv, to_json
from mailrules.ledger.listing import by_deadline, exported
from mailrules.ledger.records import enough
from mailrules.notices.fields import normalize
from mailrules.notices.notice import TRUST_LEVELS
from tests.ledger_sights import START, instant, only, seen, sight, told

END = date(2025, 12, 31)
TRUSTS = st.sampled_from(TRUST_LEVELS[1:])
DAYS = st.dates(START, END)
DUES = st.sampled_from(["2024-03-20", "2024-04-10", "2024-04-12", "2025-03-20", "2025-04-01", "2023-01-01"])
KINDS = st.sampled_from(
    [
        "authorization_expiring",
        "authorization_expired",
        "authorization_renewed",
        "authorization_status",
        "connection_renewal_needed",
        "access_token_expired",
    ]
)
STATES = {"active", "expiring", "expired", "revoked", "unknown"}


@st.composite
def sights(draw: st.DrawFn) -> Sighting:
    on = draw(st.dates(START, date(2024, 5, 30)))
    system = draw(st.sampled_from(["amazon", "accountone"]))
    return sight(
        on, kind=draw(KINDS), expires=draw(st.none() | DUES), trust=draw(TRUSTS), system=system,
        status=draw(st.sampled_from(["", "active", "OK", "expired", "check"])),
        written=draw(st.none() | st.dates(date(2024, 3, 1), on)), quiet=draw(st.none() | st.just(timedelta(days=1))),
        yields=frozenset({"amazon"}) if system == "accountone" else frozenset(),
        overrules=frozenset({"accountone"}) if system == "amazon" else frozenset(),
        message=draw(st.sampled_from(["m1", "m2", "m3"])),
    )  # fmt: skip


@st.composite
def reminders(draw: st.DrawFn) -> Sighting:
    on = draw(st.dates(START, date(2024, 4, 5)))
    trust = draw(st.sampled_from(["unverified", "authenticated", "bound"]))  # no mail is more
    return sight(on, expires=draw(DUES), trust=trust, message=str(on), written=on)


def stories(size: int = 6) -> st.SearchStrategy[list[Sighting]]:
    return st.lists(sights(), max_size=size).map(lambda found: sorted(found, key=lambda s: s.at))


def bare(ledger: Ledger) -> dict[tuple[str, str], Obligation]:
    """Return the obligations without what the order of arrival may change: counts, and which message came last."""
    return {
        key: replace(o, reminders=0, message="", notice="", opened="", closed="", noticed="", proof="", grade="")
        for key, o in ledger.obligations.items()
    }


@example(
    [
        sight(START, kind="authorization_expiring", expires=None, trust="unverified"),
        sight(START, kind="authorization_renewed", expires="2023-01-01", trust="unverified"),
    ],
    sight(date(2024, 4, 1), expires="2023-01-01", trust="unverified"),
)
@given(stories(), sights())
def test_the_same_sighting_twice_changes_only_counts(before: list[Sighting], one: Sighting) -> None:
    once = seen(*before, one)
    twice = told(once, one)
    assert twice.authorizations == once.authorizations
    counted = {k: replace(o, reminders=0) for k, o in twice.obligations.items()}
    assert counted == {k: replace(o, reminders=0) for k, o in once.obligations.items()}


@given(st.lists(reminders(), max_size=5))
def test_reminders_taken_in_twice_over_change_only_counts(found: list[Sighting]) -> None:
    day = date(2024, 4, 5)
    story = [replace(s, today=day, at=instant(day)) for s in found]
    once = seen(*story)
    assert bare(told(once, *story)) == bare(once)


@given(reminders(), reminders())
def test_the_order_of_two_reminders_does_not_matter(one: Sighting, other: Sighting) -> None:
    """Both are taken in on one day, as by a poll after a gap: only the order within the mailbox differs."""
    day = max(one.today, other.today)
    pair = [replace(s, today=day, at=instant(day)) for s in (one, other)]
    ends = [seen(*order) for order in permutations(pair)]
    assert bare(ends[0]) == bare(ends[1])
    assert only(ends[0]) == only(ends[1])


@given(stories(), sights())
def test_what_is_less_believed_neither_settles_nor_hides(before: list[Sighting], one: Sighting) -> None:
    ledger = seen(*before)
    after = told(ledger, one)
    for key, was in ledger.obligations.items():
        if was.waiting and not enough(one.trust, was.trust):
            assert after.obligations[key].waiting
            assert after.obligations[key].trust == was.trust
            if one.trust == "unverified" and was in ledger.watched(was.authorization):
                assert key in {(o.authorization, o.due) for o in after.watched(was.authorization)}


@given(stories(), st.sampled_from(["unverified", "authenticated"]), DUES)
def test_a_believed_date_is_not_replaced_by_a_less_believed_one(before: list[Sighting], trust: str, due: str) -> None:
    ledger = seen(*before)
    for subject in ledger.live():
        after = told(ledger, sight("2024-05-31", trust=trust, expires=due)).authorizations[subject.id]
        former = ledger.obligations.get((subject.id, due))
        if former and enough(former.trust, subject.trust):
            continue  # this date was named before by somebody who is believed as much
        if subject.expires and not enough(trust, subject.trust):
            assert after.expires == subject.expires or trust in TRUST_LEVELS[TRUST_LEVELS.index(after.trust) :]


@given(stories(8), DAYS)
def test_states_are_total_and_nothing_is_ever_deleted(story: list[Sighting], day: date) -> None:
    ledger, events = Ledger(), list[Event]()
    for one in story:
        observed = observe(ledger, one)
        assert set(ledger.obligations) <= set(observed.ledger.obligations)
        assert set(ledger.authorizations) <= set(observed.ledger.authorizations)
        assert observed.events
        ledger, events = observed.ledger, [*events, *observed.events]
    grown, _ = grow(ledger, {"shop": day}, instant(day))
    assert set(ledger.obligations) <= set(grown.obligations)
    assert grow(grown, {"shop": day}, instant(day)) == (grown, ())
    for subject in grown.authorizations.values():
        current = grown.current(subject.id)
        assert state_of(subject, current, day) in STATES
        assert {o.state for o in grown.of(subject.id)} <= {"open", "settled", "lapsed", "missed"}
        assert (current is None) == (not grown.watched(subject.id))
        assert all((o.state == "settled") == bool(o.closed) == bool(o.grade) for o in grown.of(subject.id))


@given(stories())
def test_a_renewal_that_a_person_tells_of_leaves_nothing_waiting(story: list[Sighting]) -> None:
    ledger = seen(*story)
    for subject in ledger.live():
        done = renewed(ledger, subject.id, at=instant("2024-06-01"), day=date(2024, 6, 1), expires="2030-01-01").ledger
        assert done.current(subject.id) is None
        assert done.authorizations[subject.id].expires == "2030-01-01"


@given(stories(4), stories(4))
def test_after_a_link_one_record_owes_all_that_two_owed(one: list[Sighting], two: list[Sighting]) -> None:
    ledger = told(seen(sight(expires=None), *one), *(replace(s, developer_id=None, developer="other") for s in two))
    ids = [a.id for a in ledger.live()]
    if len(ids) != 2:
        return
    dues = {o.due for name in ids for o in ledger.of(name)}
    joined = link(ledger, ids[0], ids[1], at=instant("2024-06-01")).ledger
    assert {o.due for o in joined.of(ids[0])} == dues
    assert (joined.current(ids[1]), [a.id for a in joined.live()]) == (None, [ids[0]])


# --- export and import ------------------------------------------------------------------------------------------

NAMES = st.text("ab=+-@'\t\"\n,;é注 ", min_size=1, max_size=12).map(normalize).filter(bool)


def listing(ledger: Ledger, day: date) -> list[dict[str, object]]:
    return by_deadline(ledger, {"shop": day}, {}, day)


@st.composite
def ledgers(draw: st.DrawFn) -> Ledger:
    ledger = Ledger()
    names = draw(st.lists(NAMES, max_size=4, unique_by=str.casefold))
    for n, name in enumerate(names):
        number = draw(st.none() | st.just(f"00000000000{n}"))
        for one in draw(stories(3)):
            ledger = told(ledger, replace(one, developer=name, developer_id=number))
    for subject in ledger.live():
        match draw(st.sampled_from(["", "renewed", "revoked", "snoozed"])):
            case "renewed":
                ledger = renewed(ledger, subject.id, at=instant(END), day=END, expires="2030-01-01").ledger
            case "revoked":
                ledger = ledger.with_(authorization=replace(subject, revoked=True))
            case "snoozed":
                ledger = ledger.with_(authorization=replace(subject, snoozed="2026-01-01"))
    return grow(ledger, {"shop": date(2024, 6, 1)}, instant("2024-06-01"))[0]


@settings(deadline=None)
@given(ledgers(), st.sampled_from([to_csv, to_json]))
def test_what_was_exported_and_taken_into_an_empty_store_gives_the_same_list(ledger: Ledger, form: object) -> None:
    day = date(2024, 6, 1)
    rows = [exported(ledger, row) for row in listing(ledger, day)]
    found = table(form(rows))  # type: ignore[operator]
    assert not isinstance(found, str)
    taken = take_in(Ledger(), found, {"shop": day}, instant(day))
    assert taken.problems == ()
    assert listing(taken.ledger, day) == listing(ledger, day)
    assert [exported(taken.ledger, row) for row in listing(taken.ledger, day)] == rows
    again = take_in(taken.ledger, found, {"shop": day}, instant(day))
    assert (again.ledger, again.new, again.changed) == (taken.ledger, 0, 0)
    assert listing(grow(taken.ledger, {"shop": day}, instant(day))[0], day) == listing(ledger, day)


@given(NAMES)
def test_no_cell_of_a_table_is_a_formula(name: str) -> None:
    ledger = enter(Ledger(), sight(developer=name)).ledger
    line = to_csv([exported(ledger, row) for row in listing(ledger, START)])
    cells = [cell for row in csv.reader(io.StringIO(line, newline="")) for cell in row]
    assert not [
        cell for cell in cells if cell.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n"))
    ]


def test_a_bad_row_is_told_with_its_number_and_nothing_is_taken() -> None:
    days = {"shop": START}
    head = "account,system,developer,developer_id,expires\n"
    for bad, why in (
        ("shop,amazon,X,12345678901,2024-04-10", "leading zero"),
        ("shop,amazon,X,,10.04.2024", "not a date written as"),
        ("shop,amazon,X,,2024-02-30", "no day of the calendar"),
        ("nowhere,amazon,X,,", "no account is called `nowhere`"),
        ("shop,,X,,", "`system` is empty"),
        ("shop,amazon,,,", "`developer` is empty"),
    ):
        rows = table(head + "shop,amazon,Good,,2024-04-10\n" + bad + "\n")
        assert not isinstance(rows, str)
        taken = take_in(Ledger(), rows, days, instant(START))
        assert (taken.ledger, len(taken.problems)) == (Ledger(), 1)
        assert taken.problems[0].startswith("row 3: ")
        assert why in taken.problems[0]


def test_a_table_that_is_none_is_refused_in_a_sentence() -> None:
    for text, why in (
        ("account,system,developer,expire\nshop,a,X,\n", "`expires` is"),
        ("account,developer\nshop,X\n", "`system` is missing"),
        ("account,system,developer\nshop,a,b,c\n", "row 2 has 4 cells"),
        ('{"account": "shop"', "neither CSV nor JSON"),
        ("[1]", "neither CSV nor JSON"),
    ):
        found = table(text)
        assert isinstance(found, str)
        assert why in found


def test_a_table_of_a_spreadsheet_is_taken_as_if_entered_by_hand() -> None:
    text = "account;system;developer;developer_id;expires\r\nshop;amazon;Never Settle;4464-5354-5547;2024-04-10\r\n"
    rows = table("\ufeff" + text)
    assert not isinstance(rows, str)
    taken = take_in(Ledger(), rows, {"shop": START}, instant(START))
    (subject,) = taken.ledger.live()
    assert (subject.developer_id, subject.expires, subject.trust) == ("446453545547", "2024-04-10", "confirmed")
    again = take_in(taken.ledger, rows, {"shop": START}, instant(START))
    assert (again.new, again.changed, again.events) == (0, 0, ())


def test_json_keeps_its_values_and_names_that_are_stable() -> None:
    ledger = enter(Ledger(), sight()).ledger
    (line,) = to_json([exported(ledger, row) for row in listing(ledger, START)]).splitlines()
    row = json.loads(line)
    assert (row["developer_id"], row["days_left"], row["assumed"], row["state"]) == (
        "446453545547",
        30,
        False,
        "expiring",
    )


def test_an_authorization_has_no_value_that_an_export_forgets() -> None:
    """Whoever adds a field says here whether a list needs it."""
    known = {f for f in Authorization.__dataclass_fields__ if f not in ("revoked", "endless", "linked")}
    ledger = enter(Ledger(), sight()).ledger
    (row,) = [exported(ledger, row) for row in listing(ledger, START)]
    assert known <= set(row)
