"""The store: messages, the ledger, cursors, and one transaction for all that a message changes.

In: Ingest, MessageKey, the present instant as text. Out: Store.
May not live here: the clock, decisions, other processes' affairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mailrules.store.care import Care
from mailrules.store.rows import (
    Cursor,
    StoredMessage,
    authorization_of,
    decisions_text,
    dumps,
    event_row,
    message_of,
    notices_text,
    obligation_of,
    row_of,
    upsert,
)
from mailrules.store.senders import Senders

if TYPE_CHECKING:
    from mailrules.effects import Effect
    from mailrules.ledger import Ledger
    from mailrules.mail.message import MessageKey
    from mailrules.pipeline import Ingest, Reading

PATIENCE = 3
"""So many polls in vain before a person hears of a message that the server does not give."""

WAITS = {"quarantined": "was put aside unread", "unfetchable": "could not be fetched"}
_PLACE = (
    "INSERT INTO places (account, mailbox, uidvalidity, uid, status, digest, reason, attempts, updated)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, mailbox, uidvalidity, uid) DO UPDATE SET"
    " status = excluded.status, digest = excluded.digest, reason = excluded.reason,"
    " attempts = attempts + excluded.attempts, updated = excluded.updated"
    " WHERE status NOT IN ('stored', 'quarantined', 'forgotten on request')"
)


class Store(Care, Senders):
    """All that mailrules remembers."""

    _fresh: list[Effect]

    @classmethod
    def scratch(cls, path: Path | None) -> Self:
        """Return a copy in memory: what a dry run writes to; it also remembers what was planned in it."""
        store = super().scratch(path)
        store._fresh = []  # noqa: SLF001 - our own, just made
        return store

    # --- where we are ---------------------------------------------------------------------------------------

    def cursor(self, account: str, mailbox: str) -> Cursor | None:
        """Return how far a mailbox has been read."""
        rows = self._rows("SELECT uidvalidity, uid FROM cursors WHERE account = ? AND mailbox = ?", (account, mailbox))
        return Cursor(rows[0][0], rows[0][1]) if rows else None

    def set_cursor(self, account: str, mailbox: str, uidvalidity: int, uid: int, now: str) -> None:
        """Write down that every UID up to `uid` has its row."""
        self._run(
            "INSERT INTO cursors VALUES (?, ?, ?, ?, ?) ON CONFLICT (account, mailbox) DO UPDATE SET"
            " uidvalidity = excluded.uidvalidity, uid = excluded.uid, updated = excluded.updated",
            (account, mailbox, uidvalidity, uid, now),
        )

    def meta_get(self, key: str) -> str | None:
        """Return a remembered text."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def meta_set(self, key: str, value: str, now: str = "") -> None:
        """Remember a text."""
        self._run(
            "INSERT INTO meta VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated = excluded.updated",
            (key, value, now),
        )

    def own_id(self) -> str:
        """Return the random name of this installation, by which it knows its own mail."""
        return self.meta_get("own_id") or ""

    # --- messages -------------------------------------------------------------------------------------------

    def known(self, digest: str) -> bool:
        """Return whether a message with these bytes has been concluded already."""
        return bool(self._rows("SELECT 1 FROM messages WHERE digest = ?", (digest,)))

    def content(self, digest: str) -> bytes | None:
        """Return the bytes of a stored message, or None where they are gone."""
        rows = self._rows("SELECT content FROM contents WHERE digest = ?", (digest,))
        return bytes(rows[0][0]) if rows else None

    def message(self, text: str) -> StoredMessage | None:
        """Return the stored message named by a digest's beginning, a Message-ID or a row's number."""
        wanted = text.strip().strip("<>")
        columns = "SELECT m.*, c.content FROM messages m LEFT JOIN contents c ON c.digest = m.digest WHERE "
        attempts: list[tuple[str, str]] = [("trim(m.message_id, '<>') = ?", wanted)]
        if wanted.isascii() and wanted.isdigit():
            attempts.insert(0, ("m.id = CAST(? AS INTEGER)", wanted))
        if len(wanted) >= 4 and not set(wanted.lower()) - set("0123456789abcdef"):
            attempts.append(("substr(m.digest, 1, length(?1)) = ?1", wanted.lower()))
        for condition, value in attempts:
            rows = self._rows(columns + condition + " ORDER BY m.id DESC LIMIT 1", (value,))
            if rows:
                return message_of(rows[0])
        return None

    def messages(self) -> list[StoredMessage]:
        """Return all stored messages without their bytes, in the order they were taken in."""
        return [message_of(row) for row in self._rows("SELECT *, NULL AS content FROM messages ORDER BY id")]

    def passed_over(
        self, account: str, mailbox: str, uidvalidity: int, passed: Iterable[tuple[int, str]], now: str
    ) -> None:
        """Write down that messages of a mailbox are not for us, each by its UID with the digest of its header fields."""
        rows = ((account, mailbox, uidvalidity, uid, "passed over", digest, "", 0, now) for uid, digest in passed)
        self._many(_PLACE, rows)

    def unfetchable(self, key: MessageKey, reason: str, now: str) -> None:
        """Write down that a message cannot be had, and why; a person must look."""
        self._run(_PLACE, (*_place(key), "unfetchable", "", reason, 1, now))

    def pending(self, key: MessageKey, reason: str, now: str) -> None:
        """Write down that a message is to be asked for again."""
        self._run(_PLACE, (*_place(key), "pending", "", reason, 1, now))

    def broke(self, key: MessageKey, reason: str, now: str) -> None:
        """Write down that the connection broke when this message alone was asked for; too often, and a person must look."""
        self.pending(key, reason, now)
        self._run(
            "UPDATE places SET status = 'unfetchable' WHERE status = 'pending' AND attempts >= ?"
            " AND account = ? AND mailbox = ? AND uidvalidity = ? AND uid = ?",
            (PATIENCE, *_place(key)),
        )

    def pending_uids(self, account: str, mailbox: str, uidvalidity: int) -> list[int]:
        """Return the messages of a mailbox that are to be asked for again."""
        rows = self._rows(
            "SELECT uid FROM places WHERE status IN ('pending', 'reading') AND account = ? AND mailbox = ? AND uidvalidity = ? ORDER BY uid",
            (account, mailbox, uidvalidity),
        )
        return [row[0] for row in rows]

    def done_above(self, account: str, mailbox: str, uidvalidity: int, uid: int) -> frozenset[int]:
        """Return which messages beyond one are done with: a poll was stopped before it had read so far."""
        if not uidvalidity:  # why: then a UID may be another message's tomorrow
            return frozenset()
        rows = self._rows(
            "SELECT uid FROM places WHERE account = ? AND mailbox = ? AND uidvalidity = ? AND uid > ?"
            " AND status IN ('passed over', 'stored', 'quarantined', 'unfetchable')",
            (account, mailbox, uidvalidity, uid),
        )
        return frozenset(row[0] for row in rows)

    def known_places(self, account: str, mailbox: str, uidvalidity: int) -> int:
        """Return of how many messages of a mailbox there is a row; those that are gone do not count."""
        rows = self._rows(
            "SELECT count(*) FROM places WHERE account = ? AND mailbox = ? AND uidvalidity = ? AND status <> 'gone'",
            (account, mailbox, uidvalidity),
        )
        return int(rows[0][0])

    def compare_listing(self, account: str, mailbox: str, uidvalidity: int, uids: Iterable[int], now: str) -> list[int]:
        """Return the listed messages that have no row yet, could not be fetched or were thought gone; what is not listed waits no longer."""
        listing, place = dumps(list(uids)), (account, mailbox, uidvalidity)
        self._run(
            "UPDATE places SET status = 'gone', reason = 'it is not on the server any more', updated = ?"
            " WHERE status IN ('pending', 'reading', 'unfetchable') AND account = ? AND mailbox = ? AND uidvalidity = ?"
            " AND uid NOT IN (SELECT value FROM json_each(?))",
            (now, *place, listing),
        )
        rows = self._rows(
            "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT uid FROM places WHERE status NOT IN ('unfetchable', 'gone')"
            " AND account = ? AND mailbox = ? AND uidvalidity = ?)",
            (listing, *place),
        )
        return [row[0] for row in rows]

    def renumbered(self, account: str, mailbox: str, uidvalidity: int, now: str) -> None:
        """Let nothing wait under the numbers that a mailbox had before: what is still in it is read under its new ones."""
        self._run(
            "UPDATE places SET status = 'gone', reason = 'its mailbox was numbered anew', updated = ?"
            " WHERE status IN ('pending', 'reading', 'unfetchable') AND account = ? AND mailbox = ? AND uidvalidity <> ?",
            (now, account, mailbox, uidvalidity),
        )

    def tries(self, account: str, mailbox: str, uidvalidity: int, uids: Iterable[int]) -> dict[int, int]:
        """Return how often the reading of messages was begun and not ended; those never begun are left out."""
        rows = self._rows(
            "SELECT uid, tries FROM places WHERE account = ? AND mailbox = ? AND uidvalidity = ? AND tries > 0"
            " AND uid IN (SELECT value FROM json_each(?))",
            (account, mailbox, uidvalidity, dumps(list(uids))),
        )
        return {row[0]: row[1] for row in rows}

    def places(self, account: str, digest: str) -> list[MessageKey]:
        """Return where in an account's mailboxes a stored message was read, newest first."""
        from mailrules.mail.message import MessageKey

        rows = self._rows(
            "SELECT mailbox, uidvalidity, uid FROM places WHERE account = ? AND digest = ? AND status = 'stored' ORDER BY updated DESC",
            (account, digest),
        )
        return [MessageKey(account=account, mailbox=r[0], uidvalidity=r[1], uid=r[2]) for r in rows]

    def begin_reading(self, keys: Iterable[MessageKey], now: str) -> None:
        """Write down that messages are about to be read: one that kills its reader is known by it afterwards."""
        self._many(
            "INSERT INTO places (account, mailbox, uidvalidity, uid, status, updated, tries)"
            " VALUES (?, ?, ?, ?, 'reading', ?, 1) ON CONFLICT (account, mailbox, uidvalidity, uid) DO UPDATE SET"
            " status = 'reading', tries = tries + 1, updated = excluded.updated"
            " WHERE status NOT IN ('stored', 'quarantined', 'forgotten on request')",
            [(*_place(key), now) for key in keys],
        )

    def reading_ended(self, key: MessageKey) -> None:
        """Write down that nobody died of a message that nevertheless has to wait: its tries count from none again."""
        self._run(
            "UPDATE places SET tries = 0 WHERE account = ? AND mailbox = ? AND uidvalidity = ? AND uid = ?", _place(key)
        )

    def reading_apart(self, key: MessageKey) -> None:
        """Write down that another process reads a message meanwhile: who stops this one does not stop it by the message."""
        self._run(
            "UPDATE places SET tries = tries - 1 WHERE account = ? AND mailbox = ? AND uidvalidity = ? AND uid = ?",
            _place(key),
        )

    def quarantine(self, key: MessageKey, digest: str, content: bytes, reason: str, now: str) -> None:
        """Put a message aside unread, with its bytes; a person must look."""
        with self.transaction():
            self._run("INSERT INTO contents VALUES (?, ?) ON CONFLICT (digest) DO NOTHING", (digest, content))
            self._run(_PLACE, (*_place(key), "quarantined", digest, reason, 0, now))

    def quarantined(self, digest: str) -> str:
        """Return why a message with these bytes was put aside before, "" where none was."""
        rows = self._rows("SELECT reason FROM places WHERE status = 'quarantined' AND digest = ?", (digest,))
        return str(rows[0][0]) if rows else ""

    # --- the ledger -----------------------------------------------------------------------------------------

    def ledger(self, account: str | None = None) -> Ledger:
        """Return the ledger, of one account or of all."""
        # why here: a poll that finds nothing to do has no use for it
        from mailrules.ledger import Ledger

        subjects = self._rows(
            "SELECT * FROM authorizations WHERE ? IS NULL OR account = ? ORDER BY rowid", (account, account)
        )
        authorizations = {row["id"]: authorization_of(row) for row in subjects}
        owed = [obligation_of(row) for row in self._rows("SELECT * FROM obligations ORDER BY rowid")]
        obligations = {(o.authorization, o.due): o for o in owed if o.authorization in authorizations}
        return Ledger(authorizations, obligations, self.runs())

    def events(self, authorization: str | None = None, *, what: str | None = None) -> list[dict[str, object]]:
        """Return the story of one authorization or of all, or one kind of its lines, oldest first."""
        import json

        rows = self._rows(
            "SELECT * FROM events WHERE (? IS NULL OR authorization = ?) AND (? IS NULL OR what = ?) ORDER BY id",
            (authorization, authorization, what, what),
        )
        return [{**dict(row), "detail": json.loads(row["detail"])} for row in rows]

    def commit(self, ingest: Ingest, *, now: str, reason: str = "", keep_bytes: bool = True) -> int:
        """Write down all that one message or one tick changes, in one transaction; return how many effects are new."""
        from mailrules.ledger import Authorization, Obligation

        with self.transaction():
            self._many(upsert("authorizations", Authorization, ("id",)), map(row_of, ingest.authorizations))
            self._many(upsert("obligations", Obligation, ("authorization", "due")), map(row_of, ingest.obligations))
            self._many(
                "INSERT INTO events (authorization, due, at, what, detail) VALUES (?, ?, ?, ?, ?)",
                [event_row(item) for item in ingest.events],
            )
            if ingest.reading is not None:
                new = not self.known(ingest.reading.digest)
                if new:
                    self.sighted(ingest.reading, now)
                # why: what was purged or forgotten must not come back
                self._store_message(ingest.reading, ingest, now, reason, keep_bytes=keep_bytes and new)
            fresh = [effect for effect in ingest.effects if self._plan(effect, now)]
            self._follow(ingest.obligations, ingest.events, now)
        if hasattr(self, "_fresh"):
            self._fresh.extend(effect for effect in fresh if effect.state == "planned")
        return len(fresh)

    def _store_message(self, reading: Reading, ingest: Ingest, now: str, reason: str, *, keep_bytes: bool) -> None:
        raw, message, key = reading.raw, reading.message, reading.raw.key
        if keep_bytes:
            self._run(
                "INSERT INTO contents VALUES (?, ?) ON CONFLICT (digest) DO NOTHING", (reading.digest, raw.content)
            )
        self._run(
            "INSERT INTO messages (digest, account, mailbox, uidvalidity, uid, source, media_type, message_id, subject,"
            " received_at, reason, trust, notices, decisions, stored_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
            (
                reading.digest, raw.account, key.mailbox if key else "", key.uidvalidity if key else 0, key.uid if key else 0,
                raw.source, raw.media_type, message.message_id, message.subject, raw.received_at.isoformat(), reason,
                reading.notices[0].trust if reading.notices else "unverified", notices_text(reading),
                decisions_text(ingest.decisions), now,
            ),
        )  # fmt: skip
        if key:
            self._run(_PLACE, (*_place(key), "stored", reading.digest, reason, 0, now))

    # --- for people -----------------------------------------------------------------------------------------

    def planned(self) -> list[Effect]:
        """Return the effects that wait; a dry run's also hold the tasks that it would have made."""
        waiting = super().planned()
        keys = {effect.key for effect in waiting}
        return waiting + [effect for effect in getattr(self, "_fresh", []) if effect.key not in keys]

    def needs_person(self, now: str) -> list[str]:
        """Return what only a person can put right at the instant `now`, as sentences."""
        found = self._unconfirmed(now) + self.held_back()
        for row in self._rows("SELECT * FROM effects WHERE state IN ('unknown', 'failed') ORDER BY created, rowid"):
            what = "may or may not have happened" if row["state"] == "unknown" else "failed"
            found.append(f"{row['action']} {row['target']} of rule {row['rule']} ({row['id']}) {what}: {row['why']}")
        rows = self._rows(
            "SELECT * FROM places WHERE status IN ('unfetchable', 'quarantined') OR (status = 'pending' AND attempts >= ?)"
            " ORDER BY account, mailbox, uidvalidity, uid",
            (PATIENCE,),
        )
        for r in rows:
            what = WAITS.get(r["status"], "still waits")
            found.append(f"message {r['uid']} in {r['mailbox']} of {r['account']} {what}: {r['reason']}")
        return found

    def _unconfirmed(self, now: str) -> list[str]:
        """Return the renewals that a script started and of which no evidence came in time."""
        ledger = self.ledger()
        found = []
        for owed in ledger.obligations.values():
            run = ledger.runs.get((owed.origin or owed.authorization, owed.due))
            if owed.waiting and run and run.settle_until and run.settle_until < now:
                subject = ledger.authorizations[owed.authorization]
                found.append(
                    f"{subject.developer}: a script ran at {run.finished_at[:16]}, and no evidence of renewal came until"
                    f" {run.settle_until[:16]}; look at it, then `mailrules authorizations renewed {subject.id}`"
                )
        return found


def _place(key: MessageKey) -> tuple[str, str, int, int]:
    return (key.account, key.mailbox, key.uidvalidity, key.uid)
