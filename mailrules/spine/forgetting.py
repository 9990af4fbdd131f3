"""`mailrules forget`: whose mail is meant, and what of it is removed.

In: an open store and the name of a message, of an authorization or of a person. Out: Forgotten: counts, and what stays.
May not live here: SQL, printing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mailrules.errors import UsageError
from mailrules.ledger import Authorization
from mailrules.mail.message import Message, RawMessage
from mailrules.store import Store, StoredMessage
from mailrules.store.care import SIGHTINGS

KEYS = "digests, places in the mailbox and the keys of effects, so that nothing is taken in or done twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How much of what was removed, and, as sentences, what was not."""

    counts: Mapping[str, int]
    kept: tuple[str, ...]


def forget(store: Store, now: str, *, named: str | None = None, person: str | None = None) -> Forgotten:
    """Forget a message, an authorization or a person, and write the store anew. Raises UsageError where there is none."""
    done = _person(store, person, now) if person else _named(store, named or "", now)
    store.rebuild()
    return done


def _named(store: Store, name: str, now: str) -> Forgotten:
    account, _, rest = name.partition("/")
    mailbox, _, uid = rest.rpartition("/")
    if mailbox and uid.isascii() and uid.isdigit():
        counts = store.forget_place(account, mailbox, int(uid), now)
        if counts["places"]:
            return Forgotten(
                counts=counts, kept=("its place, so that it is not asked for again; the mail on the server",)
            )
    ledger = store.ledger()
    subject = ledger.authorizations.get(name)
    if subject is None:
        message = store.message(name)
        if message is None:
            raise UsageError(
                f"there is no stored message and no authorization {name}",
                help="`mailrules authorizations` and `mailrules doctor` list their ids",
            )
        return Forgotten(counts=_messages(store, {message.digest}, now), kept=(KEYS, "what the ledger learned from it"))
    digests = {m.digest for m in store.messages() if _speaks_of(m, subject)}
    digests |= {o.message for o in ledger.of(subject.id) if o.message}
    counts = _messages(store, digests, now)
    counts.update(store.forget_authorization(subject.id, now))
    kept = (
        KEYS,
        "who the authorization is (account, Developer ID, name, region) and its dates: new mail about it joins it",
    )
    return Forgotten(counts=counts, kept=kept)


def _person(store: Store, address: str, now: str) -> Forgotten:
    wanted = address.strip().lower()
    if wanted.count("@") != 1 or wanted.startswith("@") or wanted.endswith("@"):
        raise UsageError(f"{address} is no mail address")
    digests = {m.digest for m in store.messages() if _names(store, m, wanted)}
    counts = _messages(store, digests, now)
    counts.update(store.forget_effects_with(wanted, now))
    return Forgotten(
        counts=counts, kept=(KEYS, "mailrules.toml, where [people] may name the address; change it yourself")
    )


def _messages(store: Store, digests: Collection[str], now: str) -> Counter[str]:
    """Forget messages, and with them that their senders were seen."""
    with store.transaction():
        seen = store.unsighted(digests)
        return Counter({**store.forget_messages(digests, now), SIGHTINGS: seen})


def _speaks_of(message: StoredMessage, subject: Authorization) -> bool:
    fields = [notice.get("fields", {}) for notice in message.notices]
    if message.account != subject.account:
        return False
    if subject.developer_id and any(f.get("developer_id") == subject.developer_id for f in fields):
        return True
    return any(
        f.get("developer") == subject.developer and not f.get("developer_id") for f in fields if subject.developer
    )


def _names(store: Store, message: StoredMessage, wanted: str) -> bool:
    texts = json.dumps([message.subject, message.message_id, message.notices, message.decisions], ensure_ascii=False)
    if wanted in texts.lower():
        return True
    content = store.content(message.digest)
    if content is None:
        return False
    return wanted.encode() in content.lower() or wanted in _text(message, content)


def _text(message: StoredMessage, content: bytes) -> str:
    """Return what a mail says once it is decoded, in lower case."""
    from mailrules.mail.parse import parse_message

    raw = RawMessage(source="", content=content, received_at=message.received_at, media_type=message.media_type)
    waiting, found = [parse_message(raw)], []
    while waiting:
        one: Message = waiting.pop()
        found += [one.subject, one.sender.address if one.sender else "", *(part.text for part in one.parts)]
        waiting += one.attached
    return "\n".join(found).lower()
