"""mailrules.toml, the environment and secret references to one Config.

In: a path or none. Out: Config, or a ConfigError that lists every problem with its place. The only reader of settings.
May not live here: pydantic or anything slow (every cron tick passes here); a secret's value outside `secret()`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mailrules.config_accounts import (
    ACCOUNT,
    OAUTH,
    PORTS,
    SECRET,
    SMTP,
    Account,
    Smtp,
    account,
    oauth_clients,
    smtp,
)
from mailrules.config_people import CHAT_KEYS, DIGEST, Digest, digest_of, people_of
from mailrules.config_values import LIMITS, Limits, Problems, limits, seconds, suggest, time_zone
from mailrules.errors import ConfigError
from mailrules.redact import Secrets, new_secrets
from mailrules.secret import secret
from mailrules.sources.oauth import OAuthClient
from mailrules.world import Script, World, shaped_code

__all__ = [
    "ACCOUNT", "CHAT_KEYS", "DIGEST", "FILE", "LIMITS", "OAUTH", "PORTS", "SCRIPT", "SECRET", "SMTP", "TOP", "Account", "Config", "OAuthClient", "Smtp",
    "find", "load",
]  # fmt: skip

FILE = "mailrules.toml"
TOP = (
    "timezone", "language", "rules", "store", "accounts", "oauth", "smtp", "people", "chats", "digest", "scripts", "developers", "limits", "max_message_mb", "retention_days",
)  # fmt: skip
SCRIPT = ("argv", "timeout", "retry", "changes_nothing", "verifies", "cwd")


class Config(NamedTuple):
    """All settings, checked; `origins` says for each dotted setting where it came from."""

    path: Path
    accounts: tuple[Account, ...]
    rules: tuple[str, ...]
    store: Path
    world: World
    smtp: Smtp | None
    oauth: Mapping[str, OAuthClient]
    chats: Mapping[str, Mapping[str, Any]]
    """References to the addresses of chats, by name."""
    digest: Digest | None
    language: str
    limits: Limits
    max_message: int
    retention: int
    """For so many days the bytes of messages are kept."""
    origins: Mapping[str, tuple[str, str]]
    secrets: Secrets
    """What was fetched of the secrets that it refers to."""

    def secret(self, reference: Mapping[str, Any], what: str) -> Callable[[], str]:
        """Return what fetches a secret when it is needed; `what` names it in errors."""
        return secret(reference, self.folder, what, self.secrets)

    @property
    def folder(self) -> Path:
        """The folder that relative paths count from."""
        return self.path.parent

    def account(self, name: str) -> Account:
        """Return one account; raises ConfigError with the names that exist."""
        for one in self.accounts:
            if one.name == name:
                return one
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
            if chosen.is_dir():
                raise ConfigError(f"{chosen} is a folder", help=f"name the file in it: {chosen / FILE}")
            raise ConfigError(f"there is no configuration file {chosen}", help="`mailrules init` writes one")
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
        help="`mailrules init` writes one; `mailrules demo` needs none",
    )


def load(path: str | None = None) -> Config:
    """Read and check the configuration; every problem is told at once. Raises ConfigError."""
    chosen = find(path)
    try:
        text = chosen.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{chosen} cannot be read: {error}", help="it must be a text file in UTF-8 that you may read"
        ) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        helps = f"correct {chosen.name}; nothing was done"
        if set("“”„‘’＂") & set(text):  # why: what a word processor, or a page that was copied from, makes of them
            helps = f'there are curly quotes in it, and TOML wants straight ones ("): {helps}'
        raise ConfigError(f"{chosen} is not valid TOML: {error}", help=helps) from error
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
    people, chats = people_of(problems, data)
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
            accounts.append(account(problems, name, table, zone, language, path.parent))
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
        chats=chats, digest=digest_of(problems, data, people), language=language,
        oauth=oauth_clients(problems, data.get("oauth", {})),
        smtp=smtp(problems, data["smtp"], path.parent, accounts) if isinstance(data.get("smtp"), dict) else None, max_message=megabytes * 1_000_000,
        origins=_origins(path, data), limits=limits(problems, data.get("limits", {})),
        retention=max(1, min(retention, 36_500)), secrets=new_secrets(),
    )  # fmt: skip


def _origins(path: Path, data: dict[str, Any]) -> dict[str, tuple[str, str]]:
    flat: dict[str, tuple[str, str]] = {}

    def walk(prefix: str, value: Any) -> None:
        secret = prefix.endswith(("password", "token", "client_secret")) or prefix.startswith("chats.")
        if isinstance(value, dict) and not secret:
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else key, inner)
        else:
            flat[prefix] = ("(a reference)" if secret else repr(value), str(path))

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
    if word := shaped_code(argv):
        problems.add(
            f"{where}.argv",
            f"a mail would say what is run by `{word}`: a template may be an argument of a program, not the program or code",
        )
    if retry not in ("never", "safe"):
        problems.add(f"{where}.retry", f'`{where}.retry` is "safe" or left out')
    program = argv[0] if Path(argv[0]).is_absolute() or os.sep not in argv[0] else str(folder / argv[0])
    if os.sep not in program:
        import shutil  # why here: it brings every kind of compression along

        program = shutil.which(program) or program
    return Script(
        argv=(program, *argv[1:]), timeout=min(seconds(problems, f"{where}.timeout", table.get("timeout"), 60.0), 900.0),
        retry=retry, changes_nothing=problems.take(where, table, "changes_nothing", bool, False),
        verifies=problems.take(where, table, "verifies", bool, False),
        cwd=str(folder / Path(cwd).expanduser()) if cwd else None,
    )  # fmt: skip
