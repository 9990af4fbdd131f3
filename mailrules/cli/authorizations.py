"""The authorizations: listed by deadline, entered, renewed, revoked, linked, snoozed.

In: arguments. Out: rows (stable field names) and sentences. May not live here: SQL, what an act means (ledger/).
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mailrules.cli.opened import day, opened
from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import emit, safe
from mailrules.errors import UsageError
from mailrules.spine.opened import Opened

authorizations = typer.Typer(
    help="The authorizations by deadline; show one, add one, say that one was renewed.", rich_markup_mode=None
)
Wanted = Annotated[
    str, typer.Argument(metavar="ID", help="Its id or the beginning of it, its Developer ID, or its exact name.")
]


@authorizations.callback(invoke_without_command=True)
def list_authorizations(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """List the authorizations by deadline."""
    if context.invoked_subcommand is not None:
        return
    from mailrules.ledger.listing import LISTED, by_deadline

    with opened(config) as it:
        ledger = it.store.ledger()
        rows = by_deadline(ledger, it.days(), it.warn_days(), it.today())
        emit(rows, LISTED, as_json=as_json, empty="no authorization is known yet")
        if not as_json:
            for line in _remarks(it, ledger):
                typer.echo(safe(line))


def _remarks(it: Opened, ledger: Any) -> list[str]:
    """Return what a table has no column for: words that contradict one another, and snoozes."""
    from mailrules.ledger import snoozed_until

    said = {}
    for event in it.store.events(what="contradiction"):
        subject = ledger.authorizations.get(event["authorization"])
        if subject and str(event["at"]) > subject.settled_at:
            said[subject.linked or subject.id] = contradiction(event)
    asleep = {a.id: snoozed_until(a, it.today(a.account)) for a in ledger.live()}
    return [f"{name}: contradiction: {words}" for name, words in said.items()] + [
        f"{name}: snoozed until {until}" for name, until in asleep.items() if until
    ]


def contradiction(event: Any) -> str:
    """Return a contradiction as a sentence."""
    told = event["detail"]
    return (
        f"{told['system']} says {told['says']} (written {told['written']}, {told['trust']}),"
        f" and {told['known_from']} said {told['known'] or 'nothing'}"
    )


@authorizations.command("add")
def add_authorization(
    account: Annotated[str, typer.Option("--account", help="The account of mailrules.toml.")],
    system: Annotated[str, typer.Option("--system", help="The system it belongs to, such as amazon.")],
    developer: Annotated[str, typer.Option("--developer", help="The developer's nickname.")],
    developer_id: Annotated[
        str | None, typer.Option("--developer-id", help="The 12 digits, also written 4-4-4.")
    ] = None,
    region: Annotated[str | None, typer.Option("--region", help="na, eu or fe.")] = None,
    expires: Annotated[str | None, typer.Option("--expires", help="The day it lapses, YYYY-MM-DD.")] = None,
    config: ConfigPath = None,
) -> None:
    """Enter one by hand; it gets the same reminders."""
    from mailrules.ledger import ENTERED, Sighting, enter
    from mailrules.notices.fields import Unreadable, normalize, read_value
    from mailrules.spine.live import undeclared

    with opened(config) as it:
        chosen = it.config.account(account)
        number = read_value("developer_id", "", developer_id) if developer_id else None
        if isinstance(number, Unreadable):
            raise UsageError(f"--developer-id: {number.why}")
        if region not in (None, "na", "eu", "fe"):
            raise UsageError(f"`{region}` is no region", help="--region is na, eu or fe")
        name, until = normalize(developer), day("--expires", expires)
        if not name:
            raise UsageError("--developer: nothing stands there")
        seen = Sighting(
            account=account, system=system, kind=ENTERED, developer_id=number, developer=name,
            region=region or chosen.facts.region, expires=until.isoformat() if until else None, trust="confirmed",
            message="", at=it.at, today=it.today(account),
        )  # fmt: skip
        subject = it.change(lambda ledger: enter(ledger, seen)).authorization
        if unknown := undeclared(it.config, system):
            typer.echo(f"mailrules: {unknown}", err=True)
        typer.echo(subject.id)


@authorizations.command("renewed")
def mark_renewed(
    authorization: Wanted,
    until: Annotated[
        str | None, typer.Option("--until", metavar="D", help="The new day; else a year is assumed.")
    ] = None,
    on: Annotated[str | None, typer.Option("--on", metavar="D", help="The day of the renewal; else today.")] = None,
    config: ConfigPath = None,
) -> None:
    """Say that one was renewed: nothing waits any more."""
    from mailrules.spine.acts import say_renewed

    with opened(config) as it:
        subject = say_renewed(it, authorization, until=day("--until", until), on=day("--on", on))
        typer.echo(
            f"{safe(subject.developer)}: renewed, {'assumed to last' if subject.assumed else 'lasts'} until {subject.expires}"
        )


@authorizations.command("revoked")
def mark_revoked(authorization: Wanted, config: ConfigPath = None) -> None:
    """Say that access was taken away on purpose."""
    from mailrules.ledger import Ledger, Observed, named, revoked

    with opened(config) as it:

        def act(ledger: Ledger) -> Observed:
            subject = named(ledger, authorization)
            return revoked(ledger, subject.id, at=it.at, day=it.today(subject.account))

        typer.echo(
            f"{safe(it.change(act).authorization.developer)}: revoked; nothing is owed until a newer notice comes"
        )


@authorizations.command("link")
def link_authorizations(
    authorization: Wanted,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The record that is the same authorization.")],
    config: ConfigPath = None,
) -> None:
    """Say that two records are one authorization."""
    from mailrules.ledger import link, named

    with opened(config) as it:
        subject = it.change(
            lambda ledger: link(ledger, named(ledger, authorization).id, named(ledger, other).id, at=it.at)
        ).authorization
        typer.echo(f"{subject.id}: {safe(subject.developer)} and {safe(other)} are one from now on")


@authorizations.command("snooze")
def snooze_authorization(
    authorization: Wanted,
    until: Annotated[str | None, typer.Option("--until", metavar="D", help="The day it wakes, YYYY-MM-DD.")] = None,
    days: Annotated[int | None, typer.Option("--days", metavar="N", min=1, max=366, help="So many days.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Wake it now.")] = False,
    config: ConfigPath = None,
) -> None:
    """Let the rules that watch it hold back for a while."""
    from mailrules.spine.acts import let_sleep

    if [until is not None, days is not None, off].count(True) != 1:
        raise UsageError("it is not said how long", help="write one of --until YYYY-MM-DD, --days N and --off")
    with opened(config) as it:
        subject = let_sleep(it, authorization, until=day("--until", until), days=days)
        passed = subject.snoozed and subject.expires and subject.expires <= subject.snoozed
        typer.echo(
            f"{safe(subject.developer)}: {f'snoozed until {subject.snoozed}' if subject.snoozed else 'awake'}"
            + (f"; its date {subject.expires} passes meanwhile" if passed else "")
        )
