"""`mailrules drill`: a declared script, run now on a made-up authorization, so that nobody waits a year to find it broken.

In: a script's name. Out: how it ended, what it printed, what would have been concluded. Touches no ledger, no outbox.
May not live here: running a script (actions/), concluding from it (spine/drain.py); a second way of composing its arguments.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import json_line, safe
from mailrules.errors import EXIT_CHECK_FAILED, ConfigError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from mailrules.config import Config
    from mailrules.effects import Effect, Outcome
    from mailrules.ledger import Ledger

DEVELOPER, DEVELOPER_ID, DAYS = "Drill", "000000000000", 30


def drill(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A script of [scripts].")],
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Run a declared script now, on a made-up authorization: developer Drill, 000000000000, 30 days left."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.actions import Services, perform
    from mailrules.actions.processes import UNREACHED
    from mailrules.store import Claim

    loaded = configuration.load(config)
    if name not in loaded.world.scripts:
        from mailrules.config_values import suggest

        known = loaded.world.scripts
        told = suggest(name, known) if known else "declare one under [scripts]"
        raise UsageError(f"no script `{name}` is declared in {loaded.path}", help=told)
    now = app.clock()
    effect, ledger = _made_up(loaded, name, now)
    services = Services(smtp=None, content=lambda _digest: None, sender="", own_id="")
    began = time.monotonic()
    outcome = perform([Claim(effect=effect, attempt=1)], services, now.isoformat())
    row = {
        "script": name, "argv": effect.args["argv"], "result": outcome.result, "why": outcome.why, "exit": outcome.code,
        "seconds": round(time.monotonic() - began, 3), "output": outcome.output,
        "concluded": _concluded(loaded, effect, outcome, ledger, now), "notes": [UNREACHED] if UNREACHED else [],
    }  # fmt: skip
    if as_json:
        typer.echo(json_line(row))
    else:
        _show(row)
    raise typer.Exit(0 if outcome.result == "done" else EXIT_CHECK_FAILED)


def _made_up(config: Config, name: str, now: datetime) -> tuple[Effect, Ledger]:
    """Return the effect that a notice about the made-up authorization leads to, and the ledger it leaves: all as in a poll."""
    from mailrules.demo.samples import expiring
    from mailrules.mail.message import RawMessage
    from mailrules.pipeline import conclude, read
    from mailrules.shipped import shipped_rules
    from mailrules.spine.live import load_rules

    account = next(iter(config.accounts))
    day: date = now.astimezone(account.facts.zone).date() + timedelta(days=DAYS)
    content, _ = expiring(DEVELOPER_ID, DEVELOPER, day, now, name="drill")
    rule = f'rule "drill" {{\n  on authorization_expiring\n  when trust is bound\n  run "{name}"\n}}\n'
    rules = load_rules([*shipped_rules(), ("drill", rule)], config)
    raw = RawMessage(source="drill", content=content, received_at=now, account=account.name)
    world = config.world._replace(developers={DEVELOPER_ID: DEVELOPER})
    ingest = conclude(read(raw, rules, trust="bound"), _empty(), rules, world, now)
    effect = next((e for e in ingest.effects if e.rule == "drill"), None)
    if effect is None or effect.state != "planned":
        why = effect.args["why"] if effect else "; ".join(f"{p.code}: {p.message}" for p in rules.errors)
        raise ConfigError(f"the script `{name}` cannot be drilled: {why}", help=f"look at [scripts.{name}]")
    return replace(effect, args={**effect.args, "drill": True}), ingest.ledger


def _empty() -> Ledger:
    from mailrules.ledger import Ledger

    return Ledger()


def _concluded(config: Config, effect: Effect, outcome: Outcome, ledger: Ledger, now: datetime) -> str:
    """Return in words what the run would have changed."""
    from mailrules.spine.drain import conclusion
    from mailrules.spine.plan import sentence

    if outcome.result == "retry":
        return "nothing yet: it would be run again later"
    if outcome.result != "done":
        return "nothing: a person would be asked"
    if not effect.args.get("verifies"):
        return "nothing: it is declared without `verifies`, so its success is no evidence of renewal"
    observed = conclusion(ledger, effect, outcome.output, now, config.world.accounts.get(effect.account))
    if isinstance(observed, str):
        return f"nothing: {observed}"
    return "; ".join(sentence(event, observed.ledger) for event in observed.events)


def _show(row: dict[str, Any]) -> None:
    typer.echo(f"drill of {safe(row['script'])}: nothing is remembered of it")
    typer.echo("  " + " ".join(safe(json_line(word)) for word in row["argv"]))
    code = "" if row["exit"] is None or row["exit"] < 0 else f", exit code {row['exit']}"
    typer.echo(f"  {row['result']}: {safe(row['why'])}{code}, after {row['seconds']:g} seconds")
    for line in row["output"].splitlines():
        typer.echo(f"  | {safe(line)}")
    typer.echo(f"  concluded: {safe(row['concluded'])}")
    for note in row["notes"]:
        typer.echo(f"  note: {note}")
