"""`or` in a wording: one clause that may be written in several ways."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailrules.language.syntax.format import format_file
from mailrules.mail.message import RawMessage
from mailrules.notices.notice import Notice
from mailrules.pipeline import read
from mailrules.ruleset import RuleSet, load
from mailrules.shipped import grammar_text

RULES = """system hub "Example Hub" {
  mail from "hub.example"
}

notice link_ending of hub {
  developer: text
  expires: date "YYYY-MM-DD"

  wording en {
    subject "Your link ends in {days: number} days" or "Your link ends in {days: number} day" or "Your link ends today"
    line "Tool: {developer} edit" or "Tool: {developer}"
      or "Name of tool: {developer}"
    maybe says "Hello {developer}," or "Dear {developer},"
    line "Ends: {expires}" or "Ends: {expires: date D.M.YYYY}"
  }
}
"""


def loaded(text: str) -> RuleSet:
    return load([("hub.rules", text)], grammar_text())


def found(body: str, subject: str = "Your link ends in 3 days") -> Notice:
    rules = loaded(RULES)
    assert rules.errors == ()
    content = f"From: a@hub.example\nSubject: {subject}\n\n{body}"
    (one,) = read(RawMessage(source="x", content=content.encode(), received_at=datetime.now(UTC)), rules).notices
    return one


@pytest.mark.parametrize("subject", ["Your link ends in 3 days", "Your link ends in 1 day", "Your link ends today"])
@pytest.mark.parametrize("name", ["Tool: T edit", "Tool: T", "Name of tool: T"])
@pytest.mark.parametrize("day", ["Ends: 2024-04-10", "Ends: 10.4.2024"])
def test_every_way_of_every_clause_goes_with_every_other(subject: str, name: str, day: str) -> None:
    one = found(f"{name}\n{day}\n", subject)
    assert (one.status, one.fields["developer"], one.fields["expires"]) == ("read", "T", "2024-04-10")
    assert one.fields.get("days") == (None if subject.endswith("today") else subject.split()[4])


def test_what_may_be_there_in_several_ways_must_still_agree() -> None:
    assert found("Dear T,\nTool: T\nEnds: 2024-04-10\n").status == "read"
    assert found("Dear U,\nTool: T\nEnds: 2024-04-10\n").status == "unparsed"


def test_what_fits_none_of_the_ways_is_missing() -> None:
    one = found("Gadget: T\nEnds: 2024-04-10\n")
    assert (one.status, one.reason) == ("unparsed", 'missing: "Tool: {developer} edit"')


def test_the_formatter_keeps_the_ways() -> None:
    assert format_file(RULES, "hub.rules", grammar_text()) == RULES


def test_each_way_is_checked_and_there_may_not_be_too_many() -> None:
    unknown = loaded(RULES.replace("Name of tool: {developer}", "Name of tool: {tool}"))
    assert [p.code for p in unknown.errors] == ["E007"]
    more = " or ".join(f'"Tool {n}: {{developer}}"' for n in range(5))
    many = loaded(RULES.replace('line "Tool: {developer} edit"', f'line {more} or "Tool: {{developer}} edit"'))
    assert ["48 ways" in p.message for p in many.errors] == [True]
