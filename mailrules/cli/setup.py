"""Setting up: init, account, config.

In: arguments. Out: mailrules.toml, a starter rule file, a tested login. May not live here: what the settings mean.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import emit
from mailrules.errors import ConfigError, UsageError

account = typer.Typer(help="The accounts; test a login.", rich_markup_mode=None, no_args_is_help=True)

TEMPLATE = """\
# mailrules reads this file. Unknown keys are errors. Paths count from this folder.
timezone = "{timezone}"                 # deadlines are days in this zone
rules    = ["rules/*.rules"]            # beside the shipped notices
store    = "state/mailrules.db"

[accounts.main]
host = "{host}"
port = {port}
tls  = "{tls}"                          # implicit | starttls | none (this machine only)
user = "{user}"
password  = {password}
mailboxes = ["INBOX"]
# region   = "na"                       # na | eu | fe: where a notice does not say it
# receiver = {{ authserv_id = "mx.shop.example" }}   # who may say that a sender is genuine; ask your mail provider

[people]
owner = "{owner}"

# [smtp]                                # needed for notify and forward
# host = "smtp.shop.example"
# port = 465
# tls  = "implicit"
# user = "{user}"
# password = {password}
# from = "{owner}"

# [developers]                          # the ids that you really work with: only these reach scripts
# "446453545547" = "Never Settle"

# [scripts.renew]
# argv = ["/opt/shop/renew", "{{{{ developer_id }}}}", "{{{{ expires }}}}"]
# timeout = "60s"
"""


def _quoted(text: str) -> str:
    if any(ord(c) < 32 for c in text):
        raise UsageError("a setting may not hold control characters")
    return text.replace("\\", "\\\\").replace('"', '\\"')


def init(
    host: Annotated[str, typer.Option("--host", help="The IMAP server.")],
    user: Annotated[str, typer.Option("--user", help="The user name, mostly the address.")],
    port: Annotated[int | None, typer.Option("--port", help="Its port.")] = None,
    tls: Annotated[str, typer.Option("--tls", help="implicit, starttls, or none for this machine.")] = "implicit",
    password_env: Annotated[
        str, typer.Option("--password-env", metavar="NAME", help="The environment variable that holds the password.")
    ] = "MAILRULES_PASSWORD",
    password_file: Annotated[
        str | None, typer.Option("--password-file", metavar="FILE", help="A file of mode 0600 that holds it.")
    ] = None,
    timezone: Annotated[str, typer.Option("--timezone", help="Where deadlines are days.")] = "UTC",
    owner: Annotated[str | None, typer.Option("--owner", help="The address to write to; else the user.")] = None,
    folder: Annotated[str, typer.Option("--folder", help="Where to write.")] = ".",
    no_test: Annotated[bool, typer.Option("--no-test", help="Do not test the login.")] = False,
) -> None:
    """Write mailrules.toml and a starter rule file, and test the login. Nothing that exists is written over."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.shipped import shipped_text

    base = Path(folder)
    target, rules = base / configuration.FILE, base / "rules" / "starter.rules"
    if target.exists():
        raise ConfigError(
            f"{target} exists and was left as it is", help="change it by hand, or choose another --folder"
        )
    if tls not in configuration.PORTS:
        raise UsageError(f"--tls is implicit, starttls or none, not {tls}")
    address = owner or (user if "@" in user else f"{user}@{host}")
    if password_file is None and password_env not in os.environ and sys.stdin.isatty():
        password_file = _ask(base)
    reference = (
        f'{{ file = "{_quoted(password_file)}" }}' if password_file else f'{{ env = "{_quoted(password_env)}" }}'
    )
    text = TEMPLATE.format(
        host=_quoted(host), user=_quoted(user), tls=tls, port=port or configuration.PORTS[tls], password=reference,
        owner=_quoted(address), timezone=_quoted(timezone),
    )  # fmt: skip
    rules.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    typer.echo(f"wrote {target}")
    if not rules.exists():
        rules.write_text(shipped_text("rules/starter.rules"), encoding="utf-8")
        typer.echo(f"wrote {rules}; every .rules file in {rules.parent} is read")
    loaded = configuration.load(str(target))
    if not no_test:
        typer.echo(app.test_login(loaded, "main"))
    typer.echo(f"next: mailrules poll --dry-run --config {target}")


def _ask(base: Path) -> str:
    """Ask for the password once and keep it in a file that only its owner reads."""
    secret = typer.prompt("Password (an app password where your provider wants one)", hide_input=True)
    path = base / "secrets" / "main"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(secret + "\n")
    return "secrets/main"


@account.command("list")
def list_accounts(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """List the accounts."""
    from mailrules import config as configuration

    rows = [
        {
            "account": a.name,
            "host": a.host,
            "port": a.port,
            "tls": a.tls,
            "user": a.user,
            "mailboxes": ", ".join(a.mailboxes),
        }
        for a in configuration.load(config).accounts
    ]
    emit(rows, ("account", "host", "port", "tls", "user", "mailboxes"), as_json=as_json, empty="no account")


@account.command("test")
def test_account(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The account; else all.")] = None,
    config: ConfigPath = None,
) -> None:
    """Log in and look at each mailbox, read-only."""
    from mailrules import app
    from mailrules import config as configuration

    loaded = configuration.load(config)
    for one in [loaded.account(name)] if name else loaded.accounts:
        typer.echo(app.test_login(loaded, one.name))


def config(path: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show every setting and where it comes from; secrets are never shown."""
    from mailrules import config as configuration

    loaded = configuration.load(path)
    rows = [
        {"setting": key, "value": value, "origin": origin} for key, (value, origin) in sorted(loaded.origins.items())
    ]
    emit(rows, ("setting", "value", "origin"), as_json=as_json, empty="nothing is set")
