"""A life of mailrules on a chosen clock: real mails, real rules, a real store; only the clock is ours.

In: rules, mails, what a person does, and when. Out: what the outbox holds. No IMAP, SMTP or script here: what is done
with the outbox has its own tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from mailrules.ledger import Authorization, Ledger, Observed
from mailrules.mail.message import RawMessage
from mailrules.pipeline import changes, conclude, read, tick
from mailrules.ruleset import RuleSet, load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.store import Store
from mailrules.world import AccountFacts, Script, World

WARNING = """\
From: Amazon Seller Central <seller-notification@amazon.com>
Subject: ACTION REQUIRED - Your software application authorization will expire in {days} days
Date: {written}

The provider listed below has access to your account. That access will expire on {expires}.

Developer ID: {number}
Developer nickname: {name}
Access expiration date: {expires}
{link}
"""


def warning(
    expires: str = "2024-04-10", written: str = "Mon, 11 Mar 2024 08:00:00 +0000", *, days: int = 30, name: str = "Never Settle",
    number: str = "446453545547", link: str = "",
) -> str:  # fmt: skip
    """Return Amazon's English warning."""
    return WARNING.format(expires=expires, written=written, days=days, name=name, number=number, link=link)


@dataclass
class Life:
    """One store and one rule set, polled when the story says so."""

    folder: Path
    text: str
    accounts: tuple[AccountFacts, ...] = (AccountFacts(name="shop", zone=ZoneInfo("UTC")),)
    people: dict[str, str] = field(default_factory=lambda: {"owner": "owner@shop.example"})
    rules: RuleSet = field(init=False)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        scripts = {"renew": Script(argv=("/bin/true",))}
        self.rules = load(
            [*shipped_rules(), ("own.rules", self.text)], grammar_text(), people=self.people, scripts={"renew": False}
        )
        assert not self.rules.errors, self.rules.errors
        self.world = World(people=self.people, scripts=scripts, accounts={a.name: a for a in self.accounts})
        self.store = Store.open(self.folder / "life.db", now="2000-01-01T00:00:00+00:00")

    def close(self) -> None:
        self.store.close()

    def mail(
        self, text: str | bytes, at: datetime, *, account: str = "shop", trust: str | None = None, media: str = "message/rfc822"
    ) -> None:  # fmt: skip
        """Let a mail (or a saved page) come in."""
        content = text.encode() if isinstance(text, str) else text
        raw = RawMessage(source="story", content=content, received_at=at, account=account, media_type=media)
        reading = read(raw, self.rules, trust=trust)  # type: ignore[arg-type]
        ingest = conclude(reading, self.store.ledger(), self.rules, self.world, at)
        self.store.commit(ingest, now=at.isoformat())

    def poll(self, at: datetime) -> None:
        """Let time rules look at the ledger."""
        self.store.commit(tick(self.store.ledger(), self.rules, self.world, at), now=at.isoformat())

    def polls(self, start: datetime, end: datetime, every: timedelta = timedelta(hours=6)) -> None:
        """Poll again and again."""
        while start <= end:
            self.poll(start)
            start += every

    def act(self, done: Callable[[Ledger], Observed], at: datetime) -> None:
        """Let a person act on the ledger."""
        before = self.store.ledger()
        observed = done(before)
        self.store.commit(changes(before, observed.ledger, observed.events), now=at.isoformat())

    def only(self) -> Authorization:
        """Return the one authorization there is."""
        (found,) = self.store.ledger().live()
        return found

    def done(self, action: str | None = None) -> list[dict[str, Any]]:
        """Return what was asked for, oldest first, without what a gap passed over."""
        rows = [row for row in self.store.effects() if row["state"] != "missed"]
        return [row for row in rows if action in (None, row["action"])]

    def days(self, action: str) -> list[date]:
        """Return the days on which an action was asked for."""
        return [datetime.fromisoformat(row["created"]).date() for row in self.done(action)]
