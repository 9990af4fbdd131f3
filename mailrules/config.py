"""mailrules.toml, the environment and secret references to one Config.

In: a path or none. Out: Config, or a ConfigError that lists every problem with its place. The only reader of settings.
May not live here: pydantic or anything slow (every cron tick passes here); a secret's value outside `secret()`.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from mailrules.config_values import (
    DAYS,
    LIMITS,
    Limits,
    Problems,
    address,
    clock_time,
    limits,
    seconds,
    suggest,
    time_zone,
)
from mailrules.decide.compose import Script, World
from mailrules.decide.schedule import EVERY_DAY, AccountFacts
from mailrules.errors import ConfigError
from mailrules.hosts import is_loopback
from mailrules.mail.auth import Receiver, is_authserv_id

FILE = "mailrules.toml"
TOP = (
    "timezone", "language", "rules", "store", "accounts", "smtp", "people", "scripts", "developers", "limits", "max_message_mb", "retention_days",
)  # fmt: skip
ACCOUNT = (
    "host", "port", "tls", "user", "password", "mailboxes", "region", "receiver", "timezone", "language", "day_starts",
    "fetch", "ca_file", "expiring_days", "quiet", "working_days",
)  # fmt: skip
SMTP = ("host", "port", "tls", "user", "password", "from", "ca_file", "timeout")
SCRIPT = ("argv", "timeout", "retry", "changes_nothing", "verifies", "cwd")
SECRET = ("command", "file", "env", "credential", "keyring")
PORTS = {"implicit": 993, "starttls": 143, "none": 143}
SMTP_PORTS = {"implicit": 465, "starttls": 587, "none": 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One mailbox owner's server. `password` is a reference: {"command": [...]}, {"file": "…"} or {"env": "…"}."""

    name: str
    host: str
    port: int
    tls: str
    user: str
    password: Mapping[str, Any]
    mailboxes: tuple[str, ...]
    facts: AccountFacts
    receiver: Receiver | None = None
    fetch: str = "candidates"
    ca_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """The server that mail goes out by; `sender` is the address it goes out from. `timeout` in seconds."""

    host: str
    port: int
    tls: str
    sender: str
    user: str | None = None
    password: Mapping[str, Any] | None = None
    timeout: float = 60.0
    ca_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings, checked; `origins` says for each dotted setting where it came from."""

    path: Path
    accounts: tuple[Account, ...]
    rules: tuple[str, ...]
    store: Path
    world: World
    smtp: Smtp | None = None
    limits: Limits = field(default_factory=Limits)
    max_message: int = 25_000_000
    retention: int = 400
    """For so many days the bytes of messages are kept."""
    origins: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder that relative paths count from."""
        return self.path.parent

    def account(self, name: str) -> Account:
        """Return one account; raises ConfigError with the names that exist."""
        for account in self.accounts:
            if account.name == name:
                return account
        names = [a.name for a in self.accounts]
        raise ConfigError(f"there is no account `{name}` in {self.path}", help=suggest(name, names))

    def rule_files(self) -> list[Path]:
        """Return the user's rule files in a fixed order; raises ConfigError for a pattern that fits nothing."""
        found: list[Path] = []
        for pattern in self.rules:
            base = Path(pattern)
            paths = sorted(base.parent.glob(base.name)) if base.is_absolute() else sorted(self.folder.glob(pattern))
            if not paths:
                raise ConfigError(
                    f"{self.path}: `rules` names {pattern}, and there is no such file",
                    help="correct the path, or write a first rule there",
                )
            found.extend(p for p in paths if p not in found)
        return found


