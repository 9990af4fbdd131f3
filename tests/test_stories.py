"""Stories: mails, rules and a clock in; what the outbox holds out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mailrules.ledger import Sighting, enter, link, renewed, revoked, snooze, state_of, verified
from mailrules.ruletests import run_tests
from mailrules.shipped import shipped_rules
from mailrules.spine.live import load_rules
from mailrules.world import AccountFacts
from tests.life import Life, warning

STORIES = Path(__file__).parent / "fixtures" / "stories"
TASK = 'rule "task" {\n  on authorization_expiring\n  create task "Renew {{ developer }} by {{ expires }}"\n}\n'
LADDER = """
rule "ladder" {
  while authorization is one of expiring, expired
  14 days before expires: notify owner "14 days: {{ developer }} {{ expires }}"
  3 days before expires: notify owner "3 days: {{ developer }} {{ expires }}"
}
"""


Lives = Callable[..., Life]


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    with ExitStack() as opened:
        yield lambda *more, **named: opened.enter_context(closing(Life(tmp_path, *more, **named)))


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize("path", sorted(STORIES.glob("*.rules")), ids=lambda path: path.stem)
def test_every_story_written_in_the_rule_language_holds(path: Path) -> None:
    name = str(path)
    rules = load_rules([*shipped_rules(), (name, path.read_text(encoding="utf-8"))], None)
    assert not rules.errors, rules.errors

    def bytes_of(step: object, _: str) -> bytes:
        named = getattr(step, "path", None)
        return (path.parent / named.value).read_bytes() if named else step.inline.value.encode()  # type: ignore[attr-defined]

    results = [r for r in run_tests(rules, bytes_of) if r.span.file == name]
    assert results
    assert [(r.name, r.failures) for r in results if r.failures] == []


def test_a_snooze_holds_time_rules_back_until_its_day_and_then_the_rung_comes(lives: Lives) -> None:
    life = lives(TASK + LADDER)
    life.mail(warning(), at(2024, 3, 11, 9))
    auth = life.only().id
    life.act(
        lambda ledger: snooze(ledger, auth, date(2024, 3, 30), at=at(2024, 3, 20).isoformat(), day=date(2024, 3, 20)),
        at(2024, 3, 20),
    )
    life.polls(at(2024, 3, 20), at(2024, 3, 29, 23))
    assert life.done("notify") == []
    life.polls(at(2024, 3, 30), at(2024, 4, 1))
    assert life.days("notify") == [date(2024, 3, 30)]


def tasks_of(life: Life) -> dict[str, str]:
    return {task["title"].removeprefix("[unverified] "): task["status"] for task in life.store.tasks()}


def test_a_task_is_done_when_a_later_date_is_seen_and_the_next_year_has_its_own(lives: Lives) -> None:
    life = lives(TASK)
    life.mail(warning(), at(2024, 3, 11, 9))
    assert tasks_of(life) == {"Renew Never Settle by 2024-04-10": "open"}
    life.mail(warning("2025-04-09", "Mon, 10 Mar 2025 08:00:00 +0000"), at(2025, 3, 10, 9))
    assert tasks_of(life) == {
        "Renew Never Settle by 2024-04-10": "done", "Renew Never Settle by 2025-04-09": "open",
    }  # fmt: skip


def test_a_task_is_open_again_when_a_reminder_says_that_nothing_was_renewed(lives: Lives) -> None:
    life = lives(TASK)
    life.mail(warning(), at(2024, 3, 11, 9), trust="authenticated")
    life.act(
        lambda ledger: renewed(ledger, life.only().id, at=at(2024, 3, 12).isoformat(), day=date(2024, 3, 12)),
        at(2024, 3, 12),
    )
    assert tasks_of(life) == {"Renew Never Settle by 2024-04-10": "done"}
    life.mail(warning(written="Mon, 18 Mar 2024 08:00:00 +0000", days=23), at(2024, 3, 18, 9), trust="authenticated")
    (owed,) = [o for o in life.store.ledger().of(life.only().id) if o.due == "2024-04-10"]
    assert tasks_of(life) == {"Renew Never Settle by 2024-04-10": "open" if owed.waiting else "done"}
    assert owed.waiting


def test_a_task_made_under_another_name_waits_on_when_two_records_are_linked(lives: Lives) -> None:
    life = lives(TASK)
    life.mail(warning(), at(2024, 3, 11, 9))
    seen = Sighting(
        account="shop", system="amazon", kind="", developer_id=None, developer="NeverSettle Inc.", region=None,
        expires=None, trust="confirmed", message="", at=at(2024, 3, 1).isoformat(), today=date(2024, 3, 1),
    )  # fmt: skip
    life.act(lambda ledger: enter(ledger, seen), at(2024, 3, 12))
    ids = {a.developer: a.id for a in life.store.ledger().live()}
    life.act(
        lambda ledger: link(ledger, ids["Never Settle"], ids["NeverSettle Inc."], at=at(2024, 3, 13).isoformat()),
        at(2024, 3, 13),
    )
    assert tasks_of(life) == {"Renew Never Settle by 2024-04-10": "open"}
    life.act(
        lambda ledger: renewed(ledger, life.only().id, at=at(2024, 3, 14).isoformat(), day=date(2024, 3, 14)),
        at(2024, 3, 14),
    )
    assert tasks_of(life) == {"Renew Never Settle by 2024-04-10": "done"}


def test_a_name_is_changed_only_by_who_is_believed_as_much(lives: Lives) -> None:
    life = lives(TASK)
    life.mail(warning(), at(2024, 3, 11, 9), trust="bound")
    life.mail(warning(name="Nothing To Do"), at(2024, 3, 12, 9), trust="unverified")
    assert life.only().developer == "Never Settle"
    life.mail(warning(name="Never Settle Ltd.", days=23), at(2024, 3, 18, 9), trust="bound")
    assert life.only().developer == "Never Settle Ltd."


def test_a_revoked_authorization_is_left_in_peace(lives: Lives) -> None:
    life = lives(TASK + LADDER)
    life.mail(warning(), at(2024, 3, 11, 9))
    auth = life.only().id
    life.act(
        lambda ledger: revoked(ledger, auth, at=at(2024, 3, 12).isoformat(), day=date(2024, 3, 12)), at(2024, 3, 12)
    )
    life.polls(at(2024, 3, 12), at(2024, 4, 20))
    assert [row["action"] for row in life.done()] == ["create_task"]
    assert state_of(life.only(), None, date(2024, 4, 20)) == "revoked"


def test_a_clock_set_back_and_forth_does_nothing_twice(lives: Lives) -> None:
    life = lives(TASK + LADDER)
    life.mail(warning(), at(2024, 3, 11, 9))
    for moment in (at(2024, 3, 28, 9), at(2024, 3, 12, 9), at(2024, 3, 28, 9), at(2024, 4, 12, 9), at(2024, 3, 28, 10)):
        life.poll(moment)
    texts = [row["stage"] for row in life.done("notify")]
    assert sorted(texts) == ["14 days before expires", "3 days before expires"]
    (owed,) = life.store.ledger().of(life.only().id)
    assert owed.state == "open"


def test_two_accounts_in_two_time_zones_each_have_their_own_day(lives: Lives) -> None:
    accounts = (
        AccountFacts(name="tokyo", zone=ZoneInfo("Asia/Tokyo")),
        AccountFacts(name="seattle", zone=ZoneInfo("America/Los_Angeles")),
    )
    life = lives(LADDER, accounts=accounts)
    life.mail(warning(), at(2024, 3, 11, 9), account="tokyo")
    life.mail(warning(days=29), at(2024, 3, 11, 9), account="seattle")
    life.polls(at(2024, 3, 26), at(2024, 3, 28), timedelta(minutes=30))
    instants = {row["account"]: datetime.fromisoformat(row["created"]) for row in life.done("notify")}
    assert instants["tokyo"] == at(2024, 3, 26, 23)  # 08:00 on the 27th in Tokyo
    assert instants["seattle"] == at(2024, 3, 27, 15)  # 08:00 on the 27th in Seattle


def test_nobody_is_written_to_in_quiet_hours_and_the_task_is_there_at_once(lives: Lives) -> None:
    account = AccountFacts(name="shop", zone=ZoneInfo("UTC"), quiet=(time(20), time(7)))
    life = lives(TASK + 'rule "tell" {\n  on authorization_expiring\n  notify owner "{{ expires }}"\n}\n', (account,))
    life.mail(warning(), at(2024, 3, 11, 23))
    assert len(life.done("create_task")) == 1
    assert life.store.claim(now=at(2024, 3, 12, 6, 59).isoformat()) == []
    assert [c.effect.action for c in life.store.claim(now=at(2024, 3, 12, 7).isoformat())] == ["notify"]


def test_a_rung_on_a_sunday_comes_on_friday_where_nobody_works_at_weekends(lives: Lives) -> None:
    account = AccountFacts(name="shop", zone=ZoneInfo("UTC"), working_days=frozenset(range(5)))
    life = lives(LADDER, (account,))
    life.mail(warning(), at(2024, 3, 11, 9))
    life.polls(at(2024, 3, 11), at(2024, 4, 9))
    assert life.days("notify") == [date(2024, 3, 27), date(2024, 4, 5)]  # the 7th of April is a Sunday


def test_a_name_alone_is_joined_by_hand_to_the_record_with_the_id(lives: Lives) -> None:
    life = lives(LADDER)
    seen = Sighting(
        account="shop", system="amazon", kind="", developer_id=None, developer="NeverSettle Inc.", region=None,
        expires="2024-04-10", trust="confirmed", message="", at=at(2024, 3, 1).isoformat(), today=date(2024, 3, 1),
    )  # fmt: skip
    life.act(lambda ledger: enter(ledger, seen), at(2024, 3, 1))
    life.mail(warning(), at(2024, 3, 11, 9))
    one, other = (a.id for a in life.store.ledger().live())
    life.act(lambda ledger: link(ledger, one, other, at=at(2024, 3, 12).isoformat()), at(2024, 3, 12))
    assert life.only().developer_id == "446453545547"
    life.polls(at(2024, 3, 12), at(2024, 4, 11))
    assert life.days("notify") == [date(2024, 3, 27), date(2024, 4, 7)]


def test_the_same_id_in_two_regions_is_two_authorizations(lives: Lives) -> None:
    life = lives(TASK)
    life.mail(warning(link="https://sellercentral.amazon.com/apps/manage"), at(2024, 3, 11, 9))
    life.mail(warning(link="https://sellercentral-europe.amazon.com/apps/manage"), at(2024, 3, 11, 10))
    assert {a.region for a in life.store.ledger().live()} == {"na", "eu"}
    assert len(life.done("create_task")) == 2


def test_what_a_script_made_sure_of_ends_the_warnings(lives: Lives) -> None:
    life = lives(TASK + LADDER)
    life.mail(warning(), at(2024, 3, 11, 9))
    auth = life.only().id
    life.act(
        lambda ledger: verified(
            ledger, auth, "2024-04-10", at=at(2024, 3, 20).isoformat(), day=date(2024, 3, 20), expires="2025-03-20"
        ),
        at(2024, 3, 20),
    )
    life.polls(at(2024, 3, 20), at(2024, 4, 20))
    assert life.done("notify") == []
    (owed,) = life.store.ledger().of(auth)
    assert (owed.state, owed.grade) == ("settled", "script verified")


def test_a_stranger_with_a_far_date_does_not_silence_the_genuine_warning(lives: Lives) -> None:
    life = lives(LADDER)
    life.mail(warning(), at(2024, 3, 11, 9), trust="authenticated")
    life.mail(warning(expires="2031-01-01", days=999), at(2024, 3, 12, 9), trust="unverified")
    life.polls(at(2024, 3, 12), at(2024, 4, 11))
    assert life.days("notify") == [date(2024, 3, 27), date(2024, 4, 7)]


def test_the_saved_page_of_a_seller_in_japan_is_evidence_for_each_of_its_rows(lives: Lives) -> None:
    account = AccountFacts(name="shop", zone=ZoneInfo("Asia/Tokyo"), region="fe", language="ja")
    life = lives(LADDER, (account,))
    page = """<html><body><table>
    <tr><th>開発者のニックネーム</th><th>開発者ID</th><th>権限の付与日</th><th>アクセス権の有効期限日</th><th></th></tr>
    <tr><td>shippinno</td><td>5259-6479-4073</td><td>2018年4月17日 10時26分33秒 JST</td><td>2019年4月17日</td><td>アクセス権を承認</td></tr>
    <tr><td>のすけ tools</td><td>0350-8119-4811</td><td>2018年5月2日 09時00分00秒 JST</td><td>2019年5月2日</td><td>アクセス権を承認</td></tr>
    </table></body></html>"""
    life.mail(page.encode(), at(2019, 3, 1), media="text/html")
    ledger = life.store.ledger()
    assert {(a.developer_id, a.expires) for a in ledger.live()} == {
        ("525964794073", "2019-04-17"),
        ("035081194811", "2019-05-02"),
    }
    life.polls(at(2019, 3, 1), at(2019, 4, 4))
    assert [row["authorization"] for row in life.done("notify")] == [
        next(a.id for a in ledger.live() if a.developer_id == "525964794073")
    ]


def test_a_dashboard_of_two_regions_speaks_of_two_authorizations(lives: Lives) -> None:
    life = lives(TASK, (AccountFacts(name="shop", zone=ZoneInfo("UTC"), region="eu"),))
    head = "From: AccountOne <service@accountone.de>\nSubject: Dashboard\n\n| Schnittstelle | Status |\n"
    life.mail(head + "| Amazon SP EU | Anbindung erneuern |\n| Amazon SP US | OK |\n", at(2024, 6, 3))

    def states() -> dict[str | None, str]:
        ledger = life.store.ledger()
        return {a.region: state_of(a, ledger.current(a.id), date(2024, 6, 3)) for a in ledger.live()}

    assert states() == {"eu": "expiring", "na": "active"}
    life.mail(head + "| Amazon SP | Anbindung erneuern |\n| Amazon SP EU | OK |\n", at(2024, 6, 4))
    assert states() == {"eu": "expiring", "na": "active"}
    life.mail(head + "| Amazon SP EU | OK |\n| Amazon SP US | Anbindung erneuern |\n", at(2024, 6, 5))
    assert states() == {"eu": "active", "na": "expiring"}


def test_where_two_sources_contradict_one_another_the_one_that_is_yielded_to_holds(lives: Lives) -> None:
    own = """
