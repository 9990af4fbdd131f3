"""A plan: exactly what a poll would do, as a value, as JSON, and compared with another one.

In: what a poll on a copy of the store came to. Out: Plan, its JSON text, and the differences of two plans as sentences.
May not live here: files, the store, performing. A plan is compared and never carried out from what its file says.

The file is one JSON object, UTF-8:
  version    1
  made_at    ISO 8601 UTC instant
  rules      SHA-256 of the names and texts of the live rules
  config     section -> SHA-256 of what mattered in it: accounts, people, developers, scripts, smtp (never a secret)
  mailboxes  list of {account, mailbox, uidvalidity, uid}: read up to this UID, and no further when it is applied
  changes    what the ledger learns, one sentence each
  effects    list of {key, account, rule, action, target, stage, authorization, due, args, not_before, state}; "missed"
             and "failed" ones are written down and not performed; those with a later not_before wait in the store
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from mailrules.config import Config
from mailrules.effects import Effect, changed, described
from mailrules.errors import UsageError
from mailrules.spine.mailboxes import Seen

if TYPE_CHECKING:
    from mailrules.ledger import Event, Ledger

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a poll would do. See the header of this module for each field."""

    made_at: str
    rules: str
    config: Mapping[str, str]
    mailboxes: tuple[Seen, ...]
    changes: tuple[str, ...]
    effects: tuple[Effect, ...]


def digest(value: object) -> str:
    """Return the SHA-256 of a value's JSON; the same for equal values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def fingerprints(config: Config) -> dict[str, str]:
    """Return what a plan depends on in the configuration, by section; passwords are not part of it."""
    accounts = {
        a.name: [
            a.host,
            a.port,
            a.user,
            a.mailboxes,
            a.fetch,
            a.receiver._asdict() if a.receiver else None,
            a.facts._asdict(),
        ]
        for a in config.accounts
    }
    smtp = config.smtp
    return {
        "accounts": digest([accounts, config.max_message]),
        "people": digest(dict(config.world.people)),
        "developers": digest(dict(config.world.developers)),
        "scripts": digest({name: script._asdict() for name, script in config.world.scripts.items()}),
        "smtp": digest([smtp.host, smtp.port, smtp.user, smtp.sender] if smtp else None),
    }


def _plain(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value)}


def sentence(event: Event, ledger: Ledger) -> str:
    """Return one event of the ledger in words."""
    subject = ledger.authorizations.get(event.authorization)
    name = subject.developer or subject.developer_id if subject else event.authorization
    details = ", ".join(
        f"{key} {value}" for key, value in sorted(event.detail.items()) if value is not None and key != "message"
    )
    return f"{name}: {event.what}" + (f" {event.due}" if event.due else "") + (f" ({details})" if details else "")


def to_text(plan: Plan) -> str:
    """Return a plan as the text of its file."""
    body = {
        **_plain(plan),
        "mailboxes": [m._asdict() for m in plan.mailboxes],
        "effects": [_plain(e) for e in plan.effects],
    }
    return json.dumps({"version": VERSION, **body}, ensure_ascii=False, indent=1, default=str) + "\n"


def from_text(text: str, name: str) -> Plan:
    """Read a plan's file. Raises UsageError for anything that is none."""
    try:
        data = json.loads(text)
        version = data.pop("version")
        if version != VERSION:
            raise UsageError(f"{name} is a plan of version {version}; this mailrules knows {VERSION}")
        plan = Plan(
            made_at=str(data["made_at"]), rules=str(data["rules"]), config=dict(data["config"]),
            mailboxes=tuple(Seen(**m) for m in data["mailboxes"]), changes=tuple(map(str, data["changes"])),
            effects=tuple(Effect(**{**e, "args": dict(e["args"])}) for e in data["effects"]),
        )  # fmt: skip
        for effect in plan.effects:
            _of_rule(effect)  # why: what cannot even be said in words was not written by us
        return plan
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{name} is no plan that `mailrules poll --plan` wrote", help="make a new one: mailrules poll --plan FILE"
        ) from error


def differences(planned: Plan, found: Plan, settled: Mapping[str, str]) -> list[str]:
    """Return what moved between a plan and the world as it is `found`, a sentence each; none = the plan holds.

    `settled` says in words what became meanwhile of effects, by key.
    """
    told = ["the rules have changed"] if planned.rules != found.rules else []
    sections = sorted({*planned.config, *found.config})
    told += [
        f"[{name}] has changed in mailrules.toml"
        for name in sections
        if planned.config.get(name) != found.config.get(name)
    ]
    now = {(m.account, m.mailbox): m for m in found.mailboxes}
    renumbered = []
    for box in planned.mailboxes:
        there = now.get((box.account, box.mailbox))
        if there is None:
            renumbered.append(f"mailbox {box.mailbox} of {box.account} is not read any more")
        elif there.uidvalidity != box.uidvalidity:
            renumbered.append(f"mailbox {box.mailbox} of {box.account} was renumbered by its server")
    if renumbered:  # why: all that would be missing in it follows from this
        return told + renumbered
    old, new = _by_key(planned.effects), _by_key(found.effects)
    for key in old.keys() - new.keys():
        told.append(f"gone: {_of_rule(old[key])} ({settled.get(key, 'nothing asks for it any more')})")
    told += [f"new: {_of_rule(new[key])}" for key in new.keys() - old.keys()]
    for key in old.keys() & new.keys():
        told += [f"{_of_rule(new[key])}: {change}" for change in changed(old[key], new[key])]
    told.sort()
    return told + _recounted(planned.changes, found.changes)


def _of_rule(effect: Effect) -> str:
    return f"{described(effect)} of rule `{effect.rule}`"


def _by_key(effects: Iterable[Effect]) -> dict[str, Effect]:
    return {effect.key: effect for effect in effects}


def _recounted(old: tuple[str, ...], new: tuple[str, ...]) -> list[str]:
    before, after = Counter(old), Counter(new)
    return [f"the ledger would not learn any more: {line}" for line in (before - after).elements()] + [
        f"the ledger would learn, too: {line}" for line in (after - before).elements()
    ]
