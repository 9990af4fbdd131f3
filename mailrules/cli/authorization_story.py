"""One authorization with all that is known of it: deadlines, evidence, contradictions, mails, effects.

In: arguments. Out: one JSON object, or a page of text. May not live here: what any of it means (ledger/).
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mailrules.cli.authorizations import Wanted, contradiction
from mailrules.cli.opened import opened
from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import json_line, safe
from mailrules.spine.opened import Opened

if TYPE_CHECKING:
    from mailrules.ledger import Authorization, Ledger

EFFECT = ("id", "due", "rule", "action", "target", "stage", "state", "attempts", "why", "updated")


def show_authorization(authorization: Wanted, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show one with its whole history and the evidence."""
    from mailrules.ledger import named

    with opened(config) as it:
        ledger = it.store.ledger()
        story = _story(it, ledger, named(ledger, authorization))
    if as_json:
        sys.stdout.write(json_line(story) + "\n")
    else:
        sys.stdout.writelines(safe(line) + "\n" for line in _page(story))


def _story(it: Opened, ledger: Ledger, subject: Authorization) -> dict[str, Any]:
    from mailrules.ledger import silence
    from mailrules.ledger.listing import KEPT, listed

    account = it.config.world.accounts.get(subject.account)
    today = it.today(subject.account)
    linked = [a.id for a in ledger.authorizations.values() if a.linked == subject.id]
    everything = [e for name in (subject.id, *linked) for e in it.store.events(name)]
    events = sorted(everything, key=lambda e: (str(e["at"]), int(str(e["id"]))))
    effects = [row for name in (subject.id, *linked) for row in it.store.effects(authorization=name)]
    details: list[Any] = [event["detail"] for event in events]
    digests = dict.fromkeys(detail["message"] for detail in details if detail.get("message"))
    messages = [m for m in map(it.store.message, digests) if m]
    quiet = silence(ledger, subject.id, today)
    return {
        **listed(ledger, subject, today, warn_days=account.warn_days if account else 30),
        **{name: getattr(subject, name) for name in KEPT},
        "linked": linked,
        "days_without_reminder": quiet.days if quiet else None,
        "obligations": [asdict(o) for o in ledger.of(subject.id)],
        "evidence": [_plain(e) for e in events if e["what"] == "settled"],
        "contradictions": [_plain(e) for e in events if e["what"] == "contradiction"],
        "events": [_plain(e) for e in events],
        "messages": [
            {"digest": m.digest, "message_id": m.message_id, "subject": m.subject, "received_at": m.received_at.isoformat()}
            for m in messages
        ],
        "effects": [{name: row[name] for name in EFFECT} for row in effects],
    }  # fmt: skip


def _plain(event: Any) -> dict[str, Any]:
    return {name: event[name] for name in ("at", "what", "due", "detail")}


def _page(story: dict[str, Any]) -> list[str]:
    lines = [f"{story['developer']}" + (f" ({story['developer_id']})" if story["developer_id"] else "")]
    facts = {
        name: value
        for name, value in story.items()
        if not isinstance(value, list) and value not in (None, "", False) and name not in ("developer", "developer_id")
    }
    width = max(len(name) for name in facts)
    lines += [
        f"  {name.replace('_', ' '):<{width}}  {'yes' if value is True else value}" for name, value in facts.items()
    ]
    if story["linked"]:
        lines.append(f"  also known as {', '.join(story['linked'])}")
    if story["days_without_reminder"]:
        lines.append("  a hint, no evidence: reminders come weekly, and they have stopped")
    lines += _section("Deadlines", [_deadline(o) for o in story["obligations"]])
    lines += _section("Contradictions", [f"{e['at']}  {contradiction(e)}" for e in story["contradictions"]])
    lines += _section("History", [_event(e) for e in story["events"]])
    lines += _section("Mails", [f"{m['received_at']}  {m['subject']}  {m['digest'][:12]}" for m in story["messages"]])
    lines += _section(
        "Effects",
        [
            " ".join(str(e[n]) for n in ("updated", "id", "action", "target", "stage", "state", "why") if e[n])
            for e in story["effects"]
        ],
    )
    return lines


def _section(title: str, rows: list[str]) -> list[str]:
    return ["", title, *(f"  {row}" for row in rows)] if rows else []


def _deadline(owed: dict[str, Any]) -> str:
    what = f"{owed['due']}  {owed['state']}" if owed["dated"] else f"since {owed['due']}  {owed['state']}"
    grade = f" by {owed['grade']} ({owed['proof']})" if owed["grade"] else ""
    return f"{what}{grade}, {owed['reminders']} notice{'' if owed['reminders'] == 1 else 's'}, {owed['trust']}"


def _event(event: dict[str, Any]) -> str:
    detail = " ".join(
        f"{k}={str(v)[:12] if k == 'message' else v}" for k, v in event["detail"].items() if v not in ("", None, [])
    )
    return (
        f"{event['at']}  {event['what']}"
        + (f" {event['due']}" if event["due"] else "")
        + (f"  {detail}" if detail else "")
    )
