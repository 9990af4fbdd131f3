"""Rules and values as rows and lines: what explain and try both show.

In: what was read, Judged rules, effects. Out: rows with stable keys, and lines for people.
May not live here: judging (whynot.py), finding what is to be explained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from mailrules.cli.output import safe
from mailrules.effects import described
from mailrules.errors import UsageError

if TYPE_CHECKING:
    from mailrules.effects import Effect
    from mailrules.notices.notice import Notice
    from mailrules.simulate import Asked
    from mailrules.whynot import Judged


def chosen(judged: Sequence[Judged], name: str | None) -> list[Judged]:
    """Return all rules, or the one called `name`; raises UsageError with the nearest name where there is none."""
    if name is None:
        return list(judged)
    found = [j for j in judged if j.rule.name.value == name]
    if not found:
        from mailrules.config_values import suggest

        raise UsageError(f"no rule is called `{name}`", help=suggest(name, [j.rule.name.value for j in judged]))
    return found


def notice_row(notice: Notice) -> dict[str, Any]:
    """Return what one notice is, and each value with the place where it was read."""
    return {
        "notice": notice.kind, "system": notice.system, "wording": notice.wording, "status": notice.status,
        "reason": notice.reason or None, "trust": notice.trust, "trust_reason": notice.trust_reason,
        "values": [
            {"field": e.field, "value": notice.fields.get(e.field), "part": e.part, "line": e.line, "column": e.column, "text": e.text}
            for e in notice.evidence
        ],
    }  # fmt: skip


def rule_row(judged: Judged, states: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what one rule says; `states` are the stored rows of effects, by key."""
    rule = judged.rule
    return {
        "rule": rule.name.value, "fired": judged.fired, "reason": judged.reason or None, "failed": judged.failed,
        "file": rule.span.file, "line": rule.span.line,
        "description": rule.description.value if rule.description else None,
        "owner": rule.owner.value if rule.owner else None, "runbook": rule.runbook.value if rule.runbook else None,
        "conditions": [
            {"condition": leaf.text, "held": leaf.held, "wanted": leaf.wanted, "found": leaf.found, "because": leaf.because or None, "line": leaf.span.line}
            for leaf in judged.conditions
        ],
        "effects": [{**effect_row(e), **_state(states.get(e.key))} for e in judged.effects],
    }  # fmt: skip


def effect_row(effect: Effect) -> dict[str, Any]:
    """Return what an effect does."""
    return {
        "rule": effect.rule, "action": effect.action, "target": effect.target, "stage": effect.stage,
        "what": described(effect), "state": effect.state,
    }  # fmt: skip


def asked_row(asked: Asked, day: str) -> dict[str, Any]:
    """Return an effect with the day on which it comes."""
    return {"day": day, **effect_row(asked.effect)}


def _state(row: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"id": row["id"], "state": row["state"], "since": row["updated"]} if row else {}


def show_notice(row: Mapping[str, Any]) -> None:
    """Print one notice with its values and their places."""
    what = " of ".join(x for x in (row["notice"], row["system"]) if x)
    typer.echo(f"  {row['status']} {what}".rstrip() + (f": {safe(row['reason'])}" if row["reason"] else ""))
    if row["status"] != "unrecognized":
        typer.echo(f"    trust {row['trust']}: {safe(row['trust_reason'])}")
    for value in row["values"]:
        where = "subject" if value["part"] == "subject" else f"part {value['part']}, line {value['line']}"
        shown = value["text"] if value["value"] is None else value["value"]
        typer.echo(f"    {value['field']}: {safe(shown)}  ({where}, column {value['column']})")


def show_rules(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print each rule with its conditions, the nearest miss as it was ranked."""
    for row in rows:
        said = "fires" if row["fired"] else "holds back"
        typer.echo(
            f"  rule `{safe(row['rule'])}` {said}"
            + (f": {safe(row['reason'])}" if row["reason"] else "")
            + f"  [{safe(row['file'])}:{row['line']}]"
        )
        for word in ("description", "owner", "runbook"):
            if row[word]:
                typer.echo(f"      {word}: {safe(row[word])}")
        for leaf in row["conditions"]:
            mark = "holds" if leaf["held"] else "fails"
            because = f"  because {safe(leaf['because'])}" if leaf["because"] else ""
            typer.echo(f"      {mark}: {safe(leaf['condition'])}  (found {safe(leaf['found'])}){because}")
        for effect in row["effects"]:
            when = f" since {effect['since'][:16]}, id {effect['id']}" if "since" in effect else ""
            typer.echo(f"      asks for: {safe(effect['what'])}  ({effect['state']}{when})")
        for later in row.get("to_come", ()):
            typer.echo(f"      to come on {later['day']}: {safe(later['what'])}")
