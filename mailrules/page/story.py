"""One authorization's story, and one mail with what was read from it marked in place.

In: a Look, an id. Out: dicts for the templates. May not live here: HTML, words, SQL, changing anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mailrules.errors import UnreadableError, UsageError
from mailrules.ledger import silence
from mailrules.mail.message import Message, RawMessage
from mailrules.page.look import Look
from mailrules.page.marks import Piece, marked
from mailrules.page.model import dated_tasks, judgment, named_effects
from mailrules.page.standing import standing

if TYPE_CHECKING:
    from mailrules.store import StoredMessage

LINES = 200
"""So many lines of a story are shown, the newest."""
PARTS = 12


def story(it: Look, name: str) -> dict[str, Any]:
    """Return all that is known of one authorization. Raises UsageError where there is none of that id."""
    from mailrules.whynot import of_authorization

    ledger = it.store.part_of_ledger([name])
    subject = ledger.authorizations.get(name)
    if subject is None:
        raise UsageError(f"there is no authorization {name}")
    if subject.linked:
        return story(it, subject.linked)
    names = [name, *(a.id for a in ledger.authorizations.values() if a.linked == name)]
    events = it.store.story(names, LINES)
    digests = [e["detail"]["message"] for e in events if e["detail"].get("message")]
    messages = it.store.messages_among(digests)
    quiet = silence(ledger, name, it.today(subject.account))
    owed = sorted(ledger.of(name), key=lambda o: (not o.waiting, o.due), reverse=False)
    newest = next((m for m in messages if m["kept"]), None)
    return {
        "subject": subject, "stands": standing(it, name), "other_names": [ledger.authorizations[n].developer for n in names[1:]],
        "obligations": owed, "events": events, "messages": messages,
        "mail": mail(it, str(newest["id"])) if newest else None, "quiet": quiet.days if quiet else None,
        "contradictions": [e for e in events if e["what"] == "contradiction" and str(e["at"]) > subject.settled_at],
        "tasks": dated_tasks(it, it.store.tasks_page(LINES, 0, status="open", names=names)),
        "effects": named_effects(it, it.store.effects_page(LINES, 0, names=names)),
        "judged": [judgment(j) for j in of_authorization(name, ledger, it.rules(), it.config.world, it.now)],
    }  # fmt: skip


def mail(it: Look, name: str) -> dict[str, Any]:
    """Return one stored mail: its text with the values marked, or why it cannot be shown."""
    stored = it.store.message(name) if name.isascii() and name.isdigit() else None
    if stored is None:
        raise UsageError(f"there is no stored message {name}")
    evidence = [
        {**e, "value": notice["fields"].get(e["field"]), "notice": notice["kind"]}
        for notice in stored.notices for e in notice["evidence"]
    ]  # fmt: skip
    shown: dict[str, Any] = {
        "stored": stored, "notices": stored.notices, "values": list({(e["field"], e["value"]): e for e in reversed(evidence)}.values())[::-1], "why": "", "parts": [], "sender": None,
        "subject": [Piece(stored.subject)] if stored.subject else [],
        "fired": [d["rule"] for d in stored.decisions if d["fired"]],
    }  # fmt: skip
    if stored.content is None:
        return {**shown, "why": "purged"}
    try:
        message = _read(it, stored, stored.content)
    except UnreadableError:
        return {**shown, "why": "unreadable"}
    number = 1
    for path, html, text in _texts(message):
        pieces, cut = marked(text, [e for e in evidence if e["part"] == path], number)
        number += sum(bool(piece.field) for piece in pieces)
        if path == "subject":
            shown["subject"] = pieces
        elif len(shown["parts"]) < PARTS:
            shown["parts"].append(
                {"path": path, "html": html, "pieces": pieces, "cut": cut, "marks": any(p.field for p in pieces)}
            )
    # why: of a text that came in two forms, people want the one that was read
    shown["parts"].sort(key=lambda part: not part["marks"])
    shown["sender"] = message.sender
    return shown


def _texts(message: Message) -> Iterator[tuple[str, bool, str]]:
    """Yield the subject and every readable part of a mail and of those attached to it: path, whether it was HTML, text."""
    waiting: list[Message] = [message]
    while waiting:
        each = waiting.pop(0)
        if each is message:
            yield "subject", False, each.subject
        for part in each.parts:
            yield part.path, part.html, part.text
        waiting.extend(each.attached)


def _read(it: Look, stored: StoredMessage, content: bytes) -> Message:
    """Read the bytes once more; what is odd is left to a child process, as when it came in."""
    from mailrules.mail.parse import parse_message
    from mailrules.spine.guard import Reader, odd

    raw = RawMessage(
        source=stored.source, content=content, received_at=stored.received_at, account=stored.account,
        media_type=stored.media_type,
    )  # fmt: skip
    if odd(content):
        return Reader(rules=it.rules()).read(raw, apart=True).message
    return parse_message(raw, None, None)
