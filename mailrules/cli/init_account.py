"""What `mailrules init` has to know of an account: asked for only where the address does not tell it.

In: flags, answers. Out: Settings, a stored secret. May not live here: what a provider is (sources/providers.py),
what the files say (init_files.py).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mailrules.cli.init_files import SECRET, Settings, keep_in_file, local_zone, quoted
from mailrules.cli.talk import Talk
from mailrules.errors import UsageError

if TYPE_CHECKING:
    from mailrules.sources.providers import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the flags say; "" and None where they say nothing."""

    address: str
    user: str
    provider: str
    host: str
    port: int | None
    tls: str
    ca_file: str
    smtp_host: str
    client_id: str
    password_env: str
    password_file: str
    password_stdin: bool
    timezone: str
    owner: str
    look_up: bool
    no_test: bool


def find_settings(talk: Talk, wanted: Wanted, base: Path) -> Settings:
    """Find out what has to stand in mailrules.toml; a secret that is typed is kept."""
    from mailrules.sources import providers

    address = _address(talk, wanted)
    known = (
        providers.by_name(wanted.provider)
        if wanted.provider
        else providers.by_host(wanted.host) or providers.by_address(address)
    )
    if wanted.provider and known is None:
        raise UsageError(f"there is no provider `{wanted.provider}`", help=f"there are {', '.join(providers.names())}")
    provider = known or providers.PLAIN
    if wanted.host and not wanted.provider and providers.by_address(address) is not provider:
        provider = providers.by_host(wanted.host) or providers.PLAIN
    if provider.name:
        _explain(talk, provider)
    account, local_part = _server(talk, wanted, provider, address)
    user = wanted.user or (address.partition("@")[0] if local_part else address)
    account["user"] = quoted(user)
    smtp = _smtp(wanted, provider, address)
    oauth = provider.oauth if "oauth" in provider.needs else ""
    client = wanted.client_id
    if oauth:
        account["oauth"] = quoted(oauth)
        if not client and talk.answers:
            client = talk.ask("init.client_id", "--client-id")
    else:
        account["password"] = _secret(talk, wanted, base, provider, user)
    account["mailboxes"] = '["INBOX"]'
    receiver = provider.receiver or _own_check()
    if receiver:
        name, value = next(iter(receiver.items()))
        account["receiver"] = f"{{ {name} = {quoted(value) if isinstance(value, str) else str(value).lower()} }}"
    return Settings(
        language=talk.language, timezone=wanted.timezone or local_zone(), owner=wanted.owner or address, account=account,
        smtp=smtp, oauth=oauth, client_id=client, typed_host=talk.answers and "host" in account and not wanted.host,
    )  # fmt: skip


def _address(talk: Talk, wanted: Wanted) -> str:
    """Return the address that is watched; one that is none, or is mistyped by the look of it, is asked about."""
    from mailrules.sources import providers

    address = wanted.address or (wanted.user if "@" in wanted.user else "")
    if not address and wanted.host and wanted.user:
        address = f"{wanted.user}@{wanted.host}"
    while address.count("@") != 1 or any(c.isspace() or c in "<>,;" for c in address):
        if address:
            talk.tell("init.no_address", address=address)
            if not talk.answers:
                raise UsageError(f"`{address}` is no mail address", help="--address you@your-shop.example")
        address = talk.ask("init.address", "--address")
    local, _, domain = address.partition("@")
    if not (wanted.host or wanted.provider or providers.by_address(address)):
        near = providers.near(domain)
        if near and talk.agrees("init.did_you_mean", address=f"{local}@{near}"):
            return f"{local}@{near}"
    return address


def _own_check() -> Mapping[str, str | bool] | None:
    """Return the `receiver` of a provider whose word is not known: signatures are checked here, where that can be done."""
    return {"dkim": True} if find_spec("dkim") and find_spec("dns") else None


