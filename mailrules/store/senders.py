"""Who sent what: senders as they were first seen, what our own check found, and whom a person confirmed.

In: readings, system names, addresses, the present instant as text. Out: Senders (a part of Store).
May not live here: judging a sender (mail/auth.py, notices/trust.py), which confirmation is allowed (notices/trust.py).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from mailrules.store.database import Connection

if TYPE_CHECKING:
    from mailrules.mail.message import AuthVerdict
    from mailrules.pipeline import Reading

SENDER, DEVELOPER = "sender", "developer"
HEAD = 256_000
"""The bytes of a message within which its sender is looked for."""


class Senders(Connection):
    """What the store knows of senders."""

    def sighted(self, reading: Reading, now: str) -> None:
        """Count the sender of a notice, once for each system and level, and keep the verdict for replays."""
        message = reading.message
        address = message.sender.address if message.sender else ""
        # why the forged: who pretends to be a declared system is shown, also where the mail is no notice of it
        told = {(n.system or "", n.trust): n.trust_reason for n in reading.notices if n.system or n.trust == "forged"}
        for (system, level), reason in told.items():
            self._run(
                "INSERT INTO senders VALUES (?, ?, ?, 1, ?, ?, ?) ON CONFLICT (system, address, level) DO UPDATE SET"
                " seen = seen + 1, last_seen = excluded.last_seen, reason = excluded.reason",
                (system, address, level, now, now, reason),
            )
        if told and message.auth.domain:
            verdict = message.auth
            self._run(
                "INSERT INTO verdicts VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
                (reading.digest, verdict.result, verdict.domain, verdict.reason),
            )

    def unsighted(self, digests: Collection[str]) -> int:
        """Take back that the senders of messages were seen, and what was found out about them; return how many rows went."""
        from mailrules.mail.headers import header_fields, read_from

        gone = 0
        for digest in digests:
            found = self._rows(
                "SELECT m.notices, c.content FROM messages m LEFT JOIN contents c ON c.digest = m.digest WHERE m.digest = ?",
                (digest,),
            )
            for notices, content in found:
                sender, _ = read_from(header_fields((content or b"")[:HEAD]))
                told = {(n["system"] or "", n["trust"]) for n in json.loads(notices)}
                rows = [(system, sender.address if sender else "", level) for system, level in sorted(told)]
                self._many("UPDATE senders SET seen = seen - 1 WHERE (system, address, level) = (?, ?, ?)", rows)
            gone += self._run("DELETE FROM verdicts WHERE digest = ?", (digest,)).rowcount
        return gone + self._run("DELETE FROM senders WHERE seen <= 0", ()).rowcount

    def senders(self) -> list[dict[str, Any]]:
        """Return every sender of a notice, by system and level, the newest first."""
        return [
            dict(row) for row in self._rows("SELECT * FROM senders ORDER BY last_seen DESC, system, address, level")
        ]

    def verdict(self, digest: str) -> AuthVerdict | None:
        """Return what was found out about the sender of a message when it came."""
        from mailrules.mail.message import AuthVerdict

        rows = self._rows("SELECT result, domain, reason FROM verdicts WHERE digest = ?", (digest,))
        return AuthVerdict(result=rows[0][0], domain=rows[0][1], reason=rows[0][2]) if rows else None

    def said_under(self, message_id: str, digest: str) -> list[Mapping[str, Any]]:
        """Return the notices of other messages with this Message-ID."""
        if not message_id:
            return []
        rows = self._rows("SELECT notices FROM messages WHERE message_id = ? AND digest <> ?", (message_id, digest))
        return [notice for row in rows for notice in json.loads(row[0])]

    def confirmed_developers(self) -> frozenset[str]:
        """Return the developer ids that a person confirmed."""
        return frozenset(row["value"] for row in self.trusted() if row["kind"] == DEVELOPER)

    def confirmed_senders(self) -> frozenset[tuple[str, str]]:
        """Return systems with the address or domain that a person confirmed for them."""
        return frozenset((row["system"], row["value"]) for row in self.trusted() if row["kind"] == SENDER)

    def trusted(self) -> list[dict[str, Any]]:
        """Return all that a person confirmed, oldest first."""
        return [dict(row) for row in self._rows("SELECT * FROM trusted ORDER BY at, rowid")]

    def confirm(self, kind: str, system: str, value: str, now: str) -> None:
        """Write down that a person confirmed it."""
        self._run("INSERT INTO trusted VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (kind, system, value, now))

    def unconfirm(self, value: str) -> int:
        """Take back what a person confirmed; return how many rows that were."""
        return self._run("DELETE FROM trusted WHERE value = ?", (value,)).rowcount
