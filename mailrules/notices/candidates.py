"""From header fields alone: may this message be a notice, so that its body is worth fetching?

In: header fields as bytes, the definitions, the user's people. Out: the reason it is a candidate, or None.
May not live here: the network; anything that needs a body.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from mailrules.language.ast import System
from mailrules.language.values import fold
from mailrules.mail.headers import Fields, decode_field, header_fields, only, read_from
from mailrules.notices.lines import subject_line
from mailrules.notices.patterns import BEFORE_SUBJECT, FORWARDED, CompiledWording, squeeze
from mailrules.notices.search import Searched

_WRITTEN_APART = b'"\\\r\n'
"""What may stand inside an address as it is written and is no part of it: quotes, escapes, the end of a folded line."""
_SQUEEZED_AWAY = bytes(range(33)) + b">*_|:-\x7f"
"""What `squeeze` drops of ASCII, and control characters, which are spaces in a decoded field."""
NOTHING_SAID = "the server named none of its header fields"
_FORWARDS = (b"message/rfc822", b"multipart/mixed", b"multipart/digest")


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """What makes a candidate (design section 6); `everything` is the account's `fetch = "all"`."""

    systems: tuple[System, ...]
    wordings: tuple[CompiledWording, ...]
    people: Collection[str] = ()
    everything: bool = False
    asked: bool = False
    """Whether a rule asks for ordinary mail (`on mail`)."""

    def reason(self, block: bytes) -> str | None:
        """Return why the message with this header block is a candidate, or None where it is passed over."""
        # why first: nearly every mail is passed over, and its bytes alone show that its sender and subject are nobody's
        lower = block.lower()
        known = self._senders.search(lower.translate(None, _WRITTEN_APART)) is not None
        if not known and not self._may_be_titled(lower):
            # why: no mail is without all of them; a server that does not find them must not hide one
            return self._otherwise or (None if block.strip() else NOTHING_SAID)
        fields = header_fields(block)
        subject = decode_field(only(fields, "subject"))
        reason = (known and self._by_sender(fields)) or self._by_subject(subject)
        return reason or (known and self._forward(fields, subject)) or self._otherwise

    @property
    def _otherwise(self) -> str | None:
        return 'fetch = "all"' if self.everything else "a rule asks for ordinary mail" if self.asked else None

    def _may_be_titled(self, lower: bytes) -> bool:
        """Whether a subject in this block may fit: where it is plain ASCII, folded and squeezed it is a part of all of it."""
        if not lower.isascii() or b"=?" in lower or b"\x1b" in lower:
            return True
        folded = lower.replace(b",,", b'"').replace(b"''", b'"').replace(b"`", b"'")
        squeezed = folded.translate(None, _SQUEEZED_AWAY)
        return any(title in squeezed for title in self._ascii_titles)

    def _by_sender(self, fields: Fields) -> str:
        sender, _ = read_from(fields)
        raw_from = b" ".join(body for name, body in fields if name == "from").decode("latin-1").lower()
        for system in self.systems:
            for domain in system.domains:
                name = domain.value.lower()
                if (sender and sender.domain == name) or f"@{name}" in raw_from:
                    return f"sender domain {name} belongs to {system.name.value}"
        return ""

    def _by_subject(self, subject: str) -> str:
        bare = BEFORE_SUBJECT.sub("", subject)
        squeezed = squeeze(fold(bare))
        if not any(title in squeezed for title in self._titles):
            return ""
        about = Searched([subject_line(bare, 0)])
        for wording in self.wordings:
            if any(about.find(clause) for clause in wording.subject):
                return f"the subject fits {wording.definition.kind.value} ({wording.wording.language.value})"
        return ""

    def _forward(self, fields: Fields, subject: str) -> str:
        sender, _ = read_from(fields)
        if not sender or sender.address not in self.people:
            return ""
        kind = only(fields, "content-type").lower()
        if FORWARDED.match(subject) or any(word in kind for word in _FORWARDS):
            return f"a forward from {sender.address}, who is listed under [people]"
        return ""

    @cached_property
    def _senders(self) -> re.Pattern[bytes]:
        """What the bytes of every message hold whose sender matters."""
        domains = {f"@{domain.value.lower()}" for system in self.systems for domain in system.domains}
        people = {address.lower() for address in self.people}
        return re.compile("|".join(re.escape(name) for name in sorted(domains | people)).encode() or b"(?!)")

    @cached_property
    def _ascii_titles(self) -> tuple[bytes, ...]:
        return tuple(title.encode() for title in self._titles if title.isascii())

    @cached_property
    def _titles(self) -> tuple[str, ...]:
        """Without one of these no wording's subject fits."""
        return tuple(dict.fromkeys(clause.must for wording in self.wordings for clause in wording.subject))