def find(path: str | None) -> Path:
    """Return the configuration file: the flag, MAILRULES_CONFIG, ./mailrules.toml, the user's configuration folder."""
    if path or os.environ.get("MAILRULES_CONFIG"):
        chosen = Path(path or os.environ["MAILRULES_CONFIG"]).expanduser()
        if not chosen.is_file():
            raise ConfigError(
                f"there is no configuration file {chosen}", help="`mailrules init --host HOST --user USER` writes one"
            )
        return chosen.absolute()
    here = Path(FILE)
    if here.is_file():
        return here.absolute()
    # why here: only needed where nothing else was found
    from platformdirs import user_config_path

    there = user_config_path("mailrules") / FILE
    if there.is_file():
        return there
    raise ConfigError(
        f"no {FILE} here, and none at {there}",
        help="`mailrules init --host HOST --user USER` writes one; `mailrules demo` needs none",
    )


def load(path: str | None = None) -> Config:
    """Read and check the configuration; every problem is told at once. Raises ConfigError."""
    chosen = find(path)
    try:
        text = chosen.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{chosen} cannot be read: {error}") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{chosen} is not valid TOML: {error}") from error
    problems = Problems(chosen, text)
    config = _build(chosen, data, problems)
    if problems.found:
        raise ConfigError("\n".join(problems.found), help=f"correct {chosen.name}; nothing was done")
    return config


def _build(path: Path, data: dict[str, Any], problems: Problems) -> Config:
    problems.unknown("", data, TOP)
    zone = time_zone(
        problems, "timezone", os.environ.get("MAILRULES_TIMEZONE") or problems.take("", data, "timezone", str, "UTC")
    )
    language = problems.take("", data, "language", str, "en")
    people = {
        k: v for k, v in problems.take("", data, "people", dict, {}).items() if address(problems, f"people.{k}", v)
    }
    scripts = {
        name: _script(problems, name, table, path.parent)
        for name, table in problems.take("", data, "scripts", dict, {}).items()
    }
    developers = {str(k): str(v) for k, v in problems.take("", data, "developers", dict, {}).items()}
    for number in developers:
        if len(number) != 12 or not number.isdigit():
            problems.add(f"developers.{number}", f"`{number}` in [developers] is not a Developer ID of 12 digits")
    accounts = []
    for name, table in problems.take("", data, "accounts", dict, {}).items():
        if isinstance(table, dict):
            accounts.append(_account(problems, name, table, zone, language, path.parent))
        else:
            problems.add(f"accounts.{name}", f"[accounts.{name}] must be a table")
    if not data.get("accounts"):
        problems.add("accounts", "no account is configured; add [accounts.main] with host, user and password")
    store = os.environ.get("MAILRULES_STORE") or problems.take("", data, "store", str, "state/mailrules.db")
    rules = problems.take("", data, "rules", list, [])
    megabytes = problems.take("", data, "max_message_mb", int, 25)
    if not 1 <= megabytes <= 100:
        problems.add("max_message_mb", "`max_message_mb` must be between 1 and 100")
    retention = problems.take("", data, "retention_days", int, 400)
    if not 1 <= retention <= 36_500:
        problems.add("retention_days", "`retention_days` must be between 1 and 36500")
    if not isinstance(data.get("smtp", {}), dict):
        problems.add("smtp", "[smtp] must be a table")
    return Config(
        path=path, accounts=tuple(accounts), rules=tuple(str(r) for r in rules), store=(path.parent / Path(store).expanduser()),
        world=World(
            people=people, scripts={k: s for k, s in scripts.items() if s}, developers=developers,
            accounts={a.name: a.facts for a in accounts},
        ),
        smtp=_smtp(problems, data["smtp"], path.parent) if isinstance(data.get("smtp"), dict) else None, max_message=megabytes * 1_000_000,
        origins=_origins(path, data), limits=limits(problems, data.get("limits", {})),
        retention=max(1, min(retention, 36_500)),
    )  # fmt: skip


def _origins(path: Path, data: dict[str, Any]) -> dict[str, tuple[str, str]]:
    flat: dict[str, tuple[str, str]] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and not prefix.endswith("password"):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else key, inner)
        else:
            flat[prefix] = ("(a reference)" if prefix.endswith("password") else repr(value), str(path))

    walk("", data)
    for key, default in (
        ("timezone", "UTC"),
        ("language", "en"),
        ("store", "state/mailrules.db"),
        ("max_message_mb", 25),
        ("retention_days", 400),
        *((f"limits.{name}", getattr(Limits(), name)) for name in LIMITS),
    ):
        flat.setdefault(key, (repr(default), "default"))
    for key, variable in (("timezone", "MAILRULES_TIMEZONE"), ("store", "MAILRULES_STORE")):
        if os.environ.get(variable):
            flat[key] = (repr(os.environ[variable]), variable)
    return flat


