"""Every word a rule may use, one row each: type, meaning, where it comes from.

In: the levels of trust. Out: FACTS, ACTIONS, FIELD_TYPES and the sets of names; check.py, evaluate.py and the docs read them.
May not live here: logic longer than a row; syntax.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailrules.notices.notice import TRUST_LEVELS


@dataclass(frozen=True, slots=True)
class Fact:
    """One named, typed value of a situation. `values` are the only words it may be compared with, if it is a word.

    `needs` says where it exists: "" always, "notice" only in rules with `on`.
    """

    name: str
    type: str
    meaning: str
    needs: str = ""
    values: tuple[str, ...] = ()


TRUST = TRUST_LEVELS
STATES = ("active", "expiring", "expired", "revoked", "unknown")
REGIONS = ("na", "eu", "fe")
RENEWALS = ("none", "started", "unconfirmed")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

FACTS: tuple[Fact, ...] = (
    Fact("account", "text", "the account of mailrules.toml the mail came to"),
    Fact("system", "word", "the system the authorization belongs to, such as amazon"),
    Fact("region", "word", "Amazon's region of the authorization; nothing where unknown", values=REGIONS),
    Fact("authorization", "word", "the state of the authorization", values=STATES),
    Fact("developer", "text", "the developer's nickname, as the notice writes it"),
    Fact("developer_id", "developer_id", "the developer's 12 digits; nothing where no notice has named them"),
    Fact("expires", "date", "the day the authorization lapses; nothing for a status without a date"),
    Fact("days_left", "duration", "calendar days to that day in the account's time zone; 0 on the day itself"),
    Fact("trust", "ordered word", "how far the best evidence may be believed", values=TRUST),
    Fact("reminders", "number", "how many notices have spoken of this deadline"),
    Fact("opened", "date", "the day this deadline was first seen"),
    Fact("silent_for", "duration", "since the newest notice about this deadline, or since it was opened"),
    Fact("assumed", "yes or no", "whether the date was reckoned from a person's word and no source has spoken yet"),
    Fact(
        "renewal",
        "word",
        "none, started by a script, or unconfirmed: the script's `settle within` passed without evidence",
        values=RENEWALS,
    ),
    Fact("since_run", "duration", "since a script last finished for this deadline; nothing where none has"),
    Fact("renew_at", "text", "the address where this system's authorizations are renewed"),
    Fact("renew_by", "text", "who must renew there"),
    Fact("how", "text", "what the system says about renewing, in the account's language"),
    Fact("today", "date", "the day of this poll in the account's time zone"),
    Fact("weekday", "word", "its day of the week", values=WEEKDAYS),
    Fact("now", "instant", "the day and time of this poll in the account's time zone"),
    Fact("notice", "word", "the kind of the notice", needs="notice"),
    Fact("wording", "text", "the wording that fitted, such as en", needs="notice"),
    Fact("subject", "text", "the subject of the mail", needs="notice"),
    Fact("sender.address", "address", "the author's address", needs="notice"),
    Fact("sender.domain", "domain", "the part behind the @ of the author's address", needs="notice"),
    Fact("sender.name", "text", "the display name; anybody can write anything there", needs="notice"),
    Fact("body", "text", "the text of the mail", needs="notice"),
    Fact("received", "instant", "when the mail came, in the account's time zone", needs="notice"),
    Fact("forwarded", "yes or no", "whether the notice came inside another mail", needs="notice"),
    Fact("reason", "text", "why a notice could not be read; empty otherwise", needs="notice"),
    Fact("difference", "text", "how an unread notice differs from the nearest wording", needs="notice"),
    Fact("draft", "text", "a wording that would read it, to be looked at and pasted into a rules file", needs="notice"),
)


@dataclass(frozen=True, slots=True)
class ActionWord:
    """One action: the verb as written, the effect it becomes, what it takes ("" for nothing)."""

    verb: str
    kind: str
    target: str  # "person" | "script" | "keyword" | "label" | "mailbox" | ""
    takes_text: str  # "required" | "optional" | "no"
    options: tuple[str, ...]
    trust: str  # what must be demanded for it to be reachable; "" = nothing
    meaning: str


ACTIONS: tuple[ActionWord, ...] = (
    ActionWord(
        "create task", "create_task", "", "required", ("due",), "", "put a task into the list of `mailrules tasks`"
    ),
    ActionWord("notify", "notify", "person", "required", (), "", "write to somebody in [people]; one mail a poll"),
    ActionWord(
        "forward to", "forward", "person", "optional", (), "authenticated", "send the notice on, original attached"
    ),
    ActionWord("run", "run_script", "script", "no", ("settle",), "bound", "start a script declared in mailrules.toml"),
    ActionWord("flag mail", "flag_mail", "", "no", (), "", "flag the mail in its mailbox"),
    ActionWord("mark mail", "mark_mail", "keyword", "no", (), "", "give the mail a keyword of its mailbox"),
    ActionWord("label mail", "label_mail", "label", "no", (), "", "give the mail a label, at Gmail"),
    ActionWord("move mail to", "move_mail", "mailbox", "no", (), "", "move the mail to another mailbox that exists"),
)

FIELD_TYPES: dict[str, str] = {
    "text": "any text, runs of space made one",
    "number": "a whole number",
    "date": 'a date in the declared format, such as date "YYYY-MM-DD"',
    "developer_id": "12 digits, also written 4-4-4",
    "address": "a mail address",
    "domain": "a domain name",
}

EVENTS: dict[str, str] = {
    "unparsed": "a notice that could not be read; `reason` says why",
    "mail": "ordinary mail, which no wording fits",
}
"""Triggers besides the kinds of notice."""
