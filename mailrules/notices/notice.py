"""The types of the notices stage.

In: nothing. Out: Notice (what one document turned out to be), Evidence, Place.
May not live here: recognition, trust decisions, rules, the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Status = Literal["read", "unparsed", "unrecognized", "refused"]
Trust = Literal["forged", "unverified", "authenticated", "bound", "confirmed"]
TRUST_LEVELS: tuple[Trust, ...] = ("forged", "unverified", "authenticated", "bound", "confirmed")
"""Lowest first (design section "Trust"); comparisons go by position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a document: `part` is "subject" or a MIME section; line and column are 1-based code points."""

    part: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where a value was read: `part` is "subject" or a MIME section; line and column are 1-based code points.

    `text` is the raw text of the value as it stands there, before normalization.
    """

    field: str
    part: str
    line: int
    column: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What one document turned out to be. `fields` are normalized texts (dates as YYYY-MM-DD, ids as 12 digits).

    `status` "read": kind, system, wording and fields are set. "unparsed": it is meant to be one, but `reason` says what
    could not be read. "refused": a look-alike, named in `kind`. "unrecognized": ordinary mail.
    `region` is na, eu or fe where the field `region` or a Seller Central address in the document told it.

    `path` is the place inside the document. It is "" for the only object of a message; of several objects in one
    message each is "#notice1", "#notice2", … in the order in which they stand. An object in an attached message has the
    MIME section of that message before it: "#1.2", or "#1.2/notice1".
    `forwarded` tells that it came inside another mail (attached or quoted), whose sender is another.
    `notes` are sentences for a person about what does not fit together but makes no value doubtful.
    `difference` and `draft` are set where most of a wording fits: what is missing, line by line, and a drafted wording.
    """

    status: Status
    path: str = ""
    kind: str | None = None
    system: str | None = None
    wording: str | None = None
    fitted: str = field(default="", compare=False)
    """Where the wording that fitted stands; several wordings of a notice may have one language."""
    reason: str = ""
    trust: Trust = "unverified"
    trust_reason: str = ""
    region: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    forwarded: bool = False
    written: datetime | None = None
    """When it was written, where that is not the message's own date: the quoted date of a forward."""
    notes: tuple[str, ...] = ()
    difference: str = ""
    draft: str = ""
