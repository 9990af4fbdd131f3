"""The commands that look ahead and back: apply, replay.

In: a plan's file, rules files. Out: what was done or would be, as text or JSON Lines, and exit codes.
May not live here: what a plan is (plan.py), how time is played (simulate.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailrules.cli.files import checked_rules, text_of
from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import json_line, safe
from mailrules.cli.reasons import asked_row
from mailrules.errors import UsageError

if TYPE_CHECKING:
    from mailrules.ledger import Ledger
    from mailrules.ruleset import RuleSet
    from mailrules.simulate import Difference, Played


def apply(
    plan: Annotated[str, typer.Argument(metavar="FILE", help="What `mailrules poll --plan FILE` wrote.")],
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Do exactly what a plan says; where the world has moved since, do nothing and say what moved (exit code 1)."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.cli.outcome import nothing_done, show_outcome
    from mailrules.spine.plan import from_text

    loaded = configuration.load(config)
    outcome = app.apply(loaded, from_text(text_of(plan), plan))
    if outcome.busy:
        raise nothing_done()
    if outcome.moved:
        sys.stderr.write(f"mailrules: nothing was done, because the world has moved since {plan} was made\n")
        for sentence in outcome.moved:
            sys.stderr.write(f"  {safe(sentence)}\n")
        sys.stderr.write("  help: look at a new one: mailrules poll --plan FILE\n")
        raise typer.Exit(outcome.exit_code)
    show_outcome(outcome, as_json=as_json)
    raise typer.Exit(outcome.exit_code)


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{name} is a day such as 2024-04-10, not {text}") from error


# --- replay -----------------------------------------------------------------------------------------------------


def replay(
    rules: Annotated[
        list[str], typer.Option("--rules", "-r", metavar="FILE", help="The new rules, in place of your rules files.")
    ],
    since: Annotated[
        str | None, typer.Option("--since", metavar="DAY", help="Tell only what would differ from this day on.")
    ] = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """What other rules would have done with all that is stored, beside the live ones. Sends nothing, writes nothing."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.shipped import shipped_rules
    from mailrules.simulate import compare, play
    from mailrules.spine import live
    from mailrules.spine.history import history
    from mailrules.store import Store

    loaded, now = configuration.load(config), app.clock()
    first = _day("--since", since) if since else date.min
    with Store.scratch(loaded.store) as store:
        old, error = live.live_rules(loaded, store, now.isoformat())
        if error:
            sys.stderr.write(f"mailrules: compared with the last good rules, which are live: {error}\n")
        new = checked_rules([*shipped_rules(), *((path, text_of(path)) for path in rules)], loaded)
        before = history(store, loaded, old)
        # why: reading is most of the work, and most new rules read mail as the live ones do
        alike = (old.systems, old.definitions.notices) == (new.systems, new.definitions.notices)
        after = before if alike else history(store, loaded, new)
        subjects = {message.id: message.subject for message in store.messages()}
    one, other = (play(h.steps, r, loaded.world, now) for h, r in ((before, old), (after, new)))
    zones = loaded.world.accounts
    found = [
        d
        for d in compare(one, other, zones)
        if d.asked.at.astimezone(zones[d.asked.effect.account].zone).date() >= first
    ]
    rows = [
        *_counts(one, other, old, new),
        *(_difference(d, (one.ledger, other.ledger), zones) for d in found),
        *_read_otherwise(before.steps, after.steps, subjects, first),
    ]
    total = {
        "kind": "summary", "messages": before.messages, "purged": before.purged, "said": before.said,
        "unplayed": one.unplayed, "differences": len(found),
    }  # fmt: skip
    if as_json:
        for row in (*rows, total):
            typer.echo(json_line(row))
        return
    _show_replay(rows, total)


def _counts(one: Played, other: Played, old: RuleSet, new: RuleSet) -> list[dict[str, Any]]:
    sides = ({r.name.value for r in old.rules}, {r.name.value for r in new.rules})
    return [
        {
            "kind": "rule", "rule": name, "old": one.fired[name] if name in sides[0] else None,
            "new": other.fired[name] if name in sides[1] else None,
        }
        for name in sorted(sides[0] | sides[1])
    ]  # fmt: skip


def _difference(found: Difference, ledgers: tuple[Ledger, Ledger], zones: Any) -> dict[str, Any]:
    asked = found.asked
    effect = asked.effect
    subject = next(
        (le.authorizations[effect.authorization] for le in ledgers if effect.authorization in le.authorizations), None
    )
    return {
        "kind": "difference", "change": found.change, "authorization": effect.authorization,
        "developer": subject.developer if subject else None, "due": effect.due, "message": asked.name or None,
        **asked_row(asked, asked.at.astimezone(zones[effect.account].zone).date().isoformat()), "details": list(found.details),
    }  # fmt: skip


def _read_otherwise(
    before: Iterable[Any], after: Iterable[Any], subjects: dict[str, str], first: date
) -> list[dict[str, Any]]:
    """Return the messages that the two rule sets read differently."""
    rows = []
    for old, new in zip(before, after, strict=True):
        if not old.name or old.at.date() < first:
            continue
        said = [
            "; ".join(f"{n.status} {n.kind or ''} {n.reason} {dict(n.fields) or ''}".strip() for n in step.what.notices)
            for step in (old, new)
        ]
        if said[0] != said[1]:
            rows.append(
                {
                    "kind": "message",
                    "message": old.name,
                    "subject": subjects.get(old.name),
                    "old": said[0],
                    "new": said[1],
                }
            )
    return rows


def _show_replay(rows: list[dict[str, Any]], total: dict[str, Any]) -> None:
    typer.echo(
        f"{total['messages']} stored messages ({total['purged']} of them as they were read, their bytes are gone), {total['said']} words of people"
    )
    typer.echo("how often each rule would have asked for something: live, new")
    obligation = None
    for row in rows:
        match row["kind"]:
            case "rule":
                shown = ["-" if row[side] is None else str(row[side]) for side in ("old", "new")]
                typer.echo(f"  {shown[0]:>5} {shown[1]:>5}  {safe(row['rule'])}")
            case "difference":
                if obligation != (row["authorization"], row["due"]):
                    obligation = (row["authorization"], row["due"])
                    typer.echo(f"{safe(row['developer'] or row['authorization'])}, {row['due']}")
                by = f" (message {row['message']})" if row["message"] else ""
                missed = " (missed)" if row["state"] == "missed" else ""
                typer.echo(
                    f"  {row['change']}: {row['day']} {safe(row['what'])}{missed} of rule `{safe(row['rule'])}`{by}"
                )
                for detail in row["details"]:
                    typer.echo(f"      {safe(detail)}")
            case _:
                typer.echo(
                    f"message {row['message']} would be read otherwise: {safe(row['subject'])}\n  live: {safe(row['old'])}\n  new: {safe(row['new'])}"
                )
    typer.echo(f"{total['differences']} effects would differ" if total["differences"] else "no effect would differ")
