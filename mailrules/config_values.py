"""Readers of single settings, and the list of everything that is wrong with them.

In: values as TOML gave them. Out: typed values; Problems with the file, the line and a sentence each.
May not live here: which settings there are (config.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
LIMITS = ("scripts_per_hour", "scripts_per_day", "mails_per_hour", "mails_per_recipient")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Limits(NamedTuple):
    """How often something may leave this machine or be started, over all rules, before it waits and a person is told."""

    scripts_per_hour: int = 20
    scripts_per_day: int = 50
    mails_per_hour: int = 60
    mails_per_recipient: int = 20
    """To one address in an hour."""


class Problems:
    """Everything that is wrong with one configuration file."""

    def __init__(self, path: Path, text: str) -> None:
        """Keep the text, to find the line of a key."""
        self.path, self.lines, self.found = path, text.splitlines(), list[str]()

    def add(self, key: str, sentence: str) -> None:
        """Note a problem with the line where its key stands."""
        last = key.rsplit(".", 1)[-1]
        number = next(
            (n for n, line in enumerate(self.lines, 1) if line.strip().startswith((last, f'"{last}"', f"[{key}"))), None
        )
        self.found.append(f"{self.path}{f':{number}' if number else ''}: {sentence}")

    def unknown(self, table: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
        """Note every key that does not exist, with a suggestion."""
        for key in given:
            if key not in known:
                where = f" in [{table}]" if table else ""
                self.add(f"{table}.{key}" if table else key, f"unknown key `{key}`{where}; {suggest(key, known)}")

    def take(
        self,
        table: str,
        given: Mapping[str, Any],
        key: str,
        kind: type | tuple[type, ...],
        default: Any = None,
        *,
        required: bool = False,
    ) -> Any:
        """Return a setting of the right type, or note what is wrong and return the default."""
        value = given.get(key, default)
        where = f"{table}.{key}" if table else key
        if key not in given and required:
            self.add(table, f"`{key}` is missing in [{table}]")
            return default
        if value is not None and (not isinstance(value, kind) or (kind is not bool and isinstance(value, bool))):
            names = {
                str: "a text in quotes",
                int: "a whole number",
                list: "a list",
                dict: "a table",
                bool: "true or false",
            }
            wanted = names.get(kind if isinstance(kind, type) else kind[0], "of another kind")
            self.add(where, f"`{where}` must be {wanted}")
            return default
        return value


def suggest(word: str, known: Any) -> str:
    """Return a help sentence: the near name, or the names that exist."""
    import difflib

    near = difflib.get_close_matches(word, list(known), 1)
    return f"did you mean `{near[0]}`?" if near else "known here: " + ", ".join(sorted(known))


def time_zone(problems: Problems, key: str, name: str) -> ZoneInfo:
    """Return a time zone by its name, or note the problem and return UTC."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        problems.add(key, f"`{name}` is no time zone; write it like America/Los_Angeles or Asia/Tokyo")
        return ZoneInfo("UTC")


def address(problems: Problems, key: str, value: object) -> bool:
    """Return whether a value is one mail address; note it where not."""
    good = isinstance(value, str) and value.count("@") == 1 and not any(c.isspace() or c in "<>,;" for c in value)
    if not good:
        problems.add(key, f"`{key}` must be one mail address")
    return good


def seconds(problems: Problems, key: str, value: object, default: float) -> float:
    """Return a time with its unit in seconds."""
    if value is None:
        return default
    text = str(value)
    number, unit = text[:-1], text[-1:]
    if number.isdigit() and unit in UNITS:
        return int(number) * UNITS[unit]
    problems.add(key, f'`{key}` must be a time with its unit, such as "60s" or "5m"')
    return default


def clock_time(problems: Problems, key: str, value: object) -> time | None:
    """Read a time of day such as "08:00"."""
    try:
        return time.fromisoformat(str(value))
    except ValueError:
        problems.add(key, f'`{key}` must hold times such as "08:00", not `{value}`')
        return None


def limits(problems: Problems, table: object) -> Limits:
    """Read [limits]; each is a whole number, and 0 stops that kind altogether."""
    if not isinstance(table, dict):
        problems.add("limits", "[limits] must be a table")
        return Limits()
    problems.unknown("limits", table, LIMITS)
    found = {name: problems.take("limits", table, name, int, getattr(Limits(), name)) for name in LIMITS}
    for name, most in found.items():
        if not 0 <= most <= 100_000:
            problems.add(f"limits.{name}", f"`limits.{name}` must be between 0 and 100000")
    return Limits(**found)
