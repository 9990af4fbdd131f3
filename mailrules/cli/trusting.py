"""`mailrules trust`: who sent notices, and whom a person confirms.

In: arguments. Out: rows (stable field names) and exit codes. May not live here: SQL, what makes a sender believable
(notices/trust.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mailrules.cli.opened import opened
from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import emit, safe
from mailrules.errors import UsageError

if TYPE_CHECKING:
    from mailrules.language.ast import System
    from mailrules.spine.opened import Opened

trust = typer.Typer(help="Who sent notices, and whom you confirm.", rich_markup_mode=None)

COLUMNS = ("system", "sender", "level", "seen", "first_seen", "last_seen", "confirmed", "reason")

Sender = Annotated[str, typer.Argument(metavar="ADDRESS|DOMAIN", help="As `mailrules trust` lists it.")]


@trust.callback(invoke_without_command=True)
def list_senders(context: typer.Context, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """List every sender of a notice with the level it was believed at, and what you confirmed."""
    if context.invoked_subcommand is not None:
        return
    with opened(config) as it:
        trusted = it.store.trusted()
        confirmed = it.store.confirmed_senders()
        rows = [
            {
                "system": row["system"], "sender": row["address"], "level": row["level"], "seen": row["seen"],
                "first_seen": row["first_seen"][:10], "last_seen": row["last_seen"][:10],
                "confirmed": bool({(row["system"], row["address"]), (row["system"], row["address"].rpartition("@")[2])} & confirmed),
                "reason": row["reason"],
            }
            for row in it.store.senders()
        ]  # fmt: skip
        seen = {(row["system"], row["sender"]) for row in rows}
        rows += [
            {
                "system": row["system"], "sender": row["value"], "level": row["kind"], "seen": 0, "first_seen": None,
                "last_seen": None, "confirmed": True, "reason": f"you confirmed it on {row['at'][:10]}",
            }
            for row in trusted
            if (row["system"], row["value"]) not in seen
        ]  # fmt: skip
        emit(rows, COLUMNS, as_json=as_json, empty="no notice came yet, and nothing was confirmed")


@trust.command("confirm")
def confirm_sender(
    sender: Sender,
    system: Annotated[str, typer.Option("--system", metavar="NAME", help="The system whose notices it sends.")],
    config: ConfigPath = None,
) -> None:
    """Confirm a sender of a system that declares no domain; your receiver must still vouch for each mail."""
    from mailrules.notices.trust import not_to_confirm
    from mailrules.store.senders import SENDER

    with opened(config) as it:
        systems = _systems(it)
        chosen = next((s for s in systems if s.name.value == system), None)
        if chosen is None:
            raise UsageError(
                f"there is no system `{system}`", help=f"there are {', '.join(s.name.value for s in systems)}"
            )
        wanted = sender.strip().lower()
        if why := not_to_confirm(wanted, chosen, systems):
            raise UsageError(f"{safe(wanted)} cannot be confirmed for {system}: {safe(why)}")
        seen = {
            name
            for row in it.store.senders()
            if row["system"] == system and row["level"] != "forged"
            for name in (row["address"], row["address"].rpartition("@")[2])
        }
        if wanted not in seen:
            raise UsageError(
                f"no notice of {system} ever came from {safe(wanted)}",
                help="`mailrules trust` lists the senders that were seen",
            )
        it.store.confirm(SENDER, system, wanted, it.at)
        typer.echo(f"confirmed: {wanted} sends notices of {system}")


@trust.command("developer")
def confirm_developer(
    developer_id: Annotated[str, typer.Argument(metavar="ID", help="Its 12 digits.")], config: ConfigPath = None
) -> None:
    """Confirm a Developer ID that you really work with, as [developers] does; only such notices reach scripts."""
    from mailrules.notices.fields import Unreadable, read_value
    from mailrules.store.senders import DEVELOPER

    value = read_value("developer_id", "", developer_id)
    if isinstance(value, Unreadable):
        raise UsageError(f"{safe(developer_id)} is no Developer ID: {value.why}")
    with opened(config) as it:
        it.store.confirm(DEVELOPER, "", value, it.at)
        typer.echo(f"confirmed: {value} is a developer that you work with")


@trust.command("forget")
def forget(
    what: Annotated[str, typer.Argument(metavar="ADDRESS|DOMAIN|ID", help="What you confirmed before.")],
    config: ConfigPath = None,
) -> None:
    """Take a confirmation back; mail that comes from now on is believed without it."""
    with opened(config) as it:
        wanted = what.strip().lower() if "@" in what or "." in what else what.replace("-", "").replace(" ", "")
        if not it.store.unconfirm(wanted):
            raise UsageError(f"{safe(wanted)} was not confirmed", help="`mailrules trust` lists what was")
        typer.echo(f"taken back: {wanted}")


def _systems(it: Opened) -> tuple[System, ...]:
    """Return the systems of the live rules."""
    from mailrules.spine.live import live_rules

    return live_rules(it.config, it.store, it.at)[0].systems
