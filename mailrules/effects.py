"""What is to be done, and what came of it.

In: nothing. Out: Effect (a complete, keyed row: performing it needs nothing else), EffectKey, Outcome.
May not live here: performing, storing, or deciding.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

ActionKind = Literal[
    "create_task", "forward", "run_script", "notify", "flag_mail", "mark_mail", "label_mail", "move_mail"
]
WORDS: Mapping[ActionKind, str] = {
    "create_task": "create task",
    "notify": "notify",
    "forward": "forward to",
    "run_script": "run",
    "flag_mail": "flag mail",
    "mark_mail": "mark mail",
    "label_mail": "label mail",
    "move_mail": "move mail to",
}
ON_MAIL: frozenset[ActionKind] = frozenset({"flag_mail", "mark_mail", "label_mail", "move_mail"})
"""What changes a message on its server; each message is an object of its own."""
EffectState = Literal["planned", "claimed", "done", "failed", "unknown", "missed", "cancelled"]


def effect_key(authorization: str, due: str, rule: str, action: str, target: str, stage: str) -> str:
    """Return the identity of an effect: what, for which deadline; never the text of the rule, and the message
    only where it is what is changed (it is part of the `target` then).

    `due` is the expiry date or the episode's day (YYYY-MM-DD); `stage` is "" or a rung such as "14 days before".
    """
    material = json.dumps([authorization, due, rule, action, target, stage], ensure_ascii=False)
    return hashlib.sha256(material.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One thing to do, complete: texts are rendered, names are resolved, nothing is looked up later.

    `target` is the task's title template name for tasks, the person or address for mail, the script's name for runs; the
    keyword, label or mailbox for what is done to a mail.
    `args` is plain JSON data, per action:
      create_task  {"title", "due": "YYYY-MM-DD" | null, "body"}
      notify       {"to": [addresses], "subject", "body"}
      forward      {"to": [addresses], "subject", "body", "message": digest of the stored bytes | null}
      run_script   {"argv": [...], "timeout": seconds, "retry": "never" | "safe", "cwd": null | str, "stdin": {...},
                    "drill": true where nothing asked for it but a person who tries it}
      flag_mail, mark_mail, label_mail, move_mail  {"message": digest of its bytes | null}
    `not_before` is an ISO 8601 UTC instant or "". `state` is "planned", or "missed" for a rung that a gap passed over.
    """

    key: str
    account: str
    rule: str
    action: ActionKind
    target: str
    stage: str
    authorization: str
    due: str
    args: Mapping[str, Any] = field(default_factory=dict)
    not_before: str = ""
    state: EffectState = "planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of performing an effect. `why` is a sentence; `output` is what a script printed (bounded), `code` how it
    ended (its exit code, or minus the signal's number; None where it did not end by itself).

    "done"; "retry" = temporary, again later; "failed" = for good, a person must look; "unknown" = it may have happened.
    """

    result: Literal["done", "retry", "failed", "unknown"]
    why: str
    output: str = ""
    code: int | None = None


def described(effect: Effect) -> str:
    """Return what an effect does, as a rule would say it."""
    text = effect.args.get("title") or effect.args.get("subject") or " ".join(effect.args.get("argv", ())[1:])
    return " ".join(part for part in (WORDS[effect.action], effect.target, f'"{text}"' if text else "") if part)


def changed(old: Effect, new: Effect) -> list[str]:
    """Return in what two effects of one key differ, each as "name was …, is …"."""
    before, after = _flat(old), _flat(new)
    return [
        f"{name.removeprefix('args.')} was {_short(before.get(name))}, is {_short(after.get(name))}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _flat(effect: Effect) -> dict[str, Any]:
    """Return an effect as plain JSON data, its arguments beside the rest."""
    args = {f"args.{k}": v for k, v in json.loads(json.dumps(dict(effect.args), default=str)).items()}
    if isinstance(args.get("args.stdin"), dict):
        args["args.stdin"].pop("now", None)  # why: the minute of a poll is told to scripts, and is never twice the same
    return {f.name: getattr(effect, f.name) for f in fields(effect) if f.name != "args"} | args


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else f"{text[:200]}…"
