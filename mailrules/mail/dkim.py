"""Our own check of a DKIM signature (RFC 6376), for accounts whose receiver stamps nothing; the only importer of dkimpy.

In: the bytes of a message, when it came, and a function that fetches a key record (I/O, handed in by the shell).
Out: an AuthVerdict: "pass", "fail", "unchecked" (the key could not be fetched now), or "none" (nothing to believe).
May not live here: looking up keys, the clock (a signature must hold at the time the message came), trusted senders.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from mailrules.mail.headers import header_fields, read_from
from mailrules.mail.message import AuthVerdict

KeyFetch = Callable[[str], bytes | None]
"""From the name of a key record to its text; None where there is none. Raises Unreachable where nobody can tell now."""

MUST = ("from", "subject", "date")
"""Fields that a signature must cover."""
MUST_IF_THERE = ("content-type", "content-transfer-encoding", "mime-version")
"""Fields that say how the signed body is read: changed, they make another text of the same bytes."""
ONCE = (*MUST, *MUST_IF_THERE, "to", "reply-to", "message-id")
HEAD_CAP = 256_000
BODY_CAP = 1_000_000
FIELD_CAP = 4_096
KEY_CAP = 1_500
MAX_SIGNATURES = 3
LEEWAY = timedelta(hours=10)
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
# why: the library's time on a run of blanks grows with its square
_LONG_BLANK = re.compile(rb"[\t ]{200}|(?:\r?\n[\t ]+){50}")
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,200}[a-z0-9])?")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]+={0,2}\s*")
_CANON = (b"simple", b"relaxed")


class Unreachable(Exception):
    """The key could not be fetched, and it may be there: no verdict, ask again later."""


def check_signature(content: bytes, received_at: datetime, fetch: KeyFetch) -> AuthVerdict:
    """Check the signatures of the From domain; one good one is enough. Never raises, whatever the bytes."""
    if content.startswith(b"From "):
        content = content.partition(b"\n")[2]
    end = _END_OF_HEADER.search(content[: HEAD_CAP + 4])
    if end is None:
        return _none("", "The header is too long, or does not end.")
    body = content[end.end() :]
    fields = header_fields(content[: end.start()])
    sender, forged = read_from(fields)
    if sender is None or forged:
        return _none("", forged or "The message has no From field.")
    domain = sender.domain
    if len(body) > BODY_CAP or _LONG_BLANK.search(content):
        return _none(domain, "The message is not one whose signature is checked here: too large, or too many blanks.")
    verdicts: list[AuthVerdict] = []
    signatures = [value for name, value in fields if name == "dkim-signature"]
    for index, raw in enumerate(signatures):
        tags = _tags(raw)
        if tags is None or tags.get("d", b"").lower() != domain.encode():
            continue
        if len(verdicts) == MAX_SIGNATURES:
            break
        fault = _fault(raw, tags, fields, received_at)
        verdicts.append(_none(domain, fault) if fault else _verified(content, index, tags, domain, fetch))
    for result in ("pass", "unchecked", "fail", "none"):
        for verdict in verdicts:
            if verdict.result == result:
                return verdict
    return _none(domain, f"The message carries no signature of {domain}.")


def _none(domain: str, reason: str) -> AuthVerdict:
    return AuthVerdict(result="none", domain=domain, reason=reason)


def _tags(raw: bytes) -> dict[str, bytes] | None:
    """Read a tag list (RFC 6376 section 3.2); None where it is not one, or a tag stands twice."""
    tags: dict[str, bytes] = {}
    for part in raw.replace(b"\r\n", b"\n").rstrip(b"; \t\n").split(b";"):
        name, equals, value = part.partition(b"=")
        key = name.strip().decode("latin-1")
        if not equals or not re.fullmatch(r"[a-z][a-z0-9_]{0,20}", key) or key in tags:
            return None
        tags[key] = value.strip()
    return tags


def _fault(raw: bytes, tags: dict[str, bytes], fields: Sequence[tuple[str, bytes]], received_at: datetime) -> str:
    """Say why a signature is not one that we believe, "" where its figures may be checked."""
    if len(raw) > FIELD_CAP or not raw.isascii():
        return "The signature is not written plainly."
    if tags.get("v") != b"1" or tags.get("q", b"dns/txt") != b"dns/txt":
        return "The signature is of a kind that is not known here."
    if tags.get("a", b"").lower() != b"rsa-sha256":
        return "The signature is made by a method that is not believed; only rsa-sha256 is."
    if "l" in tags:
        return "The signature covers only a part of the text (l=)."
    canon = tags.get("c", b"simple/simple").lower().partition(b"/")
    if canon[0] not in _CANON or (canon[2] or b"simple") not in _CANON:
        return "The signature is of a kind that is not known here."
    if not _NAME.fullmatch(tags.get("s", b"").decode("ascii").lower()):
        return "The signature names no key."
    if not all(_BASE64.fullmatch(tags.get(name, b"")) for name in ("b", "bh")):
        return "The signature is not written plainly."
    identity = tags.get("i", b"@" + tags["d"]).lower().rpartition(b"@")[2]
    if identity != tags["d"].lower() and not identity.endswith(b"." + tags["d"].lower()):
        return "The signature speaks for another domain than its own (i=)."
    return _uncovered(tags, fields) or _untimely(tags, received_at)


def _uncovered(tags: dict[str, bytes], fields: Sequence[tuple[str, bytes]]) -> str:
    signed = Counter(name.strip().decode("ascii").lower() for name in tags.get("h", b"").split(b":"))
    there = Counter(name for name, _ in fields)
    for name in MUST:
        if not signed[name] or not there[name]:
            return f"The signature does not cover {name.title()}."
    for name in MUST_IF_THERE:
        if there[name] and not signed[name]:
            return f"The signature does not cover {name.title()}."
    for name in ONCE:
        if there[name] > 1:
            return f"The message has more than one {name.title()} field."
    return ""


def _untimely(tags: dict[str, bytes], received_at: datetime) -> str:
    """Say what is wrong with the times of a signature, as of the day the message came."""
    times = {}
    for name in ("t", "x"):
        text = tags.get(name)
        if text is not None:
            if not re.fullmatch(rb"[0-9]{1,12}", text):
                return "The signature is not written plainly."
            times[name] = int(text)
    came, leeway = received_at.timestamp(), LEEWAY.total_seconds()
    if "x" in times and times["x"] < came - leeway:
        return "The signature had expired when the message came."
    if "t" in times and (times["t"] > came + leeway or times.get("x", times["t"]) < times["t"]):
        return "The signature is dated after the message came."
    return ""


def _verified(content: bytes, index: int, tags: dict[str, bytes], domain: str, fetch: KeyFetch) -> AuthVerdict:
    """Do the sums. Three outcomes: they are right, they are not, or the key could not be had."""
    # why here: a start without it is quicker, and most accounts never need it
    import dkim

    name = f"{tags['s'].decode('ascii').lower()}._domainkey.{domain}"
    try:
        record = fetch(name)
    except Unreachable as error:
        reason = f"The key {name} could not be fetched: {error}."
        return AuthVerdict(result="unchecked", domain=domain, reason=reason)
    fault = _key_fault(record)
    if record is None or fault:
        return AuthVerdict(result="fail", domain=domain, reason=f"The key {name} {fault}.")
    try:
        signed: Any = dkim.DKIM(content, minkey=1024)
        headers = [(x, y) for x, y in signed.headers if x.lower() == b"dkim-signature"]
        sig = dkim.util.parse_tag_value(headers[index][1])
        include = [x.lower() for x in re.split(rb"\s*:\s*", sig[b"h"])]
        # why not verify(): it reads the clock, and what a message proved when it came it proves for ever
        good = signed.verify_sig(sig, include, headers[index], lambda *_, **__: record)
    except Exception as error:  # the library's kinds for a wrong hash, a weak key, bytes it cannot read
        told = (
            " ".join(str(error).split())[:120]
            if type(error).__name__ == "KeyFormatError"
            else "it does not fit the text"
        )
        return AuthVerdict(result="fail", domain=domain, reason=f"The signature of {domain} is wrong: {told}.")
    if not good:
        return AuthVerdict(result="fail", domain=domain, reason=f"The signature of {domain} is wrong.")
    return AuthVerdict(
        result="pass", domain=domain, reason=f"The signature of {domain} is right and covers the whole mail."
    )


def _key_fault(record: bytes | None) -> str:
    """Say what is wrong with a key record (RFC 6376 section 3.6.1), "" for nothing."""
    tags = _tags(record) if record and len(record) <= KEY_CAP else None
    if tags is None:
        return "is not there, or is no key"
    if tags.get("v", b"DKIM1") != b"DKIM1" or tags.get("k", b"rsa") != b"rsa":
        return "is of a kind that is not known here"
    if not tags.get("p"):
        return "was revoked"
    if not _BASE64.fullmatch(tags["p"]):
        return "is not written plainly"
    if b"y" in tags.get("t", b"").split(b":"):
        return "is for trying out only"
    if tags.get("s", b"*") not in (b"*", b"email"):
        return "is not for mail"
    if b"sha256" not in tags.get("h", b"sha256").split(b":"):
        return "is for another method"
    return ""
