"""The sections [accounts.*], [smtp] and [oauth.*] of mailrules.toml: how to reach servers, and as whom.

In: tables as TOML gave them. Out: Account, Smtp, OAuthClient; what is wrong goes to Problems.
May not live here: reading files; what a provider is (sources/providers.py); a secret's value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from mailrules.config_values import DAYS, Problems, address, clock_time, seconds, suggest, time_zone
from mailrules.hosts import is_loopback
from mailrules.sources import providers
from mailrules.sources.oauth import OAuthClient
from mailrules.world import EVERY_DAY, AccountFacts, Receiver, is_authserv_id

ACCOUNT = (
    "provider", "host", "port", "tls", "user", "password", "auth", "token", "oauth", "mailboxes", "region", "receiver",
    "timezone", "language", "day_starts", "fetch", "ca_file", "expiring_days", "quiet", "working_days",
)  # fmt: skip
SMTP = ("account", "host", "port", "tls", "user", "password", "auth", "token", "from", "ca_file", "timeout")
OAUTH = ("client_id", "client_secret", "tenant", "server")
SECRET = ("command", "file", "env", "credential", "keyring")
PORTS = {"implicit": 993, "starttls": 143, "none": 143}
SMTP_PORTS = {"implicit": 465, "starttls": 587, "none": 25}
AUTH = ("password", "xoauth2", "oauthbearer")
ISSUERS = ("google", "microsoft")


class Account(NamedTuple):
    """One mailbox owner's server. `password` is a reference: {"command": [...]}, {"file": "…"} or {"env": "…"}.

    With `auth` other than "password" it refers to an access token; {"oauth": "…"} is one from our own token store.
    """

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
    auth: str = "password"
    provider: providers.Provider = providers.PLAIN


class Smtp(NamedTuple):
    """The server that mail goes out by; `sender` is the address it goes out from. `timeout` in seconds."""

    host: str
    port: int
    tls: str
    sender: str
    user: str | None = None
    password: Mapping[str, Any] | None = None
    timeout: float = 60.0
    ca_file: str | None = None
    auth: str = "password"
    account: str = ""
    """The account whose token is used, where `password` is {"oauth": "…"}."""


def _provider(problems: Problems, where: str, table: Mapping[str, Any]) -> providers.Provider:
    name = problems.take(where, table, "provider", str, "")
    found = providers.by_name(name) if name else providers.PLAIN
    if found is None:
        problems.add(f"{where}.provider", f"there is no provider `{name}`; {suggest(name, providers.names())}")
    return found or providers.PLAIN


def sign_in(problems: Problems, where: str, table: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return how an account proves who it is, and the reference to what it proves it with."""
    given = [key for key in ("password", "token", "oauth") if key in table]
    issuer = problems.take(where, table, "oauth", str)
    auth = problems.take(where, table, "auth", str, "password" if given in ([], ["password"]) else "xoauth2")
    if auth not in AUTH:
        problems.add(f"{where}.auth", f"`{where}.auth` is password, xoauth2 or oauthbearer, not `{auth}`")
    elif len(given) > 1:
        problems.add(
            f"{where}.{given[1]}", f"[{where}] has {' and '.join(f'`{g}`' for g in given)}; only one can be right"
        )
    elif given and (auth == "password") != (given == ["password"]):
        problems.add(f"{where}.auth", f"`{where}.auth` = {auth} does not go with `{given[0]}`")
    if "oauth" in table:
        if issuer not in (None, *ISSUERS):
            problems.add(f"{where}.oauth", f"`{where}.oauth` is google or microsoft, not `{issuer}`")
        return auth, {"oauth": issuer}
    key = "password" if auth == "password" else "token"
    return auth, reference(problems, where, key, table.get(key))


