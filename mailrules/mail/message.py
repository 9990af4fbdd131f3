"""The types of the mail stage.

In: nothing. Out: RawMessage (bytes as a source delivered them) and Message (what they say).
May not live here: parsing, anything that knows Amazon, rules, or the present time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKey:
    """Where a message lies on a server (RFC 9051 section 2.3.1); what it *is* is told by its digest."""

    account: str
    mailbox: str
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMessage:
    """One message as its source delivered it.

    `source` is the path or mailbox as a person would name it; `received_at` is aware (INTERNALDATE, or the file's time).
    `media_type` is "message/rfc822", or "text/html" / "text/plain" for a saved page, which has no sender.
    """

    source: str
    content: bytes
    received_at: datetime
    account: str = ""
    key: MessageKey | None = None
    media_type: str = "message/rfc822"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One mailbox of an address field (RFC 5322 section 3.4). `address` and `domain` are lower case, domain as A-label.

    `name` is the decoded display name. It is shown, never evidence.
    """

    name: str
    address: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """One readable part: `path` is its MIME section ("1", "1.2"; RFC 9051 section 6.4.5), `text` has LF line ends.

    For an HTML part `text` is what a reader would see: hidden text dropped, one line a block or table row,
    table cells of a row joined by a tab. `links` are the http(s) addresses of visible links, in order.
    `ended` tells that the text did not just stop: a line end, the end of a block element or the boundary of its
    multipart closes it. Where it is False, the last value of the text may be half a value.
    """

    path: str
    html: bool
    text: str
    links: tuple[str, ...] = ()
    ended: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthVerdict:
    """What the account's anchor says of the sender: its declared receiver (RFC 8601), or our own check of the signature.

    `result`: "pass" = an accepted method passed for exactly `domain`, which is the From domain that we read;
    "fail" = it failed; "unchecked" = the key could not be fetched now; "none" = nothing that we may believe.
    `reason` is a sentence.
    """

    result: str
    domain: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, flat. `path` is "" for the outermost, else the MIME section of the message/rfc822 part it was in.

    `sender` is None where there is no single author we can trust to have read right; `forged` then says why (a
    sentence; also for duplicated singleton fields). Header texts are decoded, unfolded and free of control characters.
    `attached` are message/rfc822 parts: each a message of its own, with no authentication of its own.
    `defects` are sentences about what was wrong in the bytes. `resource` is the media type it was read as.
    """

    path: str
    message_id: str
    subject: str
    sender: Address | None
    sent_at: datetime | None
    received_at: datetime
    parts: tuple[TextPart, ...]
    attached: tuple[Message, ...] = ()
    auth: AuthVerdict = AuthVerdict(result="none")
    forged: str = ""
    defects: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    """Sentences about answers and senders of another domain than the author's (Reply-To, Sender)."""
    automatic: bool = False
    """Auto-Submitted: auto-replied, or one of our own mails come back (loop protection)."""
