"""Reading header fields by our own code: unfolding, RFC 2047, and the strict From reader.

In: a block of header bytes, or its fields. Out: decoded text without control characters, one Address or the reason why not.
May not live here: bodies, MIME structure, mailparser, authentication results.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from email.utils import parseaddr
from itertools import islice

from mailrules.mail.message import Address
from mailrules.mail.text import decode, transfer

Fields = Sequence[tuple[str, bytes]]
SINGLETONS = ("from", "sender", "subject", "date", "to", "message-id", "content-type", "mime-version")
ADDRESS_CAP = 8_192
FIELD_CAP = 256_000
_WORD = re.compile(rb"=\?([^?\s*]{1,60})(?:\*[^?\s]{0,40})?\?([bBqQ])\?([^?]*)\?=")
_CHARSET = re.compile(r"charset=\"?([\w-]{1,40})", re.IGNORECASE)
_NAME = re.compile(rb"[!-9;-~]{1,100}")
_NO_CONTROLS = b"\t\r\n" + bytes(range(32, 256))
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_IN_NAME = re.compile(r"@\s*([\w-]{1,63}(?:\.[\w-]{1,63}){1,20})")
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "HEBREW", "ARABIC")


def header_fields(block: bytes, most: int | None = None) -> tuple[tuple[str, bytes], ...]:
    """Return the fields of a header block in wire order: lower-case name, raw value still folded (RFC 5322 section 2.2).

    Reading ends at the first empty line, or when `most` are read. A line that is no field (an mbox "From " line) is
    passed over.
    """
    return tuple(islice(_fields(block), most))


def _fields(block: bytes) -> Iterator[tuple[str, bytes]]:
    name, lines = "", [b""]
    for ended in block.split(b"\n"):
        line = ended.removesuffix(b"\r")
        if not line:
            break
        if line[:1] in b" \t":
            lines.append(line)
            continue
        if name:
            yield name, b"\n".join(lines).strip(b" \t\r\n")
        before, colon, value = line.partition(b":")
        before = before.rstrip(b" \t")  # RFC 5322 section 4.5.8: obsolete, but readers take "From :" for From
        name = before.decode("ascii").lower() if colon and _NAME.fullmatch(before) else ""
        lines = [value]
    if name:
        yield name, b"\n".join(lines).strip(b" \t\r\n")


def clean(text: str) -> str:
    """Make one line of `text`: control characters (also U+2028 and U+2029) become a space."""
    if text.isascii() and text.isprintable():
        return text.strip()
    text = text.replace("\r\n", " ").replace("\n ", " ").replace("\n\t", " ")
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text).strip()


def _raw(data: bytes, charsets: Sequence[str]) -> str:
    """Read text outside encoded words: ASCII, else UTF-8, else a character set that the message itself names."""
    if not data.isascii() or b"\x1b$" in data:
        for charset in ("utf-8", *charsets):
            text, defects = decode(data, charset)
            if not defects:
                return text
    return data.decode("utf-8", "replace")


def _word(kind: bytes, data: bytes) -> bytes:
    if kind in b"bB":
        return transfer(data, "base64")[0]
    return binascii.a2b_qp(data.replace(b"_", b" ").replace(b"\n", b""), header=True)


def decode_field(raw: bytes, charsets: Sequence[str] = ()) -> str:
    """Decode a field value (RFC 2047); never raises.

    Adjacent encoded words of one charset are joined as bytes first: many senders split a character over two.
    """
    raw = raw[:FIELD_CAP].replace(b"\r\n", b"\n")
    if b"=?" not in raw:
        return clean(_raw(raw, charsets))
    words = list(_WORD.finditer(raw))
    known = [*charsets, *dict.fromkeys(word[1].decode("ascii", "replace").lower() for word in words[:50])][:5]
    out: list[str] = []
    pending, label, at = bytearray(), "", 0
    for word in words:
        between, at = raw[at : word.start()], word.end()
        charset = word[1].decode("ascii", "replace").lower()
        adjacent = bool(label) and not between.strip()
        if not adjacent or charset != label:
            out.append(decode(bytes(pending), label)[0])
            pending = bytearray()
        if not adjacent:
            out.append(_raw(between, known))
        pending += _word(word[2], word[3])
        label = charset
    out.append(decode(bytes(pending), label)[0])
    out.append(_raw(raw[at:], known))
    return clean("".join(out))


def only(fields: Fields, name: str) -> bytes:
    """Return the first value of a field, b"" where there is none."""
    return next((value for key, value in fields if key == name), b"")


def subject_of(fields: Fields) -> str:
    """Return the decoded subject; bare letters in it are in the character set of the body, where that names one."""
    return decode_field(
        only(fields, "subject"), _CHARSET.findall(only(fields, "content-type")[:1000].decode("latin-1"))
    )


def _split(value: str) -> tuple[str, str, str] | None:
    """Split one mailbox into (display name, address, comment); None where it is not exactly one, strictly written.

    RFC 5322 section 3.4 without groups, routes, lists, quoted local parts, and comments that hold an address.
    """
    name: list[str] = []
    address: str | None = None
    comment, at, size = "", 0, len(value)
    while at < size:
        char = value[at]
        if char == '"':
            end = at + 1
            while end < size and value[end] != '"':
                end += 2 if value[end] == "\\" else 1
            if end >= size or address is not None:
                return None
            quoted = value[at + 1 : end]
            name.append(re.sub(r"\\(.)", r"\1", quoted))
            at = end + 1
        elif char == "(":
            end = value.find(")", at)
            inside = value[at + 1 : end]
            # why: a comment inside the address itself is read by some programs and dropped by others
            apart = value[at - 1 : at] in ("", " ", "\t", ">") and value[end + 1 : end + 2] in ("", " ", "\t", "<")
            if end < 0 or comment or not apart or any(c in inside for c in '(@<>\\"'):
                return None
            comment, at = inside, end + 1
        elif char == "<":
            end = value.find(">", at)
            if end < 0 or address is not None:
                return None
            address, at = value[at + 1 : end], end + 1
        elif char in ">,:;)[]\\" or (address is not None and not char.isspace()):
            return None
        else:
            name.append(char)
            at += 1
    if address is None:
        return "", "".join(name).strip(), comment
    return "".join(name).strip(), address, comment


def domain_fault(domain: str) -> str:
    """Say what is wrong with a domain, "" when it is a plain host name (RFC 5321 section 2.3.5, RFC 5890)."""
    if not domain.isascii():
        return "The sender's domain is written with letters outside ASCII."
    labels = domain.split(".")
    if len(domain) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        return "The sender's domain is not a host name."
    for label in labels:
        if label.lower().startswith("xn--"):
            try:
                letters = label[4:].encode("ascii").decode("punycode")
            except (UnicodeError, ValueError, OverflowError):
                return "The sender's domain is not a valid international name."
            names = [unicodedata.name(c, "") for c in letters if c.isalpha()]
            if len({script for script in _SCRIPTS for name in names if name.startswith(script)}) > 1:
                return "The sender's domain mixes letters of different scripts."
    return ""


def _read_one(raw: bytes) -> tuple[Address | None, str]:
    if len(raw) > ADDRESS_CAP:
        return None, "The From field is too long to be read."
    if raw.translate(None, _NO_CONTROLS) or b"\r" in raw.replace(b"\r\n", b""):
        return None, "The From field holds control characters."
    value = raw.replace(b"\r\n", b"").replace(b"\n", b"").decode("ascii", "surrogateescape").strip()
    parts = _split(value)
    if parts is None:
        return None, "The From field is not exactly one plainly written mailbox."
    name, written, comment = parts
    local, at, domain = written.rpartition("@")
    shown = decode_field((name or comment).encode("ascii", "surrogateescape"))
    if at and not domain.isascii():
        return None, "The sender's domain is written with letters outside ASCII."
    if not at or len(local) > 64 or not _LOCAL.fullmatch(local):
        return None, "The From field holds no plainly written address."
    if fault := domain_fault(domain):
        return None, fault
    address, domain = written.lower(), domain.lower()
    for named in _IN_NAME.findall(unicodedata.normalize("NFKC", shown)):
        if named.lower() != domain:
            return None, "The sender's display name shows an address of another domain than the one that sent."
    if parseaddr(value)[1].lower() != address:
        return None, "Mail programs disagree about who the sender is."
    return Address(name=shown, address=address, domain=domain), ""


def elsewhere(fields: Fields, sender: Address | None) -> tuple[str, ...]:
    """Return a sentence for each of Reply-To and Sender that names another domain than the author's; for people only."""
    found = []
    for name, meaning in (("reply-to", "Answers to it go to"), ("sender", "It says that it was sent by")):
        domains = dict.fromkeys(_IN_NAME.findall(decode_field(only(fields, name)[:ADDRESS_CAP]).lower()))
        found += [f"{meaning} {other}." for other in list(domains)[:3] if sender is None or other != sender.domain]
    return tuple(found)


def read_from(fields: Fields) -> tuple[Address | None, str]:
    """Read the author (RFC 5322 section 3.6.2), strictly: (address, "") or the reason why it is not to be believed.

    No From at all gives (None, ""). Another singleton that occurs twice gives the address and a reason.
    """
    counts = Counter(name for name, _ in fields)
    if not counts["from"]:
        sender, reason = None, ""
    elif counts["from"] > 1:
        return None, "The message has more than one From field."
    else:
        sender, reason = _read_one(only(fields, "from"))
    if not reason:
        twice = [name for name in SINGLETONS if counts[name] > 1]
        if twice:
            reason = (
                f"The message has more than one {twice[0].title().replace('-Id', '-ID').replace('Mime', 'MIME')} field."
            )
    return sender, reason
