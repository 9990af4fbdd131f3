"""Dates whose month is a word: by a table, in five languages, and nothing is guessed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailrules.mail.message import RawMessage
from mailrules.notices.fields import Unreadable, read_value
from mailrules.notices.notice import Notice
from mailrules.pipeline import read
from mailrules.ruleset import load
from mailrules.shipped import grammar_text

FULL = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
}
SHORT = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "de": "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
    "fr": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
    "es": "ene feb mar abr may jun jul ago sept oct nov dic",
    "it": "gen feb mar apr mag giu lug ago set ott nov dic",
}


@pytest.mark.parametrize(("token", "table"), [("MMMM", FULL), ("MMM", SHORT)])
@pytest.mark.parametrize("language", FULL)
def test_every_month_of_every_language_is_read_in_any_letter_case(
    token: str, table: dict[str, str], language: str
) -> None:
    for number, name in enumerate(table[language].split(), 1):
        for written in (name, name.upper(), name.lower()):
            assert read_value("date", f"D {token} YYYY", f"9 {written} 2024") == f"2024-{number:02}-09"


@pytest.mark.parametrize(
    ("form", "text", "day"),
    [
        ("MMMM D, YYYY", "April 10, 2024", "2024-04-10"),
        ("MMMM D, YYYY", "April 10, 2024 08:05 PM", "2024-04-10"),
        ("D. MMMM YYYY", "10. April 2024", "2024-04-10"),
        ("D MMM YYYY", "10 Apr 2024", "2024-04-10"),
        ("D MMM YYYY", "10 Apr. 2024", "2024-04-10"),
        ("D de MMMM de YYYY", "1 de marzo de 2024", "2024-03-01"),
        ("DD-MMM-YYYY", "01-Mar-2024", "2024-03-01"),
    ],
)
def test_a_month_as_a_word_is_read_where_the_format_says_so(form: str, text: str, day: str) -> None:
    assert read_value("date", form, text) == day


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("MMMM D, YYYY", "Apr 10, 2024"),
        ("MMMM D, YYYY", "April. 10, 2024"),
        ("MMM D, YYYY", "February 10, 2024"),
        ("MMMM D, YYYY", "Wednesday, April 10, 2024"),
        ("MMMM D, YYYY", "Aprill 10, 2024"),
        ("MMMM D, YYYY", "4 10, 2024"),
        ("MMMM D, YYYY", "February 30, 2024"),
        ("MMMM D, YYYY", "10 April 2024"),
        ("D MMMM YYYY", "10 kwietnia 2024"),
    ],
)
def test_what_the_table_and_the_format_do_not_say_is_not_read(form: str, text: str) -> None:
    assert isinstance(read_value("date", form, text), Unreadable)


RULES = """
system hub "Example Hub" {
  mail from "hub.example"
}
notice link_ending of hub {
  developer: text
  expires: date "MMMM D, YYYY"
  wording en {
    line "Tool: {developer}"
    says "It will stop working on {expires}"
  }
  wording de {
    line "Programm: {developer}"
    says "Es läuft am {expires: date D. MMMM YYYY} ab"
    line "Ende: {expires: date D. MMM YYYY}"
  }
}
"""


def found(body: str) -> Notice:
    content = f"From: a@hub.example\nSubject: x\nContent-Type: text/plain; charset=utf-8\n\n{body}"
    ready = load([("hub.rules", RULES)], grammar_text())
    assert ready.errors == ()
    (one,) = read(RawMessage(source="x", content=content.encode(), received_at=datetime.now(UTC)), ready).notices
    return one


@pytest.mark.parametrize(
    "body",
    [
        "Tool: T\nIt will stop working on April 10, 2024.",
        "Tool: T\nIt will stop working on\nApril 10, 2024, so hurry.",
        "Programm: T\nEs läuft am 10. April 2024 ab.\nEnde: 10. Apr. 2024",
        "| Programm | Ende |\n| T | 10. Apr 2024 |\n\nEs läuft am 10. April 2024 ab.",
    ],
)
def test_a_wording_reads_a_date_with_a_name_of_a_month_in_running_text_lines_and_tables(body: str) -> None:
    one = found(body)
    assert (one.status, dict(one.fields)) == ("read", {"developer": "T", "expires": "2024-04-10"})


def test_a_date_that_is_no_day_is_unparsed_and_two_that_differ_are_too() -> None:
    assert found("Tool: T\nIt will stop working on February 30, 2024.").status == "unparsed"
    assert found("Programm: T\nEs läuft am 10. April 2024 ab.\nEnde: 11. Apr. 2024").status == "unparsed"


@pytest.mark.parametrize("form", ["MMMM D", "MMMM D, YYYY MM", "D MMMMM YYYY", "D of MMMM YYYY", "DDD MMMM YYYY"])
def test_a_format_has_each_part_once_and_nothing_else(form: str) -> None:
    ready = load([("hub.rules", RULES.replace('"MMMM D, YYYY"', f'"{form}"'))], grammar_text())
    assert [p.code for p in ready.errors] == ["E014"]