def _explain(talk: Talk, provider: Provider) -> None:
    """Say what the provider needs before a program may read the mail, in its own words."""
    talk.tell("init.provider", label=provider.label, host=provider.host or "…")
    for need in provider.needs:
        talk.tell(f"init.need_{need}", label=provider.label)
    if provider.needs:
        talk.tell("init.link", link=provider.link)
    if provider.oauth == "microsoft":  # the only one that takes nothing but a sign-in
        talk.tell("init.register_microsoft")


def _server(talk: Talk, wanted: Wanted, provider: Provider, address: str) -> tuple[dict[str, str], bool]:
    """Return the lines that name the server, and whether its user names are what stands before the @."""
    from mailrules.config import PORTS

    if wanted.tls and wanted.tls not in PORTS:
        raise UsageError(f"--tls is implicit, starttls or none, not {wanted.tls}")
    lines: dict[str, str] = {"provider": quoted(provider.name)} if provider.name else {}
    host, port, tls, local_part = wanted.host, wanted.port, wanted.tls, provider.local_part
    if not host and not provider.host and wanted.look_up:
        from mailrules.sources.autoconfig import look_up

        domain = address.partition("@")[2]
        found = look_up(domain)
        if found is None:
            talk.tell("init.nothing_found", domain=domain)
        else:
            host, port, tls = found.imap.host, found.imap.port, found.imap.tls
            local_part = found.imap.user == "%EMAILLOCALPART%"
            talk.tell("init.found", place=found.place, host=host, port=port)
    if not host and not provider.host:
        talk.tell("init.unknown", domain=address.partition("@")[2])
        host = talk.ask("init.host", "--host", default=f"imap.{address.partition('@')[2]}")
    if host:
        lines["host"] = quoted(host)
    if host and not provider.name:
        tls = tls or "implicit"
        port = port or PORTS[tls]
    if port:
        lines["port"] = str(port)
    if tls:
        lines["tls"] = quoted(tls)
    if wanted.ca_file:
        lines["ca_file"] = quoted(wanted.ca_file)
    return lines, local_part


def _smtp(wanted: Wanted, provider: Provider, address: str) -> dict[str, str]:
    """Return the lines of [smtp]; none where no server is known that takes the mail."""
    if not (wanted.smtp_host or provider.smtp_host):
        return {}
    lines = {"account": '"main"', "from": quoted(address)}
    if wanted.smtp_host:
        lines["host"] = quoted(wanted.smtp_host)
    return lines


def _secret(talk: Talk, wanted: Wanted, base: Path, provider: Provider, user: str) -> str:
    """Return the reference to the password; one that was typed is kept first."""
    if wanted.password_file:
        return f"{{ file = {quoted(wanted.password_file)} }}"
    if wanted.password_env:
        return f"{{ env = {quoted(wanted.password_env)} }}"
    if wanted.password_stdin:
        typed = sys.stdin.readline().rstrip("\r\n")
        if not typed:
            raise UsageError("standard input holds no password")
        return _keep(talk, base, user, typed)
    if not talk.answers:
        return '{ env = "MAILRULES_PASSWORD" }'
    return _keep(talk, base, user, ask_secret(talk, provider))


def ask_secret(talk: Talk, provider: Provider) -> str:
    """Ask for what the provider takes as a password, by the name that it has there."""
    kind = next((n for n in provider.needs if n in ("app_password", "authorization_code", "mail_password")), "password")
    return talk.hidden(f"init.type_{kind}", "--password-stdin")


def _keep(talk: Talk, base: Path, user: str, secret: str) -> str:
    """Keep a secret where a poll that nobody watches can read it, and nobody else."""
    from mailrules.secret import in_keyring

    if in_keyring(user, secret):
        talk.tell("init.kept_in_keyring")
        return f"{{ keyring = {quoted(user)} }}"
    keep_in_file(base / SECRET, secret)
    talk.tell("init.kept_in_file", file=base / SECRET)
    return f"{{ file = {quoted(SECRET)} }}"
