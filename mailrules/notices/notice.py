"""The types of the notices stage.

In: nothing. Out: Notice and Document (what one document turned out to be), Evidence.
May not live here: recognition, trust decisions, rules, the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["read", "unparsed", "unrecognized", "refused"]
Trust = Literal["forged", "unverified", "authenticated", "bound", "confirmed"]
TRUST_LEVELS: tuple[Trust, ...] = ("forged", "unverified", "authenticated", "bound", "confirmed")
"""Lowest first (design section "Trust"); comparisons go by position."""


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
    `path` is "" or the place inside the document ("#2", "#1.2"). `region` is na, eu or fe where a Seller Central
    address in the document told it.
    """

    status: Status
    path: str = ""
    kind: str | None = None
    system: str | None = None
    wording: str | None = None
    reason: str = ""
    trust: Trust = "unverified"
    trust_reason: str = ""
    region: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
