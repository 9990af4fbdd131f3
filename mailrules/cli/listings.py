"""Listings of what is remembered, and the acts upon them: authorizations, tasks, effects.

In: arguments. Out: rows (stable field names) and exit codes. May not live here: SQL, what an act means (ledger.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated, Any

import typer

from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import emit, safe
from mailrules.errors import UsageError

authorizations = typer.Typer(
    help="The authorizations by deadline; add one, or say that one was renewed.", rich_markup_mode=None
)
tasks = typer.Typer(help="The tasks; mark one done.", rich_markup_mode=None)
effects = typer.Typer(help="What was done, is to be done, or waits for a person.", rich_markup_mode=None)

AUTHORIZATION = (
    "id",
    "account",
    "system",
    "developer_id",
    "developer",
    "region",
    "expires",
    "days_left",
    "state",
    "trust",
    "assumed",
)
TASK = ("id", "title", "due", "status", "rule", "authorization")
EFFECT = ("id", "rule", "action", "target", "stage", "state", "attempts", "authorization")


@contextmanager
def _opened(config: str | None) -> Iterator[tuple[Any, Any, datetime]]:
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.store import Store

    loaded = configuration.load(config)
    now = app.clock()
    yield loaded, Store.open(loaded.store, now=now.isoformat()), now


def _commit(store: Any, before: Any, observed: Any, now: datetime) -> None:
    from mailrules.pipeline import changes

    store.commit(changes(before, observed.ledger, observed.events), now=now.isoformat())


def _rows(loaded: Any, ledger: Any, now: datetime) -> list[dict[str, Any]]:
    from mailrules.ledger import state_of

    rows = []
    for subject in ledger.authorizations.values():
        account = loaded.world.accounts.get(subject.account)
        today = now.astimezone(account.zone if account else None).date()
        owed = ledger.current(subject.id)
        latest = ledger.of(subject.id)
        rows.append({
            "id": subject.id, "account": subject.account, "system": subject.system, "developer_id": subject.developer_id,
            "developer": subject.developer, "region": subject.region, "expires": subject.expires,
            "days_left": (date.fromisoformat(subject.expires) - today).days if subject.expires else None,
            "state": state_of(subject, owed, today, warn_days=account.warn_days if account else 30),
            "trust": owed.trust if owed else latest[-1].trust if latest else "confirmed", "assumed": subject.assumed,
        })  # fmt: skip
    return sorted(rows, key=lambda r: (r["expires"] or "9999", r["id"]))


@authorizations.callback(invoke_without_command=True)
def list_authorizations(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """List the authorizations by deadline."""
    if context.invoked_subcommand is None:
        with _opened(config) as (loaded, store, now):
            emit(
                _rows(loaded, store.ledger(), now),
                AUTHORIZATION,
                as_json=as_json,
                empty="no authorization is known yet",
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
    """Enter an authorization by hand: it gets the same reminders as one that a notice named."""
    from mailrules.ledger import Authorization, Observed, Sighting, authorization_id, enter, find
    from mailrules.notices.fields import Unreadable, normalize, read_value

    with _opened(config) as (loaded, store, now):
        chosen = loaded.account(account)
        values = {}
        for name, kind, raw in (("developer_id", "developer_id", developer_id), ("expires", "date", expires)):
            value = read_value(kind, "YYYY-MM-DD", raw) if raw else None
            if isinstance(value, Unreadable):
                raise UsageError(f"--{name.replace('_', '-')}: {value.why}")
            values[name] = value
        if region not in (None, "na", "eu", "fe"):
            raise UsageError(f"--region is na, eu or fe, not {region}")
        today = now.astimezone(chosen.facts.zone).date()
        seen = Sighting(
            account=account, system=system, kind="entered by hand", developer_id=values["developer_id"], developer=normalize(developer),
            region=region or chosen.facts.region, expires=values["expires"], trust="confirmed", message="", at=now.isoformat(), today=today,
        )  # fmt: skip
        with store.transaction():
            ledger = store.ledger()
            if values["expires"]:
                observed = enter(ledger, seen)
            else:
                subject = find(ledger, seen) or Authorization(
                    id=authorization_id(account, system, seen.developer_id or seen.developer, seen.region), account=account, system=system,
                    developer_id=seen.developer_id, developer=seen.developer, region=seen.region, first_seen=seen.at,
                )  # fmt: skip
                observed = Observed(
                    ledger=ledger.with_(authorization=subject), authorization=subject, obligation=None, events=()
                )
            _commit(store, ledger, observed, now)
        typer.echo(observed.authorization.id)


@authorizations.command("renewed")
def mark_renewed(
    authorization: Annotated[str, typer.Argument(metavar="ID", help="The authorization's id, or its Developer ID.")],
    expires: Annotated[
        str | None, typer.Option("--expires", help="The new day; else a year from today is assumed.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Say that an authorization was renewed: what waits for it is settled."""
    from mailrules.ledger import renewed
    from mailrules.notices.fields import Unreadable, read_value

    with _opened(config) as (loaded, store, now):
        new = read_value("date", "YYYY-MM-DD", expires) if expires else None
        if isinstance(new, Unreadable):
            raise UsageError(f"--expires: {new.why}")
        with store.transaction():
            ledger = store.ledger()
            digits = authorization.replace("-", "")
            fitting = [a for a in ledger.authorizations.values() if authorization == a.id or digits == a.developer_id]
            if len(fitting) != 1:
                raise UsageError(
                    f"{'no' if not fitting else 'more than one'} authorization is called {authorization}",
                    help="`mailrules authorizations` lists their ids",
                )
            account = loaded.world.accounts.get(fitting[0].account)
            day = now.astimezone(account.zone if account else None).date()
            if new and new <= (fitting[0].expires or "") and not fitting[0].assumed:
                raise UsageError(f"{new} is not later than {fitting[0].expires}, so nothing was renewed")
            observed = renewed(ledger, fitting[0].id, at=now.isoformat(), day=day, expires=new)
            _commit(store, ledger, observed, now)
        typer.echo(
            f"{safe(observed.authorization.developer)}: renewed, {'assumed to last' if observed.authorization.assumed else 'lasts'} until {observed.authorization.expires}"
        )


