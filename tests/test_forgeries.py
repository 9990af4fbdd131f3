"""Forged notices start nothing and stay visible; genuine ones are believed, at every provider."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from mailrules.ledger import Ledger
from mailrules.mail.message import RawMessage
from mailrules.notices.candidates import Candidates
from mailrules.notices.notice import Notice
from mailrules.pipeline import conclude, read, tick
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.store import Store
from mailrules.vocabulary import TRUST
from mailrules.world import AccountFacts, Script, World
from tests.forgeries import BOUND, PROFILES, Case, address_forms, authentications, genuine, phishing

RULES = """
rule "task" {
  on authorization_expiring of amazon
  create task "Renew {{ developer }} by {{ expires }}"
}
rule "forward outside" {
  on authorization_expiring of amazon
  when trust is authenticated
  forward to "agency@outside.example"
}
rule "look" {
  on authorization_expiring of amazon
  when trust is authenticated
  run "look"
}
rule "renew" {
  while authorization is expiring and system is amazon and trust is bound
  60 days before expires: run "renew", settle within 24 hours
}
"""
PEOPLE = {"owner": "owner@shop.example"}
SCRIPTS = {"look": Script(argv=("/bin/true",), changes_nothing=True), "renew": Script(argv=("/bin/true",))}
LOADED = load(
    [*shipped_rules(), ("forgeries.rules", RULES)],
    grammar_text(),
    people=PEOPLE,
    scripts={name: script.changes_nothing for name, script in SCRIPTS.items()},
)
CANDIDATES = Candidates(systems=LOADED.systems, wordings=LOADED.wordings, people=set(PEOPLE.values()))
END_OF_HEADER = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True)
class Outcome:
    case: Case
    notices: tuple[Notice, ...]
    actions: Counter[str]
    fetched: bool
    shown: bool

    @property
    def level(self) -> str:
        return max((n.trust for n in self.notices), key=TRUST.index)


def world(case: Case) -> World:
    ids = {value: "known" for _, value in case.text.block if value.isdigit() and len(value) == 12}
    facts = AccountFacts(name="shop", zone=ZoneInfo("UTC"), language="en", region="na")
    return World(people=PEOPLE, scripts=SCRIPTS, developers=ids, accounts={"shop": facts})


def shown(store: Store) -> int:
    """Return how much `mailrules tasks` and `mailrules trust` have to show."""
    return len(store.tasks("open")) + sum(row["seen"] for row in store.senders())


def outcome(case: Case, store: Store) -> Outcome:
    """Let one mail come, and a poll follow; the ledger is empty for each, the store is told of all."""
    around = world(case)
    raw = RawMessage(source="x", content=case.content, received_at=case.arrived, account="shop")
    reading = read(raw, LOADED, receiver=case.receiver, developers=around.developers)
    now = case.arrived.astimezone(UTC)
    came = conclude(reading, Ledger(), LOADED, around, now)
    later = tick(came.ledger, LOADED, around, now)
    effects = [e for e in (*came.effects, *later.effects) if e.state == "planned"]
    before = shown(store)
    store.commit(came, now=now.isoformat())
    store.commit(later, now=now.isoformat())
    head = case.content[: END_OF_HEADER.search(case.content).start()]  # type: ignore[union-attr]
    actions = Counter(e.action for e in effects)
    return Outcome(case, reading.notices, actions, CANDIDATES.reason(head) is not None, shown(store) > before)


def outcomes(cases: Iterable[Case]) -> Iterator[Outcome]:
    """Let the cases come in one after another, to one store."""
    with Store.scratch(None) as store:
        for case in cases:
            yield outcome(case, store)


def faults(cases: Iterable[Case]) -> tuple[list[str], Counter[str]]:
    found, levels = [], Counter[str]()
    for one in outcomes(cases):
        name, level = one.case.name, one.level
        levels[level] += 1
        if level != one.case.level:
            found.append(f"{name}: {level}, deserves {one.case.level} ({one.notices[0].trust_reason})")
        if one.case.level != BOUND and (one.actions["run_script"] or one.actions["forward"]):
            found.append(f"{name}: {dict(one.actions)}")
        if not one.shown or one.fetched == one.case.hidden:
            found.append(f"{name}: shown {one.shown}, fetched {one.fetched}")
    return found, levels


def test_the_rules_check() -> None:
    assert [p.message for p in LOADED.errors] == []


def told(capsys: pytest.CaptureFixture[str], what: str, cases: Iterable[Case]) -> list[str]:
    found, levels = faults(cases)
    with capsys.disabled():
        sys.stdout.write(f"\n{what}: {levels.total()} mails, {dict(levels)}, {len(found)} faults\n")
    return found


def test_phishing_in_every_technique_and_language_starts_nothing_and_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert told(capsys, "phishing", phishing()) == []


def test_every_form_of_a_from_that_readers_take_differently_is_forged(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "forms of From", address_forms()) == []


def test_a_forged_proof_is_never_believed_and_a_genuine_one_is_in_every_providers_form(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert told(capsys, f"proofs over {len(PROFILES)} receivers", authentications()) == []


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.parametrize("make", [phishing, address_forms, authentications])
def test_no_forgery_gets_above_its_level_with_any_proof_at_any_receiver_in_any_language(
    make: Callable[..., Iterator[Case]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, make.__name__, make(every=True)) == []


def test_the_genuine_notice_of_every_language_is_believed_at_every_provider(capsys: pytest.CaptureFixture[str]) -> None:
    done = list(outcomes(genuine()))
    levels = Counter(one.level for one in done)
    with capsys.disabled():
        sys.stdout.write(f"\ngenuine: {len(done)} mails, {dict(levels)}\n")
    assert [(one.case.name, one.notices[0].trust_reason) for one in done if one.level != BOUND] == []
    assert [one.case.name for one in done if not (one.actions["run_script"] and one.actions["forward"])] == []


def test_the_generator_gives_the_same_bytes_for_the_same_seed() -> None:
    assert [c.content for c in authentications()] == [c.content for c in authentications()]
