"""From header fields alone: may this message be a notice, so that its body is worth fetching?

In: header fields as bytes, the definitions, the user's people. Out: the reason it is a candidate, or None.
May not live here: the network; anything that needs a body.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mailrules.language.ast import System
from mailrules.mail.headers import decode_field, header_fields, read_from
from mailrules.notices.lines import subject_line
from mailrules.notices.patterns import FORWARDED, CompiledWording
from mailrules.notices.search import Searched


@dataclass(frozen=True, slots=True, kw_only=True)
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
        fields = header_fields(block)
        sender, _ = read_from(fields)
        raw_from = b" ".join(body for name, body in fields if name == "from").decode("latin-1").lower()
        for system in self.systems:
            for domain in system.domains:
                name = domain.value.lower()
                if (sender and sender.domain == name) or f"@{name}" in raw_from:
                    return f"sender domain {name} belongs to {system.name.value}"
        subject = next((decode_field(body) for name, body in fields if name == "subject"), "")
        bare = FORWARDED.sub("", subject)
        about = Searched([subject_line(bare, 0)])
        for wording in self.wordings:
            if any(about.find(clause) for clause in wording.subject):
                return f"the subject fits {wording.definition.kind.value} ({wording.wording.language.value})"
        if sender and sender.address in self.people:
            kind = next((body for name, body in fields if name == "content-type"), b"").lower()
            if (
                bare != subject
                or b"message/rfc822" in kind
                or b"multipart/mixed" in kind
                or b"multipart/digest" in kind
            ):
                return f"a forward from {sender.address}, who is listed under [people]"
        return 'fetch = "all"' if self.everything else "a rule asks for ordinary mail" if self.asked else None