def oauth_clients(problems: Problems, table: object) -> dict[str, OAuthClient]:
    """Read [oauth.google] and [oauth.microsoft]."""
    if not isinstance(table, dict) or not all(isinstance(one, dict) for one in table.values()):
        problems.add("oauth", "[oauth.google] and [oauth.microsoft] must be tables")
        return {}
    problems.unknown("oauth", table, ISSUERS)
    clients = {}
    for issuer, one in table.items():
        where = f"oauth.{issuer}"
        problems.unknown(where, one, OAUTH)
        server = problems.take(where, one, "server", str, "")
        begin = urlsplit(server)
        if server and begin.scheme != "https" and not (begin.scheme == "http" and is_loopback(begin.hostname or "")):
            problems.add(f"{where}.server", f"`{where}.server` begins with https://")
        clients[issuer] = OAuthClient(
            issuer=issuer, client_id=problems.take(where, one, "client_id", str, "", required=True),
            client_secret=reference(problems, where, "client_secret", one["client_secret"]) if "client_secret" in one else None,
            tenant=problems.take(where, one, "tenant", str, "common"), server=server.rstrip("/"),
        )  # fmt: skip
    return clients


def _tls(problems: Problems, where: str, table: Mapping[str, Any], host: str, default: str = "implicit") -> str:
    mode = str(problems.take(where, table, "tls", str, default))
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


def reference(problems: Problems, where: str, key: str, value: object) -> Mapping[str, Any]:
    """Return a reference to a secret; the secret itself may not stand in the file."""
    if isinstance(value, str):
        problems.add(
            f"{where}.{key}",
            f'`{where}.{key}` stands there in the clear; refer to it: {key} = {{ command = ["pass", "show", "…"] }}, {{ file = "…" }} or {{ env = "…" }}',
        )
        return {}
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in SECRET:
        problems.add(
            f"{where}.{key}",
            f'`{where}.{key}` must be one reference: {{ command = [...] }}, {{ file = "…" }} or {{ env = "…" }}',
        )
        return {}
    return value


def account(
    problems: Problems, name: str, table: dict[str, Any], zone: ZoneInfo, language: str, folder: Path
) -> Account:
    """Read one [accounts.NAME]; a provider gives what is not said."""
    where = f"accounts.{name}"
    problems.unknown(where, table, ACCOUNT)
    provider = _provider(problems, where, table)
    host = problems.take(where, table, "host", str, provider.host, required=not provider.host)
    provider = provider if provider.name else providers.by_host(host) or provider
    tls = _tls(problems, where, table, host, provider.tls)
    auth, secret = sign_in(problems, where, table)
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
        name=name, host=host, tls=tls,
        port=_port(problems, where, table, provider.port if tls == provider.tls else PORTS[tls]),
        user=problems.take(where, table, "user", str, "", required=True), password=secret, auth=auth, provider=provider,
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


def smtp(problems: Problems, table: dict[str, Any], folder: Path, accounts: Sequence[Account]) -> Smtp:
    """Read [smtp]; `account` takes over how that account signs in, and its provider's server."""
    problems.unknown("smtp", table, SMTP)
    name = problems.take("smtp", table, "account", str, "")
    other = next((a for a in accounts if a.name == name), None)
    if name and other is None:
        problems.add("smtp.account", f"`smtp.account`: {suggest(name, [a.name for a in accounts])}")
    provider = other.provider if other else providers.PLAIN
    host = problems.take("smtp", table, "host", str, provider.smtp_host, required=not provider.smtp_host)
    tls = _tls(problems, "smtp", table, host, provider.smtp_tls)
    sender = problems.take("smtp", table, "from", str, "", required=True)
    if sender:
        address(problems, "smtp.from", sender)
    user = problems.take("smtp", table, "user", str, other.user if other else None)
    auth, secret = "password", None
    if other and not {"password", "token"} & set(table):
        auth, secret = other.auth, other.password
    elif user:
        auth, secret = sign_in(problems, "smtp", table)
    return Smtp(
        host=host, tls=tls, sender=sender, user=user, password=secret, auth=auth, account=name,
        port=_port(problems, "smtp", table, provider.smtp_port if tls == provider.smtp_tls else SMTP_PORTS[tls]),
        timeout=seconds(problems, "smtp.timeout", table.get("timeout"), 60.0),
        ca_file=_ca_file(problems, "smtp", table, folder),
    )  # fmt: skip


def _ca_file(problems: Problems, where: str, table: dict[str, Any], folder: Path) -> str | None:
    given = problems.take(where, table, "ca_file", str)
    return str(folder / Path(given).expanduser()) if given else None