def _script(problems: Problems, name: str, table: Any, folder: Path) -> Script | None:
    where = f"scripts.{name}"
    if not isinstance(table, dict):
        problems.add(where, f"[{where}] must be a table with argv")
        return None
    problems.unknown(where, table, SCRIPT)
    argv = problems.take(where, table, "argv", list, [], required=True)
    retry = problems.take(where, table, "retry", str, "never")
    cwd = problems.take(where, table, "cwd", str)
    if not argv or not all(isinstance(a, str) for a in argv):
        problems.add(f"{where}.argv", f"`{where}.argv` must list the program and its arguments as texts")
        return None
    if "{{" in argv[0]:
        problems.add(f"{where}.argv", "the program itself may not come from a template")
    if retry not in ("never", "safe"):
        problems.add(f"{where}.retry", f'`{where}.retry` is "safe" or left out')
    program = argv[0] if Path(argv[0]).is_absolute() or os.sep not in argv[0] else str(folder / argv[0])
    if os.sep not in program:
        program = shutil.which(program) or program
    return Script(
        argv=(program, *argv[1:]), timeout=min(seconds(problems, f"{where}.timeout", table.get("timeout"), 60.0), 900.0),
        retry=retry, changes_nothing=problems.take(where, table, "changes_nothing", bool, False),
        verifies=problems.take(where, table, "verifies", bool, False),
        cwd=str(folder / Path(cwd).expanduser()) if cwd else None,
    )  # fmt: skip


def _tls(problems: Problems, where: str, table: Mapping[str, Any], host: str) -> str:
    mode = str(problems.take(where, table, "tls", str, "implicit"))
    if mode not in PORTS:
        problems.add(f"{where}.tls", f"`{where}.tls` is implicit, starttls or none, not `{mode}`")
        return "implicit"
    if mode == "none" and not is_loopback(host):
        problems.add(
            f"{where}.tls",
            f"`{where}.tls` = none is allowed for this machine only; {host} would see the password in the clear",
        )
    return mode


def _port(problems: Problems, where: str, table: Mapping[str, Any], default: int) -> int:
    port = int(problems.take(where, table, "port", int, default))
    if not 1 <= port <= 65535:
        problems.add(f"{where}.port", f"`{where}.port` must be between 1 and 65535")
    return port


def _password(problems: Problems, where: str, value: object) -> Mapping[str, Any]:
    if isinstance(value, str):
        problems.add(
            f"{where}.password",
            f'`{where}.password` stands there in the clear; refer to it: password = {{ command = ["pass", "show", "…"] }}, {{ file = "…" }} or {{ env = "…" }}',
        )
        return {}
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in SECRET:
        problems.add(
            f"{where}.password",
            f'`{where}.password` must be one reference: {{ command = [...] }}, {{ file = "…" }} or {{ env = "…" }}',
        )
        return {}
    return value


