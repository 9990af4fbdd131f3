"""The table of commands: one place that says what exists.

In: nothing. Out: `app`. May not live here: what a command does (the modules beside this one).
"""

from __future__ import annotations

from typing import Annotated

import typer

from mailrules import __version__
from mailrules.cli import (
    authorization_files,
    authorization_story,
    authorizations,
    care,
    drill,
    explain,
    init,
    learn,
    listings,
    plans,
    rules,
    schedule,
    serving,
    setup,
    testing,
    trusting,
    trying,
    uninstall,
    work,
)

app = typer.Typer(
    name="mailrules",
    help="Watches an inbox for notices that an authorization of your Amazon selling account is about to lapse, and acts on them.",
    epilog="Exit codes: 0 done, 3 something needs a person, 75 try again later, 77 authentication, 78 configuration or rules, 2 usage, 1 the check did not hold, 70 a bug.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"mailrules {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which mailrules this is.")
    ] = False,
) -> None:
    """Watches an inbox for notices that an authorization of your Amazon selling account is about to lapse."""


app.command()(work.demo)
app.command()(init.init)
app.command()(work.poll)
app.command()(plans.apply)
app.command()(work.read)
app.command()(work.ingest)
app.command()(learn.learn)
app.command()(rules.check)
app.command("format")(rules.format_rules)
app.command()(testing.test)
app.command()(explain.explain)
app.command("try")(trying.try_rules)
app.command()(plans.replay)
app.command()(drill.drill)
app.add_typer(authorizations.authorizations, name="authorizations")
authorizations.authorizations.command("show")(authorization_story.show_authorization)
authorizations.authorizations.command("export")(authorization_files.export_authorizations)
authorizations.authorizations.command("import")(authorization_files.import_authorizations)
app.add_typer(listings.tasks, name="tasks")
app.add_typer(listings.effects, name="effects")
app.add_typer(trusting.trust, name="trust")
app.add_typer(setup.account, name="account")
app.command()(setup.config)
app.command()(schedule.schedule)
app.command()(serving.serve)
app.command()(serving.report)
app.command()(serving.calendar)
app.command()(care.doctor)
app.command()(care.health)
app.command()(care.forget)
app.command()(uninstall.uninstall)
