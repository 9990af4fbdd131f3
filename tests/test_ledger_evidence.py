"""What closes a deadline and what does not: evidence, contradictions, precedence, quiet, links, snoozes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from mailrules.errors import UsageError
from mailrules.ledger import (
    Ledger,
    enter,
    grow,
    link,
    observe,
    renewed,
    revoked,
    silence,
    snooze,
    snoozed_until,
    state_of,
    verified,
)
from tests.ledger_sights import DUE, START, instant, only, owed, seen, sight, status, token_error, told, words

RENEWAL = date(2024, 3, 20)
NEXT = "2025-03-20"


def standing(ledger: Ledger, on: str) -> str:
    subject = only(ledger)
    return state_of(subject, ledger.current(subject.id), date.fromisoformat(on))


def said_renewed(ledger: Ledger, day: date = RENEWAL, until: str | None = None) -> Ledger:
    return renewed(ledger, only(ledger).id, at=instant(day), day=day, expires=until).ledger


def passing(ledger: Ledger, on: str, **days: int) -> Ledger:
    return grow(ledger, {"shop": date.fromisoformat(on)}, instant(on), warn_days=days)[0]


# --- a page's rows and other evidence ---------------------------------------------------------------------------


def test_a_row_that_is_active_until_a_later_date_settles_the_deadline() -> None:
    ledger = told(seen(sight()), status("2024-03-21", "active", NEXT))
    assert (owed(ledger).state, owed(ledger).grade, owed(ledger).proof) == ("settled", "later date", "bound")
    assert (only(ledger).expires, only(ledger).assumed, standing(ledger, "2024-03-21")) == (NEXT, False, "active")
    assert len(ledger.of(only(ledger).id)) == 1


def test_a_row_of_an_older_page_does_not_turn_the_date_back() -> None:
    ledger = seen(status("2024-03-21", "active", NEXT), status("2024-03-22", "active", DUE, written=date(2024, 3, 1)))
    assert (only(ledger).expires, ledger.current(only(ledger).id)) == (NEXT, None)


def test_a_page_older_than_the_reminder_is_no_evidence() -> None:
    ledger = seen(sight("2024-03-18"), status("2024-03-19", "active", NEXT, written=date(2024, 3, 1)))
    assert (owed(ledger).state, only(ledger).expires) == ("open", DUE)


def test_an_active_row_without_an_expiry_owes_nothing() -> None:
    ledger = passing(seen(status("2024-03-11", "active")), "2025-03-11")
    assert (standing(ledger, "2025-03-11"), ledger.obligations) == ("active", {})


def test_a_row_that_will_expire_opens_its_deadline_when_it_comes_near_with_the_trust_of_the_row() -> None:
    ledger = seen(status("2024-03-11", "active", NEXT, trust="unverified"))
    assert passing(ledger, "2025-02-17").obligations == {}
    assert owed(passing(ledger, "2025-02-18"), NEXT).trust == "unverified"
    assert owed(passing(ledger, "2025-01-20", shop=60), NEXT).state == "open"


def test_an_expired_row_can_be_restored_until_a_later_date_is_seen() -> None:
    ledger = seen(status("2024-04-20", "expired", DUE))
    assert (owed(ledger).state, standing(ledger, "2024-04-20")) == ("lapsed", "expired")
    ledger = told(ledger, status("2024-04-21", "active", "2025-04-21"))
    assert (owed(ledger).grade, standing(ledger, "2024-04-21")) == ("later date", "active")


def test_a_renewed_notice_with_a_date_that_is_not_later_is_no_evidence() -> None:
    for day in (DUE, "2024-01-01"):
        observed = observe(seen(sight()), sight("2024-03-20", kind="authorization_renewed", expires=day))
        assert ("no evidence" in words(observed), owed(observed.ledger).state) == (True, "open")


def test_a_renewed_notice_settles_and_without_a_date_a_year_is_assumed() -> None:
    ledger = told(seen(sight()), sight(RENEWAL, kind="authorization_renewed", expires=None))
    assert (owed(ledger).grade, only(ledger).expires, only(ledger).assumed) == ("confirmed by notice", NEXT, True)
    ledger = told(seen(sight()), sight(RENEWAL, kind="authorization_renewed", expires="2025-03-19"))
    assert (owed(ledger).grade, only(ledger).expires, only(ledger).assumed) == (
        "confirmed by notice", "2025-03-19", False,
    )  # fmt: skip


def test_what_a_person_entered_is_settled_by_an_authenticated_later_date_and_not_by_a_stranger() -> None:
    for trust, state in (("unverified", "open"), ("authenticated", "settled")):
        ledger = told(enter(Ledger(), sight()).ledger, status("2024-03-21", "active", NEXT, trust=trust))
        assert owed(ledger).state == state


def test_a_better_believed_reminder_reopens_what_a_stranger_had_settled() -> None:
    weak = seen(sight(trust="unverified"), sight("2024-03-12", expires="2030-01-01", trust="unverified"))
    assert owed(weak).state == "settled"
    strong = told(weak, sight("2024-03-12"))
    assert (owed(strong).state, owed(strong).trust, only(strong).expires) == ("open", "bound", DUE)


# --- a person's word --------------------------------------------------------------------------------------------


def test_a_renewal_counts_from_its_own_day() -> None:
    ledger = said_renewed(seen(sight()))
    assert (only(ledger).expires, only(ledger).assumed, owed(ledger).grade) == (NEXT, True, "a person said so")
    assert only(said_renewed(seen(sight()), until="2025-03-19")).assumed is False


def test_a_renewal_that_is_not_later_than_the_old_date_is_refused() -> None:
    for until in (DUE, "2024-04-09"):
        with pytest.raises(UsageError, match=f"{until} is not later than {DUE}"):
            said_renewed(seen(sight()), until=until)
    with pytest.raises(UsageError, match="not later than the day of the renewal"):
        said_renewed(seen(sight(expires=None)), until="2024-03-20")


def test_a_reminder_written_after_the_renewal_day_denies_a_persons_word() -> None:
    observed = observe(said_renewed(seen(sight())), sight("2024-03-25"))
    assert {"contradiction", "reopened"} <= set(words(observed))
    assert (owed(observed.ledger).state, only(observed.ledger).expires, observed.held) == ("open", DUE, "")


def test_a_reminder_written_before_the_renewal_changes_nothing_but_the_count() -> None:
    before = said_renewed(seen(sight()))
    observed = observe(before, sight("2024-03-25", written=RENEWAL))
    assert words(observed) == ["notice"]
    assert (owed(observed.ledger).state, owed(observed.ledger).reminders) == ("settled", 2)
    assert (only(observed.ledger), bool(observed.held)) == (only(before), True)


def test_a_stranger_cannot_reopen_what_was_proven() -> None:
    observed = observe(said_renewed(seen(sight())), sight("2024-03-25", trust="unverified"))
    assert ("contradiction" in words(observed), owed(observed.ledger).state) == (True, "settled")


def test_an_old_reminder_of_a_date_never_seen_is_older_than_the_renewal() -> None:
    ledger = said_renewed(enter(Ledger(), sight(expires=None)).ledger)
    late = observe(ledger, sight("2024-03-25", written=date(2024, 3, 18)))
    assert (owed(late.ledger).state, bool(late.held), only(late.ledger).assumed) == ("settled", True, True)


def test_a_source_that_speaks_takes_the_place_of_an_assumed_date() -> None:
    ledger = said_renewed(seen(sight()))
    ledger = told(passing(ledger, "2025-02-20"), sight("2025-02-21", expires="2025-03-18"))
    assert (only(ledger).expires, only(ledger).assumed) == ("2025-03-18", False)
    assert [(o.due, o.state, o.grade) for o in ledger.of(only(ledger).id)][1:] == [
        ("2025-03-18", "open", ""), (NEXT, "settled", "overruled"),
    ]  # fmt: skip


def test_an_assumed_date_is_not_a_second_deadline_beside_the_one_that_a_stranger_named() -> None:
    ledger = said_renewed(seen(sight(trust="unverified")))
    ledger = passing(told(ledger, sight("2025-02-21", expires="2025-03-18", trust="unverified")), "2025-02-21")
    assert [o.due for o in ledger.of(only(ledger).id) if o.waiting] == ["2025-03-18"]
    assert only(ledger).expires == NEXT


def test_a_script_that_verified_settles_its_deadline() -> None:
    ledger = seen(sight())
    done = verified(ledger, only(ledger).id, DUE, at=instant(RENEWAL), day=RENEWAL, expires="2025-03-19").ledger
    assert (owed(done).grade, only(done).expires, only(done).assumed) == ("script verified", "2025-03-19", False)
    again = verified(done, only(done).id, DUE, at=instant(RENEWAL), day=RENEWAL)
    assert (again.ledger, again.events) == (done, ())


def test_what_was_revoked_owes_nothing_until_a_newer_notice_says_otherwise() -> None:
    ledger = seen(sight())
    gone = revoked(ledger, only(ledger).id, at=instant(RENEWAL), day=RENEWAL).ledger
    assert (standing(gone, "2024-03-21"), gone.current(only(gone).id)) == ("revoked", None)
    assert standing(told(gone, sight("2024-03-22", written=START)), "2024-03-22") == "revoked"
    assert standing(told(gone, sight("2024-03-22")), "2024-03-22") == "expiring"


# --- access that is gone ----------------------------------------------------------------------------------------


def test_a_token_error_before_the_date_is_an_episode_and_the_state_is_expired_until_evidence() -> None:
    ledger = seen(sight(), token_error("2024-03-15", system="accountone", trust="authenticated"))
    assert [(o.due, o.dated, o.state) for o in ledger.watched(only(ledger).id)] == [
        (DUE, True, "open"), ("2024-03-15", False, "open"),
    ]  # fmt: skip
    assert standing(ledger, "2024-03-16") == "expired"
    well = told(ledger, status("2024-03-17", "OK", system="accountone", trust="authenticated"))
    assert (owed(well, "2024-03-15").grade, owed(well).state) == ("confirmed by notice", "open")
    assert standing(well, "2024-03-17") == "expiring"


def test_an_expired_notice_whose_date_lies_ahead_is_an_episode() -> None:
    ledger = seen(sight("2024-03-15", kind="authorization_expired"))
    assert (standing(ledger, "2024-03-15"), only(ledger).expires) == ("expired", DUE)
    assert [o.dated for o in ledger.of(only(ledger).id)] == [False]


def test_an_error_after_the_date_belongs_to_the_deadline_that_passed() -> None:
    ledger = passing(seen(sight()), "2024-04-12")
    ledger = told(ledger, token_error("2024-04-12"), sight("2024-04-13", kind="authorization_expired", expires=None))
    assert [(o.due, o.state, o.reminders) for o in ledger.of(only(ledger).id)] == [(DUE, "lapsed", 3)]


def test_the_same_trouble_for_days_is_one_episode() -> None:
    ledger = seen(*(token_error(START + timedelta(days=n)) for n in range(5)))
    ((_, episode),) = ledger.obligations.items()
    assert (episode.due, episode.reminders) == ("2024-03-11", 5)


def test_a_far_deadline_entered_by_hand_does_not_hide_an_episode() -> None:
    ledger = enter(Ledger(), sight(expires="2024-12-01")).ledger
    ledger = told(ledger, token_error("2024-03-15", trust="authenticated"))
    assert standing(ledger, "2024-03-15") == "expired"
    assert len(ledger.watched(only(ledger).id)) == 2


def test_a_date_that_is_the_day_of_an_open_episode_does_not_end_it() -> None:
    today = "2024-03-15"
    for more in ({}, {"system": "accountone", "yields": frozenset({"amazon"})}):
        ledger = told(seen(sight(), token_error(today)), sight("2024-03-16", expires=today, **more))
        assert (owed(ledger, today).dated, owed(ledger, today).state) == (False, "open")
        assert standing(ledger, "2024-03-16") == "expired"


def test_a_first_reminder_is_no_evidence_against_an_open_episode() -> None:
    ledger = seen(token_error("2024-03-11"), sight("2024-03-12"))
    assert owed(ledger, "2024-03-11").state == "open"


def test_within_the_time_a_renewal_takes_to_show_a_status_opens_nothing() -> None:
    broken = {"kind": "connection_renewal_needed", "quiet": timedelta(hours=24)}
    ledger = said_renewed(seen(token_error("2024-03-19", **broken)))
    soon = observe(ledger, token_error("2024-03-21", hour=9, **broken))
    assert (words(soon), bool(soon.held), soon.ledger.current(only(ledger).id)) == (["quiet", "notice"], True, None)
    later = observe(ledger, token_error("2024-03-21", hour=10, **broken))
    assert (words(later), later.held) == (["opened", "notice"], "")


def test_a_renewal_that_a_stranger_claimed_makes_nobody_quiet() -> None:
    weak = sight("2024-03-20", kind="authorization_renewed", expires=None, trust="unverified")
    ledger = told(seen(token_error("2024-03-19", trust="unverified")), weak)
    loud = observe(ledger, token_error("2024-03-20", hour=12, quiet=timedelta(hours=24)))
    assert "quiet" not in words(loud)


# --- two sources ------------------------------------------------------------------------------------------------

VENDOR = {"system": "accountone", "yields": frozenset({"amazon"}), "trust": "authenticated"}
PREFERRED = {"overrules": frozenset({"accountone"}), "trust": "authenticated"}


def test_the_one_yielded_to_holds_and_the_others_date_neither_opens_nor_settles() -> None:
    for date_ in ("2024-04-01", "2025-04-01"):
        observed = observe(seen(sight(**PREFERRED)), sight("2024-03-12", expires=date_, **VENDOR))
        assert "contradiction" in words(observed)
        assert (owed(observed.ledger).state, only(observed.ledger).expires) == ("open", DUE)
        assert (only(observed.ledger).source, bool(observed.held)) == ("amazon", True)
        assert [o.due for o in observed.ledger.of(only(observed.ledger).id) if o.waiting] == [DUE]


def test_what_the_yielding_source_opened_is_overruled_when_the_preferred_one_speaks() -> None:
    for other in ("2024-04-01", "2024-05-01"):
        ledger = seen(sight(expires=other, **VENDOR), sight("2024-03-12", **PREFERRED))
        assert (owed(ledger, other).state, owed(ledger, other).grade) == ("settled", "overruled")
        assert (owed(ledger).state, only(ledger).expires, only(ledger).source) == ("open", DUE, "amazon")


def test_a_stranger_in_the_preferred_ones_name_overrules_nobody() -> None:
    ledger = seen(sight(expires="2024-04-01", **VENDOR), sight("2024-03-12", **{**PREFERRED, "trust": "unverified"}))
    assert (owed(ledger, "2024-04-01").state, only(ledger).expires) == ("open", "2024-04-01")


def test_two_sources_with_the_same_date_agree() -> None:
    observed = observe(seen(sight(expires=DUE, **VENDOR)), sight("2024-03-12", **PREFERRED))
    assert ("contradiction" in words(observed), only(observed.ledger).source) == (False, "amazon")
    assert owed(observed.ledger).reminders == 2


def test_a_fresher_word_with_an_earlier_date_is_shown_and_watched() -> None:
    first, second = sight(expires=NEXT), sight("2024-03-12", expires="2025-03-01")
    for order in ((first, second), (second, replace(first, at=second.at, today=second.today, written=START))):
        ledger = seen(*order)
        assert only(ledger).expires == "2025-03-01"
        assert {o.due for o in ledger.of(only(ledger).id) if o.waiting} == {NEXT, "2025-03-01"}
        current = ledger.current(only(ledger).id)
        assert current is not None
        assert current.due == "2025-03-01"


def test_a_date_mistyped_by_hand_is_corrected_by_entering_the_earlier_one() -> None:
    ledger = enter(enter(Ledger(), sight(expires="2025-04-10")).ledger, sight("2024-03-12")).ledger
    assert (only(ledger).expires, owed(ledger, "2025-04-10").grade) == (DUE, "overruled")


# --- joining, snoozing, silence ---------------------------------------------------------------------------------


def test_linked_records_owe_as_one_and_both_names_lead_to_it() -> None:
    ledger = seen(sight(), sight("2024-03-12", developer="NS Fulfillment", developer_id=None, expires="2024-05-01"))
    one, two = ledger.authorizations
    joined = link(ledger, one, two, at=instant("2024-03-13")).ledger
    assert [a.id for a in joined.live()] == [one]
    assert [(o.due, o.waiting, o.origin) for o in joined.of(one)] == [(DUE, True, ""), ("2024-05-01", True, two)]
    assert joined.current(two) is None
    more = told(joined, sight("2024-03-14", developer="NS Fulfillment", developer_id=None, expires="2024-05-01"))
    assert (set(more.authorizations), owed(more, "2024-05-01").reminders) == ({one, two}, 2)


def test_linked_records_with_one_deadline_keep_it_settled_where_one_was() -> None:
    ledger = seen(sight(), sight("2024-03-12", developer="NS Fulfillment", developer_id=None))
    one, two = ledger.authorizations
    half = renewed(ledger, two, at=instant(RENEWAL), day=RENEWAL).ledger
    joined = link(half, one, two, at=instant("2024-03-21")).ledger
    assert (owed(joined).state, owed(joined).reminders, joined.current(one)) == ("settled", 2, None)


def test_what_cannot_be_one_authorization_is_not_linked() -> None:
    ledger = seen(sight(), sight(region="eu"), sight(account="other"))
    one, europe, elsewhere = ledger.authorizations
    for other, why in ((one, "itself"), (europe, "two authorizations"), (elsewhere, "two accounts")):
        with pytest.raises(UsageError, match=why):
            link(ledger, one, other, at=instant(START))


def test_a_name_that_several_records_share_makes_one_record_of_its_own_and_not_one_a_mail() -> None:
    nameless = sight(developer_id=None, region=None)
    ledger = seen(sight(region="na"), sight(region="eu"), nameless, nameless)
    assert len(ledger.authorizations) == 3
    (loose,) = [a for a in ledger.authorizations.values() if a.developer_id is None]
    assert ledger.obligations[loose.id, DUE].reminders == 2


def test_a_snooze_ends_on_its_day_or_when_it_is_called_off() -> None:
    ledger = seen(sight())
    asleep = snooze(ledger, only(ledger).id, date(2024, 3, 20), at=instant(START), day=START).ledger
    assert [snoozed_until(only(asleep), date(2024, 3, n)) for n in (19, 20)] == ["2024-03-20", ""]
    awake = snooze(asleep, only(ledger).id, None, at=instant(START), day=START).ledger
    assert only(awake).snoozed == ""
    with pytest.raises(UsageError, match="not ahead"):
        snooze(ledger, only(ledger).id, START, at=instant(START), day=START)


def test_reminders_that_stopped_are_a_hint_and_settle_nothing() -> None:
    ledger = seen(sight())
    assert silence(ledger, only(ledger).id, date(2024, 3, 21)) is None
    assert silence(ledger, only(ledger).id, date(2024, 3, 22)) == timedelta(days=11)
    assert owed(passing(ledger, "2024-03-22")).state == "open"


# --- what a stranger, or an old paper, cannot do ----------------------------------------------------------------


def test_a_strangers_reminder_does_not_become_the_mail_that_is_forwarded() -> None:
    ledger = seen(sight(message="proven"), sight("2024-03-18", message="strange", trust="unverified"))
    assert (owed(ledger).message, owed(ledger).trust, owed(ledger).reminders) == ("proven", "bound", 2)


def test_a_status_does_not_lend_its_trust_to_a_date_that_is_believed_less() -> None:
    ledger = passing(seen(sight(trust="unverified")), "2024-04-12")
    ledger = told(ledger, token_error("2024-04-12"))
    assert (owed(ledger).trust, owed(ledger, "2024-04-12").trust) == ("unverified", "bound")


def test_a_page_saved_on_the_day_of_the_renewal_tells_the_new_date() -> None:
    ledger = told(said_renewed(seen(sight())), status(RENEWAL, "active", "2025-03-19"))
    assert (only(ledger).expires, only(ledger).assumed) == ("2025-03-19", False)


def test_a_date_that_passed_long_ago_neither_turns_the_known_one_back_nor_reopens() -> None:
    old = observe(seen(sight()), sight("2024-03-12", expires="2023-04-10"))
    assert (only(old.ledger).expires, owed(old.ledger, "2023-04-10").history, bool(old.held)) == (DUE, True, True)
    late = observe(said_renewed(seen(sight())), sight("2024-06-01"))
    assert owed(late.ledger).state == "settled"


def test_an_error_newer_than_the_page_that_says_all_is_well_stays_open() -> None:
    ledger = seen(token_error("2024-03-15"))
    ledger = told(ledger, status("2024-03-16", "ok", written=date(2024, 3, 14)))
    assert owed(ledger, "2024-03-15").state == "open"


def test_what_is_revoked_is_not_opened_by_the_calendar_and_an_old_date_is_history() -> None:
    ledger = seen(status("2024-03-11", "active", NEXT))
    gone = revoked(ledger, only(ledger).id, at=instant(RENEWAL), day=RENEWAL).ledger
    assert passing(gone, "2025-03-10").obligations == {}
    assert owed(passing(ledger, "2025-06-01"), NEXT).history