system hub "Example Hub" {
  mail from "hub.example"
  yields to amazon
}
notice authorization_expiring of hub {
  developer_id: developer_id
  developer: text
  expires: date "YYYY-MM-DD"
  wording en {
    line "Hub connection of {developer} ({developer_id}) ends {expires}"
  }
}
"""
    life = lives(own + LADDER)
    hub = "From: Hub <a@hub.example>\nSubject: x\n\nHub connection of Never Settle (446453545547) ends 2024-06-30\n"
    life.mail(warning(), at(2024, 3, 11, 9), trust="authenticated")
    life.mail(hub, at(2024, 3, 12, 9), trust="authenticated")
    assert life.only().expires == "2024-04-10"
    life.polls(at(2024, 3, 12), at(2024, 4, 11))
    assert life.days("notify") == [date(2024, 3, 27), date(2024, 4, 7)]
    assert any(e["what"] == "contradiction" for e in life.store.events(life.only().id))


def test_a_renewal_said_to_end_no_later_is_refused(lives: Lives) -> None:
    life = lives(TASK)
    life.mail(warning(), at(2024, 3, 11, 9))
    with pytest.raises(Exception, match="is not later than 2024-04-10"):
        renewed(
            life.store.ledger(),
            life.only().id,
            at=at(2024, 3, 12).isoformat(),
            day=date(2024, 3, 12),
            expires="2024-04-10",
        )
