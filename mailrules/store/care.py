"""Looking after what is kept: heartbeats, invariants, purging, forgetting.

In: accounts, instants, digests. Out: sentences for people, counts of what was removed; Care (a part of Store).
May not live here: the clock, judging whether a finding matters (spine/checkup.py), whose mail a message is.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from mailrules.store.outbox import Outbox
from mailrules.store.rows import dumps

INVARIANTS: Mapping[str, str] = {
    "an effect without a key of its own": "SELECT id FROM effects WHERE length(key) <> 32 OR substr(key, 1, length(id)) <> id",
    "a task that no effect asked for": "SELECT id FROM tasks WHERE effect NOT IN (SELECT key FROM effects)",
    "a task that was to be made and is not there": (
        "SELECT id FROM effects WHERE action = 'create_task' AND state = 'done' AND key NOT IN (SELECT effect FROM tasks)"
    ),
    "a deadline of no authorization": (
        "SELECT authorization FROM obligations WHERE authorization NOT IN (SELECT id FROM authorizations)"
    ),
    "a message that was stored and is not there": (
        "SELECT digest FROM places WHERE status = 'stored' AND digest NOT IN (SELECT digest FROM messages)"
    ),
    "a mailbox read further than was written down": (
        "SELECT c.account || ' ' || c.mailbox FROM cursors c WHERE c.uid > 0 AND NOT EXISTS (SELECT 1 FROM places p"
        " WHERE (p.account, p.mailbox, p.uidvalidity, p.uid) = (c.account, c.mailbox, c.uidvalidity, c.uid))"
    ),
}
"""What must never be found, and how it is looked for: each row is one case, named by its first column."""

KEPT_DETAIL = (
    "SELECT json_group_object(key, value) FROM json_each(detail)"
    " WHERE key IN ('expires', 'until', 'on', 'assumed', 'grade', 'other', 'kind', 'trust', 'state', 'effect', 'action')"
)
"""Of a forgotten line of a story: dates and grades, no names and no words of a mail."""
KEPT_ARGS = ("retry", "settle_hours")
"""Of a forgotten effect: what the time rules still reckon with."""
FORGOTTEN = "forgotten on request"
SIGHTINGS = "sightings and confirmations of the sender"


class Care(Outbox):
    """Upkeep of an open store."""

    # --- is somebody at work --------------------------------------------------------------------------------

    def beat(self, account: str, now: str, *, code: int = 0, error: str = "") -> dict[str, Any]:
        """Write down how a poll of an account ended; return the row as it was before ({} for the first)."""
        rows = self._rows("SELECT * FROM heartbeats WHERE account = :account", {"account": account})
        before: dict[str, Any] = dict(rows[0]) if rows else {}
        self._run(
            "INSERT INTO heartbeats VALUES (:account, :succeeded, :failed, :code, :error, :now) ON CONFLICT (account)"
            " DO UPDATE SET succeeded = excluded.succeeded, failed = excluded.failed, code = excluded.code,"
            " error = excluded.error, updated = excluded.updated",
            {
                "account": account, "code": code, "error": error, "now": now,
                "succeeded": before.get("succeeded", "") if error else now,
                "failed": (before.get("failed") or now) if error else "",
            },
        )  # fmt: skip
        return before

    def heartbeats(self) -> list[dict[str, Any]]:
        """Return per account when it was last read well, since when it fails, and why."""
        return [dict(row) for row in self._rows("SELECT * FROM heartbeats ORDER BY account")]

    # --- is it whole ----------------------------------------------------------------------------------------

    def damage(self) -> list[str]:
        """Return what SQLite finds wrong with the file itself."""
        found = [str(row[0]) for row in self._rows("PRAGMA integrity_check(20)") if row[0] != "ok"]
        return found + [f"a row of {row[0]} belongs to nothing" for row in self._rows("PRAGMA foreign_key_check")]

    def broken(self) -> list[str]:
        """Return every case of what must never be, as sentences."""
        return [f"{what}: {row[0]}" for what, sql in INVARIANTS.items() for row in self._rows(f"{sql} LIMIT 20")]

    def newest(self) -> str:
        """Return the latest instant that was ever written down, "" for an empty store."""
        rows = self._rows(
            "SELECT max(at) FROM (SELECT max(updated) AS at FROM cursors UNION SELECT max(updated) FROM heartbeats"
            " UNION SELECT max(updated) FROM effects UNION SELECT max(stored_at) FROM messages)"
        )
        return str(rows[0][0] or "")

    def waiting(self) -> list[dict[str, Any]]:
        """Return the messages that are not in the ledger and should be looked at: how far each has come, and why."""
        rows = self._rows(
            "SELECT account, mailbox, uid, status, reason, digest, updated FROM places"
            " WHERE status IN ('quarantined', 'unfetchable', 'pending', 'reading') ORDER BY account, mailbox, uidvalidity, uid"
        )
        return [dict(row) for row in rows]

    # --- removing -------------------------------------------------------------------------------------------

    def purge(self, before: str, limit: int) -> int:
        """Remove the bytes of up to `limit` messages taken in before an instant; return how many. What was read stays.

        Bytes that a forward still has to send wait for it.
        """
        with self._for_good(), self.transaction():
            rows = self._rows(
                "SELECT m.digest FROM messages m JOIN contents c ON c.digest = m.digest WHERE m.stored_at < ?"
                " AND m.digest NOT IN (SELECT json_extract(args, '$.message') FROM effects WHERE action = 'forward'"
                " AND state IN ('planned', 'claimed') AND json_extract(args, '$.message') IS NOT NULL)"
                " ORDER BY m.id LIMIT ?",
                (before, limit),
            )
            self._many("DELETE FROM contents WHERE digest = ?", [(row[0],) for row in rows])
        return len(rows)

    def forget_messages(self, digests: Collection[str], now: str) -> dict[str, int]:
        """Remove what messages said; their digests and places stay, so that none is taken in again."""
        chosen = dumps(sorted(digests))
        among = "IN (SELECT value FROM json_each(?))"
        with self.transaction():
            contents = self._run(f"DELETE FROM contents WHERE digest {among}", (chosen,)).rowcount
            messages = self._run(
                "UPDATE messages SET message_id = '', subject = '', source = '', reason = '', notices = '[]',"
                f" decisions = '[]' WHERE digest {among}",
                (chosen,),
            ).rowcount
            self._run(
                f"UPDATE places SET status = '{FORGOTTEN}', reason = '', updated = ?"
                f" WHERE digest {among} AND status = 'quarantined'",
                (now, chosen),
            )
            rows = self._rows(
                f"SELECT key FROM effects WHERE json_extract(args, '$.message') {among} AND args <> '{{}}'", (chosen,)
            )
            effects = self._forget_effects([row[0] for row in rows], now)
        return {"bytes of messages": contents, "messages": messages, **effects}

    def forget_place(self, account: str, mailbox: str, uid: int, now: str) -> dict[str, int]:
        """Put a message aside for good that was never taken in; its place stays, so that it is not asked for again."""
        among = (
            "account = ? AND mailbox = ? AND uid = ? AND status IN ('quarantined', 'unfetchable', 'pending', 'reading')"
        )
        with self.transaction():
            gone = self._run(
                f"DELETE FROM contents WHERE digest IN (SELECT digest FROM places WHERE {among})"
                " AND digest NOT IN (SELECT digest FROM messages)",
                (account, mailbox, uid),
            ).rowcount
            places = self._run(
                f"UPDATE places SET status = '{FORGOTTEN}', reason = '', updated = ? WHERE {among}",
                (now, account, mailbox, uid),
            ).rowcount
        return {"bytes of messages": gone, "places": places}

    def forget_authorization(self, name: str, now: str) -> dict[str, int]:
        """Remove the texts about an authorization; its identity, its dates and the keys of its effects stay."""
        with self.transaction():
            rows = self._rows("SELECT key FROM effects WHERE authorization = ? AND args <> '{}'", (name,))
            effects = self._forget_effects([row[0] for row in rows], now)
            events = self._run(f"UPDATE events SET detail = ({KEPT_DETAIL}) WHERE authorization = ?", (name,)).rowcount
        return {**effects, "details of its story": events}

    def forget_effects_with(self, text: str, now: str) -> dict[str, int]:
        """Remove the texts of every effect, task and event that names a text, such as an address."""
        wanted = text.lower()
        with self.transaction():
            rows = self._rows(
                "SELECT key FROM effects WHERE instr(lower(args), :text) OR instr(lower(output), :text)"
                " OR instr(lower(why), :text) OR instr(lower(target), :text)",
                {"text": wanted},
            )
            effects = self._forget_effects([row[0] for row in rows], now)
            events = self._run(
                f"UPDATE events SET detail = ({KEPT_DETAIL}) WHERE instr(lower(detail), ?)", (wanted,)
            ).rowcount
            senders = self._run("DELETE FROM senders WHERE lower(address) = ?", (wanted,)).rowcount
            senders += self._run("DELETE FROM trusted WHERE lower(value) = ?", (wanted,)).rowcount
        return {**effects, "details of its story": events, SIGHTINGS: senders}

    def _forget_effects(self, keys: Collection[str], now: str) -> dict[str, int]:
        """Remove the texts of effects and of their tasks; the keys stay, so nothing is done twice."""
        tasks = cancelled = 0
        for key in keys:
            row = self._rows("SELECT * FROM effects WHERE key = ?", (key,))[0]
            args = {name: value for name, value in json.loads(row["args"]).items() if name in KEPT_ARGS}
            waits = row["state"] in ("planned", "unknown", "failed")
            cancelled += row["state"] == "planned"
            self._run(
                "UPDATE effects SET args = ?, target = CASE WHEN instr(target, '@') THEN '' ELSE target END, output = '',"
                " why = ?, state = ?, updated = CASE ? WHEN 'done' THEN updated ELSE ? END WHERE key = ?",
                (dumps(args), FORGOTTEN, "cancelled" if waits else row["state"], row["state"], now, key),
            )
            tasks += self._run(
                "UPDATE tasks SET title = ?, body = '' WHERE effect = ?", (f"({FORGOTTEN})", key)
            ).rowcount
        return {"texts of effects": len(keys), "texts of tasks": tasks, "effects given up": cancelled}

    def read_again(self, now: str) -> int:
        """Let what was put aside unread be fetched and read once more; return how many."""
        return self._run(
            "UPDATE places SET status = 'pending', tries = 2, reason = 'to be read again', updated = ?"
            " WHERE status = 'quarantined'",
            (now,),
        ).rowcount
