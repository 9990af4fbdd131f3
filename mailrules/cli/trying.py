"""`mailrules try`: one rules file on one message, on a frozen clock, with or without a configuration.

In: a rules file, a message, a day. Out: what was read, what comes at once and later, and why not.
May not live here: how time is played (simulate.py), judging (whynot.py).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailrules.cli.files import checked_rules, reading_as_a_poll, rules_in
from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import json_line, safe
from mailrules.cli.reasons import asked_row, effect_row, notice_row, rule_row, show_notice, show_rules
from mailrules.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from mailrules.config import Config
    from mailrules.ruleset import RuleSet
    from mailrules.world import World


def try_rules(
    rules: Annotated[
        str, typer.Argument(metavar="RULES", help="A rules file, or a folder of them, beside the shipped notices.")
    ],
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="One message: a file, or - for standard input.")],
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="DAY", help="The day of the poll, or 2024-04-10T09:00; else the mail's Date."),
    ] = None,
    trust: Annotated[
        str | None, typer.Option("--as", metavar="TRUST", help="Trust the mail this much, such as bound.")
    ] = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """What one rules file makes of one message: what was read, what comes at once, what comes later, and why not."""
    from mailrules.pipeline import conclude, tick
    from mailrules.shipped import shipped_rules
    from mailrules.simulate import Played
    from mailrules.sources.files import documents
    from mailrules.vocabulary import TRUST
    from mailrules.whynot import of_message, to_come

    if trust is not None and trust not in TRUST:
        raise UsageError(f"--as is one of {', '.join(TRUST)}, not {trust}")
    loaded = _config_if_any(config)
    ready = checked_rules([*shipped_rules(), *rules_in(rules)], loaded)
    world = loaded.world if loaded else _made_up(ready)
    account = next(iter(world.accounts.values()))
    found = list(documents(message, sys.stdin.buffer))
    if len(found) != 1:
        raise UsageError(f"{message} holds {len(found)} messages; name one")
    raw = replace(found[0], account=account.name)
    now = _instant(at, account) if at else _sent(raw)
    with reading_as_a_poll(ready, loaded, developers=world.developers, trust=trust) as read:
        reading = read(replace(raw, received_at=now))
    played = Played()
    ingest = conclude(reading, played.ledger, ready, world, now)
    played.take(ingest, now)
    played.take(tick(played.ledger, ready, world, now), now)
    later = to_come(played.ledger, ready, world, now)
    row: dict[str, Any] = {
        "source": raw.source, "at": now.astimezone(account.zone).isoformat(),
        "notices": [notice_row(n) for n in reading.notices],
        "now": [effect_row(a.effect) for a in played.asked.values()],
        "later": [asked_row(a, a.at.astimezone(account.zone).date().isoformat()) for a in later],
        "rules": [rule_row(j, {}) for j in of_message(ingest, ready, world, now)],
    }  # fmt: skip
    if as_json:
        typer.echo(json_line(row))
        return
    typer.echo(f"{safe(row['source'])}, polled at {row['at'][:16]}")
    for notice in row["notices"]:
        show_notice(notice)
    typer.echo("at once")
    for effect in row["now"]:
        typer.echo(
            f"  {safe(effect['what'])}"
            + (f"  ({effect['state']})" if effect["state"] != "planned" else "")
            + f"  (rule `{safe(effect['rule'])}`)"
        )
    if not row["now"]:
        typer.echo("  nothing")
    typer.echo("later, if nothing else happens")
    for effect in row["later"]:
        typer.echo(f"  {effect['day']} {safe(effect['what'])}  (rule `{safe(effect['rule'])}`)")
    if not row["later"]:
        typer.echo("  nothing")
    typer.echo("why, and why not")
    show_rules(row["rules"])


def _config_if_any(path: str | None) -> Config | None:
    from mailrules import config as configuration

    try:
        return configuration.load(path)
    except ConfigError:
        if path or Path(configuration.FILE).is_file():
            raise
        return None


def _made_up(rules: RuleSet) -> World:
    from zoneinfo import ZoneInfo

    from mailrules.ruletests.run import world_of

    return world_of(rules, ZoneInfo("UTC"))


def _sent(raw: Any) -> datetime:
    from mailrules import app
    from mailrules.mail.parse import parse_message

    sent = parse_message(raw).sent_at
    return sent.astimezone(UTC) if sent else app.clock()


def _instant(text: str, account: Any) -> datetime:
    """Return the instant that a day or a time means in the account's zone; a bare day is when its polls begin to fire."""
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), account.day_starts, account.zone).astimezone(UTC)
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=account.zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--at is a day such as 2024-04-10 or a time such as 2024-04-10T09:00, not {text}") from error
