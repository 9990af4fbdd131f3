"""How each clause is written, and what people write instead: data for the messages of slips.py.

In: nothing. Out: tables that can be read from top to bottom. May not live here: the search for a mistake.
"""

from __future__ import annotations

import re

HEADS = {
    "system": 'system amazon "Amazon Seller Central" {',
    "notice": "notice authorization_expiring of amazon {",
    "wording": "wording en of authorization_expiring of amazon {",
    "rule": 'rule "renew before it lapses" {',
    "test": 'test "weekly reminders make one task" {',
    "let": "let soon = 30 days",
    "sample": 'sample expiry """ … """',
}
"""The head of each block."""

SHAPES: dict[str, dict[str, str]] = {
    "system": {
        "mail": 'mail from "amazon.com", "amazon.de"',
        "renew": 'renew at "https://…"` or `renew by "the primary user"',
        "how": 'how en "Sign in and choose Renew."',
        "shows": "shows within 24 hours",
        "yields": "yields to amazon",
    },
    "notice": {
        "wording": "wording en {",
        "refuse": 'refuse "why it is no notice of ours"',
        "": 'expires: date "YYYY-MM-DD"',
    },
    "wording": {
        "subject": 'subject "… {developer} …"',
        "line": 'line "Expiration date: {expires}"',
        "says": 'says "will expire on {expires}"',
        "maybe": 'maybe line "Region: {region: text}"',
        "": 'status is "expired"',
    },
    "rule": {
        "on": "on authorization_expiring of amazon",
        "while": "while authorization is expiring",
        "when": 'when days_left <= 30 days and developer is "Never Settle"',
        "description": 'description "One task for each deadline."',
        "owner": "owner admin",
        "runbook": 'runbook "https://wiki.example/renew"',
        "disabled": "disabled",
        "every": 'every 2 days from 7 days before expires: notify owner "…"',
        "at": 'at expires: notify owner "…"',
        "create": 'create task "Renew {{ developer }}" due 7 days before expires',
        "notify": 'notify owner "{{ developer }} lapses on {{ expires }}"',
        "forward": "forward to owner",
        "run": 'run "renew", settle within 24 hours',
        "flag": "flag mail",
        "mark": 'mark mail "$Renewal"',
        "label": 'label mail "Renewals"',
        "move": 'move mail to "Done"',
    },
    "test": {
        "timezone": 'timezone "Asia/Tokyo"',
        "table": "table days, expires {",
        "mail": 'mail "notice.eml" as bound at 2024-03-11 09:00',
        "renewed": 'renewed "Never Settle" until 2025-03-20 at 2024-03-20 10:00',
        "done": 'done "Renew Never Settle" at 2024-03-20 10:00',
        "add": 'add "Never Settle" of amazon expires 2024-04-10 at 2024-03-01 09:00',
        "poll": "poll every 1 hour until 2024-04-01",
        "expect": 'expect task "Renew Never Settle" once on 2024-03-11',
    },
    "table": {"": '"30", 2024-04-10'},
}  # fmt: skip
"""One line of each clause, by the word that it begins with; "" for a clause that begins with a word of its author's."""

RUNG = '7 days before expires: notify owner "…"'

FOREIGN: dict[str, dict[str, str]] = {
    "rule": {
        "if": "when", "where": "when", "given": "when", "provided": "when", "condition": "when", "trigger": "on", "event": "on",
        "upon": "on", "whenever": "on", "desc": "description", "title": "description", "note": "description", "enabled": "disabled",
        "disable": "disabled", "repeat": "every", "because": "when … because",
    },
    "system": {"from": "mail from", "url": "renew at", "domain": "mail from", "help": "how en"},
    "wording": {"body": "says", "contains": "says", "text": "says", "optional": "maybe", "title": "subject"},
    "notice": {"field": "", "reject": "refuse", "ignore": "refuse"},
    "test": {"given": "mail", "deliver": "mail", "receive": "mail", "assert": "expect", "then": "expect", "should": "expect", "zone": "timezone", "tz": "timezone", "wait": "poll every"},
}  # fmt: skip
"""First words that people bring from other languages, and the words they want."""

STARTS = {word: block for block in ("system", "wording", "test", "rule") for word in SHAPES[block]} | {
    "refuse": "notice"
}
"""Which block a clause belongs to, for one that stands on the wrong level."""

Phrase = tuple[re.Pattern[str], str, str]


def _rows(*rows: tuple[str, str, str]) -> tuple[Phrase, ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), message, help_) for pattern, message, help_ in rows)


