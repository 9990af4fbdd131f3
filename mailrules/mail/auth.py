"""What the account's own receiver says of the sender (RFC 8601).

In: header fields in wire order, the From domain that we read, the declared receiver. Out: an AuthVerdict.
May not live here: network look-ups, our own DKIM check, a list of trusted senders, substring search in fields.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import authres

from mailrules.mail.message import AuthVerdict

FIELD_CAP = 16_384
_PLAIN_DOMAIN = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9])?")
_METHOD = re.compile(r"([a-z][a-z0-9-]{0,30})(?:/1)?\s*=")
_UNREGISTERED = re.compile(r"(?<!\S)(?:action|compauth|reason|oda|ltdi)=[A-Za-z0-9.]{1,40}(?!\S)")
_FEATURES: Any = authres.all_features()


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """The declared receiver of an account: its authserv-id, or (Microsoft writes none) that its field is topmost."""

    authserv_id: str = ""
    topmost: bool = False


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
        parsed = _FEATURES.parse(f"Authentication-Results: receiver.invalid; {normal}").results
        if len(parsed) != 1:
            return None
        properties: dict[str, str] = {}
        for item in parsed[0].properties:
            key = f"{item.type}.{item.name}".lower()
            if key in properties:
                return None
            properties[key] = str(item.value or "").strip().lower()
        out.append((method[1], str(parsed[0].result).lower(), properties))
    return out


def _names(method: str, properties: dict[str, str], domain: str) -> bool:
    """Whether a result is about exactly `domain`, written plainly."""
    if method == "dmarc":
        said = properties.get("header.from", "")
    else:
        said = properties.get("header.d") or properties.get("header.i", "").rpartition("@")[2]
    return said == domain and _PLAIN_DOMAIN.fullmatch(said) is not None


def _judge(raw: bytes, domain: str, receiver: Receiver) -> AuthVerdict:
    segments = _segments(" ".join(raw.decode("ascii").split()))
    if segments is None:
        return _none("The topmost Authentication-Results field is not written plainly enough to be believed.")
    head = segments[0].split()
    unnamed = not head or "=" in segments[0]
    if receiver.authserv_id:
        known = (
            not unnamed
            and head[0].lower() == receiver.authserv_id.lower()
            and (len(head) == 1 or (len(head) == 2 and head[1] == "1"))
        )
        if not known:
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


def authenticate(fields: Sequence[tuple[str, bytes]], from_domain: str, receiver: Receiver | None) -> AuthVerdict:
    """Judge `from_domain` by the topmost Authentication-Results field, if it is from the declared receiver.

    Only the first in wire order counts: whatever lies below may have come with the message (RFC 8601 section 5).
    """
    if receiver is None or not (receiver.authserv_id or receiver.topmost):
        return _none("No receiver is declared for this account.")
    if not from_domain:
        return _none("There is no From domain to judge.")
    raw = next((value for name, value in fields if name == "authentication-results"), None)
    if raw is None:
        return _none("The message has no Authentication-Results field.")
    if len(raw) > FIELD_CAP:
        return _none("The topmost Authentication-Results field is too long.")
    try:
        return _judge(raw, from_domain.lower(), receiver)
    except Exception:  # RecursionError and the parser's own: a field that does not parse says nothing
        return _none("The topmost Authentication-Results field cannot be read.")
