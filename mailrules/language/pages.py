"""A page for each code of a problem: what it is, why, a wrong and a right example.

In: nothing. Out: CODES, for `mailrules explain CODE`. May not live here: finding problems.
The examples are whole: test_diagnostics.py checks that each wrong one gives its code and each right one nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailrules.language.pages_warnings import WARNINGS


@dataclass(frozen=True, slots=True)
class Page:
    """The page of one code."""

    title: str
    text: str
    wrong: str
    right: str


def _rule(*lines: str, name: str = "r") -> str:
    return "\n".join([f'rule "{name}" {{', *(f"  {line}" for line in lines), "}"])


_ON = "on authorization_expiring of amazon"
_WHILE = "while authorization is expiring"
_TASK = 'create task "Renew {{ developer }} by {{ expires }}"'
_TOLD = 'notify owner "{{ developer }} lapses on {{ expires }}"'
_SYSTEM = 'system hub "Example Hub" {\n  mail from "hub.example"\n}\n'
_SAMPLE = '"""\n  From: a@hub.example\n  Subject: Hub\n\n  days: {{ days }}\n  """'


def _notice(*lines: str) -> str:
    return _SYSTEM + "\n".join(["notice hub_ending of hub {", *(f"  {line}" for line in lines), "}"])


def _test(*lines: str) -> str:
    return "\n".join(['test "t" {', *(f"  {line}" for line in lines), "}"])


def _wording(*lines: str) -> tuple[str, ...]:
    return ("wording en {", *(f"  {line}" for line in lines), "}")


_ERRORS: dict[str, tuple[str, str, str, str]] = {
    "E001": (
        "a word or sign that cannot stand there",
        ("A line is read up to the first word or sign that does not belong there. The help line shows how such a line is written;\n"
        "each line of a block begins with a word of its own, and one that begins with `and` or `or` goes on with the one before."),
        _rule(_ON, "if days_left <= 30 days", _TASK),
        _rule(_ON, "when days_left <= 30 days", _TASK),
    ),
    "E002": (
        "a text without its end",
        'A text in " ends on its own line; a mail in """ ends with """ on a line of its own. Write \\" for a quote inside a text.',
        _rule(_ON, 'create task "Renew {{ developer }} by {{ expires }}'),
        _rule(_ON, 'create task "Renew {{ developer }} by {{ expires }}"'),
    ),
    "E003": (
        "a block that is never closed",
        "The file ended, or the next block began, while this one was still open. Each block ends with } on a line of its own.",
        _rule(_ON, _TASK).removesuffix("\n}"),
        _rule(_ON, _TASK),
    ),
    "E004": (
        "a character from a word processor or a web page",
        ("Curly quotes, full-width signs, non-breaking spaces, semicolons and what nobody can see come in by copying.\n"
        "The language wants plain characters; inside of texts, everything may stand."),
        _rule(_ON, "create task “Renew {{ developer }} by {{ expires }}”"),
        _rule(_ON, 'create task "Renew {{ developer }} by {{ expires }}"'),
    ),
    "E005": (
        "too large or too deep",
        ("A file has a million characters at most, a condition nests 64 deep at most, and a `let` made of other names\n"
        "may not grow without end: whatever is written, checking it takes little time."),
        _rule(_ON, "when " + "(" * 65 + "days_left < 3 days" + ")" * 65, _TASK),
        _rule(_ON, "when days_left < 3 days", _TASK),
    ),
    "E006": (
        "a day or time that does not exist",
        "Dates are written YYYY-MM-DD and times HH:MM, and both must exist.",
        _test('mail "notice.eml" at 2024-02-30 09:00', "expect nothing else"),
        _test('mail "notice.eml" at 2024-02-29 09:00', "expect nothing else"),
    ),
    "E007": (
        "a wording that cannot be used",
        ("A hole in a wording is {name} of a field of the notice, or {name: type}; `{{` is the character itself. A constant\n"
        "names a field, too. At least one clause without `maybe` must be found, or the wording would fit every mail."),
        _notice("developer: text", *_wording('line "Developer: {develloper}"')),
        _notice("developer: text", *_wording('line "Developer: {developer}"')),
    ),
    "E008": (
        "a rule that is not whole",
        "A rule has exactly one trigger (`on` or `while`), at most one `when`, `owner`, `description` and `runbook`, and something to do.",
        _rule(_TASK),
        _rule(_ON, _TASK),
    ),
    "E009": (
        "a wrong unit or an empty interval",
        "Deadlines are days and are counted in days or weeks; what repeats does so at least every day, and at least once.",
        _rule(_WHILE, "3 hours before expires: " + _TOLD),
        _rule(_WHILE, "1 day before expires: " + _TOLD),
    ),
    "E010": (
        "an unknown system",
        "A system is defined by a `system` block of some file; `mailrules check` counts them. The shipped ones are there always.",
        _rule(_ON.replace("amazon", "amazn"), _TASK),
        _rule(_ON, _TASK),
    ),
    "E011": (
        "an unknown notice",
        "`on` names a kind of notice that some file defines, or an event such as `unparsed`.",
        _rule("on authorization_expring", _TASK),
        _rule("on authorization_expiring", _TASK),
    ),
    "E012": (
        "an unknown fact or value",
        ("A condition may use the facts of the situation and, in a rule with `on`, the fields of its notice. Some facts have\n"
        "certain values only. A text that is no fact stands in quotes."),
        _rule(_ON, "when expirey < 2024-04-10", _TASK),
        _rule(_ON, "when expires < 2024-04-10", _TASK),
    ),
    "E013": (
        "a comparison of unlike things",
        "Both sides of a comparison are of one type: texts stand in quotes, dates and numbers do not, durations have a unit.",
        _rule(_ON, "when days_left <= 30", _TASK),
        _rule(_ON, "when days_left <= 30 days", _TASK),
    ),
    "E014": (
        "an unknown type or date format",
        ("A field is text, number, date, developer_id, address or domain. A date's format is made of YYYY, MM, DD, M, D and signs;\n"
        "MMMM and MMM are the month's full and short name. It has a year, a month and a day, each once."),
        _notice("ends: day", *_wording('line "Ends on: {ends}"')),
        _notice('ends: date "D.M.YYYY"', *_wording('line "Ends on: {ends}"')),
    ),
    "E015": (
        "defined twice",
        "One file defines a name once. A definition in a later file replaces an earlier one, and `check` notes it (N002).",
        _rule(_ON, _TASK) + "\n" + _rule(_WHILE, "at expires: " + _TOLD),
        _rule(_ON, _TASK) + "\n" + _rule(_WHILE, "at expires: " + _TOLD, name="s"),
    ),
    "E016": (
        "a field or value with a reserved name",
        ("Words that conditions compare with (levels of trust, states, regions, systems) cannot be fields: mail would say what they\n"
        "mean. A `let` cannot take the name of a fact."),
        _notice("bound: text", *_wording('line "Bound: {bound}"')),
        _notice("bound_text: text", *_wording('line "Bound: {bound_text}"')),
    ),
    "E017": (
        "a named value that does not fit",
        ("A `let` names one value, one condition or a list of values. It cannot be made of itself; a list stands after `is one of`\n"
        "or where a person stands, a number of days before `before` and `after`."),
        'let core = "Never Settle", "Example Tools"\n' + _rule(_ON, "when developer is core", _TASK),
        'let core = "Never Settle", "Example Tools"\n' + _rule(_ON, "when developer is one of core", _TASK),
    ),
    "E018": (
        "`trust is not` says two things",
        ("Trust is ordered, and `trust is bound` means bound or more. What `trust is not bound` means would be anybody's guess:\n"
        "less than bound, or anything else. Say which."),
        _rule(_ON, "when trust is not bound", _TASK),
        _rule(_ON, "when trust < bound", _TASK),
    ),
    "E019": (
        "a sender that is no domain",
        ("`mail from` names exact domains: what stands behind the @ of a sender. A star, an address or a part of a domain would\n"
        "never be compared with success, and the system's mails would count as a stranger's."),
        'system examplehub "Example Hub" {\n  mail from "*.examplehub.example"\n}\n',
        'system examplehub "Example Hub" {\n  mail from "examplehub.example", "mail.examplehub.example"\n}\n',
    ),
    "E020": (
        "an unknown action",
        "An action begins with `create task`, `notify`, `forward to`, `run`, `flag mail`, `mark mail`, `label mail` or `move mail to`.",
        _rule(_ON, 'send owner "{{ developer }} lapses"'),
        _rule(_ON, 'notify owner "{{ developer }} lapses"'),
    ),
    "E021": (
        "an action that is not whole, or has too much",
        "Some actions want a person, a script or a text, and `due` and `settle within` belong to one action each. One action a line.",
        _rule(_ON, "notify owner"),
        _rule(_ON, _TOLD),
    ),
    "E022": (
        "an unknown person, script or time zone, or no name of a mailbox",
        ("People stand under [people] and scripts under [scripts] of mailrules.toml; an address stands in quotes. Time zones are\n"
        "names such as Asia/Tokyo. Mailboxes, labels and keywords stand in quotes; a keyword is one word."),
        _rule(_ON, _TOLD.replace("owner", "onwer")),
        _rule(_ON, _TOLD),
    ),
    "E023": (
        "a rung in a rule without `while`",
        "Rungs and repetitions count from a deadline of the ledger, which only `while` rules look at.",
        _rule(_ON, "7 days before expires: " + _TOLD),
        _rule(_WHILE, "7 days before expires: " + _TOLD),
    ),
    "E030": (
        "a template that cannot be filled",
        "A template shows facts in {{ }}; every name is checked when the rules are loaded, and {single braces} show nothing.",
        _rule(_ON, 'create task "Renew {{ developr }} by {{ expires }}"'),
        _rule(_ON, 'create task "Renew {{ developer }} by {{ expires }}"'),
    ),
    "E031": (
        "an unknown expectation",
        "A test expects a task, a notify, a forward, a run, a flag, a mark, a label, a move, a notice, an authorization in some state, or `nothing else`.",
        _test('mail "notice.eml" at 2024-03-11 09:00', "expect email once"),
        _test('mail "notice.eml" at 2024-03-11 09:00', "expect notify once"),
    ),
    "E032": (
        "a table that does not fit",
        "Each row of a test's table has one value for each column, and a word that stands for a day is one of its columns.",
        _test("table days, expires {", '  "30"', "}", 'mail "n.eml" at 2024-03-11', "expect nothing else"),
        _test("table days, expires {", '  "30", 2024-04-10', "}", 'mail "n.eml" at 2024-03-11', "expect nothing else"),
    ),
    "E033": (
        "a sample that is not there",
        "`mail NAME` delivers the sample of that name in the same file; `with` fills the holes of a sample, not of a file.",
        f"sample hub {_SAMPLE}\n" + _test('mail hubb with days "30" at 2024-03-11 09:00', "expect nothing else"),
        f"sample hub {_SAMPLE}\n" + _test('mail hub with days "30" at 2024-03-11 09:00', "expect nothing else"),
    ),
    "E040": (
        "an action that unproven mail could reach",
        ("A script needs mail that is bound (authenticated, where it `changes_nothing`), forwarding outside needs authenticated mail.\n"
        "The rule's conditions must demand it, in each branch of an `or`; a `not` demands nothing."),
        _rule(_ON, 'run "renew"'),
        _rule(_ON, "when trust is bound", 'run "renew"'),
    ),
    "N001": (
        "a name that is not checked",
        "Without a configuration, names of people and scripts are taken as they are.",
        "",
        "",
    ),
    "N002": (
        "a definition is replaced",
        "A later file defines the same name differently; the later one holds.",
        "",
        "",
    ),
}  # fmt: skip

CODES: dict[str, Page] = {code: Page(*page) for code, page in (_ERRORS | WARNINGS).items()}
