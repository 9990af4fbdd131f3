"""The files that `mailrules init` writes: mailrules.toml, the first rules, the secret.

In: the answers. Out: files; one that exists is never written over. May not live here: questions, texts for people.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mailrules.errors import UsageError
from mailrules.words import say

STARTER = "rules/starter.rules"
SECRET = "secrets/main"  # noqa: S105 - where it is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What stands in a first mailrules.toml. `account` and `smtp` are the lines of their tables, key and value."""

    language: str
    timezone: str
    owner: str
    account: Mapping[str, str]
    smtp: Mapping[str, str]
    oauth: str = ""
    client_id: str = ""
    typed_host: bool = False
    """The server was typed by hand, so it is asked for again where nobody answers there."""


def quoted(text: str) -> str:
    """Return a text as TOML writes it. Raises UsageError where it could not stand there."""
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise UsageError("a setting may not hold control characters")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def table(name: str, lines: Mapping[str, str]) -> str:
    """Return one table of TOML; a value is written as it is, so it must be quoted already."""
    width = max(map(len, lines), default=0)
    return "\n".join([f"[{name}]", *(f"{key:{width}} = {value}" for key, value in lines.items())]) + "\n"


def settings_text(wanted: Settings) -> str:
    """Return the text of a first mailrules.toml, with comments in the person's language."""
    tell = {
        name: say(wanted.language, f"settings.{name}") for name in ("head", "timezone", "rules", "region", "receiver")
    }
    tell |= {name: say(wanted.language, f"settings.{name}") for name in ("developers", "scripts", "chats", "digest")}
    top = {
        "language": quoted(wanted.language),
        "timezone": f"{quoted(wanted.timezone)}   # {tell['timezone']}",
        "rules": f'["rules/*.rules"]   # {tell["rules"]}',
        "store": '"state/mailrules.db"',
    }
    parts = [
        f"# {tell['head']}\n" + table("", top).partition("\n")[2],
        table("accounts.main", wanted.account) + ("" if "region" in wanted.account else f'# region = "na"   # {tell["region"]}\n')
        + ("" if "receiver" in wanted.account else f'# receiver = {{ authserv_id = "mx.shop.example" }}   # {tell["receiver"]}\n'),
        table("people", {"owner": quoted(wanted.owner)}),
    ]  # fmt: skip
    if wanted.oauth:
        parts.append(table(f"oauth.{wanted.oauth}", {"client_id": quoted(wanted.client_id)}))
    if wanted.smtp:
        parts.append(table("smtp", wanted.smtp))
    else:
        smtp = {"host": '"smtp.shop.example"', "from": quoted(wanted.owner), "user": wanted.account["user"]}
        parts.append(_comment(f"{say(wanted.language, 'settings.smtp')}\n{table('smtp', smtp)}"))
    parts += [
        _comment(f'{tell["digest"]}\n[digest]\nto = "owner"\nday = "monday"'),
        _comment(f'{tell["chats"]}\n[chats.team]\nurl = {{ file = "secrets/team" }}'),
        _comment(f'{tell["developers"]}\n[developers]\n"446453545547" = "Never Settle"'),
        _comment(f'{tell["scripts"]}\n[scripts.renew]\nargv = ["/opt/shop/renew", "{{{{ developer_id }}}}", "{{{{ expires }}}}"]'),
    ]  # fmt: skip
    return "\n".join(parts)


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in text.rstrip("\n").split("\n"))


def write_anew(path: Path, wanted: Settings) -> None:
    """Write a mailrules.toml that is ours from the first line to the last: there was none, or we wrote it a moment ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(settings_text(wanted), encoding="utf-8")


def check_writable(folder: Path) -> None:
    """Raise UsageError where nothing can be written, before anybody is asked for anything."""
    place = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(
            f"nothing can be written in {place}", help="go to a folder of your own, or name one with --folder"
        )


def starter_name(language: str) -> str:
    """Return which shipped file a first set of rules is copied from."""
    return STARTER if language == "en" else STARTER.replace(".rules", f".{language}.rules")


def keep_in_file(path: Path, secret: str) -> None:
    """Write a secret to a file that only its owner reads, in a folder that only its owner enters."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(secret + "\n")
    beside.replace(path)


def local_zone() -> str:
    """Return the machine's time zone by its name, "UTC" where it does not tell."""
    named = os.environ.get("TZ", "").lstrip(":")
    if "/" in named and not named.startswith("/"):
        return named
    for path in (Path("/etc/localtime"), Path(named or "/etc/localtime")):
        parts = path.resolve().parts
        if "zoneinfo" in parts:
            name = "/".join(parts[parts.index("zoneinfo") + 1 :])
            return "UTC" if name in ("Etc/UTC", "Universal", "Zulu") else name
    return "UTC"