def _account(
    problems: Problems, name: str, table: dict[str, Any], zone: ZoneInfo, language: str, folder: Path
) -> Account:
    where = f"accounts.{name}"
    problems.unknown(where, table, ACCOUNT)
    host = problems.take(where, table, "host", str, "", required=True)
    tls = _tls(problems, where, table, host)
    region = problems.take(where, table, "region", str)
    if region not in (None, "na", "eu", "fe"):
        problems.add(f"{where}.region", f"`{where}.region` is na, eu or fe, not `{region}`")
    fetch = problems.take(where, table, "fetch", str, "candidates")
    if fetch not in ("candidates", "all"):
        problems.add(f"{where}.fetch", f'`{where}.fetch` is "candidates" or "all"')
    starts = clock_time(problems, f"{where}.day_starts", problems.take(where, table, "day_starts", str, "08:00"))
    own = table.get("timezone")
    facts = AccountFacts(
        name=name, zone=time_zone(problems, f"{where}.timezone", str(own)) if own else zone,
        language=problems.take(where, table, "language", str, language), region=region,
        day_starts=starts or time(8), quiet=_quiet(problems, where, problems.take(where, table, "quiet", list, [])),
        working_days=_working_days(problems, where, problems.take(where, table, "working_days", list, list(DAYS))),
        warn_days=problems.take(where, table, "expiring_days", int, 30),
    )  # fmt: skip
    return Account(
        name=name, host=host, tls=tls, port=_port(problems, where, table, PORTS[tls]),
        user=problems.take(where, table, "user", str, "", required=True),
        password=_password(problems, where, table.get("password")),
        mailboxes=tuple(problems.take(where, table, "mailboxes", list, ["INBOX"])), facts=facts, fetch=fetch,
        receiver=_receiver(problems, where, table.get("receiver")), ca_file=_ca_file(problems, where, table, folder),
    )  # fmt: skip


def _quiet(problems: Problems, where: str, value: list[Any]) -> tuple[time, time] | None:
    if not value:
        return None
    times = [clock_time(problems, f"{where}.quiet", one) for one in value]
    if len(times) != 2 or times[0] == times[1]:
        problems.add(f"{where}.quiet", f'`{where}.quiet` is a begin and an end, such as ["22:00", "07:00"]')
        return None
    begin, end = times
    return (begin, end) if begin is not None and end is not None else None


def _working_days(problems: Problems, where: str, value: list[Any]) -> frozenset[int]:
    wrong = [day for day in value if day not in DAYS]
    if wrong or not value:
        problems.add(
            f"{where}.working_days",
            f'`{where}.working_days` lists days such as ["mon", "tue"], not {wrong or "nothing"}',
        )
        return EVERY_DAY
    return frozenset(DAYS.index(day) for day in value)


def _receiver(problems: Problems, where: str, value: object) -> Receiver | None:
    if value is None:
        return None
    key = f"{where}.receiver"
    if isinstance(value, dict) and set(value) == {"authserv_id"} and isinstance(value["authserv_id"], str):
        if is_authserv_id(value["authserv_id"]):
            return Receiver(authserv_id=value["authserv_id"])
        problems.add(key, f'`{key}`: an authserv_id is one host name, or "*." and a domain')
    elif value == {"topmost": True}:
        return Receiver(topmost=True)
    elif value == {"dkim": True}:
        if find_spec("dkim") and find_spec("dns"):
            return Receiver(dkim=True)
        problems.add(key, f"`{key}`: checking signatures needs dkimpy and dnspython: pip install 'mailrules[dkim]'")
    else:
        problems.add(key, f'`{key}` is {{ authserv_id = "…" }}, {{ topmost = true }} or {{ dkim = true }}')
    return None


def _smtp(problems: Problems, table: dict[str, Any], folder: Path) -> Smtp:
    problems.unknown("smtp", table, SMTP)
    host = problems.take("smtp", table, "host", str, "", required=True)
    tls = _tls(problems, "smtp", table, host)
    sender = problems.take("smtp", table, "from", str, "", required=True)
    if sender:
        address(problems, "smtp.from", sender)
    user = problems.take("smtp", table, "user", str)
    return Smtp(
        host=host, tls=tls, port=_port(problems, "smtp", table, SMTP_PORTS[tls]), sender=sender, user=user,
        password=_password(problems, "smtp", table.get("password")) if user else None,
        timeout=seconds(problems, "smtp.timeout", table.get("timeout"), 60.0),
        ca_file=_ca_file(problems, "smtp", table, folder),
    )  # fmt: skip


def _ca_file(problems: Problems, where: str, table: dict[str, Any], folder: Path) -> str | None:
    given = problems.take(where, table, "ca_file", str)
    return str(folder / Path(given).expanduser()) if given else None
