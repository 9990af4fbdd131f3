"""Listings of what is to be done and was done, and the acts upon them: tasks, effects.

In: arguments. Out: rows (stable field names) and exit codes. May not live here: SQL, what an act means (ledger/).
"""

from __future__ import annotations

from typing import Annotated

import typer

from mailrules.cli.opened import opened
from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import emit, json_line, safe
from mailrules.errors import UsageError
from mailrules.spine.acts import EFFECT_ACTS, act_on_effect

tasks = typer.Typer(help="The tasks; show one, mark it done.", rich_markup_mode=None)
effects = typer.Typer(help="What was done, is to be done, or waits for a person.", rich_markup_mode=None)

TASK = ("id", "title", "due", "status", "rule", "authorization")
EFFECT = ("id", "rule", "action", "target", "stage", "state", "attempts", "authorization", "why")

TAKEN = (
    *TASK[:4], "account", "developer", "developer_id", "deadline", "created", "done_at", "rule", "authorization", "body",
)  # fmt: skip
"""Columns of an exported task."""

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


@tasks.command("show")
def show_task(task: TaskId, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show one task with what it is about: where, by whom and how to renew."""
    from mailrules.spine.acts import task as found

    with opened(config) as it:
        row = found(it, task)
        if as_json:
            typer.echo(json_line({**{c: row[c] for c in TASK}, "body": row["body"]}))
        else:
            typer.echo(
                f"{safe(row['title'])}\ndue {row['due'] or 'at once'}, {row['status']}, rule `{safe(row['rule'])}`\n"
            )
            typer.echo("\n".join(safe(line) for line in str(row["body"]).splitlines()))


@tasks.command("export")
def export_tasks(
    target: Annotated[str | None, typer.Argument(metavar="[FILE]", help="Where to; else standard output.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="A table for spreadsheets.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Those done, too.")] = False,
    config: ConfigPath = None,
) -> None:
    """Write the tasks as a table, to take along."""
    from mailrules.cli.authorization_files import write_out
    from mailrules.ledger.exchange import to_csv, to_json

    if csv == as_json:
        raise UsageError("one of --csv and --json says in which form")
    with opened(config) as it:
        names = {a.id: (a.developer, a.developer_id) for a in it.store.ledger().authorizations.values()}
        rows = []
        for row in it.store.tasks(None if everything else "open"):
            developer, number = names.get(row["authorization"], ("", ""))
            told = {**row, "developer": developer, "developer_id": number, "deadline": row["obligation"]}
            rows.append({name: told[name] for name in TAKEN})
    write_out(
        target,
        to_csv(rows, TAKEN) if csv else to_json(rows),
        f"{len(rows)} task{'' if len(rows) == 1 else 's'}",
        csv=csv,
    )


@tasks.command("done")
def finish_task(task: TaskId, config: ConfigPath = None) -> None:
    """Mark a task done: its deadline is settled, and a year from today is assumed until a source speaks."""
    from mailrules.spine.acts import finish_task as finish

    with opened(config) as it:
        row, kept = finish(it, task)
        stays = f"; its deadline stays: {kept}" if kept else ""
        typer.echo(f"done: {safe(row['title'])}{stays}")


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


def _offer(name: str) -> None:
    def act(
        effect: Annotated[str, typer.Argument(metavar="ID", help="The effect's id.")], config: ConfigPath = None
    ) -> None:
        with opened(config) as it:
            act_on_effect(it, effect, name)
            typer.echo(f"{effect}: {EFFECT_ACTS[name].state}")

    act.__doc__ = EFFECT_ACTS[name].meaning
    effects.command(name)(act)


for _name in EFFECT_ACTS:
    _offer(_name)
