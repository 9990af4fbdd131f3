"""A clock that is wrong: what a poll says of it, and what it does not do by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mailrules.cli.outcome import show_outcome
from mailrules.errors import EXIT_DONE, TemporaryError
from tests.house import EXPIRES, NOW, House, mail, settled

RULES = """
rule "ladder" {
  while authorization is expiring
  14 days before expires: create task "two weeks left"
  3 days before expires: create task "three days left"
  at expires: create task "it lapses"
}
"""
YEARS = timedelta(days=3653)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with settled(tmp_path, RULES, [mail("Never Settle", "446453545547", expires=EXPIRES, days=20)]) as it:
        yield it


def state(house: House) -> object:
    store = house.store
    return store.effects(), store.ledger(), [(m.subject, m.content) for m in store.messages()]


def test_one_poll_of_a_clock_that_is_years_ahead_does_nothing_and_says_so(house: House) -> None:
    house.poll()
    before = state(house)
    with pytest.raises(TemporaryError, match=r"the clock says 2034-03-26T09:00 UTC, and at the last poll") as caught:
        house.poll(NOW + YEARS)
    assert "if it is right, the next poll goes on" in caught.value.help
    assert state(house) == before
    later = house.poll(NOW + timedelta(days=14))
    assert "at the last poll it was 2034-03-26T09:00 UTC" in later.clock
    stages = {row["stage"]: row["state"] for row in house.store.effects()}
    assert stages == {"14 days before expires": "missed", "3 days before expires": "done"}
    assert house.poll(NOW + timedelta(days=14, minutes=5)).clock == ""


def test_a_machine_that_was_off_for_years_goes_on_with_its_second_poll(house: House) -> None:
    house.poll()
    with pytest.raises(TemporaryError):
        house.poll(NOW + YEARS)
    again = house.poll(NOW + YEARS + timedelta(minutes=5))
    assert (again.exit_code, again.clock) == (EXIT_DONE, "")


def test_a_clock_that_was_never_set_does_nothing_and_says_so_every_time(house: House) -> None:
    for moment in (NOW.replace(year=1970), NOW.replace(year=1970) + timedelta(minutes=5), NOW.replace(year=2000)):
        with pytest.raises(TemporaryError, match="so nothing was done"):
            house.poll(moment)
    house.assert_nothing_happened()
    assert house.poll().exit_code == EXIT_DONE
    assert house.store.messages()


def test_a_clock_that_was_set_back_is_told_once_and_the_mail_is_read(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.poll(NOW)
    for moment, told in ((NOW - timedelta(days=2), True), (NOW - timedelta(days=2, minutes=-5), False)):
        outcome = house.poll(moment)
        show_outcome(outcome, as_json=False)
        assert ("mailrules: the clock says 2024-03-23T" in capsys.readouterr().err) is told
        assert outcome.exit_code == EXIT_DONE


def test_a_listing_that_was_noted_in_the_future_is_made_again(house: House) -> None:
    house.poll()
    with pytest.raises(TemporaryError):
        house.poll(NOW + YEARS)
    house.poll(NOW + YEARS + timedelta(minutes=5))
    house.poll(NOW + timedelta(days=2))
    assert house.store.meta_get("listed shop INBOX") == (NOW + timedelta(days=2)).isoformat()
