"""What rules see: every fact of one notice or one waiting deadline, frozen before any rule runs.

In: the ledger, a notice and its message where there is one, the definitions, the present instant. Out: Situation.
May not live here: what the words mean to an author (vocabulary.py), deciding.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime, timedelta
from typing import Any

from mailrules.decide.compose import Situation
from mailrules.language.ast import System
from mailrules.ledger import Authorization, Ledger, Obligation, Run, state_of
from mailrules.mail.message import Message
from mailrules.notices.notice import Notice
from mailrules.ruleset import RuleSet
from mailrules.vocabulary import WEEKDAYS
from mailrules.world import AccountFacts

MAX_BODY = 100_000
"""So many characters of a mail's text a condition looks at."""


def of_deadline(
    ledger: Ledger, subject: Authorization, owed: Obligation, account: AccountFacts, rules: RuleSet, now: datetime
) -> Situation:
    """Return what a `while` rule sees of one waiting deadline."""
    return Situation(
        account=account, kind="", system=subject.system, authorization=owed.origin or subject.id, due=owed.due,
        message=owed.message, now=now, facts=_of_ledger(ledger, subject, owed, account, rules, now),
    )  # fmt: skip


def of_notice(
    ledger: Ledger, subject: Authorization, owed: Obligation | None, account: AccountFacts, rules: RuleSet, now: datetime,
    *, notice: Notice, message: Message, digest: str,
) -> Situation:  # fmt: skip
    """Return what an `on` rule sees of a notice that was read."""
    facts = _of_ledger(ledger, subject, owed, account, rules, now)
    facts = {**_fields(notice, rules), **facts, **_of_mail(notice, message, account)}
    due = owed.due if owed else notice.fields.get("expires") or now.astimezone(account.zone).date().isoformat()
    return Situation(
        account=account, kind=notice.kind or "", system=notice.system or "",
        authorization=(owed.origin if owed else "") or subject.id, due=due, message=digest, now=now, facts=facts,
    )  # fmt: skip


def of_event(
    kind: str, account: AccountFacts, rules: RuleSet, now: datetime, *, notice: Notice, message: Message, digest: str
) -> Situation:
    """Return what an `on` rule sees of mail that names no authorization: `unparsed`, or ordinary `mail`.

    One `unparsed` a week per system, notice, wording and reason: a changed template makes one task and not fifty.
    """
    day = now.astimezone(account.zone).date()
    about = digest
    if kind == "unparsed":
        day -= timedelta(days=day.weekday())
        # why: the numbers of lines, days and ids differ from one mail to the next of the same trouble
        reason = re.sub(r"\d+", "0", notice.reason)
        told = f"{notice.system}\x1f{notice.kind}\x1f{notice.wording}\x1f{reason}"
        about = hashlib.sha256(told.encode()).hexdigest()
    nobody = Authorization(
        id=f"{kind}-{about[:10]}", account=account.name, system=notice.system or "", developer_id=None,
        developer=notice.fields.get("developer", ""), region=notice.region, trust=notice.trust,
    )  # fmt: skip
    facts = {**_of_ledger(Ledger(), nobody, None, account, rules, now), **_of_mail(notice, message, account)}
    return Situation(
        account=account, kind=kind, system=nobody.system, authorization=nobody.id, due=day.isoformat(), message=digest,
        now=now, facts=facts,
    )  # fmt: skip


def system_of(rules: RuleSet, name: str | None) -> System | None:
    """Return a system by its name."""
    return next((s for s in rules.systems if s.name.value == name), None)


def _of_ledger(
    ledger: Ledger,
    subject: Authorization,
    owed: Obligation | None,
    account: AccountFacts,
    rules: RuleSet,
    now: datetime,
) -> dict[str, Any]:
    local = now.astimezone(account.zone)
    today = local.date()
    system = system_of(rules, subject.system)
    dated = owed.due if owed and owed.dated else None if owed else subject.expires
    expires = date.fromisoformat(dated) if dated else None
    how = {language.value: text.value for language, text in system.how} if system else {}
    opened = datetime.fromisoformat(owed.opened).astimezone(account.zone) if owed and owed.opened else local
    noticed = datetime.fromisoformat(owed.noticed) if owed and owed.noticed else opened
    run = ledger.runs.get((owed.origin or subject.id, owed.due)) if owed else None
    return {
        "account": account.name, "system": subject.system, "region": subject.region, "developer": subject.developer,
        "developer_id": subject.developer_id, "expires": expires,
        "days_left": expires - today if expires else None,
        "authorization": state_of(subject, owed, today, warn_days=account.warn_days),
        "trust": owed.trust if owed else subject.trust, "reminders": owed.reminders if owed else 0,
        "opened": opened.date(), "silent_for": max(now - noticed, timedelta(0)), "assumed": subject.assumed,
        "renewal": _renewal(run, now), "since_run": now - datetime.fromisoformat(run.finished_at) if run else None,
        "renew_at": system.renew_at.value if system and system.renew_at else "",
        "renew_by": system.renew_by.value if system and system.renew_by else "",
        "how": how.get(account.language) or how.get("en", ""),
        "today": today, "weekday": WEEKDAYS[today.weekday()], "now": local.replace(second=0, microsecond=0),
    }  # fmt: skip


def _renewal(run: Run | None, now: datetime) -> str:
    if run is None:
        return "none"
    over = run.settle_until is not None and now > datetime.fromisoformat(run.settle_until)
    return "unconfirmed" if over else "started"


def _of_mail(notice: Notice, message: Message, account: AccountFacts) -> dict[str, Any]:
    sender = message.sender
    return {
        "trust": notice.trust, "notice": notice.kind or "", "wording": notice.wording or "", "reason": notice.reason,
        "subject": message.subject, "sender.address": sender.address if sender else "",
        "sender.domain": sender.domain if sender else "", "sender.name": sender.name if sender else "",
        "body": "\n".join(part.text for part in message.parts)[:MAX_BODY], "forwarded": notice.forwarded,
        "difference": notice.difference, "draft": notice.draft,
        "received": message.received_at.astimezone(account.zone).replace(second=0, microsecond=0),
    }  # fmt: skip


def _fields(notice: Notice, rules: RuleSet) -> dict[str, Any]:
    """Return the notice's own fields as values of the language, each by the type that its definition gives it."""
    types = rules.field_types.get((notice.kind or "", notice.system or ""), {})
    return {name: _typed(value, types.get(name, "text")) for name, value in notice.fields.items()}


def _typed(value: str, kind: str) -> object:
    match kind:
        case "number":
            return int(value)
        case "date":
            return date.fromisoformat(value)
        case _:
            return value
