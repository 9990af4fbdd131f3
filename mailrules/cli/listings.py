"""Listings of what is to be done and was done, and the acts upon them: tasks, effects.

In: arguments. Out: rows (stable field names) and exit codes. May not live here: SQL, what an act means (ledger/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailrules.cli.opened import opened
from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import emit, json_line, safe
from mailrules.effects import EffectState
from mailrules.errors import UsageError

if TYPE_CHECKING:
    from mailrules.store import Store

tasks = typer.Typer(help="The tasks; show one, mark it done.", rich_markup_mode=None)
effects = typer.Typer(help="What was done, is to be done, or waits for a person.", rich_markup_mode=None)

TASK = ("id", "title", "due", "status", "rule", "authorization")
EFFECT = ("id", "rule", "action", "target", "stage", "state", "attempts", "authorization", "why")

TaskId = Annotated[str, typer.Argument(metavar="ID", help="The task's id.")]


@tasks.callback(invoke_without_command=True)
def list_tasks(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Those done, too.")] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """List the open tasks by day."""
    if context.invoked_subcommand is None:
        with opened(config) as it:
            rows = sorted(
                it.store.tasks(None if everything else "open"), key=lambda r: (r["due"] or "9999", str(r["id"]))
            )
            emit([{c: row[c] for c in TASK} for row in rows], TASK, as_json=as_json, empty="nothing to do")


def _task(store: Store, task: str) -> dict[str, Any]:
    row = store.task(task)
    if row is None:
        raise UsageError(f"there is no task {task}", help="`mailrules tasks` lists their ids")
    return row


@tasks.command("show")
def show_task(task: TaskId, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show one task with what it is about: where, by whom and how to renew."""
    with opened(config) as it:
        row = _task(it.store, task)
        if as_json:
            typer.echo(json_line({**{c: row[c] for c in TASK}, "body": row["body"]}))
        else:
            typer.echo(
                f"{safe(row['title'])}\ndue {row['due'] or 'at once'}, {row['status']}, rule `{safe(row['rule'])}`\n"
            )
            typer.echo("\n".join(safe(line) for line in str(row["body"]).splitlines()))


@tasks.command("done")
def finish_task(task: TaskId, config: ConfigPath = None) -> None:
    """Mark a task done: its deadline is settled, and a year from today is assumed until a source speaks."""
    from mailrules.ledger import renewed

    with opened(config) as it:
        with it.store.transaction():
            row = _task(it.store, task)
            if row["status"] != "open":
                raise UsageError(f"task {task} is done already")
            it.store.finish_task(task, it.at)
            ledger = it.store.ledger()
            known = ledger.authorizations.get(row["authorization"])
            subject = ledger.authorizations[known.linked or known.id] if known else None
            waiting = ledger.obligations.get((subject.id, row["obligation"])) if subject else None
            kept = ""
            if subject and waiting and waiting.waiting:
                name, today = subject.id, it.today(row["account"])
                try:
                    it.change(lambda now: renewed(now, name, at=it.at, day=today, who=f"task {task} done"))
                except (
                    UsageError
                ) as error:  # why: the work is done all the same, only the year from today is no renewal
                    kept = f"; its deadline stays: {error}"
        typer.echo(f"done: {safe(row['title'])}{kept}")


@effects.callback(invoke_without_command=True)
def list_effects(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """List what was done, is to be done, or waits for a person."""
    if context.invoked_subcommand is None:
        with opened(config) as it:
            emit(
                [{c: row[c] for c in EFFECT} for row in it.store.effects()],
                EFFECT,
                as_json=as_json,
                empty="nothing was asked for yet",
            )


def _act(name: str, meaning: str, allowed: tuple[str, ...], state: EffectState) -> None:
    def act(
        effect: Annotated[str, typer.Argument(metavar="ID", help="The effect's id.")], config: ConfigPath = None
    ) -> None:
        with opened(config) as it:
            row = next((r for r in it.store.effects() if r["id"] == effect), None)
            if row is None:
                raise UsageError(f"there is no effect {effect}", help="`mailrules effects` lists their ids")
            if row["state"] not in allowed:
                raise UsageError(
                    f"effect {effect} is {row['state']}; only {' or '.join(allowed)} can be taken with `{name}`"
                )
            it.store.set_effect_state(effect, state, it.at)
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
