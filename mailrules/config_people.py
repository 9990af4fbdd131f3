"""The sections [people], [chats] and [digest] of mailrules.toml: who is written to, and how.

In: tables as TOML gave them. Out: names with where they are reached, Digest; what is wrong goes to Problems.
May not live here: the address of a chat, which holds a token: only the reference to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple

from mailrules.config_accounts import reference
from mailrules.config_values import DAYS, Problems, address, suggest
from mailrules.world import CHAT

CHAT_KEYS = ("url",)
DIGEST = ("to", "day", "days")
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Digest(NamedTuple):
    """A mail once a week: to whom, on which weekday (0 = Monday), how many days it looks ahead."""

    to: str
    weekday: int = 0
    days: int = 30


def people_of(problems: Problems, data: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Mapping[str, Any]]]:
    """Return everybody that rules may write to by name, and the chats among them with the references to their addresses."""
    people = {
        k: v for k, v in problems.take("", data, "people", dict, {}).items() if address(problems, f"people.{k}", v)
    }
    chats: dict[str, Mapping[str, Any]] = {}
    for name, table in problems.take("", data, "chats", dict, {}).items():
        where = f"chats.{name}"
        if not isinstance(table, dict):
            problems.add(where, f'[{where}] must be a table with url = {{ file = "…" }}')
            continue
        problems.unknown(where, table, CHAT_KEYS)
        if name in people:
            problems.add(where, f"`{name}` is in [people] and in [chats]; a rule could not tell them apart")
        chats[name] = reference(problems, where, "url", table.get("url"))
        people[name] = CHAT + name
    if chats and not find_spec("apprise"):
        problems.add("chats", "[chats]: writing to chats needs `pip install 'mailrules[notify]'`")
    return people, chats


def digest_of(problems: Problems, data: Mapping[str, Any], people: Mapping[str, str]) -> Digest | None:
    """Read [digest], None where there is none."""
    table = problems.take("", data, "digest", dict)
    if table is None:
        return None
    problems.unknown("digest", table, DIGEST)
    to = problems.take("digest", table, "to", str, "", required=True)
    if to and to not in people:
        problems.add("digest.to", f"`digest.to` is a name of [people] or [chats]; {suggest(to, people)}")
    day = problems.take("digest", table, "day", str, WEEK[0])
    if day not in (*WEEK, *DAYS):
        problems.add("digest.day", f"`digest.day` is a day such as monday; {suggest(day, WEEK)}")
        day = WEEK[0]
    days = problems.take("digest", table, "days", int, 30)
    if not 1 <= days <= 365:
        problems.add("digest.days", "`digest.days` must be between 1 and 365")
    return Digest(to=to, weekday=(WEEK if day in WEEK else DAYS).index(day), days=days)
