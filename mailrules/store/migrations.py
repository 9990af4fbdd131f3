"""The schema and how it came to be: numbered steps that only go forward.

In: an open sqlite3 connection inside a transaction. Out: the same with the newest schema.
May not live here: queries. A step that was ever released is never edited; it is corrected by the next one.
"""

from __future__ import annotations

import secrets
import sqlite3
from typing import Any

from sqlite_utils import Database, Migrations

STEPS = Migrations("mailrules")


@STEPS(name="0001_first")
def _first(db: Any) -> None:
    text, number = str, int
    db["meta"].create({"key": text, "value": text, "updated": text}, pk="key", strict=True)
    db["meta"].insert({"key": "own_id", "value": secrets.token_hex(16), "updated": ""})
    db["cursors"].create(
        {"account": text, "mailbox": text, "uidvalidity": number, "uid": number, "updated": text},
        pk=("account", "mailbox"), strict=True,
    )  # fmt: skip
    db["places"].create(
        {
            "account": text, "mailbox": text, "uidvalidity": number, "uid": number, "status": text, "digest": text,
            "reason": text, "attempts": number, "updated": text,
        },
        pk=("account", "mailbox", "uidvalidity", "uid"), strict=True,
        not_null={"status", "digest", "reason", "attempts"}, defaults={"digest": "", "reason": "", "attempts": 0},
    )  # fmt: skip
    db["places"].create_index(["status"])
    db["contents"].create({"digest": text, "content": bytes}, pk="digest", not_null={"content"}, strict=True)
    db["messages"].create(
        {
            "id": number, "digest": text, "account": text, "mailbox": text, "uidvalidity": number, "uid": number,
            "source": text, "media_type": text, "message_id": text, "subject": text, "received_at": text, "reason": text,
            "trust": text, "notices": text, "decisions": text, "stored_at": text,
        },
        pk="id", not_null={"digest", "account"}, strict=True,
    )  # fmt: skip
    db["messages"].create_index(["digest"], unique=True)
    db["messages"].create_index(["message_id"])
    db["authorizations"].create(
        {
            "id": text, "account": text, "system": text, "developer_id": text, "developer": text, "region": text,
            "expires": text, "assumed": number, "revoked": number, "first_seen": text,
        },
        pk="id", strict=True,
    )  # fmt: skip
    db["obligations"].create(
        {
            "authorization": text, "due": text, "dated": number, "state": text, "trust": text, "notice": text,
            "message": text, "reminders": number, "opened": text, "closed": text, "history": number,
        },
        pk=("authorization", "due"), foreign_keys=[("authorization", "authorizations", "id")], strict=True,
    )  # fmt: skip
    db["events"].create(
        {"id": number, "authorization": text, "due": text, "at": text, "what": text, "detail": text},
        pk="id",
        strict=True,
    )
    db["events"].create_index(["authorization"])
    db["effects"].create(
        {
            "key": text, "id": text, "account": text, "rule": text, "action": text, "target": text, "stage": text,
            "authorization": text, "due": text, "args": text, "retry": text, "not_before": text, "state": text,
            "attempts": number, "lease": text, "batch": text, "first_tried": text, "why": text, "output": text,
            "created": text, "updated": text,
        },
        pk="key", not_null={"id", "state", "attempts"}, strict=True,
    )  # fmt: skip
    db["effects"].create_index(["id"], unique=True)
    db["effects"].create_index(["state", "not_before"])
    db["tasks"].create(
        {
            "id": number, "effect": text, "title": text, "due": text, "status": text, "rule": text, "authorization": text,
            "account": text, "body": text, "created": text, "done_at": text, "obligation": text,
        },
        pk="id", foreign_keys=[("effect", "effects", "key")], strict=True,
    )  # fmt: skip
    db["tasks"].create_index(["status"])


def migrate(connection: sqlite3.Connection) -> None:
    """Apply every step that is missing; the caller holds the transaction."""
    STEPS.apply(Database(connection, execute_plugins=False))
