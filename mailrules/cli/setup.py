"""What is set: account, config.

In: arguments. Out: accounts, a tested login, every setting with its origin. May not live here: what the settings mean.
"""

from __future__ import annotations

from typing import Annotated

import typer

from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import emit

account = typer.Typer(help="The accounts; test a login.", rich_markup_mode=None, no_args_is_help=True)

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
