"""`mailrules init`: from an address to the first deadline, in the person's own language.

In: an address and flags; answers where there is a terminal. Out: mailrules.toml, starter rules, a stored secret, a tested
login, what the mailbox holds, the line for cron. May not live here: what a provider is (sources/providers.py), what the
files say (init_files.py), how a mailbox is read.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailrules.cli import init_files
from mailrules.cli.init_files import Settings, keep_in_file, local_zone, quoted, settings_text
from mailrules.cli.output import safe
from mailrules.errors import AuthError, MailrulesError, UsageError
from mailrules.words import LANGUAGES, best_language, say

if TYPE_CHECKING:
    from mailrules.config import Config
    from mailrules.sources.providers import Provider
    from mailrules.spine.lookback import Found

TRIES = 3
YES = frozenset(("y", "yes", "j", "ja", "はい", "是", "好"))
SECRET = "secrets/main"  # noqa: S105 - where it is kept
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Talk:
    """Who is talked to: in which language, and whether anybody can answer."""

    language: str
    answers: bool

    def tell(self, key: str, **values: object) -> None:
        """Say something."""
        typer.echo(say(self.language, key, **{name: safe(value) for name, value in values.items()}))

    def ask(self, key: str, flag: str, *, default: str = "", **values: object) -> str:
        """Ask for something; where nobody can answer, name the flag that says it."""
        text = say(self.language, key, **values)
        if not self.answers:
            raise UsageError(f"{flag} is needed: {text}", help="there is no terminal to ask at")
        return str(typer.prompt(text, default=default, show_default=bool(default))).strip()

    def hidden(self, key: str, flag: str, **values: object) -> str:
        """Ask for a secret; it is not shown."""
        text = say(self.language, key, **values)
        if not self.answers:
            raise UsageError(f"{flag} is needed: {text}", help="there is no terminal to ask at")
        return str(typer.prompt(text, hide_input=True)).strip()

    def agrees(self, key: str, **values: object) -> bool:
        """Ask whether; no answer is no."""
        if not self.answers:
            return False
        text = say(self.language, key, **{name: safe(value) for name, value in values.items()})
        return (
            str(typer.prompt(f"{text} {say(self.language, 'init.yes_no')}", default="", show_default=False))
            .strip()
            .lower()
            in YES
        )


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
    password_env: str
    password_file: str
    password_stdin: bool
    timezone: str
    owner: str
    look_up: bool
    no_test: bool


def init(
    address: Annotated[str, typer.Option("--address", metavar="ADDRESS", help="The mail address whose inbox is watched.")] = "",
    user: Annotated[str, typer.Option("--user", help="The user name, where it is not the address.")] = "",
    provider: Annotated[str, typer.Option("--provider", metavar="NAME", help="The provider, where the address does not tell it.")] = "",
    host: Annotated[str, typer.Option("--host", help="The IMAP server, where no provider is known.")] = "",
    port: Annotated[int | None, typer.Option("--port", help="Its port.")] = None,
    tls: Annotated[str, typer.Option("--tls", help="implicit, starttls, or none for this machine.")] = "",
    ca_file: Annotated[str, typer.Option("--ca-file", metavar="FILE", help="The certificates to trust instead of the system's.")] = "",
    smtp_host: Annotated[str, typer.Option("--smtp-host", metavar="HOST", help="The server that mail to you goes out by.")] = "",
    look_up: Annotated[bool, typer.Option("--look-up", help="Ask the address's domain, and Thunderbird's list, for the servers.")] = False,
    password_env: Annotated[str, typer.Option("--password-env", metavar="NAME", help="The environment variable that holds the password.")] = "",
    password_file: Annotated[str, typer.Option("--password-file", metavar="FILE", help="A file of mode 0600 that holds it.")] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input, and keep it.")] = False,
    timezone: Annotated[str, typer.Option("--timezone", help="Where deadlines are days; else the machine's.")] = "",
    owner: Annotated[str, typer.Option("--owner", help="The address to write to; else the same.")] = "",
    language: Annotated[str, typer.Option("--language", help="en, ja, de or zh; else what LANG says.")] = "",
    folder: Annotated[str, typer.Option("--folder", help="Where to write.")] = ".",
    no_test: Annotated[bool, typer.Option("--no-test", help="Do not test the login, do not look at the mailbox.")] = False,
) -> None:  # fmt: skip
    """Set up: write mailrules.toml and starter rules, test the login, show what the mailbox holds. Nothing is written over."""
    from mailrules import config as configuration

    if language and best_language(language) != language.lower().partition("-")[0]:
        raise UsageError(f"--language is {', '.join(LANGUAGES)}, not {language}")
    spoken = best_language(
        language or os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG", "")
    )
    talk = Talk(spoken, sys.stdin.isatty() and sys.stdout.isatty())
    wanted = Wanted(
        address=address, user=user, provider=provider, host=host, port=port, tls=tls, ca_file=ca_file, smtp_host=smtp_host,
        password_env=password_env, password_file=password_file, password_stdin=password_stdin, timezone=timezone,
        owner=owner, look_up=look_up, no_test=no_test,
    )  # fmt: skip
    base = Path(folder)
    target = base / configuration.FILE
    fresh = not target.exists()
    if not fresh:
        talk.tell("init.kept", file=target)
        loaded = configuration.load(str(target))
        talk.tell("init.kept_accounts", accounts=", ".join(f"{a.name} ({a.user})" for a in loaded.accounts))
        if address and address not in {a.user for a in loaded.accounts}:
            talk.tell("init.another", address=address, file=target)
    else:
        _write(talk, wanted, base, target)
    _write_rules(talk, base, fresh=fresh)
    loaded = configuration.load(str(target))
    if no_test:
        talk.tell("init.next", config=target)
        return
    if _log_in(talk, loaded, base):
        _show(talk, loaded)
        talk.tell("init.schedule")
        from mailrules.cli.schedule import cron_line

        typer.echo(f"  {cron_line(target, 5)}")
        talk.tell("init.other_schedules")


def _write(talk: Talk, wanted: Wanted, base: Path, target: Path) -> None:
    """Find out what has to stand in mailrules.toml, and write it."""
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
    if oauth:
        account["oauth"] = quoted(oauth)
    else:
        account["password"] = _secret(talk, wanted, base, provider, user)
    account["mailboxes"] = '["INBOX"]'
    if provider.receiver:
        name, value = next(iter(provider.receiver.items()))
        account["receiver"] = f"{{ {name} = {quoted(value) if isinstance(value, str) else str(value).lower()} }}"
    text = settings_text(
        Settings(
            language=talk.language, timezone=wanted.timezone or local_zone(), owner=wanted.owner or address, account=account,
            smtp=smtp, oauth=oauth,
        )
    )  # fmt: skip
    base.mkdir(parents=True, exist_ok=True)
    with target.open("x", encoding="utf-8") as file:
        file.write(text)
    talk.tell("init.wrote", file=target)


def _explain(talk: Talk, provider: Provider) -> None:
    """Say what the provider needs before a program may read the mail, in its own words."""
    talk.tell("init.provider", label=provider.label, host=provider.host or "…")
    for need in provider.needs:
        talk.tell(f"init.need_{need}", label=provider.label)
    if provider.needs:
        talk.tell("init.link", link=provider.link)


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
    return _keep(talk, base, user, _typed(talk, provider))


def _typed(talk: Talk, provider: Provider) -> str:
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


def _write_rules(talk: Talk, base: Path, *, fresh: bool) -> None:
    from mailrules.shipped import shipped_text

    rules = base / "rules"
    if (rules / "starter.rules").exists():
        talk.tell("init.kept", file=rules / "starter.rules")
    elif not fresh and any(rules.glob("*.rules")):  # why: it may have been thrown away on purpose
        talk.tell("init.own_rules", folder=rules)
    else:
        rules.mkdir(parents=True, exist_ok=True)
        (rules / "starter.rules").write_text(shipped_text(init_files.starter_name(talk.language)), encoding="utf-8")
        talk.tell("init.wrote_rules", file=rules / "starter.rules", folder=rules)


def _log_in(talk: Talk, config: Config, base: Path) -> bool:
    """Test every login; where one is refused and its password is ours, ask for it again. False where a sign-in is missing."""
    from mailrules import app

    for account in config.accounts:
        if "oauth" in account.password and not _signed_in(config, account.name):
            talk.tell("init.sign_in", account=account.name, issuer=account.password["oauth"])
            return False
        for left in reversed(range(TRIES)):
            try:
                typer.echo(safe(app.test_login(config, account.name)))
                break
            except AuthError as error:
                ours = account.password == {"file": SECRET}
                if not (talk.answers and ours and left):
                    raise
                talk.tell("init.refused", why=error)
                keep_in_file(base / SECRET, _typed(talk, account.provider))
    return True


def _signed_in(config: Config, name: str) -> bool:
    from mailrules import app

    try:
        app.test_login(config, name)
    except MailrulesError:
        return False
    return True


def _show(talk: Talk, config: Config) -> None:
    """Look back over the mailbox, and show what it held at once."""
    from mailrules import app
    from mailrules.spine.lookback import look_back

    talk.tell("init.looking")
    found = look_back(config, app.clock)
    if found.busy:
        talk.tell("init.busy")
        return
    ahead = [row for row in found.authorizations if row["days_left"] is not None and row["days_left"] >= 0]
    count = len(found.authorizations)
    if not count:
        talk.tell("init.none", messages=found.messages)
    elif not ahead:
        talk.tell("init.some", count=count, messages=found.messages)
    else:
        talk.tell("init.next_lapses", count=count, messages=found.messages, days=ahead[0]["days_left"])
    for row in found.authorizations[:SHOWN]:
        talk.tell(
            "init.row" if row["expires"] else "init.row_without_date", name=row["developer"] or row["id"],
            number=row["developer_id"] or "-", expires=row["expires"], days=row["days_left"],
        )  # fmt: skip
    if count > SHOWN:
        talk.tell("init.more", more=count - SHOWN)
    _confirm(talk, config, found)
    if found.waiting:
        talk.tell("init.waiting", count=found.waiting)


def _confirm(talk: Talk, config: Config, found: Found) -> None:
    """Ask once for every sender that no rule vouches for and every developer; what is not confirmed can be later."""
    from mailrules import app
    from mailrules.store import Store
    from mailrules.store.senders import DEVELOPER, SENDER

    if not talk.answers:
        if found.senders or found.developers:
            talk.tell("init.unconfirmed")
        for system, address in found.senders:
            typer.echo(f"  mailrules trust confirm {safe(address)} --system {safe(system)}")
        for number, _name in found.developers:
            typer.echo(f"  mailrules trust developer {safe(number)}")
        return
    with Store.open(config.store, now=app.clock().isoformat()) as store:
        for system, address in found.senders:
            if talk.agrees("init.confirm_sender", address=address, system=system):
                store.confirm(SENDER, system, address, app.clock().isoformat())
        for number, name in found.developers:
            if talk.agrees("init.confirm_developer", name=name or number, number=number):
                store.confirm(DEVELOPER, "", number, app.clock().isoformat())
