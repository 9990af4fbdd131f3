"""What people look at, a page of it at a time: every question has an index or a limit, so 100,000 messages cost what ten do.

In: limits, offsets, ids, days. Out: rows; Shown (a Store with more to ask). May not live here: writing, what a row means.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Any, get_args

from mailrules.effects import EffectState
from mailrules.ledger import Ledger, Run
from mailrules.store.rows import authorization_of, dumps, obligation_of
from mailrules.store.sqlite import PATIENCE, Store

_OWED = (
    "(SELECT o.due || ' ' || o.dated || ' ' || o.notice FROM obligations o WHERE o.authorization = a.id"
    " AND o.state IN ('open', 'lapsed') ORDER BY o.trust IN ('forged', 'unverified'), o.due LIMIT 1)"
)
"""What is owed first, as Ledger.current chooses it."""
_AMONG = "IN (SELECT value FROM json_each(?))"
_EFFECT = (
    "id, rule, action, target, stage, state, attempts, authorization, due, why, output, created, updated, not_before"
)


class Shown(Store):
    """A store that is looked at."""

    def standing(self, only: str | None = None) -> list[sqlite3.Row]:
        """Return what the states of authorizations that stand for themselves are reckoned from; `owed` is what waits first."""
        one, values = ("AND a.id = ?", (only,)) if only else ("", ())
        return self._rows(
            "SELECT a.id, a.account, a.system, a.developer_id, a.developer, a.region, a.expires, a.revoked, a.endless, a.assumed,"
            f" a.trust, a.snoozed, {_OWED} AS owed FROM authorizations a WHERE a.linked = '' {one}",
            values,
        )

    def newest_line(self) -> int:
        """Return the number of the newest line of any story."""
        return int(self._rows("SELECT COALESCE(max(id), 0) FROM events")[0][0])

    def part_of_ledger(self, names: Collection[str]) -> Ledger:
        """Return the ledger of some authorizations and of those linked to them, without script runs."""
        chosen = dumps(list(names))
        subjects = self._rows(
            f"SELECT * FROM authorizations WHERE id {_AMONG} OR (linked <> '' AND linked {_AMONG})", (chosen, chosen)
        )
        authorizations = {row["id"]: authorization_of(row) for row in subjects}
        owed = self._rows(f"SELECT * FROM obligations WHERE authorization {_AMONG}", (dumps(list(authorizations)),))
        return Ledger(authorizations, {(row["authorization"], row["due"]): obligation_of(row) for row in owed})

    def story(self, names: Collection[str], limit: int) -> list[dict[str, Any]]:
        """Return the newest lines of the story of some records of one authorization, newest first."""
        rows = self._rows(
            f"SELECT * FROM events WHERE authorization {_AMONG} ORDER BY at DESC, id DESC LIMIT ?",
            (dumps(list(names)), limit),
        )
        return [{**dict(row), "detail": json.loads(row["detail"])} for row in rows]

    def messages_among(self, digests: Collection[str]) -> list[dict[str, Any]]:
        """Return messages by their digests, newest first, without what was read in them."""
        rows = self._rows(
            "SELECT m.id, m.digest, m.subject, m.received_at, m.trust, EXISTS (SELECT 1 FROM contents c WHERE c.digest = m.digest)"
            f" AS kept FROM messages m WHERE m.digest {_AMONG} ORDER BY m.received_at DESC, m.id DESC",
            (dumps(list(digests)),),
        )
        return [dict(row) for row in rows]

    def messages_page(self, limit: int, offset: int) -> list[dict[str, Any]]:
        """Return stored messages, newest first."""
        rows = self._rows(
            "SELECT id, digest, account, mailbox, subject, received_at, trust,"
            " json_extract(notices, '$[0].kind') AS kind, json_extract(notices, '$[0].status') AS status"
            " FROM messages WHERE id <= (SELECT max(id) FROM messages) - ? ORDER BY id DESC LIMIT ?",
            (offset, limit),
        )
        return [dict(row) for row in rows]

    def effects_page(
        self,
        limit: int,
        offset: int,
        *,
        states: Collection[str] = (),
        rule: str | None = None,
        names: Collection[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Return effects, newest first: in some states, of one rule, of some authorizations."""
        conditions: list[tuple[str, Any]] = []
        if len(states) == 1:
            conditions.append(("state = ?", next(iter(states))))
        elif states:
            conditions.append((f"state {_AMONG}", dumps(sorted(states))))
        if rule is not None:
            conditions.append(("rule = ?", rule))
        if names is not None:
            conditions.append((f"authorization {_AMONG}", dumps(sorted(names))))
        if conditions:
            where = " AND ".join(sql for sql, _ in conditions)
            chosen = f"rowid IN (SELECT rowid FROM effects WHERE {where} ORDER BY created DESC LIMIT ? OFFSET ?)"
            values = (*(value for _, value in conditions), limit, offset)
        else:  # why so: none is ever removed, so the newest has their number, and a late page need not be counted up to
            chosen = (
                "rowid BETWEEN (SELECT max(rowid) FROM effects) - ? - ? + 1 AND (SELECT max(rowid) FROM effects) - ?"
            )
            values = (offset, limit, offset)
        rows = self._rows(f"SELECT {_EFFECT} FROM effects WHERE {chosen} ORDER BY created DESC, rowid DESC", values)
        return [dict(row) for row in rows]

    def tasks_page(self, limit: int, offset: int, *, status: str, names: Collection[str] = ()) -> list[dict[str, Any]]:
        """Return tasks in one status: open ones by day, others newest first; `names` are their authorizations."""
        order = "due IS NULL, due, id" if status == "open" else "id DESC"
        among = f" AND authorization {_AMONG}" if names else ""
        values: tuple[Any, ...] = (status, dumps(sorted(names))) if names else (status,)
        rows = self._rows(
            f"SELECT * FROM tasks WHERE id IN (SELECT id FROM tasks WHERE status = ?{among} ORDER BY {order} LIMIT ? OFFSET ?)"
            f" ORDER BY {order}",
            (*values, limit, offset),
        )
        return [{**dict(row), "id": str(row["id"])} for row in rows]

    def task(self, id: str) -> dict[str, Any] | None:  # noqa: A002 - the column's name
        """Return one task, or None."""
        rows = self._rows("SELECT * FROM tasks WHERE id = CAST(? AS INTEGER)", (id,)) if _number(id) else []
        return {**dict(rows[0]), "id": str(rows[0]["id"])} if rows else None

    def without_task(self, authorizations: Collection[str]) -> list[str]:
        """Return those for which no task is open, in their order."""
        rows = self._rows(
            "SELECT value FROM json_each(?) WHERE NOT EXISTS"
            " (SELECT 1 FROM tasks WHERE authorization = value AND status = 'open') ORDER BY key",
            (dumps(list(authorizations)),),
        )
        return [row[0] for row in rows]

    def names_of(self, authorizations: Collection[str]) -> dict[str, str]:
        """Return the names of authorizations by their ids."""
        rows = self._rows(
            f"SELECT id, developer FROM authorizations WHERE id {_AMONG}", (dumps(sorted(authorizations)),)
        )
        return {row["id"]: row["developer"] for row in rows}

    def effect_counts(self, states: Collection[str] = ()) -> dict[str, int]:
        """Return how many effects are in each state, or in each of some."""
        chosen, values = (f"WHERE state {_AMONG}", (dumps(list(states)),)) if states else ("", ())
        return {
            row[0]: row[1] for row in self._rows(f"SELECT state, count(*) FROM effects {chosen} GROUP BY state", values)
        }

    def task_count(self, status: str) -> int:
        """Return how many tasks are in one status."""
        return int(self._rows("SELECT count(*) FROM tasks WHERE status = ?", (status,))[0][0])

    def message_count(self) -> int:
        """Return how many messages were stored; none is ever removed, so the newest has their number."""
        return int(self._rows("SELECT COALESCE(max(id), 0) FROM messages")[0][0])

    def fired(self) -> dict[str, dict[str, Any]]:
        """Return by rule: how much it has asked for (what a gap passed over not counted), and when last."""
        # why so: from one rule to the next by the index, which counts what lies between them in a third of the time of GROUP BY
        rows = self._rows(
            "WITH RECURSIVE named(rule) AS (SELECT min(rule) FROM effects"
            " UNION ALL SELECT (SELECT min(e.rule) FROM effects e WHERE e.rule > named.rule) FROM named WHERE rule IS NOT NULL)"
            " SELECT rule, (SELECT count(*) FROM effects e WHERE e.rule = named.rule)"
            " - (SELECT count(*) FROM effects e WHERE e.rule = named.rule AND e.state = 'missed') AS times,"
            " (SELECT max((SELECT max(e.created) FROM effects e WHERE e.rule = named.rule AND e.state = s.value))"
            " FROM json_each(?) s) AS last FROM named WHERE rule IS NOT NULL",
            (dumps(get_args(EffectState)),),
        )
        return {row["rule"]: {"times": row["times"], "last": row["last"]} for row in rows}

    def changes(self) -> dict[str, tuple[int, str]]:
        """Return by authorization how many lines its story has, and the instant of the newest."""
        rows = self._rows("SELECT authorization, count(*), max(at) FROM events GROUP BY authorization")
        return {row[0]: (row[1], row[2]) for row in rows}

    def put_aside(self, limit: int, offset: int) -> list[dict[str, Any]]:
        """Return the messages that were not taken in: put aside, unfetchable, or asked for in vain; newest first."""
        rows = self._rows(
            "SELECT p.account, p.mailbox, p.uid, p.status, p.reason, p.attempts, p.updated,"
            " (SELECT length(c.content) FROM contents c WHERE c.digest = p.digest) AS size FROM places p"
            " WHERE p.status IN ('quarantined', 'unfetchable', 'pending', 'reading') ORDER BY p.updated DESC LIMIT ? OFFSET ?",
            (limit, offset),
        )
        return [dict(row) for row in rows]

    def put_aside_count(self) -> int:
        """Return how many of those a person must look at."""
        rows = self._rows(
            "SELECT count(*) FROM places WHERE status IN ('quarantined', 'unfetchable')"
            " OR (status = 'pending' AND attempts >= ?)",
            (PATIENCE,),
        )
        return int(rows[0][0])

    def unconfirmed(self, now: str) -> list[dict[str, Any]]:
        """Return the authorizations for which a script ran, and no evidence of renewal came in time."""
        # why cross and plus: from the few deadlines that wait to their runs, and not from all that is done to its deadline
        rows = self._rows(
            "SELECT a.id, a.developer, max(e.updated) AS ran, json_extract(e.args, '$.settle_hours') AS hours"
            " FROM obligations o CROSS JOIN effects e ON e.authorization = CASE o.origin WHEN '' THEN o.authorization ELSE o.origin END"
            " AND e.action = 'run_script' AND e.due = o.due AND +e.state = 'done' CROSS JOIN authorizations a ON a.id = o.authorization"
            " WHERE o.state IN ('open', 'lapsed') GROUP BY o.authorization, o.due"
        )
        ended = [(row, Run.ended(row["ran"], row["hours"]).settle_until) for row in rows]
        return [
            {"id": row["id"], "developer": row["developer"], "until": until}
            for row, until in ended
            if until and until < now
        ]


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 18
