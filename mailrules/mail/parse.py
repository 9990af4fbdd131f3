"""From the bytes of a message to a Message; the only importer of mailparser.

In: RawMessage and the account's declared receiver. Out: Message; any bytes give one, what was wrong is in `defects`.
May not live here: decoding (text.py), the grammar of fields (headers.py), trust (auth.py), anything that knows Amazon.
"""

from __future__ import annotations

import email
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.errors import CloseBoundaryNotFoundDefect
from email.message import Message as Tree
from email.utils import parsedate_to_datetime

from mailparser.utils import get_addresses
from mailparser.utils import log as _told

from mailrules.mail.auth import authenticate
from mailrules.mail.caps import DEPTH_CAP, FIELD_CAP, HEADER_BYTES_CAP, HEADERS_CAP, STRUCTURED_CAP, over_cap
from mailrules.mail.headers import decode_field, elsewhere, header_fields, only, read_from, subject_of
from mailrules.mail.html import html_to_text
from mailrules.mail.message import Address, AuthVerdict, Message, RawMessage, TextPart
from mailrules.mail.text import decode, transfer
from mailrules.world import Receiver

# why: what is wrong with a mail is in its `defects`; the library would write it to standard error as well
_told.disabled = True

TEXT_CAP = 5_000_000

_STRUCTURAL = ("from", "mime-version", "content-type", "content-transfer-encoding", "content-disposition")
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_BLOCK_END = re.compile(
    r"<(?:br|/?(?:p|div|td|tr|th|li|dd|dl|ul|ol|table|tbody|body|html|h[1-6]|blockquote|center|section|pre))(?:\s[^<>]*)?/?>\s*\Z",
    re.IGNORECASE,
)
_META = re.compile(rb"<meta[^>]{0,200}?charset\s{0,5}=\s{0,5}[\"']?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)


def _sent_at(fields: Sequence[tuple[str, bytes]]) -> tuple[datetime | None, tuple[str, ...]]:
    raw = only(fields, "date")
    if not raw:
        return None, ()
    try:
        found = parsedate_to_datetime(decode_field(raw[:200]))
        aware = found if found.tzinfo else found.replace(tzinfo=UTC)
        if (
            not 1970 <= aware.astimezone(UTC).year <= 2200
        ):  # why: at the ends of the calendar no time zone can be applied
            return None, ("The Date field cannot be read.",)
        return aware, ()
    except Exception:  # the library raises many kinds on hostile dates
        return None, ("The Date field cannot be read.",)


def _tree(body: bytes, fields: Sequence[tuple[str, bytes]]) -> tuple[Tree | None, str | None]:
    """Return the MIME tree and mailparser's reading of From ("" none, None where it breaks down).

    The tree is Python's own, as mailparser's is, which would decode all parts for nothing. Both see only the fields that
    make the structure: the others are ours to read, and theirs to stumble over.
    """
    lean = b"".join(
        name.encode("ascii") + b": " + b" ".join(value.split()) + b"\r\n"
        for name, value in fields
        if name in _STRUCTURAL and len(value) <= STRUCTURED_CAP
    )
    try:
        tree = email.message_from_bytes(lean + b"\r\n" + body)
    except Exception:
        return None, None
    try:
        addresses = [address for _, address in get_addresses(tree["From"]) if address]
    except Exception:  # the library is told apart from its silence
        return tree, None
    return tree, addresses[0].lower() if addresses else ""


def _is_one_piece(fields: Sequence[tuple[str, bytes]]) -> bool:
    """Whether a message holds no other part: then all of its body is one text, and need not be read line by line."""
    kinds = b"".join(value for name, value in fields if name == "content-type").lower()
    return b"multipart" not in kinds and b"message" not in kinds


def _payload(part: Tree, content: bytes | None) -> tuple[bytes, tuple[str, ...]]:
    """Return the decoded bytes of a leaf, as the library has them where they are not known already.

    Its own transfer decoding gives up on damaged text.
    """
    encoding = str(part.get("Content-Transfer-Encoding", "")).partition(";")[0]
    if content is None:
        del part["Content-Transfer-Encoding"]
        data = part.get_payload(decode=True)
        content = data if isinstance(data, bytes) else b""
    return transfer(content, encoding)


def text_part(path: str, subtype: str, data: bytes, label: str, *, closed: bool) -> tuple[TextPart, tuple[str, ...]]:
    """Make the readable part of decoded bytes. `closed` says that a boundary follows, so that nothing was cut off."""
    defects: tuple[str, ...] = ()
    if len(data) > TEXT_CAP:
        data, closed = data[:TEXT_CAP], False
        defects = ("A text part is longer than 5 MB; the rest was not read.",)
    if subtype == "html" and not label and (meta := _META.search(data[:4096])):
        label = meta[1].decode("ascii")
    text, more = decode(data, label)
    if subtype != "html":
        return TextPart(path=path, html=False, text=text, ended=closed or text.endswith("\n")), defects + more
    closed = closed or _BLOCK_END.search(text[-300:]) is not None
    text, links, worse = html_to_text(text)
    return TextPart(path=path, html=True, text=text, links=links, ended=closed), defects + more + worse


class _Walk:
    """One message's walk over its tree; nested messages walk on their own (RFC 9051 section 6.4.5 numbers them)."""

    def __init__(self, received_at: datetime) -> None:
        self.received_at = received_at
        self.parts: list[TextPart] = []
        self.attached: list[Message] = []
        self.defects: list[str] = []

    def run(self, root: Tree, prefix: str, depth: int, *, closed: bool = False, content: bytes | None = None) -> None:
        """Walk over all parts; `content` is the body of a tree that is one piece and was made without it."""
        start = prefix if root.is_multipart() and root.get_content_maintype() == "multipart" else f"{prefix}1"
        stack: list[tuple[Tree, str, int, bool]] = [(root, start.rstrip("."), depth, closed)]
        while stack:
            part, path, level, closed = stack.pop()
            if level > DEPTH_CAP:
                self.defects.append("The message is nested deeper than 50 levels; the inner parts were not read.")
                continue
            self.defects += [f"The MIME structure is damaged ({type(d).__name__})." for d in part.defects[:20]]
            children = part.get_payload() if part.is_multipart() else None
            kind = part.get_content_type()
            if kind.startswith("message/"):  # also message/global, and whatever else a reader may open
                if isinstance(children, list) and len(children) == 1 and isinstance(children[0], Tree):
                    inner = _unwrapped(part, children[0])
                    self.attached.append(_nested(inner, path, level + 1, self.received_at, closed=closed))
            elif isinstance(children, list):
                below = f"{path}." if path else ""
                open_end = any(isinstance(d, CloseBoundaryNotFoundDefect) for d in part.defects)
                last = len(children)
                numbered = [
                    (child, f"{below}{n}", level + 1, n < last or not open_end) for n, child in enumerate(children, 1)
                ]
                stack += [item for item in reversed(numbered) if isinstance(item[0], Tree)]
            else:
                self.leaf(part, kind, path, content, closed=closed)

    def leaf(self, part: Tree, kind: str, path: str, content: bytes | None, *, closed: bool) -> None:
        """Take a part that holds no other, if it can be read."""
        if kind not in ("text/plain", "text/html") or part.get_content_disposition() == "attachment":
            return
        if str(part.get("Content-Type", "")).strip().lower().startswith(("multipart/", "message/")):
            return  # a container the library could not open: its text may be anyone's
        data, defects = _payload(part, content)
        found, more = text_part(
            path, kind.partition("/")[2], data, str(part.get_content_charset("") or ""), closed=closed
        )
        self.parts.append(found)
        self.defects += [*defects, *more]


def _message(
    path: str, fields: Sequence[tuple[str, bytes]], walk: _Walk, sender: Address | None, forged: str, auth: AuthVerdict
) -> Message:
    sent_at, date_defects = _sent_at(fields)
    replied = re.match(rb"auto-replied(?![\w-])", only(fields, "auto-submitted").lower()) is not None
    return Message(
        path=path,
        message_id="".join(decode_field(only(fields, "message-id")[:2000]).split()),
        subject=subject_of(fields),
        sender=sender,
        sent_at=sent_at,
        received_at=walk.received_at,
        parts=tuple(walk.parts),
        attached=tuple(walk.attached),
        auth=auth,
        forged=forged,
        defects=tuple(dict.fromkeys([*walk.defects, *date_defects])),
        elsewhere=elsewhere(fields, sender),
        automatic=replied or any(name == "x-mailrules-id" for name, _ in fields),
    )


def _unwrapped(part: Tree, child: Tree) -> Tree:
    """Return an attached message; RFC 2046 section 5.2.1 forbids base64 there, and some servers use it all the same."""
    text = child.get_payload()
    encoded = str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "base64"
    if not encoded or child.keys() or not isinstance(text, str):
        return child
    content, _ = transfer(text.encode("ascii", "replace"), "base64")
    head, body = _halves(content)
    fields = header_fields(head, HEADERS_CAP + 1) if len(head) <= HEADER_BYTES_CAP else ()
    return child if over_cap(head, body, fields) else email.message_from_bytes(content)


def _halves(content: bytes) -> tuple[bytes, bytes]:
    """Return the header and the body of a message."""
    end = _EMPTY_LINE.search(content)
    return (content[: end.start()].removesuffix(b"\r"), content[end.end() :]) if end else (content, b"")


def _nested(tree: Tree, path: str, depth: int, received_at: datetime, *, closed: bool) -> Message:
    """Make the Message of a message/rfc822 part: no authentication of its own, whatever its fields claim."""
    block = b"\n".join(
        f"{name}: {value}".encode("utf-8", "surrogateescape").replace(b"\r\n", b"\n")
        for name, value in tree.raw_items()
    )
    fields = header_fields(block)
    sender, forged = read_from(fields)
    walk = _Walk(received_at)
    walk.run(tree, f"{path}.", depth, closed=closed)
    auth = AuthVerdict(result="none", reason="An attached message has no authentication of its own.")
    return _message(path, fields, walk, sender, forged, auth)


def _page(raw: RawMessage) -> Message:
    walk = _Walk(raw.received_at)
    found, defects = text_part("1", raw.media_type.partition("/")[2], raw.content, "", closed=False)
    walk.parts.append(found)
    walk.defects += defects
    return _message("", (), walk, None, "", AuthVerdict(result="none", reason="A saved page has no sender."))


def parse_message(raw: RawMessage, receiver: Receiver | None = None, signature: AuthVerdict | None = None) -> Message:
    """Read a message as its source delivered it; never raises, whatever the bytes.

    `signature` is what our own check found (mail/dkim.py), where that is the account's anchor.
    """
    if raw.media_type in ("text/html", "text/plain"):
        return _page(raw)
    content = raw.content
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")  # a file whose every line ends as on an old Mac: read in one way only
    if content.startswith(b"From "):
        content = content.partition(b"\n")[2]
    if content.startswith((b"\n", b"\r\n")):
        head, body = b"", content.lstrip(b"\r\n")
    else:
        head, body = _halves(content)
    walk = _Walk(raw.received_at)
    fields = header_fields(head[:HEADER_BYTES_CAP], HEADERS_CAP + 1)
    over = over_cap(head, body, fields)
    if over:
        walk.defects.append(over)
        fields = tuple((n, v) for n, v in fields[:HEADERS_CAP] if len(v) <= FIELD_CAP)
        # Fields beyond a cap may be a second From: such a message has no author that we have read right.
        return _message("", fields, walk, None, over, AuthVerdict(result="none", reason=over))
    sender, forged = read_from(fields)
    if b"\0" in head:
        sender, forged = None, "The header holds a zero byte, at which some mail programs stop reading."
    if b"\r" in head.replace(b"\r\n", b"\n").rstrip(b"\r"):
        sender, forged = None, "The header holds a bare carriage return, which mail programs read differently."
    one = _is_one_piece(fields)
    tree, theirs = _tree(b"" if one else body, fields)
    if sender is not None and theirs is not None and theirs != sender.address:
        sender, forged = None, "Mail programs disagree about who the sender is."
    if tree is None:
        walk.defects.append("The MIME structure cannot be read.")
    else:
        try:
            walk.run(tree, "", 0, content=body if one else None)
        except Exception as error:  # the last line of defence of "any bytes give a Message"
            walk.defects.append(f"The parts cannot be read ({type(error).__name__}).")
    if forged or sender is None:
        auth = AuthVerdict(result="none", reason=forged or "The message has no From field.")
    else:
        auth = authenticate(fields, sender.domain, receiver, signature)
    return _message("", fields, walk, sender, forged, auth)
