"""Doing what was decided: one claim, or one batch of notifications, at a time.

In: Claims, Services. Out: an Outcome, never an exception.
May not live here: deciding, storing, the clock; how one action works (its own module).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from mailrules.actions.chats import to_chat
from mailrules.actions.forward import forward
from mailrules.actions.mail_out import SmtpSettings
from mailrules.actions.mailbox import Places, Sessions, change
from mailrules.actions.notify import notify
from mailrules.actions.run_script import run_script
from mailrules.effects import ON_MAIL, Effect, Outcome
from mailrules.errors import MailrulesError
from mailrules.world import CHAT

__all__ = ["ACTIONS", "Services", "SmtpSettings", "backoff", "perform"]

LONGEST_WAIT = 4 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What actions may use: ways to send, the bytes of stored messages and where they lie, their servers, who we are.

    `chats` fetch the address of a chat, which is a secret; `language` names an account's.
    """

    smtp: SmtpSettings | None
    content: Callable[[str], bytes | None]
    sender: str
    own_id: str
    chats: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    language: Callable[[str], str] = lambda _account: "en"
    places: Places = lambda _account, _digest: ()
    sessions: Sessions | None = None


def _notify(effects: Sequence[Effect], _attempt: int, batch: str, services: Services, now: str) -> Outcome:
    language = services.language(effects[0].account)
    if (chat := next(iter(effects[0].args["to"]), "")).startswith(CHAT):
        return to_chat(effects, chat.removeprefix(CHAT), services.chats, language)
    if services.smtp is None:
        return _NO_SMTP
    return notify(effects, batch, services.smtp, services.own_id, now, language)


def _forward(effects: Sequence[Effect], _attempt: int, _batch: str, services: Services, now: str) -> Outcome:
    if services.smtp is None:
        return _NO_SMTP
    return forward(effects[0], services.smtp, services.own_id, services.content, now)


def _run_script(effects: Sequence[Effect], attempt: int, _batch: str, _services: Services, _now: str) -> Outcome:
    return run_script(effects[0], attempt)


def _change(effects: Sequence[Effect], attempt: int, _batch: str, services: Services, _now: str) -> Outcome:
    if services.sessions is None:
        return Outcome(result="failed", why="no account is at hand, so no mail can be changed")
    return change(effects[0], attempt, services.places, services.sessions)


_NO_SMTP = Outcome(result="failed", why="no [smtp] server is configured, so no mail can be sent")
_Action = Callable[[Sequence[Effect], int, str, Services, str], Outcome]
ACTIONS: Mapping[str, _Action] = MappingProxyType(
    {"notify": _notify, "forward": _forward, "run_script": _run_script, **dict.fromkeys(ON_MAIL, _change)}
)


def backoff(attempt: int) -> int:
    """Return how many seconds to wait after the attempt of that number (from 1): 1, 4, 16, 64 minutes, then 4 hours."""
    return int(min(60 * 4 ** min(max(attempt - 1, 0), 10), LONGEST_WAIT))


def perform(claims: Sequence[object], services: Services, now: str) -> Outcome:
    """Perform one claim, or several notifications of one batch as one. Whatever goes wrong is an Outcome."""
    effects: list[Effect] = [claim.effect for claim in claims]  # type: ignore[attr-defined]
    attempt = max((claim.attempt for claim in claims), default=1)  # type: ignore[attr-defined]
    batch = claims[0].batch if claims else ""  # type: ignore[attr-defined]
    try:
        action = ACTIONS.get(effects[0].action)
        if action is None:
            return Outcome(result="failed", why=f"nothing is known that performs `{effects[0].action}`")
        if len(effects) > 1 and effects[0].action != "notify":
            return Outcome(result="failed", why="only notifications can be performed together")
        outcome = action(effects, attempt, batch, services, now)
    except MailrulesError as error:
        return Outcome(result="failed", why=f"{error}{f'; {error.help}' if error.help else ''}")
    except Exception as error:
        return Outcome(result="failed", why=f"the action failed: {type(error).__name__}: {error}")
    return dataclasses.replace(outcome, why=outcome.why.strip())
