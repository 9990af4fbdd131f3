"""Rows and values: how what flows is written down and read back.

In: sqlite3 rows, or values of the pure part. Out: Cursor, StoredMessage, and the converters.
May not live here: SQL, connections.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mailrules.decide import Decision
    from mailrules.effects import Effect
    from mailrules.ledger import Authorization, Event, Obligation
    from mailrules.pipeline import Reading


class Cursor(NamedTuple):
    """How far a mailbox has been read: every UID up to `uid` under this UIDVALIDITY has its row."""

    uidvalidity: int
    uid: int


class StoredMessage(NamedTuple):
    """One stored message with what was read and decided; `content` is None once the bytes have been purged."""

    id: str
    digest: str
    account: str
    mailbox: str
    uid: int
    source: str
    media_type: str
    message_id: str
    subject: str
    received_at: datetime
    reason: str
    trust: str
    notices: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    content: bytes | None


def _inner(value: Any) -> Any:
    # why not asdict(): it copies every value of every record, and to be written down once it need not be copied
    names = getattr(type(value), "__dataclass_fields__", None)
    return {name: getattr(value, name) for name in names} if names else str(value)


_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=_inner)


def dumps(value: Any) -> str:
    """Return plain JSON text, the same for the same value; a record is an object of its fields."""
    return _JSON.encode(value)


@cache
def upsert(table: str, record: type[Authorization | Obligation], key: tuple[str, ...]) -> str:
    """Return the statement that puts a record in place of its former self: columns and fields have the same names."""
    names = tuple(record.__dataclass_fields__)
    rest = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    marks = ", ".join("?" * len(names))
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT ({', '.join(key)}) DO UPDATE SET {rest}"
    )


def row_of(item: Authorization | Obligation) -> tuple[Any, ...]:
    """Return the columns of a record in the order of its fields."""
    return tuple(getattr(item, name) for name in item.__dataclass_fields__)


def authorization_of(row: sqlite3.Row) -> Authorization:
    """Return the authorization that a row holds."""
    from mailrules.ledger import Authorization

    values = dict(row)
    return Authorization(**{**values, **{name: bool(values[name]) for name in ("assumed", "revoked", "endless")}})


def obligation_of(row: sqlite3.Row) -> Obligation:
    """Return the obligation that a row holds."""
    from mailrules.ledger import Obligation

    values = dict(row)
    return Obligation(**{**values, "dated": bool(values["dated"]), "history": bool(values["history"])})


def event_row(item: Event) -> tuple[Any, ...]:
    """Return the columns of `events` behind its id."""
    return (item.authorization, item.due, item.at, item.what, dumps(dict(item.detail)))


def effect_of(row: sqlite3.Row) -> Effect:
    """Return the effect that a row holds."""
    from mailrules.effects import Effect

    return Effect(
        key=row["key"], account=row["account"], rule=row["rule"], action=row["action"], target=row["target"],
        stage=row["stage"], authorization=row["authorization"], due=row["due"], args=json.loads(row["args"]),
        not_before=row["not_before"], state=row["state"],
    )  # fmt: skip


def notices_text(reading: Reading) -> str:
    """Return the notices of a reading as JSON."""
    return dumps(reading.notices)


def decisions_text(decisions: Iterable[Decision]) -> str:
    """Return decisions as JSON: conditions with wanted and found, effects by their keys."""
    return dumps([
        {
            "rule": d.rule, "fired": d.fired, "reason": d.reason, "leaves": d.leaves,
            "effects": [effect.key for effect in d.effects],
        }
        for d in decisions
    ])  # fmt: skip


def message_of(row: sqlite3.Row) -> StoredMessage:
    """Return the stored message of a row of `messages` joined with its bytes."""
    values = {name: row[name] for name in row.keys() if name not in ("uidvalidity", "stored_at")}  # noqa: SIM118
    lists = {name: json.loads(values[name]) for name in ("notices", "decisions")}
    received = datetime.fromisoformat(values["received_at"])
    return StoredMessage(**{**values, **lists, "id": str(values["id"]), "received_at": received})
