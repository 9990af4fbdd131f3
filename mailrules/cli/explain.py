"""`mailrules explain`: why, and why not, of a message, of an authorization, and of a code.

In: a code, a file, a stored message, an authorization. Out: rows (JSON Lines) or lines for people; always exit code 0.
May not live here: judging (whynot.py); anything that is only true of a poll.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailrules.cli.options import AsJson, ConfigPath
from mailrules.cli.output import json_line, safe
from mailrules.cli.reasons import asked_row, chosen, notice_row, rule_row, show_notice, show_rules
from mailrules.errors import UsageError
from mailrules.mail.message import RawMessage

if TYPE_CHECKING:
    from mailrules.config import Config
    from mailrules.ledger import Authorization, Ledger
    from mailrules.ruleset import RuleSet
    from mailrules.store import Store, StoredMessage

RuleName = Annotated[str | None, typer.Option("--rule", "-R", metavar="NAME", help="Only this rule.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What everything is explained with: today's rules where they are live, else the last good ones."""

    config: Config
    store: Store
    rules: RuleSet
    now: datetime
    rule: str | None
    as_json: bool


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="MESSAGE|AUTHORIZATION|CODE",
            help="A file, a stored message's id or Message-ID; an authorization's id, Developer ID or name; a code such as E012.",
        ),
    ],
    rule: RuleName = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Why, and why not: where each value was read, and what every rule says to it, the nearest miss first."""
    from mailrules.language.problems import CODES

    if what.upper() in CODES:
        page = CODES[what.upper()]
        examples = "".join(
            f"\n\n{word}:\n{text}" for word, text in (("wrong", page.wrong), ("right", page.right)) if text
        )
        typer.echo(f"{what.upper()}: {page.title}\n\n{page.text}{examples}")
        return
    if re.fullmatch(r"[ENW][0-9]{3}", what.upper()) and not Path(what).exists():
        raise UsageError(f"no problem has the code {what}", help=f"the codes are {', '.join(sorted(CODES))}")
    with _scene(config, rule, as_json=as_json) as scene:
        _explained(scene, what)


def _explained(scene: _Scene, what: str) -> None:
    if what == "-" or Path(what).exists():
        from mailrules.sources.files import documents

        for raw in documents(what, sys.stdin.buffer):
            _message(scene, raw, None)
        return
    named = _authorizations(scene.store.ledger(), what)
    if len(named) > 1:
        raise UsageError(
            f"{len(named)} authorizations are called {what}: {', '.join(a.id for a in named)}", help="name its id"
        )
    stored = None if named else scene.store.message(what)
    if named:
        _authorization(scene, named[0])
    elif stored is None:
        raise UsageError(
            f"there is no file, no stored message and no authorization {what}",
            help="name a file, a Message-ID or an id of a stored message, or what `mailrules authorizations` lists",
        )
    elif stored.content is None:
        raise UsageError(
            f"the bytes of {what} have been purged; only what was read is kept",
            help="explain the authorization it spoke of: `mailrules authorizations` lists them",
        )
    else:
        raw = RawMessage(
            source=what, content=stored.content, received_at=stored.received_at, account=stored.account,
            media_type=stored.media_type,
        )  # fmt: skip
        _message(scene, raw, stored)


@contextmanager
def _scene(path: str | None, rule: str | None, *, as_json: bool) -> Iterator[_Scene]:
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.spine import live
    from mailrules.store import Store

    config = configuration.load(path)
    with Store.scratch(config.store) as store:
        now = app.clock()
        rules, error = live.live_rules(config, store, now.isoformat())
        if error:
            sys.stderr.write(
                f"mailrules: explained with the last good rules, which are live: {error}\n  help: {error.help}\n"
            )
        yield _Scene(config=config, store=store, rules=rules, now=now, rule=rule, as_json=as_json)


def _authorizations(ledger: Ledger, what: str) -> list[Authorization]:
    digits = what.replace("-", "").replace(" ", "")
    by_id = [a for a in ledger.authorizations.values() if what == a.id or (a.developer_id and digits == a.developer_id)]
    return by_id or [a for a in ledger.authorizations.values() if a.developer == what]


def _message(scene: _Scene, raw: RawMessage, stored: StoredMessage | None) -> None:
    from mailrules.pipeline import conclude, read
    from mailrules.spine.anchors import Anchors
    from mailrules.spine.intake import candidates_of
    from mailrules.whynot import of_message

    config, world = scene.config, scene.config.world
    account = next((a for a in config.accounts if a.name == raw.account), config.accounts[0])
    received = (
        raw.received_at if raw.received_at.year > 1970 else scene.now
    )  # why: standard input has no time of its own
    anchors = Anchors(config, scene.store, scene.rules)
    reading = read(
        replace(raw, account=account.name, received_at=received),
        scene.rules,
        receiver=account.receiver,
        developers=anchors.developers(),
        senders=anchors.senders(),
        signature=scene.store.verdict(stored.digest) if stored else anchors.signature(raw, account),
    )
    ingest = conclude(reading, scene.store.ledger(), scene.rules, world, scene.now)
    block = raw.content.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0]
    states = {row["key"]: row for row in scene.store.effects()}
    judged = chosen(of_message(ingest, scene.rules, world, scene.now), scene.rule)
    row: dict[str, Any] = {
        "source": raw.source, "message_id": reading.message.message_id or None, "subject": reading.message.subject,
        "candidate": candidates_of(config, account, scene.rules).reason(block),
        "stored": {"id": stored.id, "fired": [d["rule"] for d in stored.decisions if d["fired"]]} if stored else None,
        "authorizations": [a for a in dict.fromkeys(s.authorization for s in ingest.situations) if a in ingest.ledger.authorizations],
        "notices": [notice_row(n) for n in reading.notices], "rules": [rule_row(j, states) for j in judged],
    }  # fmt: skip
    if scene.as_json:
        typer.echo(json_line(row))
        return
    passed = "it would be passed over: no system knows its sender, no wording fits its subject"
    typer.echo(f"{safe(row['source'])}\n  fetched because: {safe(row['candidate'] or passed)}")
    if stored:
        fired = ", ".join(f"`{name}`" for name in row["stored"]["fired"]) or "no rule"
        typer.echo(f"  stored as message {stored.id}; when it was taken in, {safe(fired)} fired")
    for notice in row["notices"]:
        show_notice(notice)
    show_rules(row["rules"])


def _authorization(scene: _Scene, subject: Authorization) -> None:
    from mailrules.ledger import Event, Ledger, state_of
    from mailrules.spine.plan import sentence
    from mailrules.whynot import of_authorization, to_come

    ledger, world, now = scene.store.ledger(), scene.config.world, scene.now
    owed = ledger.of(subject.id)
    account = world.accounts.get(subject.account)
    today = now.astimezone(account.zone if account else None).date()
    rows = scene.store.effects(authorization=subject.id)
    states = {row["key"]: row for row in rows}
    alone = Ledger({subject.id: subject}, {(o.authorization, o.due): o for o in owed})
    coming = [a for a in to_come(alone, scene.rules, world, now) if a.effect.key not in states]
    judged = chosen(of_authorization(subject.id, ledger, scene.rules, world, now), scene.rule)
    rows_of_events: list[Any] = scene.store.events(subject.id)
    events = [
        Event(authorization=subject.id, due=e["due"], at=e["at"], what=e["what"], detail=e["detail"])
        for e in rows_of_events
    ]
    row: dict[str, Any] = {
        **asdict(subject), "authorization": subject.id,
        "state": state_of(subject, ledger.current(subject.id), today, warn_days=account.warn_days if account else 30),
        "days_left": (date.fromisoformat(subject.expires) - today).days if subject.expires else None,
        "deadlines": [asdict(o) for o in owed], "events": [{k: v for k, v in asdict(e).items() if k != "authorization"} for e in events],
        "effects": [{k: r[k] for k in ("id", "rule", "action", "target", "stage", "due", "state", "created", "updated", "why")} for r in rows],
        "rules": [
            {
                **rule_row(j, states),
                "to_come": [
                    asked_row(a, a.at.astimezone(account.zone).date().isoformat())
                    for a in coming if account and a.effect.rule == j.rule.name.value and a.effect.state == "planned"
                ],
            }
            for j in judged
        ],
    }  # fmt: skip
    if scene.as_json:
        typer.echo(json_line(row))
    else:
        _show_authorization(subject, row, [f"{e.at[:16]} {sentence(e, ledger)}" for e in events])


def _show_authorization(subject: Authorization, row: dict[str, Any], story: list[str]) -> None:
    number = f" ({subject.developer_id})" if subject.developer_id else ""
    typer.echo(f"{safe(subject.developer)}{number}: {row['state']}  [{subject.id}, account {safe(subject.account)}]")
    assumed = ", assumed from a person's word" if subject.assumed else ""
    left = f", {row['days_left']} days left" if row["days_left"] is not None else ""
    typer.echo(f"  lapses on {subject.expires}{left}{assumed}" if subject.expires else "  no date is known")
    for owed in row["deadlines"]:
        closed = f", closed {owed['closed'][:10]}" if owed["closed"] else ""
        typer.echo(
            f"  deadline {owed['due']}: {owed['state']}, trust {owed['trust']}, {owed['reminders']} notices{closed}"
        )
    for line in story:
        typer.echo(f"  {safe(line)}")
    for done in row["effects"]:
        why = f": {safe(done['why'])}" if done["why"] else ""
        typer.echo(
            f"  {done['action'].replace('_', ' ')} {safe(done['target'])} of rule `{safe(done['rule'])}`: {done['state']} since {done['updated'][:16]}{why}"
        )
    show_rules(row["rules"])
