"""What an action becomes: a call of a rule and a situation to the arguments of a complete effect.

In: a checked action, the facts, the World. Out: plain JSON arguments (see effects.py), or the sentence why not.
May not live here: whether and when it is done (decide.py, schedule.py), performing it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from mailrules.effects import ON_MAIL, ActionKind
from mailrules.language.ast import ActionCall, Name, Rule, Text
from mailrules.language.evaluate import offset_date
from mailrules.templates import render
from mailrules.words import LANGUAGES, say
from mailrules.world import CHAT, AccountFacts, World

MAX_ARGUMENT, MAX_LINE, MAX_TEXT = 1024, 500, 100_000
"""Characters: of one argument of a script, of a title or subject, of any other text."""
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Control characters, invisible and direction characters, line ends: what a value may not smuggle in."""


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
    tell = partial(say, situation.account.language)
    mark = tell("mail.unverified") if facts["trust"] == "unverified" else ""
    text = shown(render(call.text.value, facts)) if call.text else ""
    line = one_line(text)
    if kind == "create_task":
        due = offset_date(call.due, facts) if call.due else None
        return {"title": mark + line, "due": due.isoformat() if due else None, "body": _about(facts, rule, tell)}
    if kind in ON_MAIL:
        return {"message": situation.message or None}
    if kind == "run_script":
        return _script_arguments(call, situation, world)
    address = (
        call.target.value
        if isinstance(call.target, Text)
        else world.people.get(call.target.value if call.target else "", "")
    )
    if kind == "forward" and address.startswith(CHAT):
        raise ValueError(f"`{address.removeprefix(CHAT)}` is a chat, which takes no forwarded mail; use `notify`")
    if not address:
        raise ValueError(f"nobody is called `{call.target.value if isinstance(call.target, Name) else ''}` in [people]")
    subject = line or one_line(tell("mail.subject", name=facts["developer"], id=facts["authorization"]))
    args: dict[str, Any] = {
        "to": [address],
        "subject": mark + subject,
        "body": f"{mark}{text or subject}\n\n{_about(facts, rule, tell)}",
    }
    if kind == "forward":
        args["message"] = situation.message or None
    return args


def shown(text: str) -> str:
    """Return a text for people without what they would not see: line breaks and tabs stay, other hidden characters go."""
    kept = text if text.isprintable() else _without_hidden(text.replace("\r\n", "\n"))
    return kept if len(kept) <= MAX_TEXT else f"{kept[:MAX_TEXT]}…"


def _without_hidden(text: str) -> str:
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in HIDDEN)


def unmarked(text: str) -> str:
    """Return a title or a subject without the mark before what nothing proves."""
    for language in LANGUAGES:
        text = text.removeprefix(say(language, "mail.unverified"))
    return text


def one_line(text: str) -> str:
    """Return a title or a subject: one line, of a length that can be read."""
    line = shown(" ".join(text.split()))
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…"


def _about(facts: Mapping[str, Any], rule: Rule, tell: Callable[..., str]) -> str:
    """Return what a person needs to act: which authorization, until when, where, by whom and how it is renewed."""
    lines = [
        tell("mail.account", name=facts["account"]),
        tell("mail.trust", level=tell(f"mail.trust_{facts['trust']}")),
    ]
    if facts.get("subject"):
        lines.append(tell("mail.mail", subject=one_line(facts["subject"])))
    if facts.get("reason"):
        lines.append(tell("mail.not_read", reason=one_line(facts["reason"])))
    if facts["developer"]:
        name, number = one_line(facts["developer"]), facts["developer_id"]
        lines[:0] = [
            tell("mail.authorization_with_id", name=name, number=number) if number else tell("mail.authorization", name=name),
            tell("mail.expires", day=facts["expires"] or tell("mail.no_date")),
        ]  # fmt: skip
    if facts["renew_at"]:
        lines.append(tell("mail.renew_at", link=facts["renew_at"]))
    if facts["renew_by"]:
        lines.append(tell("mail.renew_by", who=facts["renew_by"]))
    if facts["how"]:
        lines.append(tell("mail.how", text=facts["how"]))
    if rule.owner:
        lines.append(tell("mail.owner", name=rule.owner.value))
    if rule.runbook:
        lines.append(tell("mail.runbook", link=rule.runbook.value))
    if facts.get("difference"):
        lines.append(f"\n{tell('mail.difference')}\n{facts['difference']}")
    if facts.get("draft"):
        lines.append(f"\n{tell('mail.draft')}\n{facts['draft']}")
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
