"""How far a notice may be believed.

In: the Message, the Notice, the systems' exact sender domains, the developer ids that the user really works with.
Out: the Notice with its trust level and the sentence why. Lowest wins; nothing here is configurable upwards.
May not live here: reading Authentication-Results (mail/auth.py), what a level allows (language check and decide.py).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date, timedelta

from mailrules.language.ast import System
from mailrules.mail.message import Message
from mailrules.notices.notice import Notice, Trust

FRESH = timedelta(days=45)
EXPIRY_WINDOW = (timedelta(days=-30), timedelta(days=400))
_LOOKS = str.maketrans({"0": "o", "1": "l", "3": "e", "5": "s", "|": "l"})


def look_alike(domain: str, declared: Collection[str]) -> str | None:
    """Return the declared domain that `domain` pretends to be, or None. Sub-domains of a declared one do not pretend."""
    if not domain or domain in declared or any(domain.endswith("." + d) for d in declared):
        return None
    plain = domain.translate(_LOOKS).replace("rn", "m").replace("vv", "w")
    for real in declared:
        brand = real.split(".", 1)[0]
        labels = [part for label in plain.split(".") for part in label.split("-")]
        if domain.startswith("xn--") or ".xn--" in domain or plain == real or brand in labels or real in plain:
            return real
        if any(abs(len(label) - len(brand)) <= 1 and _one_edit(label, brand) for label in labels if len(brand) > 4):
            return real
    return None


def _one_edit(one: str, other: str) -> bool:
    """Whether one insertion, deletion, change or swap of neighbors makes the two equal."""
    if len(one) > len(other):
        one, other = other, one
    start = 0
    while start < len(one) and one[start] == other[start]:
        start += 1
    if len(one) == len(other):
        rest, more = one[start:], other[start:]
        return rest[1:] == more[1:] or (rest[:2] == more[1::-1] and rest[2:] == more[2:])
    return one[start:] == other[start + 1 :]


def with_trust(message: Message, notice: Notice, systems: tuple[System, ...], developers: Collection[str]) -> Notice:
    """Return `notice` with its trust level: forged, unverified, authenticated or bound."""
    trust, why = _judge(message, notice, systems, developers)
    return replace(notice, trust=trust, trust_reason=why)


def _judge(
    message: Message, notice: Notice, systems: tuple[System, ...], developers: Collection[str]
) -> tuple[Trust, str]:
    every = {d.value.lower() for s in systems for d in s.domains}
    declared = {d.value.lower() for s in systems if s.name.value == notice.system for d in s.domains} or every
    if message.forged:
        return "forged", message.forged
    if message.path or notice.forwarded:
        return "unverified", "it came inside another mail, whose sender is another"
    if message.sender is None:
        return "unverified", "no sender is known"
    domain = message.sender.domain
    pretended = look_alike(domain, every)
    if pretended:
        return "forged", f"the sender's domain {domain} looks like {pretended}"
    if message.auth.result != "pass":
        return "unverified", message.auth.reason or "nothing says who sent it"
    if message.auth.domain != domain or domain not in declared:
        return "unverified", f"the sender's domain {domain} is not one that the system declares"
    bound = _bound(message, notice, developers)
    return ("authenticated", bound) if bound else ("bound", "authenticated, listed under [developers], fresh")


def _bound(message: Message, notice: Notice, developers: Collection[str]) -> str:
    """Return why an authenticated notice is not bound, or "" where it is."""
    if notice.status != "read":
        return "it could not be read"
    number = notice.fields.get("developer_id")
    if not number or number not in developers:
        return "the developer id is not listed under [developers]" if number else "it names no developer id"
    if message.sent_at and abs(message.received_at - message.sent_at) > FRESH:
        return "it was written long before it arrived"
    expires = notice.fields.get("expires")
    if expires:
        left = date.fromisoformat(expires) - message.received_at.date()
        if not EXPIRY_WINDOW[0] <= left <= EXPIRY_WINDOW[1]:
            return "its date is too far from the day it arrived"
    return ""
