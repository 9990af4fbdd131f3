"""The formatter: one layout, the same meaning, the same comments, nothing left to do the second time."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import Program

from mailrules.language.syntax.format import format_file
from mailrules.language.syntax.parse import parse
from mailrules.language.syntax.tokens import tokens
from mailrules.shipped import grammar_text, shipped_rules, shipped_text

GRAMMAR = grammar_text()
FILES = [*shipped_rules(), ("rules/starter.rules", shipped_text("rules/starter.rules"))]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

UNTIDY = """\
rule   "a"{ on x   # why
   when (a is b
 or c is "q  #"  )
 and d<=3 days   # t

     # remark
   and e is f   because "no"


   create   task "T"  ,due 7 days before expires

} # tail
# next
test "t" { mail \"\"\"
From: x

 b
\"\"\" as bound at 2024-01-01 09:00
}"""

TIDY = """\
rule "a" {
  on x  # why
  when (a is b
    or c is "q  #")
    and d <= 3 days  # t

  # remark
    and e is f because "no"

  create task "T", due 7 days before expires
}  # tail

# next
test "t" {
  mail \"\"\"
    From: x

     b
    \"\"\" as bound at 2024-01-01 09:00
}
"""


NEW = """\
let   core="A",   # first
"B",
"C"
let soon=( 1 days,
2 days )
sample  expiry   \"\"\"
From: x

b
\"\"\"
rule "r" { on x,
y
when expires-7 days<today
every 2 days   doubling from 7 days before expires at most 5 times : notify owner "T"
run "x",
settle within 24 hours
}
test "t" { table days,expires { "30",2024-04-10 # one
}
mail expiry with days days,
expires "x" at expires }
notice n of amazon { wording en { maybe line "a {x: text}" }}
"""

NEW_TIDY = """\
let core = "A",  # first
  "B",
  "C"
let soon = (1 days,
  2 days)
sample expiry \"\"\"
  From: x

  b
  \"\"\"
rule "r" {
  on x,
    y
  when expires - 7 days < today
  every 2 days doubling from 7 days before expires at most 5 times: notify owner "T"
  run "x",
    settle within 24 hours
}

test "t" {
  table days, expires {
    "30", 2024-04-10  # one
  }
  mail expiry with days days,
    expires "x" at expires
}

notice n of amazon {
  wording en {
    maybe line "a {x: text}"
  }
}
"""


def formatted(text: str) -> str:
    return format_file(text, "f.rules", GRAMMAR)


def comments(text: str) -> list[str]:
    return re.findall(r"#[^\n\"]*$", text, re.MULTILINE)


def noted(text: str) -> list[str]:
    return [t.text.rstrip() for t in tokens(text) if t.kind == "comment"]


def test_an_untidy_file_becomes_the_tidy_one() -> None:
    assert formatted(UNTIDY) == TIDY


def test_lists_tables_repetitions_samples_and_blocks_on_one_line_have_their_layout() -> None:
    assert formatted(NEW) == NEW_TIDY
    assert formatted(NEW_TIDY) == NEW_TIDY


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_a_program_of_the_whole_grammar_keeps_its_meaning_and_its_comments(r: Random) -> None:
    text = Program(r).file()
    before, problems = parse(text, "f.rules", GRAMMAR)
    assert problems == ()
    once = formatted(text)
    assert parse(once, "f.rules", GRAMMAR)[0].blocks == before.blocks
    assert formatted(once) == once
    assert noted(once) == noted(text)


@pytest.mark.parametrize(("path", "text"), FILES, ids=[path for path, _ in FILES])
def test_the_shipped_files_are_in_the_layout_already(path: str, text: str) -> None:
    assert format_file(text, path, GRAMMAR) == text


@pytest.mark.parametrize("text", ['rule "a" {\n  on x\n     creat task task = "T"\n}\n', "", 'rule "a" {'])
def test_a_file_that_cannot_be_read_comes_back_as_it_is(text: str) -> None:
    assert formatted(text) == text


@QUICK
@given(st.sampled_from([UNTIDY, *(text for _, text in FILES)]), st.data())
def test_whatever_the_white_space_the_meaning_and_the_comments_stay(text: str, data: st.DataObject) -> None:
    untidy = text
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(untidy)))
        untidy = untidy[:at] + data.draw(st.sampled_from([" ", "\n", "\t", "  # c\n", "\n\n\n", "\r\n"])) + untidy[at:]
    once = formatted(untidy)
    assert parse(once, "f.rules", GRAMMAR)[0].blocks == parse(untidy, "f.rules", GRAMMAR)[0].blocks
    assert formatted(once) == once
    assert len(comments(once)) == len(comments(untidy.replace("\r\n", "\n")))
