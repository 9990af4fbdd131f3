"""What an action becomes: a call of a rule and a situation to the arguments of a complete effect.

In: a checked action, the facts, the World. Out: plain JSON arguments (see effects.py), or the sentence why not.
May not live here: whether and when it is done (decide.py, schedule.py), performing it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from mailrules.effects import ON_MAIL, ActionKind
from mailrules.language.ast import ActionCall, Name, Rule, Text
from mailrules.language.evaluate import offset_date
from mailrules.templates import render
from mailrules.world import AccountFacts, World

MAX_ARGUMENT, MAX_LINE, MAX_TEXT = 1024, 500, 100_000
"""Characters: of one argument of a script, of a title or subject, of any other text."""
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Control characters, invisible and direction characters, line ends: what a value may not smuggle in."""
UNVERIFIED_MARK = "[unverified] "
"""Before every title and subject that nothing proves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything one rule may look at, frozen before any rule runs.

    `kind` is the notice's kind or event, "" on a tick. `message` is the digest of the newest message, "" if none.
    """

    account: AccountFacts
    kind: str
    system: str
    authorization: str
    due: str
    message: str
    now: datetime
    facts: Mapping[str, Any]


def arguments(rule: Rule, call: ActionCall, kind: ActionKind, situation: Situation, world: World) -> dict[str, Any]:
    """Return the arguments of an effect. Raises ValueError with a sentence where they cannot be made."""
    facts = situation.facts
    mark = UNVERIFIED_MARK if facts["trust"] == "unverified" else ""
    text = shown(render(call.text.value, facts)) if call.text else ""
    line = one_line(text)
    if kind == "create_task":
        due = offset_date(call.due, facts) if call.due else None
        return {"title": mark + line, "due": due.isoformat() if due else None, "body": _about(facts, rule)}
    if kind in ON_MAIL:
        return {"message": situation.message or None}
    if kind == "run_script":
        return _script_arguments(call, situation, world)
    address = (
        call.target.value
        if isinstance(call.target, Text)
        else world.people.get(call.target.value if call.target else "", "")
    )
    if not address:
        raise ValueError(f"nobody is called `{call.target.value if isinstance(call.target, Name) else ''}` in [people]")
    subject = line or one_line(f"{facts['developer']}: authorization {facts['authorization']}")
    args: dict[str, Any] = {
        "to": [address],
        "subject": mark + subject,
        "body": f"{mark}{text or subject}\n\n{_about(facts, rule)}",
    }
    if kind == "forward":
        args["message"] = situation.message or None
    return args


def shown(text: str) -> str:
    """Return a text for people without what they would not see: line breaks and tabs stay, other hidden characters go."""
    plain = text.replace("\r\n", "\n")
    kept = "".join(c for c in plain if c in "\n\t" or unicodedata.category(c) not in HIDDEN)
    return kept if len(kept) <= MAX_TEXT else f"{kept[:MAX_TEXT]}…"


def one_line(text: str) -> str:
    """Return a title or a subject: one line, of a length that can be read."""
    line = shown(" ".join(text.split()))
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…"


def _about(facts: Mapping[str, Any], rule: Rule) -> str:
    """Return what a person needs to act: which authorization, until when, where, by whom and how it is renewed."""
    number = f" (Developer ID {facts['developer_id']})" if facts["developer_id"] else ""
    lines = [f"Account: {facts['account']}", f"Trust: {facts['trust']}"]
    if facts.get("subject"):
        lines.append(f"Mail: {one_line(facts['subject'])}")
    if facts.get("reason"):
        lines.append(f"Not read, because: {one_line(facts['reason'])}")
    if facts["developer"]:
        lines[:0] = [
            f"Authorization: {one_line(facts['developer'])}{number}",
            f"Expires: {facts['expires'] or 'no date was given'}",
        ]
    if facts["renew_at"]:
        lines.append(f"Renew at: {facts['renew_at']}")
    if facts["renew_by"]:
        lines.append(f"To be done by: {facts['renew_by']}")
    if facts["how"]:
        lines.append(f"How: {facts['how']}")
    if rule.owner:
        lines.append(f"Rule looked after by: {rule.owner.value}")
    if rule.runbook:
        lines.append(f"Runbook: {rule.runbook.value}")
    if facts.get("difference"):
        lines.append(f"\nWhat is different from the nearest wording:\n{facts['difference']}")
    if facts.get("draft"):
        lines.append(f"\nA wording that would read it; look at it, then paste it into a rules file:\n{facts['draft']}")
    return shown("\n".join(lines))


def _script_arguments(call: ActionCall, situation: Situation, world: World) -> dict[str, Any]:
    name = call.target.value if call.target else ""
    script = world.scripts.get(name)
    if script is None:
        raise ValueError(f"no script `{name}` is declared under [scripts]")
    argv = [script.argv[0]]
    for template in script.argv[1:]:
        argument = render(template, situation.facts)
        if len(argument) > MAX_ARGUMENT:
            raise ValueError(f"an argument of `{name}` is longer than {MAX_ARGUMENT} characters")
        if any(unicodedata.category(c) in HIDDEN for c in argument):
            raise ValueError(f"an argument of `{name}` holds control characters or invisible ones")
        if argument.startswith("-") and not template.startswith("-"):
            raise ValueError(
                f"an argument of `{name}` would begin with `-`; a value from mail may not look like an option"
            )
        argv.append(argument)
    plain = {name: _plain(value) for name, value in situation.facts.items()}
    return {
        "argv": argv, "timeout": script.timeout, "retry": script.retry, "cwd": script.cwd, "stdin": plain,
        "settle_hours": _hours(call), "verifies": script.verifies,
    }  # fmt: skip


def _plain(value: object) -> object:
    """Return a fact as plain JSON data: days and instants as ISO text, durations as whole days.

    Texts are told as they are, up to MAX_TEXT; halves of characters, which no UTF-8 can hold, are left out.
    """
    match value:
        case str():
            return value[:MAX_TEXT].encode("utf-8", "ignore").decode()
        case date() | datetime():
            return value.isoformat()
        case timedelta():
            return value.days
        case _:
            return value


def _hours(call: ActionCall) -> float | None:
    if call.settle is None:
        return None
    return call.settle.amount * {"minutes": 1 / 60, "hours": 1, "days": 24, "weeks": 168}[call.settle.unit]
