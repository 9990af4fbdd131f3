"""Whom an account believes: confirmed senders and developers, and our own check of a signature where that is the anchor.

In: a Config, an open store, a checked rule set, a function that fetches keys. Out: Anchors; verdicts for mail/parse.py.
May not live here: the check itself (mail/dkim.py), looking up names (sources/dns.py), trust levels (notices/trust.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailrules.config import Account, Config
from mailrules.mail.dkim import KeyFetch, check_signature
from mailrules.mail.headers import header_fields, read_from
from mailrules.mail.message import AuthVerdict, RawMessage
from mailrules.ruleset import RuleSet
from mailrules.spine.guard import LateError, timer
from mailrules.store import Store

PATIENCE = timedelta(hours=24)
"""So long a message waits for a key that cannot be fetched; then it is taken in unverified."""
FIRST_BYTES = 256_000


def _from_dns() -> KeyFetch:
    # why here: only accounts that check signatures themselves need it
    from mailrules.sources.dns import key_fetch

    return key_fetch()


@dataclass(slots=True)
class Anchors:
    """One run's view of whom to believe."""

    config: Config
    store: Store
    rules: RuleSet
    make_fetch: Callable[[], KeyFetch] = _from_dns
    seconds: float = 10.0
    _fetch: KeyFetch | None = field(default=None, init=False)

    def developers(self) -> frozenset[str]:
        """Return the developer ids that are listed or confirmed."""
        return frozenset(self.config.world.developers) | self.store.confirmed_developers()

    def senders(self) -> frozenset[tuple[str, str]]:
        """Return the senders that a person confirmed."""
        return self.store.confirmed_senders()

    def signature(self, raw: RawMessage, account: Account) -> AuthVerdict | None:
        """Return what our own check says; None where it is not asked for. Strangers' domains are asked for nothing."""
        if account.receiver is None or not account.receiver.dkim or raw.media_type != "message/rfc822":
            return None
        sender, _ = read_from(header_fields(raw.content[:FIRST_BYTES]))
        if sender is None or sender.domain not in self._known():
            return None
        if self._fetch is None:
            self._fetch = self.make_fetch()
        try:
            with timer(self.seconds):
                return check_signature(raw.content, raw.received_at, self._fetch)
        except LateError:
            reason = f"checking the signature took longer than {self.seconds:g} seconds"
            return AuthVerdict(result="unchecked", domain=sender.domain, reason=reason)

    def _known(self) -> set[str]:
        declared = {d.value.lower() for system in self.rules.systems for d in system.domains}
        return declared | {sender.rpartition("@")[2] for _, sender in self.senders()}


def to_wait_for(verdict: AuthVerdict | None, received_at: datetime, now: datetime) -> str:
    """Return why a message is to be looked at again later, "" where it is taken in now."""
    waits = verdict is not None and verdict.result == "unchecked" and now - received_at < PATIENCE
    return verdict.reason if waits and verdict is not None else ""
