"""Problems as people read them, and a page for each code.

In: a Problem and the source it is about. Out: text in the manner of Elm and Cedar; CODES for `mailrules explain CODE`.
May not live here: finding problems.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from mailrules.language.ast import Problem


@dataclass(frozen=True, slots=True)
class Page:
    """The page of one code."""

    title: str
    text: str
    wrong: str
    right: str


CODES: dict[str, Page] = {
    "E001": Page(
        "the text is not in the language",
        "A word, a sign or a line stands where none of its kind may.",
        'rule "r" {\n  on a_notice\n  crate task "T"\n}',
        'rule "r" {\n  on a_notice\n  create task "T"\n}',
    ),
    "E002": Page(
        "a text without its closing quote",
        'A text in quotes ends on its own line; a mail in """ ends with """.',
        'create task "Renew',
        'create task "Renew"',
    ),
    "E003": Page(
        "a block that is never closed",
        "The file ended, or the next block began, while this one was still open.",
        'rule "r" {\n  on a_notice',
        'rule "r" {\n  on a_notice\n  create task "T"\n}',
    ),
    "E004": Page(
        "a character from a word processor",
        "Curly quotes, non-breaking spaces and the like come in by copying; the language wants plain ones.",
        "create task “Renew”",
        'create task "Renew"',
    ),
    "E005": Page(
        "too large or too deep",
        "A file has a million characters at most; conditions nest 64 deep at most.",
        "when ((((… ",
        "when a is b",
    ),
    "E006": Page(
        "a day or time that does not exist",
        "Dates are YYYY-MM-DD and must exist.",
        'mail "m.eml" at 2024-02-30',
        'mail "m.eml" at 2024-02-29',
    ),
    "E007": Page(
        "a hole that cannot be filled",
        "A hole in a wording is {name} of a field of the notice, or {name: type}.",
        'line "Expires: {expiry"',
        'line "Expires: {expires}"',
    ),
    "E008": Page(
        "a rule that is not whole",
        "A rule has one trigger (`on` or `while`), at most one `when`, and something to do.",
        'rule "r" {\n  create task "T"\n}',
        'rule "r" {\n  on authorization_expiring\n  create task "T"\n}',
    ),
    "E009": Page(
        "a wrong unit",
        "Deadlines are days and are counted in days or weeks.",
        "3 hours before expires: notify owner",
        "1 day before expires: notify owner",
    ),
    "E010": Page(
        "an unknown system",
        "A notice belongs to a system that some file defines.",
        "notice n of amazn { … }",
        "notice n of amazon { … }",
    ),
    "E011": Page(
        "an unknown notice",
        "`on` names a kind of notice that some file defines, or an event.",
        "on authorization_expired_soon",
        "on authorization_expiring",
    ),
    "E012": Page(
        "an unknown fact",
        "A condition may use the facts of the situation and the fields of the notice.",
        "when expirey is 2024-04-10",
        "when expires is 2024-04-10",
    ),
    "E013": Page(
        "a comparison of unlike things",
        "Both sides of a comparison must be of one type; durations have a unit.",
        "when days_left <= 30",
        "when days_left <= 30 days",
    ),
    "E014": Page(
        "an unknown type or date format",
        "A field is text, number, date, developer_id, address or domain; a date's format is made of YYYY, MM, DD, M, D.",
        "expires: day",
        'expires: date "YYYY-MM-DD"',
    ),
    "E015": Page(
        "defined twice",
        "One file defines a name once. A definition in another file of yours replaces a shipped one.",
        'rule "a" { … }\nrule "a" { … }',
        'rule "a" { … }\nrule "b" { … }',
    ),
    "E016": Page(
        "a field with a reserved name",
        "Words that conditions compare with (levels of trust, states, regions, systems) cannot be fields: mail would say what they mean.",
        "bound: text",
        "bound_text: text",
    ),
    "E020": Page(
        "an unknown action", "An action begins with a verb of the language.", 'make task "T"', 'create task "T"'
    ),
    "E021": Page(
        "an action that is not whole",
        "Some actions want a person, a script or a text, and some options belong to one action only.",
        "notify owner",
        'notify owner "{{ developer }} lapses"',
    ),
    "E022": Page(
        "an unknown person or script",
        "People stand under [people] and scripts under [scripts] of mailrules.toml.",
        'notify onwer "T"',
        'notify owner "T"',
    ),
    "E023": Page(
        "a rung in a rule without `while`",
        "Rungs count from a deadline in the ledger, which only `while` rules look at.",
        "on authorization_expiring\n7 days before expires: notify owner",
        "while authorization is expiring\n7 days before expires: notify owner",
    ),
    "E030": Page(
        "a template that cannot be filled",
        "A template shows facts in {{ }}; every name is checked when the rules are loaded.",
        'create task "Renew {{ developr }}"',
        'create task "Renew {{ developer }}"',
    ),
    "E031": Page(
        "an unknown expectation",
        "A test expects task, notify, forward, run, authorization, notice or nothing else.",
        "expect mail once",
        "expect forward to owner once",
    ),
    "E040": Page(
        "an action that strangers could reach",
        "Mail is hostile. Running a script and forwarding outside [people] must be demanded to be out of their reach: the rule's condition names the trust it needs.",
        'on authorization_expiring\nrun "renew"',
        'on authorization_expiring\nwhen trust is bound\nrun "renew"',
    ),
    "N001": Page(
        "a name that is not checked",
        "Without a configuration, names of people and scripts are taken as they are.",
        "",
        "",
    ),
    "N002": Page(
        "a shipped definition is replaced",
        "A later file defines the same name differently; the later one holds.",
        "",
        "",
    ),
}


def width(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def render_problem(problem: Problem, source: str) -> str:
    """Return a problem with its place, its line, an underline and what to do."""
    span = problem.span
    kind = "error" if problem.is_error else "warning" if problem.code.startswith("W") else "note"
    out = [f"{kind}[{problem.code}]: {problem.message}", f"  --> {span.file}:{span.line}:{span.column}"]
    lines = source.replace("\r\n", "\n").split("\n")
    if 1 <= span.line <= len(lines):
        line = lines[span.line - 1].removeprefix("\ufeff").replace("\t", " ")
        end = span.end_column if span.end_line == span.line else len(line) + 1
        before, marked = line[: span.column - 1], line[span.column - 1 : end - 1]
        gutter = " " * len(str(span.line))
        out += [
            f" {gutter} |",
            f" {span.line} | {line}",
            f" {gutter} | {' ' * width(before)}{'^' * max(1, width(marked))}",
        ]
    if problem.help:
        out.append(f"  = help: {problem.help}")
    if problem.code in CODES:
        out.append(f"  = see: mailrules explain {problem.code}")
    return "\n".join(out)