_UNITS = "units are minutes, hours, days and weeks"
PHRASES = _rows(
    (r"https?://[^\s\"]*|[\w.+-]+@[\w.-]*\w|\b[\w-]+\.eml\b", r"`\g<0>` stands without quotes", r'write "\g<0>"'),
    (r"//|/\*|<!--|^--", r"`\g<0>` begins no comment here", "begin a comment with `#`"),
    (r"(?<=\) )because\b", "`because` stands behind one comparison, not behind a parenthesis", "move it behind the comparison inside"),
    (r"^(\w+(?:\.\w+)?) (?:<=?|>=?)(?= )", r"a condition begins with `when` or `while`, and this line begins with `\1`", r"if it goes on with the condition above, write and \g<0> …"),
    (r"\b(notify|forward to) (\w+) ?, ?(\w+)(?!\w)", r"`\1` takes one name", r"write a line for each, or a group: let team = \2, \3"),
    (r"(?<=[a-z] )at [0-9]{1,2}:[0-9]{2}(?= ?:)", "a rung has a day and no time of day", "delete it: rungs come after `day_starts` of the account"),
    (r"==", "`==` is no word of the language", "write `is`"),
    (r"!=|<>", r"`\g<0>` is no word of the language", "write `is not`"),
    (r"&&", "`&&` is no word of the language", "write `and`"),
    (r"\|\|", "`||` is no word of the language", "write `or`"),
    (r"!", "`!` is no word of the language", "write `not`"),
    (r"=<", "`=<` is the wrong way round", "write `<=`"),
    (r"=>", "`=>` is the wrong way round", "write `>=`, or end the line"),
    (r"->", "`->` is no word of the language", "end the line here, or write `:` after the day of a rung"),
    (r"\b[0-9]{10,}\b", r"`\g<0>` stands without quotes", r'write "\g<0>": an id is a text'),
    (r"\[|\]", r"`\g<0>` has no meaning here", 'write a list with commas alone: is one of "a", "b"'),
    (r"\{\{[^{}]*\}\}", r"`\g<0>` stands outside of a text", 'put the whole text in quotes: "Renew {{ developer }}"; a quote inside a text is \\"'),
    (r"\b([0-9]{4})[-/.]([0-9])[-/.]([0-9])\b", r"`\g<0>` is no date", r"write \1-0\2-0\3"),
    (r"\b([0-9]{4})[-/.]([0-9])[-/.]([0-9]{2})\b", r"`\g<0>` is no date", r"write \1-0\2-\3"),
    (r"\b([0-9]{4})[-/.]([0-9]{2})[-/.]([0-9])\b", r"`\g<0>` is no date", r"write \1-\2-0\3"),
    (r"\b([0-9]{4})[/.]([0-9]{2})[/.]([0-9]{2})\b", r"`\g<0>` is no date", r"write \1-\2-\3"),
    (r"\b[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2,4}\b", r"`\g<0>` is no date", "write year, month and day, such as 2024-04-10"),
    (
        r"\b(?:[0-9]{1,2}\.? )?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? [0-9]{1,4}(?:, ?[0-9]{4})?\b",
        r"`\g<0>` is no date", "write year, month and day, such as 2024-04-10",
    ),
    (r"\b([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2})(?::[0-9.]+)?Z?", r"`\g<0>` is no time", r"write \1 \2"),
    (r"\b([0-9]{2}:[0-9]{2}):[0-9]{2}\b", r"`\g<0>` is no time", r"write \1"),
    (r"\b([0-9]):([0-9]{2})\b", r"`\g<0>` is no time", r"write 0\1:\2"),
    (r"\b[0-9]{1,2}(?::[0-9]{2})? ?(?:am|pm)\b", r"`\g<0>` is no time", "write 09:00 or 17:30"),
    (r"\b([0-9]+) ?-? ?d\b|\b([0-9]+)-days?\b", r"`\g<0>` is no duration", r"write \1\2 days"),
    (r"\b([0-9]+) ?(?:h|hr|hrs)\b", r"`\g<0>` is no duration", r"write \1 hours"),
    (r"\b([0-9]+) ?(?:m|min|mins)\b", r"`\g<0>` is no duration", r"write \1 minutes"),
    (r"\b([0-9]+) ?(?:w|wk|wks)\b", r"`\g<0>` is no duration", r"write \1 weeks"),
    (r"\b([0-9]+) months?\b", f"a month has no fixed length; {_UNITS}", "write days: 30 days"),
    (r"\b([0-9]+) years?\b", f"a year has no fixed length; {_UNITS}", "write days: 365 days"),
    (r"\b([0-9]+) (?:business|working|work) ?days?\b", f"mailrules counts calendar days; {_UNITS}", r"write \1 days"),
    (r"\b[0-9]+ ?(?:s|secs?|seconds?)\b", f"seconds are too fine; {_UNITS}", "write 1 minute"),
    (r"\b(?:an?|one|two|three|four|five|six|seven|ten|fourteen|thirty) (minute|hour|day|week)s?\b", r"`\g<0>` is written with digits", r"write 7 \1s"),
    (r"\b[0-9]+[.,][0-9]+(?= |$)", r"`\g<0>` is no whole number", "write digits only, such as 30"),
    (r"\bevery ([0-9]+)(?= ?(?:from|:|at|doubling))|^([0-9]+)(?= (?:before|after)\b)", r"a unit is missing after `\g<0>`", r"write \g<0> days"),
    (r"\bdue ([0-9]+)(?= (?:before|after)\b)", r"a unit is missing after `\g<0>`", r"write \g<0> days"),
    (r"\bexactly ([0-9]+)(?: times?)?", r"`\g<0>` is no count", r"write `\1 times`"),
    (r"^let (\w+) ?(?:is|to|be|:=?)(?= )", "a `let` gives its value with `=`", r"write let \1 = …"),
    (r"\bis not (?:one of|in|any of)\b", r"`\g<0>` is no comparison", 'write not developer is one of "a", "b"'),
    (r"\bis (?:in|any of|either)\b|(?<!is )\bin\b(?= \")", r"`\g<0>` is no comparison", "write `is one of`"),
    (r"\b(?:is )?(?:greater|more|later|larger|bigger|higher) (?:than )?or equal(?: to)?\b", r"`\g<0>` is no comparison", "write `>=`"),
    (r"\b(?:is )?(?:less|fewer|earlier|smaller|lower) (?:than )?or equal(?: to)?\b", r"`\g<0>` is no comparison", "write `<=`"),
    (r"\b(?:is )?(?:greater|more|later|larger|bigger|higher|over|above) than\b", r"`\g<0>` is no comparison", "write `>`"),
    (r"\b(?:is )?(?:less|fewer|earlier|smaller|lower|under|below) than\b", r"`\g<0>` is no comparison", "write `<`"),
    (r"\b(?:is )?at least\b", r"`\g<0>` is no comparison", "write `>=`"),
    (r"\b(?:is )?at most (?=[0-9]+ (?:minute|hour|day|week))", r"`\g<0>` is no comparison", "write `<=`"),
    (r"\b(?:is )?equals?(?: to)?\b", r"`\g<0>` is no comparison", "write `is`"),
    (r"\bbetween\b.*", "`between` is no comparison", "write both ends: days_left >= 3 days and days_left <= 7 days"),
    (r"\bdoes not (?:contain|start with|end with|match)s?\b|\bdoesn.?t\b", r"`\g<0>` is no comparison", 'write `not` before the fact: not developer contains "x"'),
    (r"\bnot (?:contains|starts with|ends with|matches)\b", r"`\g<0>` is the wrong way round", 'write `not` before the fact: not developer contains "x"'),
    (r"\bisn.?t\b", r"`\g<0>` is no comparison", "write `is not`"),
    (r"\b(?:begins?|start) with\b", r"`\g<0>` is no comparison", "write `starts with`"),
    (r"\bend with\b", r"`\g<0>` is no comparison", "write `ends with`"),
    (r"\b(?:like|match|regex|glob)\b", r"`\g<0>` is no comparison", 'write `matches` with * and ?: developer matches "Never*"'),
    (r"\b(?:contain|includes?|has)\b", r"`\g<0>` is no comparison", "write `contains`"),
    (r"\bexists\b", "`exists` is no comparison", "write `is not nothing`"),
    (r"\b(?:then|do)\b", r"`\g<0>` is no word of the language", "delete it and put what follows on a line of its own"),
    (r"\bunless\b", "`unless` is no word of the language", "write `when not (…)`"),
    (r",\s*(?:and|or)\b", "a comma stands before `and` or `or`", "delete the comma"),
    (r",\s*,", "two commas stand side by side", "delete one of them"),
    (r"^(?:[0-9]+ \w+|(?!forward )\w+) (?:to|till|until|prior to|ahead of) (\w+)", r"`\g<0>` is no day to count to", r"write 7 days before \1"),
    (r"^(\w+) ?- ?([0-9]+ (?:day|week)s?)(?= ?:)", r"`\g<0>` is no day of a rung", r"write \2 before \1"),
    (r"^(\w+) ?\+ ?([0-9]+ (?:day|week)s?)(?= ?:)", r"`\g<0>` is no day of a rung", r"write \2 after \1"),
    (r"\bdue (\w+) ?- ?([0-9]+ (?:day|week)s?)", r"`\g<0>` is no day", r"write due \2 before \1"),
    (r"\bdue (?:on|by|in|at)\b.*", r"`\g<0>` is no day", "write `due 7 days before expires`, or `due expires`"),
    (r"^(create task|notify|forward to|run|flag mail|mark mail|label mail|move mail to|on|when|while|expect|mail from|renew at|subject|line|says|description|owner|runbook|timezone|refuse) ?:", r"the `:` after `\1` has no meaning", "delete the `:`"),
)  # fmt: skip
"""What stands in a row that cannot be read, what to say of it, and the edit. The first that is found is told."""

ASSIGNED = _rows(
    (r"(?<![=<>!])=(?!=)", "`=` only gives a value to the name of a `let`", "to compare, write `is`"),
)
RUNG_WITHOUT_COLON = re.compile(
    r"^((?:[0-9]+ \w+|\w+) (?:before|after) [\w.]+|at [\w.]+|every [0-9]+ \w+(?: doubling)?(?: from [\w. ]*?(?:before |after )?[\w.]+)?(?: at most [0-9]+ times?)?) (?=create|notify|forward|run|flag|mark|label|move)"
)
