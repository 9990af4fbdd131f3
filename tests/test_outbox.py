"""The outbox and what empties it: every branch that decides whether a thing is done, once, later or never."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailrules import config as configuration
from mailrules.effects import Effect, Outcome, changed, described, effect_key
from mailrules.errors import UsageError
from mailrules.ledger import Authorization, Event, Ledger, Obligation
from mailrules.pipeline import Ingest
from mailrules.spine.drain import conclusion, drain
from mailrules.store import Claim, Store
from tests.house import EXPIRES, NOW, mail, settled
from tests.mails import DEVELOPER, DEVELOPER_ID

START = datetime(2026, 3, 1, tzinfo=UTC)


def at(**later: float) -> str:
    return (START + timedelta(**later)).isoformat()


def effect(action: Any = "notify", *, target: str = "me", stage: str = "", key: str = "", **more: Any) -> Effect:
    fields = {name: more.pop(name) for name in ("not_before", "state", "account") if name in more}
    key = key or effect_key("auth-1", "2026-04-01", "r", action, target, stage)
    return Effect(
        key=key, **{"account": "a", **fields}, rule="r", action=action, target=target, stage=stage, authorization="auth-1",
        due="2026-04-01", args=more,
    )  # fmt: skip


def planned(store: Store, *effects: Effect, now: str = at()) -> int:
    subject = Authorization(
        id="auth-1", account="a", system="s", developer_id="012345678901", developer="D", region="eu"
    )
    owed = Obligation(authorization="auth-1", due="2026-04-01", dated=True)
    return store.commit(
        Ingest(ledger=Ledger(), authorizations=(subject,), obligations=(owed,), effects=effects), now=now
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db", now=at()) as opened:
        yield opened


def only(store: Store) -> dict[str, Any]:
    (row,) = store.effects()
    return row


def test_the_short_name_of_an_effect_is_its_own_however_alike_two_keys_are(store: Store) -> None:
    keys = ["0" * 32, "0" * 8 + "1" * 24, "0" * 9 + "1" * 23]
    planned(store, *(effect(key=key, stage=key) for key in keys))
    names = {row["key"]: row["id"] for row in store.effects()}
    assert names == {keys[0]: "0" * 8, keys[1]: "0" * 8 + "1", keys[2]: "0" * 9}


def test_a_task_is_made_with_its_effect_and_one_that_was_missed_is_not(store: Store) -> None:
    assert (
        planned(
            store, effect("create_task", title="one"), effect("create_task", stage="x", state="missed", title="two")
        )
        == 2
    )
    assert [(task["title"], task["id"]) for task in store.tasks()] == [("one", "1")]
    assert [(row["state"]) for row in store.effects()] == ["done", "missed"]
    assert store.claim(now=at(days=99)) == []


def test_tasks_are_done_with_their_deadline_and_open_again_with_it(store: Store) -> None:
    planned(store, effect("create_task", title="one"))

    def becomes(*events: Event, **more: Any) -> list[str]:
        owed = Obligation(authorization="auth-1", due="2026-04-01", dated=True, **more)
        store.commit(Ingest(ledger=Ledger(), obligations=(owed,), events=events), now=at(days=1))
        return [task["status"] for task in store.tasks()]

    assert becomes(reminders=2) == ["open"]
    assert becomes(state="settled", grade="linked") == ["open"]
    assert becomes(state="settled", grade="later date") == ["done"]
    assert becomes(reminders=3) == ["done"]
    assert becomes(Event(authorization="auth-2", due="2026-04-01", at=at(), what="reopened")) == ["done"]
    assert becomes(Event(authorization="auth-1", due="2026-04-01", at=at(), what="reopened")) == ["open"]
    assert store.tasks()[0]["done_at"] is None


def test_nothing_but_what_is_named_is_performed_or_put_off(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mailrules.toml").write_text('[accounts.a]\nhost = "h.example"\nuser = "u"\npassword = { env = "X" }\n')
    config = configuration.load(str(tmp_path / "mailrules.toml"))
    planned(store, effect("run_script", target="gone"))
    before = only(store)
    assert drain(config, store, lambda: START, only=()) == []
    assert only(store) == before
    assert drain(config, store, lambda: START) == []
    assert "no script `gone` is declared" in only(store)["why"]


def test_what_is_to_be_done_later_is_neither_due_nor_claimed_before(store: Store) -> None:
    planned(store, effect(not_before=at(hours=1)))
    assert (store.due(at()), store.claim(now=at())) == ([], [])
    assert [e.state for e in store.due(at(hours=1))] == ["planned"]
    assert [claim.attempt for claim in store.claim(now=at(hours=1))] == [1]


def test_a_mail_is_moved_when_all_else_that_is_to_be_done_to_it_has_been_done(store: Store) -> None:
    def one(action: str, letter: str, message: str | None = "one", **more: Any) -> Effect:
        return effect(action, key=letter * 8, message=message, **more)

    def claimed(**later: float) -> tuple[str, list[Claim]]:
        claims = store.claim(now=at(**later))
        return "".join(claim.effect.key[0] for claim in claims), claims

    def due(**later: float) -> str:
        return "".join(item.key[0] for item in store.due(at(**later)))

    planned(
        store, one("move_mail", "a"), one("mark_mail", "b"), one("flag_mail", "c", not_before=at(hours=1)),
        one("move_mail", "d", "two"), one("flag_mail", "e", "two", account="b"), one("move_mail", "f", None),
    )  # fmt: skip
    assert due() == "bdef"  # what is claimed by and by
    names, claims = claimed()
    assert names == "bdef"
    store.settle(claims[:1], Outcome(result="retry", why="later"), at(), at(hours=2))
    store.settle(claims[1:], Outcome(result="done", why=""), at())
    assert claimed(minutes=1)[0] == ""
    assert due(hours=2) == "abc"
    names, claims = claimed(hours=2)
    assert names == "bc"
    store.settle(claims, Outcome(result="failed", why="no such keyword"), at(hours=2))
    assert claimed(hours=2)[0] == "a"


def test_a_claim_holds_for_its_lease_and_is_then_taken_again(store: Store) -> None:
    planned(store, effect(), now=at())
    (first,) = store.claim(now=at(), lease_seconds=60)
    assert (store.due(at(seconds=59)), store.claim(now=at(seconds=59))) == ([], [])
    assert len(store.due(at(seconds=60))) == 1
    (second,) = store.claim(now=at(seconds=60))
    assert (first.attempt, second.attempt, second.batch) == (1, 2, first.batch)
    store.settle(first, Outcome(result="failed", why="late"), at(seconds=61))
    assert only(store)["state"] == "claimed"
    store.settle(second, Outcome(result="done", why="sent"), at(seconds=62))
    assert (only(store)["state"], only(store)["why"]) == ("done", "sent")


def test_a_claim_of_a_dead_process_is_free_at_once_for_whoever_holds_the_store(store: Store) -> None:
    planned(store, effect("run_script", retry="safe"))
    store.claim(now=at())
    assert store.claim(now=at(seconds=1)) == []
    store.abandoned()
    assert [claim.attempt for claim in store.claim(now=at(seconds=1))] == [2]


def test_a_script_that_may_run_once_is_in_doubt_and_never_due_when_its_claim_has_lapsed(store: Store) -> None:
    planned(store, effect("run_script", retry="never"))
    store.claim(now=at())
    store.abandoned()
    assert store.due(at(seconds=1)) == []
    assert store.claim(now=at(seconds=1)) == []
    assert (only(store)["state"], only(store)["updated"]) == ("unknown", at(seconds=1))
    assert only(store)["why"] == "mailrules was stopped while it ran: it may have done its work"
    assert store.claim(now=at(days=9)) == []


def test_only_what_is_named_is_taken_and_its_batch_stays_within_that(store: Store) -> None:
    one, two, other = effect(stage="1"), effect(stage="2"), effect(stage="3", target="you")
    planned(store, one, two, other)
    assert [c.effect.key for c in store.claim(now=at(), only=[one.key])] == [one.key]
    store.settle(one.key, Outcome(result="retry", why="busy"), at())
    assert store.claim(now=at(), only=[]) == []
    assert {c.effect.key for c in store.claim(now=at(), only=[two.key, other.key])} == {two.key, other.key}


def test_a_batch_is_taken_whole_even_over_the_limit_of_one_call(store: Store) -> None:
    planned(store, effect(stage="1"), effect(stage="2"), effect(stage="3", target="me#second"))
    first = store.claim(now=at())
    assert (len(first), len({c.batch for c in first})) == (3, 1)
    store.settle(first, Outcome(result="retry", why="busy"), at())
    assert [c.batch for c in store.claim(now=at(), limit=1)] == [first[0].batch] * 3


def test_mails_to_another_person_or_of_another_account_are_no_part_of_a_batch(store: Store) -> None:
    planned(
        store, effect(), effect(target="you"), effect(stage="x", account="b"), effect("forward", stage="y", message="m")
    )
    claims = store.claim(now=at())
    assert len({c.batch for c in claims if c.effect.action == "notify"}) == 3
    assert [c.batch for c in claims if c.effect.action == "forward"] == [""]


def test_a_call_takes_so_much_the_oldest_first_and_no_more(store: Store) -> None:
    planned(store, *(effect("forward", stage=str(n), not_before=at(seconds=-n)) for n in range(5)))
    assert {c.effect.stage for c in store.claim(now=at(), limit=2)} == {"4", "3"}
    assert len(store.claim(now=at())) == 3


def test_what_is_settled_stays_as_it_is_and_an_unknown_key_is_nobodys(store: Store) -> None:
    planned(store, effect())
    store.settle("0" * 32, Outcome(result="done", why="x"), at())
    store.settle(only(store)["key"], Outcome(result="done", why="not claimed"), at())
    assert only(store)["state"] == "planned"
    (claim,) = store.claim(now=at())
    store.settle(claim, Outcome(result="failed", why="refused"), at())
    store.settle(claim, Outcome(result="done", why="again"), at(hours=1))
    assert (only(store)["state"], only(store)["why"], only(store)["updated"]) == ("failed", "refused", at())
    assert [e["what"] for e in store.events("auth-1")] == ["effect failed"]


def test_a_script_in_doubt_can_be_settled_by_the_one_who_finds_out(store: Store) -> None:
    planned(store, effect("run_script"))
    store.claim(now=at())
    store.abandoned()
    store.claim(now=at(seconds=1))
    store.settle(only(store)["key"], Outcome(result="done", why="it had"), at(seconds=2))
    assert only(store)["state"] == "done"


@pytest.mark.parametrize(("tried", "state"), [({"days": 5}, "planned"), ({"days": 5, "seconds": 1}, "failed")])
def test_what_is_tried_for_more_than_five_days_is_given_up(store: Store, tried: dict[str, int], state: str) -> None:
    planned(store, effect())
    (claim,) = store.claim(now=at())
    store.settle(claim, Outcome(result="retry", why="busy"), at(), at(hours=1))
    (claim,) = store.claim(now=at(hours=1))
    store.settle(claim, Outcome(result="retry", why="busy"), at(**tried), at(days=9))
    assert only(store)["state"] == state
    assert only(store)["why"] == ("busy" if state == "planned" else "given up after 5 days: busy")
    assert only(store)["not_before"] == (at(days=9) if state == "planned" else at(hours=1))


def test_what_is_to_be_tried_again_without_an_hour_is_due_at_once(store: Store) -> None:
    planned(store, effect())
    store.settle(store.claim(now=at()), Outcome(result="retry", why="busy"), at(hours=2))
    assert only(store)["not_before"] == at(hours=2)


def test_no_secret_is_written_down_with_what_came_of_an_effect(store: Store) -> None:
    planned(store, effect())
    store.settle(
        store.claim(now=at()), Outcome(result="failed", why="password=hunter22", output="token=abcdefgh"), at()
    )
    assert "hunter22" not in only(store)["why"]
    assert "abcdefgh" not in only(store)["output"]


def test_what_a_limit_holds_back_waits_untried_and_what_is_done_is_left_alone(store: Store) -> None:
    planned(store, effect())
    key = only(store)["key"]
    store.put_off(key, at(hours=1), " by a limit: two an hour", at())
    assert store.held_back() == [
        "held back by a limit: two an hour; nothing is lost, `mailrules effects` lists what waits"
    ]
    assert (store.claim(now=at()), len(store.claim(now=at(hours=1)))) == ([], 1)
    assert store.held_back() == []
    store.settle(key, Outcome(result="done", why="sent"), at(hours=1))
    store.put_off(key, at(hours=2), "two an hour", at(hours=1))
    assert only(store)["state"] == "done"


def test_what_was_sent_or_started_is_counted_once_a_batch_and_every_start(store: Store) -> None:
    planned(store, effect(stage="1", to=["me@shop.example"]), effect(stage="2", to=["me@shop.example"]))
    planned(store, effect("forward", to=["you@shop.example"]), effect("run_script", retry="safe"))
    for claim in store.claim(now=at()):
        result: Any = {"notify": "done", "forward": "failed", "run_script": "retry"}[claim.effect.action]
        store.settle(claim, Outcome(result=result, why="x"), at(seconds=5))
    counted = sorted((row["action"], row["at"], row["to"]) for row in store.performed_since(at()))
    assert counted == [("notify", at(seconds=5), ["me@shop.example"]), ("run_script", at(seconds=5), [])]
    assert store.performed_since(at(seconds=5)) == []


def test_a_start_in_doubt_counts_as_a_start(store: Store) -> None:
    planned(store, effect("run_script"))
    store.claim(now=at())
    store.abandoned()
    store.claim(now=at(seconds=1))
    assert [row["action"] for row in store.performed_since(at())] == ["run_script"]
    assert store.performed_since(at(seconds=1)) == []


def test_effects_are_told_by_state_and_by_authorization(store: Store) -> None:
    planned(store, effect(stage="1"), effect("create_task", title="t"))
    assert [row["action"] for row in store.effects("planned")] == ["notify"]
    assert len(store.effects(authorization="auth-1")) == 2
    assert store.effects(authorization="auth-2") == []
    assert [e.action for e in store.planned()] == ["notify"]
    assert store.effect_keys() == {row["key"] for row in store.effects()}


def test_a_person_lets_an_effect_begin_anew_cancels_it_and_names_it_by_either_name(store: Store) -> None:
    planned(store, effect())
    (claim,) = store.claim(now=at())
    store.settle(claim, Outcome(result="failed", why="refused"), at())
    again = store.set_effect_state(only(store)["id"], "planned", at(hours=1))
    assert (again["state"], again["why"], again["not_before"], again["updated"]) == ("planned", "", "", at(hours=1))
    (fresh,) = store.claim(now=at(hours=1))
    assert (fresh.attempt, fresh.effect.key) == (1, claim.effect.key)
    assert store.set_effect_state(claim.effect.key, "cancelled", at(hours=2))["state"] == "cancelled"
    store.settle(fresh, Outcome(result="done", why="x"), at(hours=3))
    assert only(store)["state"] == "cancelled"
    assert [e["what"] for e in store.events("auth-1")][-1] == "effect set to cancelled"
    with pytest.raises(UsageError, match="there is no effect nothing"):
        store.set_effect_state("nothing", "planned", at())


def test_what_begins_anew_has_five_days_of_its_own(store: Store) -> None:
    planned(store, effect())
    store.settle(store.claim(now=at()), Outcome(result="failed", why="refused"), at())
    store.set_effect_state(only(store)["id"], "planned", at(days=9))
    store.settle(store.claim(now=at(days=9)), Outcome(result="retry", why="busy"), at(days=9))
    assert only(store)["state"] == "planned"


def test_a_missed_task_that_a_person_wants_is_made_after_all(store: Store) -> None:
    planned(store, effect("create_task", state="missed", title="late"))
    assert store.set_effect_state(only(store)["id"], "planned", at())["state"] == "done"
    assert [task["title"] for task in store.tasks("open")] == ["late"]


def test_a_task_is_finished_once_and_one_that_is_not_there_is_told(store: Store) -> None:
    planned(store, effect("create_task", title="t"), effect("create_task", stage="2", title="u", due="2026-03-02"))
    assert [task["title"] for task in store.tasks()] == ["u", "t"]
    assert store.finish_task("1", at())["done_at"] == at()
    assert store.finish_task("1", at(hours=1))["done_at"] == at()
    assert [task["title"] for task in store.tasks("open")] == ["u"]
    assert store.task("3") is None
    with pytest.raises(UsageError, match="there is no task 3"):
        store.finish_task("3", at())


def test_a_claim_names_its_effect_whole(store: Store) -> None:
    given = effect("forward", to=["you@shop.example"], message="m")
    planned(store, given)
    (claim,) = store.claim(now=at())
    assert claim == Claim(effect=Effect(**{**_plain(given), "state": "claimed"}), attempt=1, batch="")


def _plain(one: Effect) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}


def test_a_key_is_made_of_what_for_which_deadline_and_of_nothing_else() -> None:
    whole = ("auth-1", "2026-04-01", "r", "notify", "me", "")
    keys = {effect_key(*whole)} | {effect_key(*(*whole[:n], whole[n] + "x", *whole[n + 1 :])) for n in range(6)}
    assert len(keys) == 7
    assert {len(key) for key in keys} == {32}
    assert effect_key("a", "b", "c", "d", "e", "f") == effect_key("a", "b", "c", "d", "e", "f")


def test_an_effect_is_described_as_a_rule_would_say_it() -> None:
    assert described(effect(subject="It ends")) == 'notify me "It ends"'
    assert described(effect("create_task", target="", title="Renew")) == 'create task "Renew"'
    assert described(effect("run_script", target="renew", argv=["/bin/x", "1", "2"])) == 'run renew "1 2"'
    assert described(effect("forward", target="owner")) == "forward to owner"


def test_in_what_two_effects_differ_is_told_and_the_minute_of_a_poll_is_no_difference() -> None:
    one, two = effect(subject="a", stdin={"now": "1", "x": 1}), effect(subject="b" * 300, stdin={"now": "2", "x": 1})
    assert changed(one, one) == []
    assert changed(one, two) == ['subject was "a", is "' + "b" * 199 + "…"]
    assert changed(effect(stdin="plain"), effect(stdin="plain")) == []
    assert changed(effect(), effect(target="me", to=["x"])) == ['to was null, is ["x"]']
    assert changed(effect(subject="b" * 198), effect(subject="c")) == ['subject was "' + "b" * 198 + '", is "c"']


# --- draining -------------------------------------------------------------------------------------------------------


def test_scripts_run_where_no_mail_can_be_sent(tmp_path: Path) -> None:
    rules = 'rule "renew" {\n  on authorization_expiring\n  when trust is bound\n  run "renew"\n}\n'
    with settled(tmp_path, rules, [mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=16)]) as house:
        text = house.toml.read_text(encoding="utf-8")
        start, end = text.index("[smtp]"), text.index("[people]")
        house.toml.write_text(text[:start] + text[end:], encoding="utf-8")
        outcome = house.poll()
        assert [(action, target) for action, target, _ in outcome.performed] == [("run_script", "renew")]
        assert house.done() == [("run_script", "done")]
        assert len(house.script_runs()) == 1


def test_a_script_that_is_no_longer_declared_waits_for_a_person_and_goes_on_once_it_is_again(tmp_path: Path) -> None:
    rules = 'rule "renew" {\n  on authorization_expiring\n  when trust is bound\n  run "renew"\n}\n'
    with settled(tmp_path, rules, [mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=16)]) as house:
        fails = "import sys\nsys.exit(75)\n"
        script = (house.folder / "renew.py").read_text(encoding="utf-8")
        house.change("mailrules.toml", "[scripts.renew]\n", '[scripts.renew]\nretry = "safe"\n')
        (house.folder / "renew.py").write_text(fails, encoding="utf-8")
        house.poll()
        assert house.done() == [("run_script", "planned")]
        (house.folder / "renew.py").write_text(script, encoding="utf-8")
        house.change("mailrules.toml", "[scripts.renew]", "[scripts.another]")
        house.change("my.rules", 'run "renew"', 'run "another"')
        for hours in (1, 3):
            outcome = house.poll(NOW + timedelta(hours=hours))
            assert [need for need in outcome.needs if "no script `renew` is declared under [scripts]" in need], (
                outcome.needs
            )
            assert (outcome.performed, house.done()) == ([], [("run_script", "planned")])
        house.change("mailrules.toml", "[scripts.another]", "[scripts.renew]")
        house.change("my.rules", 'run "another"', 'run "renew"')
        assert house.poll(NOW + timedelta(hours=5)).needs == []
        assert house.done() == [("run_script", "done")]
        assert len(house.script_runs()) == 1


def test_the_word_of_a_script_about_no_known_deadline_is_not_taken() -> None:
    said = conclusion(Ledger(), effect("run_script", target="renew"), "expires: 2027-01-01\n", NOW, None)
    assert said == "no deadline waits for what it verified"
