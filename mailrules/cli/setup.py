"""What is set: account, config.

In: arguments. Out: accounts, a tested login, every setting with its origin. May not live here: what the settings mean.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import emit

if TYPE_CHECKING:
    from mailrules.config import Config

account = typer.Typer(help="The accounts; test a login.", rich_markup_mode=None, no_args_is_help=True)


@account.command("list")
def list_accounts(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """List the accounts, each with its state: when it was last read well, since when it fails, until when it is left alone."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.spine.reaching import conditions
    from mailrules.store import Store

    loaded = configuration.load(config)
    with Store.look(loaded.store) if loaded.store.exists() else nullcontext() as store:
        rows = conditions(loaded, store, app.clock())
    shown = ("account", "host", "user", "mailboxes", "last_ok", "failing_since", "left_alone_until")
    emit(rows, shown, as_json=as_json, empty="no account")


@account.command("login")
def login_account(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The account.")],
    config: ConfigPath = None,
    no_browser: Annotated[
        bool,
        typer.Option(
            "--no-browser", help="Google: show the address, to be opened on any machine, and ask for where it led."
        ),
    ] = False,
) -> None:
    """Sign in with Google or Microsoft, and keep what it gives for the polls to come."""
    from mailrules import config as configuration
    from mailrules.spine.tokens import login

    loaded = configuration.load(config)
    chosen = loaded.account(name)
    path = login(loaded, chosen, typer.echo, typer.prompt if no_browser else None)
    typer.echo(f"signed in; kept in {path}")
    _try_out(loaded, name)


def _try_out(loaded: Config, name: str) -> None:
    """Log in now, say what worked, and let the polls go on that a refused login had put off."""
    from mailrules import app
    from mailrules.spine.reaching import Patience
    from mailrules.store import Store

    typer.echo(app.test_login(loaded, name))
    if loaded.store.exists():
        with Store.open(loaded.store, now=app.clock().isoformat()) as store:
            Patience(loaded, store, loaded.account(name)).over()


@account.command("test")
def test_account(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The account; else all.")] = None,
    config: ConfigPath = None,
) -> None:
    """Log in and look at each mailbox, read-only."""
    from mailrules import config as configuration

    loaded = configuration.load(config)
    for one in [loaded.account(name)] if name else loaded.accounts:
        _try_out(loaded, one.name)


def config(path: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show every setting and where it comes from; secrets are never shown."""
    from mailrules import config as configuration

    loaded = configuration.load(path)
    rows = [
        {"setting": key, "value": value, "origin": origin} for key, (value, origin) in sorted(loaded.origins.items())
    ]
    emit(rows, ("setting", "value", "origin"), as_json=as_json, empty="nothing is set")
