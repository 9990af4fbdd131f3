"""What is to be done and what came of it: effects with their states, and tasks.

In: effects inside a transaction, outcomes, the present instant. Out: Claim, Outbox (the middle of Store).
May not live here: performing; the clock; messages and the ledger.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from mailrules.errors import UsageError
from mailrules.redact import without_tokens
from mailrules.store.database import Connection
from mailrules.store.rows import dumps, effect_of

if TYPE_CHECKING:
    from mailrules.effects import Effect, EffectState, Outcome
    from mailrules.ledger import Event, Obligation, Run

GIVE_UP_AFTER = timedelta(days=5)
HELD_BACK = "held back"
LAPSED = "state = 'claimed' AND lease <= :now"
DUE = f"action <> 'create_task' AND ((state = 'planned' AND not_before <= :now) OR ({LAPSED}))"
ONCE = "action = 'run_script' AND retry <> 'safe'"
MARKED_FIRST = (
    "(action <> 'move_mail' OR ifnull((account, json_extract(args, '$.message')) NOT IN (SELECT account,"
    " json_extract(args, '$.message') FROM effects WHERE action IN ('flag_mail', 'mark_mail', 'label_mail')"
    " AND state IN ('planned', 'claimed') AND {which}), TRUE))"
)
"""A mail is moved last: where it is then, nobody knows. `which` of all that is still to be done to it counts."""


class Claim(NamedTuple):
    """An effect that is ours to perform now. Notifications with the same `batch` go out as one mail ("" = alone)."""

    effect: Effect
    attempt: int
    batch: str = ""


class Outbox(Connection):
    """Effects and tasks of an open store."""

    # --- planning -------------------------------------------------------------------------------------------

    def _plan(self, effect: Effect, now: str) -> bool:
        """Write one effect down unless its key is there already; a task is made by the very same transaction."""
        task = effect.action == "create_task" and effect.state == "planned"
        inserted = self._run(
            "INSERT INTO effects (key, id, account, rule, action, target, stage, authorization, due, args, retry, not_before,"
            " state, attempts, lease, batch, first_tried, why, output, created, updated)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', '', ?, '', ?, ?) ON CONFLICT (key) DO NOTHING",
            (
                effect.key, self._short(effect.key), effect.account, effect.rule, effect.action, effect.target, effect.stage,
                effect.authorization, effect.due, dumps(dict(effect.args)), str(effect.args.get("retry", "never")),
                effect.not_before, "done" if task else effect.state, int(task), str(effect.args.get("why", "")), now, now,
            ),
        ).rowcount == 1  # fmt: skip
        if inserted and task:
            self._make_task(effect, now)
        return inserted

    def _short(self, key: str) -> str:
        names = (key[:length] for length in range(8, len(key) + 1))
        return next(name for name in names if not self._rows("SELECT 1 FROM effects WHERE id = ?", (name,)))

    def _make_task(self, effect: Effect, now: str) -> None:
        self._run(
            "INSERT INTO tasks (effect, title, due, status, rule, authorization, account, body, created, obligation)"
            " VALUES (?, ?, ?, 'open', ?, ?, ?, ?, ?, ?)",
            (
                effect.key, effect.args.get("title", ""), effect.args.get("due"), effect.rule, effect.authorization,
                effect.account, effect.args.get("body", ""), now, effect.due,
            ),
        )  # fmt: skip

    def _follow(self, obligations: Iterable[Obligation], events: Iterable[Event], now: str) -> None:
        """Let tasks go with their deadline: done where it is settled, open again where a later notice says it is not."""
        reopened = {(event.authorization, event.due) for event in events if event.what == "reopened"}
        for owed in obligations:
            about: tuple[str, ...] = (owed.due, owed.origin or owed.authorization)
            if owed.state == "settled" and owed.grade != "linked":  # why: what is linked waits on under its other name
                change, values = "status = 'done', done_at = ? WHERE status = 'open'", (now, *about)
            elif owed.waiting and (owed.authorization, owed.due) in reopened:
                change, values = "status = 'open', done_at = NULL WHERE status = 'done'", about
            else:
                continue
            self._run(f"UPDATE tasks SET {change} AND obligation = ? AND authorization = ?", values)

    # --- performing -----------------------------------------------------------------------------------------

    def abandoned(self) -> None:
        """Let every open claim lapse. Only for a caller that holds `exclusive()`: whoever claimed is then dead."""
        self._run("UPDATE effects SET lease = '' WHERE state = 'claimed' AND lease <> ''", ())

    def due(self, now: str) -> list[Effect]:
        """Return what `claim` would hand out by and by; nothing is taken."""
        from dataclasses import replace  # why here: a poll that finds nothing to do opens a store, too

        rows = self._named(
            f"SELECT * FROM effects WHERE {DUE} AND NOT ({LAPSED} AND {ONCE})"
            f" AND {MARKED_FIRST.format(which=f'NOT ({DUE})')} ORDER BY created, rowid",
            now=now,
        )
        return [replace(effect_of(row), state="planned") for row in rows]

    def claim(
        self, *, now: str, lease_seconds: int = 900, limit: int = 100, only: Collection[str] | None = None
    ) -> list[Claim]:
        """Take what is due, at most one at-most-once script in a call: a crash then leaves no other in doubt.

        A claim whose lease has lapsed belongs to a process that died: scripts that may run only once become `unknown`.
        `only` are the keys that may be taken at all.
        """
        allowed = None if only is None else dumps(sorted(only))
        lease = (datetime.fromisoformat(now) + timedelta(seconds=lease_seconds)).isoformat()
        due = f"{DUE} AND {MARKED_FIRST.format(which='TRUE')} AND (:only IS NULL OR key IN (SELECT value FROM json_each(:only)))"
        # S608 below: the parts put together are constants of this module and question marks
        with self.transaction():
            self._named(
                "UPDATE effects SET state = 'unknown', lease = '', updated = :now,"
                f" why = 'mailrules was stopped while it ran: it may have done its work' WHERE {LAPSED} AND {ONCE}",
                now=now,
            )
            rows = self._named(
                f"SELECT key, account, target, action, batch, {ONCE} AS once FROM effects WHERE {due}"
                " ORDER BY not_before, created, rowid LIMIT :limit",
                now=now, limit=limit, only=allowed,
            )  # fmt: skip
            chosen: list[sqlite3.Row] = []
            for row in rows:
                if not (row["once"] and any(r["once"] for r in chosen)):
                    chosen.append(row)
            batches = self._batches(chosen)
            keys = {row["key"] for row in chosen}
            for batch in {row["batch"] for row in chosen if row["batch"]}:
                found = self._named(
                    f"SELECT key FROM effects WHERE batch = :batch AND {due}", batch=batch, now=now, only=allowed
                )
                keys |= {row["key"] for row in found}
            if not keys:
                return []
            self._many("UPDATE effects SET batch = ? WHERE key = ?", [(batch, key) for key, batch in batches.items()])
            marks = ", ".join("?" * len(keys))
            claimed = self._rows(
                "UPDATE effects SET state = 'claimed', attempts = attempts + 1, lease = ?, updated = ?,"
                f" first_tried = CASE first_tried WHEN '' THEN ? ELSE first_tried END WHERE key IN ({marks}) RETURNING *",
                (lease, now, now, *sorted(keys)),
            )
        claimed.sort(key=lambda row: (row["created"], row["key"]))
        return [Claim(effect=effect_of(row), attempt=row["attempts"], batch=row["batch"]) for row in claimed]

    def performed_since(self, instant: str) -> list[dict[str, Any]]:
        """Return what was sent or started after an instant: `at`, `action`, `to`; one row for the mails of one batch."""
        rows = self._named(
            "SELECT max(e.at) AS at, f.action, f.args FROM events e"
            " JOIN effects f ON f.id = json_extract(e.detail, '$.effect') WHERE e.at > :instant AND (e.what = 'effect done'"
            " OR (f.action = 'run_script' AND e.what IN ('effect failed', 'effect retry', 'effect unknown')))"
            " GROUP BY CASE f.batch WHEN '' THEN e.id ELSE f.batch END"
            " UNION ALL SELECT updated, action, args FROM effects WHERE state = 'unknown' AND updated > :instant",
            instant=instant,
        )
        return [{"at": r["at"], "action": r["action"], "to": json.loads(r["args"]).get("to", [])} for r in rows]

    def put_off(self, key: str, until: str, why: str, now: str) -> None:
        """Let an effect wait that nobody performs now, `why` goes on from "held back"; no attempt is counted."""
        self._run(
            "UPDATE effects SET state = 'planned', lease = '', not_before = ?, why = ?, updated = ?"
            " WHERE key = ? AND state IN ('planned', 'claimed')",
            (until, HELD_BACK + why, now, key),
        )

    def held_back(self) -> list[str]:
        """Return why effects wait that are held back, as sentences."""
        rows = self._rows(
            "SELECT DISTINCT why FROM effects WHERE state = 'planned' AND substr(why, 1, ?) = ? ORDER BY why",
            (len(HELD_BACK), HELD_BACK),
        )
        return [f"{row['why']}; nothing is lost, `mailrules effects` lists what waits" for row in rows]

    @staticmethod
    def _batches(rows: Iterable[sqlite3.Row]) -> dict[str, str]:
        """Give notifications to the same target a batch of their own; one given before is kept, so is its Message-ID."""
        import hashlib

        groups: dict[tuple[str, str], list[str]] = {}
        for row in rows:
            if row["action"] == "notify" and not row["batch"]:
                groups.setdefault((row["account"], row["target"].split("#")[0]), []).append(row["key"])
        named = [(hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:32], keys) for keys in groups.values()]
        return {key: batch for batch, keys in named for key in keys}

    def _named(self, sql: str, **values: Any) -> list[sqlite3.Row]:
        return self._rows(sql, values)

    def settle(
        self, done: Claim | str | Sequence[Claim | str], outcome: Outcome, now: str, next_at: str | None = None
    ) -> None:
        """Write down what came of claims (or of effect keys). A claim that somebody else has taken since is left alone."""
        from dataclasses import replace

        items = [done] if isinstance(done, (Claim, str)) else list(done)
        outcome = replace(outcome, why=without_tokens(outcome.why), output=without_tokens(outcome.output))
        with self.transaction():
            for item in items:
                key = item.effect.key if isinstance(item, Claim) else item
                row = next(iter(self._rows("SELECT * FROM effects WHERE key = ?", (key,))), None)
                if row is None or row["state"] not in ("claimed", "unknown"):
                    continue
                if isinstance(item, Claim) and row["attempts"] != item.attempt:
                    continue
                state, why = _after(outcome, row["first_tried"], now)
                self._run(
                    "UPDATE effects SET state = ?, why = ?, output = ?, lease = '', not_before = ?, updated = ? WHERE key = ?",
                    (
                        state,
                        why,
                        outcome.output,
                        (next_at or now) if state == "planned" else row["not_before"],
                        now,
                        key,
                    ),
                )
                self._run(
                    "INSERT INTO events (authorization, due, at, what, detail) VALUES (?, ?, ?, ?, ?)",
                    (
                        row["authorization"], row["due"], now, f"effect {outcome.result}",
                        dumps({"effect": row["id"], "action": row["action"], "target": row["target"], "why": why}),
                    ),
                )  # fmt: skip

    # --- for people -----------------------------------------------------------------------------------------

    def effects(self, state: str | None = None, authorization: str | None = None) -> list[dict[str, Any]]:
        """Return effects as rows, oldest first."""
        rows = self._rows(
            "SELECT id, rule, action, target, stage, state, attempts, authorization, why, output, updated, key, account, due,"
            " not_before, created FROM effects WHERE (? IS NULL OR state = ?) AND (? IS NULL OR authorization = ?)"
            " ORDER BY created, rowid",
            (state, state, authorization, authorization),
        )
        return [dict(row) for row in rows]

    def effect_keys(self) -> set[str]:
        """Return the key of every effect that was ever asked for."""
        return {row[0] for row in self._rows("SELECT key FROM effects")}

    def runs(self) -> dict[tuple[str, str], Run]:
        """Return, by (authorization, due), when the newest script run ended well and until when its evidence may take."""
        from mailrules.ledger import Run

        rows = self._rows(
            "SELECT authorization, due, max(updated) AS finished, json_extract(args, '$.settle_hours') AS hours"
            " FROM effects WHERE action = 'run_script' AND state = 'done' GROUP BY authorization, due"
        )
        return {(row["authorization"], row["due"]): Run.ended(row["finished"], row["hours"]) for row in rows}

    def planned(self) -> list[Effect]:
        """Return the effects that wait to be performed."""
        return [
            effect_of(row)
            for row in self._rows("SELECT * FROM effects WHERE state = 'planned' ORDER BY created, rowid")
        ]

    def set_effect_state(self, id: str, state: EffectState, now: str) -> dict[str, Any]:  # noqa: A002 - the column's name
        """Put an effect into a state because a person said so; `planned` means from the beginning."""
        found = self._rows("SELECT * FROM effects WHERE id = ? OR key = ?", (id, id))
        if not found:
            raise UsageError(f"there is no effect {id}", help="`mailrules effects` lists them")
        row = found[0]
        with self.transaction():
            if state == "planned" and row["action"] == "create_task":
                self._make_task(effect_of(row), now)
                state = "done"
            attempts = 0 if state == "planned" else row["attempts"]
            self._run(
                "UPDATE effects SET state = ?, lease = '', batch = CASE ? WHEN 'planned' THEN '' ELSE batch END,"
                " not_before = '', first_tried = '', why = '', attempts = ?, updated = ? WHERE key = ?",
                (state, state, attempts, now, row["key"]),
            )
            self._run(
                "INSERT INTO events (authorization, due, at, what, detail) VALUES (?, ?, ?, ?, ?)",
                (row["authorization"], row["due"], now, f"effect set to {state}", dumps({"effect": row["id"]})),
            )
        return next(item for item in self.effects() if item["key"] == row["key"])

    def tasks(self, status: str | None = None) -> list[dict[str, Any]]:
        """Return tasks as rows; `obligation` is the deadline that the task is about."""
        rows = self._rows(
            "SELECT * FROM tasks WHERE ? IS NULL OR status = ? ORDER BY due IS NULL, due, id", (status, status)
        )
        return [{**dict(row), "id": str(row["id"])} for row in rows]

    def task(self, id: str) -> dict[str, Any] | None:  # noqa: A002 - the column's name
        """Return one task, or None."""
        return next((row for row in self.tasks() if row["id"] == str(id)), None)

    def finish_task(self, id: str, now: str) -> dict[str, Any]:  # noqa: A002 - the column's name
        """Mark a task done; doing it twice keeps the first time."""
        self._run("UPDATE tasks SET status = 'done', done_at = ? WHERE id = ? AND status <> 'done'", (now, str(id)))
        row = self.task(id)
        if row is None:
            raise UsageError(f"there is no task {id}", help="`mailrules tasks` lists them")
        return row


def _after(outcome: Outcome, first_tried: str, now: str) -> tuple[str, str]:
    if outcome.result != "retry":
        return outcome.result, outcome.why
    if first_tried and datetime.fromisoformat(now) - datetime.fromisoformat(first_tried) > GIVE_UP_AFTER:
        return "failed", f"given up after {GIVE_UP_AFTER.days} days: {outcome.why}"
    return "planned", outcome.why
