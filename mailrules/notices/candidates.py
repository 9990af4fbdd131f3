"""From header fields alone: may this message be a notice, so that its body is worth fetching?

In: header fields as bytes, the definitions, the user's people. Out: the reason it is a candidate, or None.
May not live here: the network; anything that needs a body.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from mailrules.language.ast import System
from mailrules.language.values import fold
from mailrules.mail.headers import Fields, header_fields, only, read_from, subject_of
from mailrules.notices.lines import subject_line
from mailrules.notices.patterns import BEFORE_SUBJECT, FORWARDED, CompiledWording, squeeze
from mailrules.notices.search import Searched

_WRITTEN_APART = b'"\\\r\n'
"""What may stand inside an address as it is written and is no part of it: quotes, escapes, the end of a folded line."""
_SQUEEZED_AWAY = bytes(range(1, 33)) + b">*_|:-\x7f"
"""What `squeeze` drops of ASCII, and control characters, which are spaces in a decoded field."""
_BETWEEN = b"\0"
"""What stands between the header blocks of several messages while they are scanned together."""
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
        return self.among([block]).get(0)

    def among(self, blocks: Sequence[bytes]) -> dict[int, str]:
        """Return which of the messages with these header blocks are candidates: their places, each with the reason."""
        # why all at once, and first: nearly every mail is passed over, and the bytes show that sender and subject are nobody's
        whole = _BETWEEN.join(blocks).lower()
        if whole.count(_BETWEEN) >= len(blocks):
            whole = _BETWEEN.join(block.replace(_BETWEEN, b"\x01") for block in blocks).lower()
        known = self._known(whole)
        doubtful = known | self._titled(whole) | {place for place, block in enumerate(blocks) if _hides_text(block)}
        found = {place: self._looked_at(blocks[place], known=place in known) for place in doubtful}
        reasons = ((place, found.get(place) or self._otherwise(block)) for place, block in enumerate(blocks))
        return {place: reason for place, reason in reasons if reason}

    def _looked_at(self, block: bytes, *, known: bool) -> str:
        fields = header_fields(block)
        subject = subject_of(fields)
        reason = (known and self._by_sender(fields)) or self._by_subject(subject)
        return reason or (self._forward(fields, subject) if known else "")

    def _otherwise(self, block: bytes) -> str:
        if self.everything or self.asked:
            return 'fetch = "all"' if self.everything else "a rule asks for ordinary mail"
        # why: no mail is without all of them; a server that does not find them must not hide one
        return "" if block.strip() else NOTHING_SAID

    def _known(self, whole: bytes) -> set[int]:
        """Return where the bytes name a sender that matters."""
        text = whole.translate(None, _WRITTEN_APART)
        return _places(text, (hit.start() for hit in self._senders.finditer(text)))

    def _titled(self, whole: bytes) -> set[int]:
        """Return where a plain subject may fit: folded and squeezed it is a part of all the bytes."""
        text = whole.replace(b",,", b'"').replace(b"''", b'"').replace(b"`", b"'").translate(None, _SQUEEZED_AWAY)
        return _places(text, sorted(at for title in self._ascii_titles for at in _each(text, title)))

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
        names = {f"@{domain.value.lower()}" for system in self.systems for domain in system.domains}
        names |= {address.lower() for address in self.people}
        # why the @ before all of them: a pattern that begins with one byte is searched for at once
        rest = {f"{re.escape(n.rpartition('@')[2])}(?<={re.escape(n)})" for n in names}
        return re.compile(f"@(?:{'|'.join(sorted(rest))})".encode() if rest else b"(?!)")

    @cached_property
    def _ascii_titles(self) -> tuple[bytes, ...]:
        return tuple(title.encode() for title in self._titles if title.isascii())

    @cached_property
    def _titles(self) -> tuple[str, ...]:
        """Without one of these no wording's subject fits."""
        return tuple(dict.fromkeys(clause.must for wording in self.wordings for clause in wording.subject))


def _hides_text(block: bytes) -> bool:
    """Whether a block says more than its bytes show: encoded words, another character set."""
    return not block.isascii() or b"=?" in block or b"\x1b" in block


def _each(text: bytes, word: bytes) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + 1)


def _places(text: bytes, hits: Iterable[int]) -> set[int]:
    """Return in which of the blocks that make up a text its ascending hits lie."""
    found: set[int] = set()
    place = last = 0
    for at in hits:
        place += text.count(_BETWEEN, last, at)
        last = at
        found.add(place)
    return found
