"""Random and damaged rules files: correct, or problems with a place; never an exception, a hang or a parser's word.

The short run belongs to every test run. For N minutes: MAILRULES_MINUTES=10 python3 run.py test -m torture -s tests/test_fuzz_language.py
"""

from __future__ import annotations

import os
import re
import time
from random import Random

import pytest
from programs import Program, damaged

from mailrules.language.ast import Problem
from mailrules.language.problems import CODES, render_problem
from mailrules.language.syntax.parse import parse
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules, shipped_text

GRAMMAR = grammar_text()
SHIPPED = shipped_rules()
BASES = [*(text for _, text in SHIPPED), shipped_text("rules/starter.rules")]
SECONDS = 2.0
_PARSERS_WORDS = re.compile(
    r"\b_?(?:NAME|STRING|INT|DATE|TIME|UNIT|ORDER|SIGN|LPAR|RPAR|LBRACE|RBRACE|COLON|COMMA|EQUAL|_NL|[A-Z]+_[A-Z_]+)\b|__\w+|\$END|Token\("
)


def examined(text: str) -> tuple[Problem, ...]:
    """Load a text beside the shipped files; every promise about problems is checked here."""
    start = time.process_time()
    problems = load([*SHIPPED, ("f.rules", text)], GRAMMAR).problems
    assert time.process_time() - start < SECONDS + len(text) / 50_000, "too slow"
    lines = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    for problem in problems:
        span = problem.span
        assert problem.code in CODES
        assert 1 <= span.line <= lines + 1, (problem, lines)
        assert span.column >= 1
        assert (span.end_line, span.end_column) >= (span.line, span.column)
        said = re.sub(
            r"`[^`]*`|\"[^\"]*\"|write .*|did you mean .*|known here.*", "", f"{problem.message} {problem.help}"
        )
        assert not _PARSERS_WORDS.search(said), said
        assert render_problem(problem, text)
    return problems


def one(seed: int) -> None:
    """One try: a program, a damaged program, or a damaged shipped file."""
    r = Random(seed)
    kind = r.random()
    if kind < 0.2:
        text = Program(r).file()
        assert parse(text, "f.rules", GRAMMAR)[1] == (), text
        examined(text)
    elif kind < 0.6:
        examined(damaged(Program(r).file(), r))
    else:
        base = r.choice(BASES)
        at = r.randint(0, max(0, len(base) - 3000))
        examined(damaged(base[at : at + 3000] if r.random() < 0.7 else base, r))


def test_some_hundred_random_files_are_read_or_told_what_is_wrong() -> None:
    for seed in range(250):
        try:
            one(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


@pytest.mark.torture
@pytest.mark.timeout(0)
def test_as_many_random_files_as_the_minutes_allow() -> None:
    minutes = float(os.environ.get("MAILRULES_MINUTES", "1"))
    first = int(os.environ.get("MAILRULES_SEED", str(time.time_ns() % 1_000_000_000)))
    ends, seed, failed = time.monotonic() + 60 * minutes, first, []
    while time.monotonic() < ends:
        try:
            one(seed)
        except Exception as error:
            failed.append(f"seed {seed}: {type(error).__name__}: {error}"[:500])
        seed += 1
    print(f"\n{seed - first} files tried in {minutes:g} minutes, from seed {first}; {len(failed)} failed")  # noqa: T201 - the number is what the run is for
    assert not failed, "\n".join(failed[:20])


DEEP = 'rule "r" {\n  on authorization_expiring\n  when %s\n  create task "T {{ expires }}"\n}\n'
BOMBS = {
    "open parentheses": DEEP % ("(" * 100_000),
    "parentheses": DEEP % ("(" * 5000 + "days_left < 3 days" + ")" * 5000),
    "nots": DEEP % ("not " * 20_000 + "forwarded"),
    "ands": DEEP % " and ".join(["days_left < 3 days"] * 4000),
    "sums": DEEP % ("expires" + " - 1 day" * 5000 + " < 2024-04-10"),
    "braces": "rule {\n" * 20_000,
    "quotes": '"' * 200_000,
    "triple quotes": '"""\n' * 50_001,
    "one line": "x " * 300_000,
    "one word": "x" * 900_000,
    "stray": "“" * 100_000,
    "curly pairs": "“a” " * 50_000,
    "comments": "# c\n" * 200_000,
    "long comment": "#" * 900_000,
    "empty lines": "\n" * 900_000,
    "unclosed rules": 'rule "r" {\n' * 20_000,
    "commas": DEEP % ('developer is one of "a"' + ', "a"' * 20_000),
    "values": DEEP % ("developer is one of (\n" + ",\n".join(['"a"'] * 20_000) + ")"),
    "table": 'test "t" {\n  table a, b {\n'
    + '    "1", 2024-04-10\n' * 10_000
    + '  }\n  mail "a.eml" at 2024-03-11\n  expect nothing else\n}\n',
    "let bomb": "let a0 = days_left < 3 days\n"
    + "".join(f"let a{n} = a{n - 1} and a{n - 1}\n" for n in range(1, 40))
    + DEEP % "a39",
    "long list bomb": 'let a0 = "x", "y"\n'
    + "".join(f"let a{n} = a{n - 1}, a{n - 1}\n" for n in range(1, 40))
    + DEEP % "developer is one of a39",
    "chain of lets": "".join(f"let a{n} = a{n + 1}\n" for n in range(3000))
    + 'let a3000 = "x"\n'
    + DEEP % "developer is a0",
    "ring of lets": "".join(f"let a{n} = a{(n + 1) % 500}\n" for n in range(500)) + DEEP % "developer is a0",
    "globs": "".join(DEEP.replace('"r"', f'"r{n}"') % f'subject matches "{"*a" * 400}"' for n in range(50)),
    "clashing globs": DEEP
    % " and ".join(f'developer is "{"a" * 2000}" and developer matches "{"a*" * 500}b"' for _ in range(1)),
    "unknown words": DEEP % " and ".join(f"unknown{n} is unknowm{n}" for n in range(2000)),
    "broken rows": 'rule "r" {\n' + "  when == ==\n" * 5000 + "}\n",
    "holes": 'notice n of amazon {\n  wording en {\n    says "' + "{a: text} x " * 5000 + '"\n  }\n}\n',
    "template": DEEP.replace("{{ expires }}", "{{ expires }}" * 5000) % "days_left < 3 days",
    "template parentheses": DEEP.replace("{{ expires }}", "{{ " + "(" * 3000 + "expires" + ")" * 3000 + " }}")
    % "days_left < 3 days",
    "block commas": "on a,\n" * 50_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_read_or_told_in_time_linear_in_its_size(name: str) -> None:
    examined(BOMBS[name])