@tasks.callback(invoke_without_command=True)
def list_tasks(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Those done, too.")] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """List the open tasks by day."""
    if context.invoked_subcommand is None:
        with _opened(config) as (_, store, _now):
            rows = sorted(store.tasks(None if everything else "open"), key=lambda r: (r["due"] or "9999", str(r["id"])))
            emit([{c: row[c] for c in TASK} for row in rows], TASK, as_json=as_json, empty="nothing to do")


@tasks.command("done")
def finish_task(
    task: Annotated[str, typer.Argument(metavar="ID", help="The task's id.")], config: ConfigPath = None
) -> None:
    """Mark a task done: its deadline is settled, and a year from today is assumed until a source speaks."""
    from mailrules.ledger import renewed

    with _opened(config) as (loaded, store, now):
        with store.transaction():
            row = store.task(task)
            if row is None:
                raise UsageError(f"there is no task {task}", help="`mailrules tasks` lists their ids")
            if row["status"] != "open":
                raise UsageError(f"task {task} is done already")
            store.finish_task(task, now.isoformat())
            ledger = store.ledger()
            waiting = ledger.obligations.get((row["authorization"], row["obligation"]))
            if waiting and waiting.state in ("open", "lapsed"):
                account = loaded.world.accounts.get(row["account"])
                day = now.astimezone(account.zone if account else None).date()
                _commit(
                    store,
                    ledger,
                    renewed(ledger, row["authorization"], at=now.isoformat(), day=day, who=f"task {task} done"),
                    now,
                )
        typer.echo(f"done: {safe(row['title'])}")


@effects.callback(invoke_without_command=True)
def list_effects(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """List what was done, is to be done, or waits for a person."""
    if context.invoked_subcommand is None:
        with _opened(config) as (_, store, _now):
            emit(
                [{c: row[c] for c in EFFECT} for row in store.effects()],
                EFFECT,
                as_json=as_json,
                empty="nothing was asked for yet",
            )


def _act(name: str, meaning: str, allowed: tuple[str, ...], state: str) -> None:
    def act(
        effect: Annotated[str, typer.Argument(metavar="ID", help="The effect's id.")], config: ConfigPath = None
    ) -> None:
        with _opened(config) as (_, store, now):
            row = next((r for r in store.effects() if r["id"] == effect), None)
            if row is None:
                raise UsageError(f"there is no effect {effect}", help="`mailrules effects` lists their ids")
            if row["state"] not in allowed:
                raise UsageError(
                    f"effect {effect} is {row['state']}; only {' or '.join(allowed)} can be taken with `{name}`"
                )
            store.set_effect_state(effect, state, now.isoformat())
            typer.echo(f"{effect}: {state}")

    act.__doc__ = meaning
    effects.command(name)(act)


_act(
    "approve",
    "Say that an unknown or failed effect has happened, or needs nothing more.",
    ("unknown", "failed"),
    "done",
)
_act("retry", "Try a failed or unknown effect again at the next poll.", ("unknown", "failed"), "planned")
_act("cancel", "Give up an effect that waits.", ("planned", "unknown", "failed"), "cancelled")
_act("redo", "Ask for a finished effect once more, on purpose.", ("done", "missed", "cancelled"), "planned")
