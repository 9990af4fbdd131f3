"""How far a notice may be believed.

In: the Message, the Notice, the systems' exact sender domains, the developer ids and senders that the user confirmed.
Out: the Notice with its trust level and the sentence why. Lowest wins; nothing here is configurable upwards.
May not live here: reading Authentication-Results (mail/auth.py), what a level allows (language check and decide/).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from mailrules.language.ast import System
from mailrules.mail.headers import domain_fault
from mailrules.mail.message import Message
from mailrules.notices.lookalike import look_alike
from mailrules.notices.notice import Notice, Trust
from mailrules.notices.patterns import FORWARDED

FRESH = timedelta(days=45)
EXPIRY_WINDOW = (timedelta(days=-30), timedelta(days=400))
SHARED = frozenset((
    "126.com", "163.com", "aol.com", "amazonses.com", "gmail.com", "gmx.at", "gmx.ch", "gmx.com", "gmx.de", "gmx.net",
    "googlemail.com", "hotmail.com", "icloud.com", "live.com", "mail.ru", "me.com", "msn.com", "outlook.com", "outlook.de",
    "proton.me", "protonmail.com", "qq.com", "sendgrid.net", "t-online.de", "web.de", "yahoo.co.jp", "yahoo.com",
    "yahoo.de", "yandex.ru",
))  # fmt: skip
"""Domains that anybody can get an address of: only a single address of these can be confirmed, never the whole domain."""


_ANSWERED = re.compile(
    r"\s*(?:re|aw|antw|sv|rif|res|odp|回复|答复|回覆|返信)\s*(?:\[\d{1,3}\]|\(\d{1,3}\))?\s*[:\uff1a]", re.IGNORECASE
)


def with_trust(
    message: Message,
    notice: Notice,
    systems: tuple[System, ...],
    developers: Collection[str],
    senders: Collection[tuple[str, str]] = (),
) -> Notice:
    """Return `notice` with its trust level: forged, unverified, authenticated or bound.

    `senders` are pairs of a system and an address or domain that a person confirmed; they count only for systems that
    declare no domain of their own.
    """
    trust, why = _judge(message, notice, systems, developers, senders)
    return replace(notice, trust=trust, trust_reason=why, notes=(*notice.notes, *message.elsewhere))


def not_to_confirm(sender: str, system: System, systems: tuple[System, ...]) -> str:
    """Return why a person may not confirm an address or a domain as a sender of a system, "" where they may."""
    domain = sender.rpartition("@")[2]
    if fault := domain_fault(domain):
        return fault
    if system.domains:
        return f"{system.name.value} declares its domains: {', '.join(d.value for d in system.domains)}"
    if pretended := look_alike(domain, _declared(systems)):
        return f"{domain} looks like {pretended}"
    if domain in SHARED and "@" not in sender:
        return f"anybody can have an address at {domain}; confirm the one address"
    return ""


def once_only(notices: Sequence[Notice], earlier: Sequence[Mapping[str, Any]]) -> tuple[Notice, ...]:
    """Cap what says something else under a Message-ID that a believed mail had before: one of the two is no original.

    `earlier` are the stored notices of mails with the same Message-ID.
    """
    told = [n["fields"] for n in earlier if n["trust"] in ("authenticated", "bound")]
    if not told:
        return tuple(notices)
    why = "another mail with the same Message-ID said something else before"
    return tuple(
        replace(n, trust="authenticated", trust_reason=why) if n.trust == "bound" and dict(n.fields) not in told else n
        for n in notices
    )


def _declared(systems: tuple[System, ...]) -> set[str]:
    return {d.value.lower() for s in systems for d in s.domains}


def _judge(
    message: Message,
    notice: Notice,
    systems: tuple[System, ...],
    developers: Collection[str],
    senders: Collection[tuple[str, str]],
) -> tuple[Trust, str]:
    every = _declared(systems)
    if message.forged:
        return "forged", message.forged
    if message.path or notice.forwarded or _handed_on(message, notice):
        return "unverified", "it came inside another mail, whose sender is another"
    if message.sender is None:
        return "unverified", "no sender is known"
    address, domain = message.sender.address, message.sender.domain
    pretended = look_alike(domain, every)
    if pretended:
        return "forged", f"the sender's domain {domain} looks like {pretended}"
    if message.auth.result != "pass" or message.auth.domain != domain:
        return "unverified", message.auth.reason or "nothing says who sent it"
    own = {d.value.lower() for s in systems if s.name.value == notice.system for d in s.domains}
    # why: what cannot be told to belong to a system (ordinary mail) is proven by any system's domain, and can do little
    known = own if notice.system else every
    confirmed = not own and not {(notice.system, address), (notice.system, domain)}.isdisjoint(senders)
    if domain not in known and not confirmed:
        if notice.system and not own:
            return "unverified", f"the system declares no domain; `mailrules trust` shows how to confirm {domain}"
        return "unverified", f"the sender's domain {domain} is not one that the system declares"
    bound = _bound(message, notice, developers)
    return ("authenticated", bound) if bound else ("bound", "authenticated, a developer id you know, fresh")


def _handed_on(message: Message, notice: Notice) -> bool:
    """Whether the mail forwards, answers or quotes what it says: then somebody else may have written it."""
    if FORWARDED.match(message.subject) or _ANSWERED.match(message.subject):
        return True
    lines = {part.path: part.text.split("\n") for part in message.parts}
    places = {(place.part, place.line) for place in notice.evidence if place.part in lines}
    return any(lines[part][line - 1].lstrip().startswith(">") for part, line in places)


def _unseen(message: Message, notice: Notice) -> bool:
    """Whether a mail that has HTML says what it says in its plain text alone."""
    html = {part.path: part.html for part in message.parts}
    places = {html[place.part] for place in notice.evidence if place.part in html}
    return places == {False} and any(part.html and part.text.strip() for part in message.parts)


def _bound(message: Message, notice: Notice, developers: Collection[str]) -> str:
    """Return why an authenticated notice is not bound, or "" where it is."""
    if notice.status != "read":
        return "it could not be read"
    if _unseen(message, notice):
        return "the part of it that people see does not say so"
    number = notice.fields.get("developer_id")
    if number not in developers:
        return (
            "the developer id is neither listed under [developers] nor confirmed"
            if number
            else "it names no developer id"
        )
    if not message.sent_at:
        return "it does not say when it was written"
    if abs(message.received_at - message.sent_at) > FRESH:
        return "it was written long before it arrived"
    expires = notice.fields.get("expires")
    if expires:
        left = date.fromisoformat(expires) - message.received_at.date()
        if not EXPIRY_WINDOW[0] <= left <= EXPIRY_WINDOW[1]:
            return "its date is too far from the day it arrived"
    return ""
