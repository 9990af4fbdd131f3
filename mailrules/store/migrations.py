"""How the schema came to be: numbered steps that only go forward, for stores that are older. As it stands: schema.sql.

In: an open sqlite3 connection inside a transaction. Out: the same with the newest schema.
May not live here: queries. A step that was ever released is never edited; it is corrected by the next one. A test holds
that all steps together come to what a new store is made of.
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


@STEPS(name="0002_evidence")
def _evidence(db: Any) -> None:
    for name in ("source", "trust", "told", "acted_on", "settled_at", "proof", "snoozed", "linked"):
        db["authorizations"].add_column(name, str, not_null_default="")
    db["authorizations"].add_column("endless", int, not_null_default=0)
    for name in ("source", "grade", "proof", "noticed", "written", "origin"):
        db["obligations"].add_column(name, str, not_null_default="")
    # why: what was closed before grades were kept stays closed, and a date keeps the trust of the word that told it
    db.execute(
        "UPDATE obligations SET noticed = opened, written = substr(opened, 1, 10),"
        " source = CASE notice WHEN '' THEN '' WHEN 'entered by hand' THEN ''"
        " ELSE (SELECT system FROM authorizations WHERE id = authorization) END"
    )
    db.execute(
        "UPDATE obligations SET proof = 'confirmed', grade = CASE WHEN EXISTS (SELECT 1 FROM events e WHERE"
        " e.authorization = obligations.authorization AND e.due = obligations.due AND e.what = 'settled'"
        " AND e.detail LIKE '%\"later expiry date\"%') THEN 'later date' ELSE 'a person said so' END WHERE state = 'settled'"
    )
    said = "EXISTS (SELECT 1 FROM events e WHERE e.authorization = authorizations.id AND e.what = 'renewed')"
    db.execute(
        "UPDATE authorizations SET told = substr(first_seen, 1, 10), trust = COALESCE((SELECT trust FROM obligations o"
        " WHERE o.authorization = authorizations.id AND o.due = authorizations.expires),"
        f" CASE WHEN assumed = 1 OR expires IS NULL OR {said} THEN 'confirmed' ELSE 'unverified' END),"
        " source = COALESCE((SELECT source FROM obligations o WHERE o.authorization = authorizations.id"
        " AND o.due = authorizations.expires), ''), acted_on = COALESCE((SELECT max(substr(e.at, 1, 10)) FROM events e"
        " WHERE e.authorization = authorizations.id AND e.what = 'renewed'), '')"
    )


@STEPS(name="0003_care")
def _care(db: Any) -> None:
    text, number = str, int
    db["places"].add_column("tries", number, not_null_default=0)
    db["heartbeats"].create(
        {"account": text, "succeeded": text, "failed": text, "code": number, "error": text, "updated": text},
        pk="account", strict=True, not_null={"succeeded", "failed", "code", "error", "updated"},
    )  # fmt: skip


@STEPS(name="0004_senders")
def _senders(db: Any) -> None:
    text, number = str, int
    db["senders"].create(
        {
            "system": text, "address": text, "level": text, "seen": number, "first_seen": text, "last_seen": text,
            "reason": text,
        },
        pk=("system", "address", "level"), strict=True,
    )  # fmt: skip
    db["verdicts"].create({"digest": text, "result": text, "domain": text, "reason": text}, pk="digest", strict=True)
    db["trusted"].create(
        {"kind": text, "system": text, "value": text, "at": text}, pk=("kind", "system", "value"), strict=True
    )


@STEPS(name="0005_quiet")
def _quiet(db: Any) -> None:
    # why triggers: whoever changes what time rules look at, by whatever way, thereby ends the word that nothing is due
    told = "BEGIN DELETE FROM meta WHERE key = 'quiet'; END"
    for event in ("INSERT", "UPDATE", "DELETE"):
        for table in ("authorizations", "obligations", "effects"):
            db.execute(f"CREATE TRIGGER quiet_{table}_{event.lower()} AFTER {event} ON {table} {told}")
        only = "" if event == "DELETE" else "WHEN new.status NOT IN ('passed over', 'stored', 'reading') "
        db.execute(f"CREATE TRIGGER quiet_places_{event.lower()} AFTER {event} ON places {only}{told}")


@STEPS(name="0006_looking")
def _looking(db: Any) -> None:
    # what the page asks of a store of years: the effects of one authorization, of one rule, of one state; the tasks of one
    db["effects"].create_index(["authorization", "action"])
    db["effects"].create_index(["rule", "state", "created"])
    db["effects"].create_index(["state", "created"])
    db["tasks"].create_index(["authorization"])


def migrate(connection: sqlite3.Connection) -> None:
    """Apply every step that is missing; the caller holds the transaction."""
    STEPS.apply(Database(connection, execute_plugins=False))
