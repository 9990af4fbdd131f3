"""A message to the mails it holds in its text: what its parts say alike, side by side.

In: a Message (its attached messages are messages of their own). Out: Groups: its own words, then each quoted mail.
May not live here: wordings, trust.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date

from mailrules.language.values import fold
from mailrules.mail.message import Message
from mailrules.notices.forwards import Letter, letters
from mailrules.notices.lines import lines_of, subject_line
from mailrules.notices.patterns import BEFORE_SUBJECT, FORWARDED
from mailrules.notices.search import Searched
from mailrules.notices.tables import Tables

_DOMAIN = re.compile(r"@([a-z0-9.\-]{1,253})", re.IGNORECASE)


@dataclass(slots=True)
class Text:
    """One part's share of a group, searched, with its tables."""

    searched: Searched
    tables: Tables


@dataclass(slots=True)
class Group:
    """One mail: its subject, what each part says of it, its sender's domain as written, the day it was written.

    `written` is None where a quoted date cannot be read for certain.
    """

    subject: Searched
    texts: list[Text]
    quoted: bool
    domain: str
    written: date | None
    titles: dict[str, bool] = field(default_factory=dict)

    def names(self, title: str) -> bool:
        """Whether the subject or the text names a system."""
        if title not in self.titles:
            folded = fold(title)
            self.titles[title] = any(folded in s.running for s in (self.subject, *(t.searched for t in self.texts)))
        return self.titles[title]


def groups_of(message: Message) -> list[Group]:
    """Return the message's own words and the mails quoted in it.

    Parts that quote a different number of mails are laid side by side from their ends: the innermost is the same.
    """
    parts = [letters(lines_of(part)) for part in message.parts]
    size = max((len(found) for found in parts), default=1)
    titled = any(letter.subject for found in parts for letter in found)
    groups = []
    for back in range(size, 0, -1):
        here = [found[-back] for found in parts if len(found) >= back]
        groups.append(_group(message, here, titled=titled))
    return groups


def _group(message: Message, here: list[Letter], *, titled: bool) -> Group:
    quoted = next((letter for letter in here if letter.quoted), None)
    subject = next((letter.subject for letter in here if letter.subject), None)
    forward = FORWARDED.match(message.subject)
    if subject is None and not quoted and (titled or (forward and message.attached)):
        about = []  # why: the subject of a forward speaks of what is forwarded, which has its own
    elif subject is not None:
        own = BEFORE_SUBJECT.match(subject.text)
        about = [subject.behind(own.end()) if own and own.end() < len(subject.text) else subject]
    else:
        before = BEFORE_SUBJECT.match(message.subject)
        about = [subject_line(message.subject, before.end() if before else 0)]
    if quoted:
        named = _DOMAIN.search(quoted.sender)
        domain, written = (named[1].lower() if named else ""), next((x.sent for x in here if x.sent), None)
    else:
        domain = message.sender.domain if message.sender else ""
        written = (message.sent_at or message.received_at).date()
    texts = [Text(Searched(letter.lines), Tables(letter.lines)) for letter in here]
    return Group(Searched(about), texts, quoted is not None, domain, written)
