"""What the account's own receiver says of the sender (RFC 8601), or our own check of the signature where that is the anchor.

In: header fields in wire order, the From domain that we read, the declared receiver, our own verdict (mail/dkim.py).
Out: an AuthVerdict. ARC fields are never read: who seals them is nobody that the user has declared.
May not live here: network look-ups, the DKIM check itself, a list of trusted senders, substring search in fields.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import authres

from mailrules.mail.message import AuthVerdict
from mailrules.world import Receiver

FIELD_CAP = 16_384
_PLAIN_DOMAIN = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9])?")
_METHOD = re.compile(r"([a-z][a-z0-9-]{0,30})(?:/1)?\s*=")
_UNREGISTERED = re.compile(r"(?<!\S)(?:action|compauth|reason|oda|ltdi)=[A-Za-z0-9.]{1,40}(?!\S)")
_FEATURES: Any = authres.all_features()
_INTERNAL = ("outlook.com", "outlook.office365.com", "outlook.cn", "office365.us")
"""The one receiver that stamps no authserv-id passes mail on inside itself: these may stand above its field."""
_EDGE = ".mail.protection."
"""Where it takes mail in from outside: what lies below came with the message."""
_ABOVE = {"dmarc.icloud.com": ("bimi.icloud.com", "arc.icloud.com")}
"""The one receiver that stamps each finding under a name of its own, in this order."""
_CONTROL = re.compile(rb"[^\t\r\n\x20-\x7e]")


def _none(reason: str) -> AuthVerdict:
    return AuthVerdict(result="none", reason=reason)


def _segments(value: str) -> list[str] | None:
    """Split at ";" outside quotes, with comments taken out; None where a sender could have shaped the grammar.

    A comment or quote glued to a property value is how results are smuggled into a genuine field (espoofer A4 to A6).
    """
    out: list[str] = []
    current: list[str] = []
    depth, quoted, at = 0, False, 0
    while at < len(value):
        char = value[at]
        if char == "\\":
            if not depth and not quoted:
                return None
            if quoted:
                current.append(value[at : at + 2])
            at += 2
            continue
        if quoted:
            current.append(char)
            quoted = char != '"'
        elif char == "(":
            token = "".join(current).rpartition(" ")[2] if not depth else ""
            if "." in token.partition("=")[0] and "=" in token:
                return None
            depth += 1
        elif char == ")":
            depth -= 1
            if depth < 0:
                return None
            if not depth:
                current.append(" ")
        elif depth:
            pass
        elif char == '"':
            if not current or current[-1] not in ("=", " "):
                return None
            quoted = True
            current.append(char)
        elif char == ";":
            out.append("".join(current).strip())
            current = []
        else:
            current.append(" " if char in "\t\r\n" else char)
        at += 1
    if depth or quoted:
        return None
    out.append("".join(current).strip())
    return out


def _results(segments: Sequence[str]) -> list[tuple[str, str, dict[str, str]]] | None:
    """Parse each result by grammar: (method, result, properties); None where a DMARC or DKIM result is unreadable."""
    out: list[tuple[str, str, dict[str, str]]] = []
    for segment in segments:
        if not segment or segment.lower() == "none":
            continue
        method = _METHOD.match(segment.lower())
        if method is None or method[1] not in ("dkim", "dmarc"):
            continue
        normal = _UNREGISTERED.sub("", segment)
        (parsed,) = _FEATURES.parse(f"Authentication-Results: receiver.invalid; {normal}").results
        properties: dict[str, str] = {}
        for item in parsed.properties:
            key = f"{item.type}.{item.name}".lower()
            if key in properties:
                return None
            properties[key] = str(item.value or "").strip().lower()
        out.append((method[1], str(parsed.result).lower(), properties))
    return out


def _names(method: str, properties: dict[str, str], domain: str) -> bool:
    """Whether a result is about exactly `domain`, written plainly."""
    if method == "dmarc":
        said = properties.get("header.from", "")
    else:
        identity = properties.get("header.i", "").rpartition("@")[2]
        said = properties.get("header.d") or identity
        if identity != said and identity and not identity.endswith(f".{said}"):
            return False
    return said == domain and _PLAIN_DOMAIN.fullmatch(said) is not None


def _is_from(head: Sequence[str], declared: str) -> bool:
    """Whether the field names the declared receiver; a version other than 1 is not ours to read (RFC 8601 section 2.2)."""
    name = head[0].lower()
    if list(head[1:]) not in ([], ["1"]):
        return False
    if declared.startswith("*."):
        return name.endswith(declared[1:]) and _PLAIN_DOMAIN.fullmatch(name) is not None
    return name == declared


def _passed_by(raw: bytes) -> str:
    """Return the host that wrote a Received field, "" where it is not plainly said.

    Only the name after "by" is the writer's own; the one after "from", and comments, are what the other side said.
    """
    words = " ".join((_segments(raw.decode("latin-1")) or [""])[0].split()).lower().split()
    if words[:1] == ["from"]:
        words = words[2:]
    # why once: some servers write down a greeting of several words, which may hold a "by" of its own
    return words[1] if words[:1] == ["by"] and words.count("by") == 1 and len(words) > 1 else ""


def _is_internal(raw: bytes) -> bool:
    host = _passed_by(raw[:FIELD_CAP])
    return _EDGE not in host and any(host.endswith(f".{domain}") for domain in _INTERNAL)


def _topmost(fields: Sequence[tuple[str, bytes]], receiver: Receiver) -> int | None:
    """Return where the field is that counts: the first, whatever name it bears, but for what its receiver puts above it."""
    above = _ABOVE.get(receiver.authserv_id.lower(), ())
    for index, (name, raw) in enumerate(fields):
        if name != "authentication-results":
            continue
        # why not the field's own grammar: a name that is written in any other way is not passed over
        if not above or raw.partition(b";")[0].decode("latin-1").strip().lower() not in above:
            return index
    return None


def _judge(raw: bytes, domain: str, receiver: Receiver) -> AuthVerdict:
    segments = _segments(" ".join(raw.decode("ascii").split()))
    if segments is None:
        return _none("The topmost Authentication-Results field is not written plainly enough to be believed.")
    head = segments[0].split()
    unnamed = not head or "=" in segments[0]
    if unnamed != receiver.topmost or not (unnamed or _is_from(head, receiver.authserv_id.lower())):
        return _none("The topmost Authentication-Results field is not from the declared receiver.")
    results = _results(segments if unnamed else segments[1:])
    if results is None:
        return _none("The topmost Authentication-Results field cannot be read.")
    dmarc = {result for method, result, _ in results if method == "dmarc"}
    if len(dmarc) > 1:
        return _none("The receiver reports more than one DMARC result.")
    if "fail" in dmarc:
        return AuthVerdict(result="fail", domain=domain, reason=f"The receiver says that DMARC failed for {domain}.")
    for wanted in ("dmarc", "dkim"):
        for method, result, properties in results:
            if method == wanted and result == "pass" and _names(method, properties, domain):
                reason = f"The receiver says that {wanted.upper()} passed for {domain}."
                return AuthVerdict(result="pass", domain=domain, reason=reason)
    dkim = {result for method, result, _ in results if method == "dkim"}
    if "fail" in dkim and "pass" not in dkim:
        return AuthVerdict(result="fail", domain=domain, reason="The receiver says that the DKIM signature failed.")
    return _none(f"The receiver reports no DMARC or DKIM pass for {domain}.")


def authenticate(
    fields: Sequence[tuple[str, bytes]], from_domain: str, receiver: Receiver | None, own: AuthVerdict | None = None
) -> AuthVerdict:
    """Judge `from_domain` by the account's anchor: the receiver's topmost Authentication-Results field, or our own check.

    Only the first in wire order counts: whatever lies below may have come with the message (RFC 8601 section 5).
    """
    if receiver is None or not (receiver.authserv_id or receiver.topmost or receiver.dkim):
        return _none("No receiver is declared for this account.")
    if not from_domain:
        return _none("There is no From domain to judge.")
    if receiver.dkim:
        ours = own is not None and own.domain == from_domain.lower()
        return own if own is not None and ours else _none("The signature was not checked.")
    at = _topmost(fields, receiver)
    if at is None:
        return _none("The message has no Authentication-Results field.")
    raw = fields[at][1]
    if len(raw) > FIELD_CAP:
        return _none("The topmost Authentication-Results field is too long.")
    if _CONTROL.search(raw):
        return _none("The topmost Authentication-Results field is not written plainly enough to be believed.")
    if receiver.topmost and not all(_is_internal(value) for name, value in fields[:at] if name == "received"):
        return _none("The topmost Authentication-Results field was there before the receiver took the message in.")
    try:
        return _judge(raw, from_domain.lower(), receiver)
    except Exception:  # RecursionError and the parser's own: a field that does not parse says nothing
        return _none("The topmost Authentication-Results field cannot be read.")
