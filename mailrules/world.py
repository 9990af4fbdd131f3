"""The world that rules act in, as the configuration describes it: accounts, people, scripts, whom to believe.

In: nothing. Out: World and what it is made of; config.py fills it.
May not live here: anything of weight (every cron tick passes here), what is done with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import time
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

EVERY_DAY = frozenset(range(7))
NONE: Mapping[str, Any] = MappingProxyType({})
CHAT = "chat:"
"""Before the name of a chat, where an address would stand."""
INTERPRETER = re.compile(r"(?:python|pypy|perl|ruby|node|php|lua|bash|sh|dash|zsh|ksh)[\d.]*$")
"""Programs that run a text."""
STARTERS = frozenset((
    "chronic", "chrt", "doas", "env", "flock", "ionice", "nice", "nohup", "prlimit", "runuser", "setsid", "stdbuf", "sudo",
    "systemd-run", "taskset", "time", "timeout", "unshare",
))  # fmt: skip
"""Programs that do nothing but start another, which stands among their arguments."""
_CODE = re.compile(r"-[A-Za-z]*[ceErS]|--(?:eval|command|execute|run|print)|-[pmM]")
_ID = re.compile(r"(?:\*\.(?=[^.]+\.[^.]))?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")


class AccountFacts(NamedTuple):
    """What rules need to know of an account.

    Rungs come at `day_starts` on a working day (0 = Monday). Nobody is written to within `quiet` (begin, end; local).
    """

    name: str
    zone: ZoneInfo
    language: str = "en"
    region: str | None = None
    day_starts: time = time(8)
    warn_days: int = 30
    working_days: frozenset[int] = EVERY_DAY
    quiet: tuple[time, time] | None = None


class Script(NamedTuple):
    """A script declared in the configuration. `timeout` in seconds; `retry` is "never" or "safe".

    `verifies`: its success is evidence that the renewal happened; it may print `expires: YYYY-MM-DD`.
    """

    argv: tuple[str, ...]
    timeout: float = 60.0
    retry: str = "never"
    changes_nothing: bool = False
    verifies: bool = False
    cwd: str | None = None


class World(NamedTuple):
    """What effects are made with: people by name (an address, or CHAT and a chat's name), scripts and accounts by name."""

    people: Mapping[str, str] = NONE
    scripts: Mapping[str, Script] = NONE
    accounts: Mapping[str, AccountFacts] = NONE
    developers: Mapping[str, str] = NONE


class Receiver(NamedTuple):
    """The trust anchor of an account; exactly one is set.

    `authserv_id`: the name its provider stamps ("*.protonmail.ch" where the provider has many hosts).
    `topmost`: its provider (Microsoft) stamps no name, so that the field's place must speak for it.
    `dkim`: its provider stamps nothing to be believed, and we check the signature ourselves.
    """

    authserv_id: str = ""
    topmost: bool = False
    dkim: bool = False


def shaped_code(argv: Sequence[str]) -> str:
    """Return the argument of a declared script by which a mail would say what is run, "" where there is none."""
    code = False
    for at, word in enumerate(argv):
        filled = "{{" in word
        if filled and (at == 0 or code or _names_program(argv[:at])):
            return word
        started = any(INTERPRETER.match(before.rpartition("/")[2]) for before in argv[:at])
        code = started and _CODE.fullmatch(word) is not None
    return ""


def _names_program(before: Sequence[str]) -> bool:
    """Whether the next word may be what is run: only what starts or runs others, its options and numbers came so far."""
    names = [
        word.rpartition("/")[2] for word in before if not (word.startswith("-") or word[:1].isdigit() or "=" in word)
    ]
    return all(name in STARTERS or INTERPRETER.match(name) for name in names)


def outside(address: str, people: Mapping[str, str]) -> bool:
    """Whether an address is none of `people`; nobody has two that differ in the case of their letters alone."""
    return address.casefold() not in {known.casefold() for known in people.values()}


def is_authserv_id(text: str) -> bool:
    """Return whether a text can name a receiver: one host name, or "*." and a domain of two labels at least."""
    return _ID.fullmatch(text) is not None
