"""A shop with a history: a configuration and a store that the page can show, without any server.

In: a folder, the language of the account. Out: Shop, with mails, tasks, actions that failed, a mail put aside, and a
stranger's mail that would like to be more than text. Everything happened before NOW; the same folder is filled the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from mailrules import config as configuration
from mailrules.decide.schedule import AccountFacts
from mailrules.effects import Outcome
from mailrules.ledger import Ledger, Observed, Sighting, enter
from mailrules.mail.message import MessageKey
from mailrules.page.look import Look, looking
from mailrules.shipped import shipped_rules
from mailrules.store import Store
from tests.life import Life, warning

ROOT = Path(__file__).resolve().parents[1]
NOW = datetime(2024, 3, 25, 9, 0, tzinfo=UTC)
EVIL = '<script>document.title="owned"</script><img src=x onerror=alert(1)>'
EVIL_NAME = '"><svg onload=alert(1)>\u202eevil & <b>Co</b> {{ 7 * 7 }}'
RULES = """\
rule "renew before it lapses" {
  description "One task for each deadline, a week before it."
  on authorization_expiring
  when days_left <= 30 days
  create task "Renew {{ developer }} by {{ expires }}" due 7 days before expires
}

rule "tell the owner" {
  while authorization is expiring
  14 days before expires: notify owner "{{ developer }} lapses on {{ expires }}"
}

rule "start the renewal" {
  while authorization is expiring and trust is bound
  16 days before expires: run "renew", settle within 24 hours
}

rule "a connection must be renewed" {
  on connection_renewal_needed
  create task "Renew the connection of {{ developer }}"
}

rule "look at what could not be read" {
  on unparsed
  create task "Look at a notice of {{ system }} that could not be read"
}

rule "only for Acme" {
  while authorization is expiring and developer is "Acme Tools" and days_left <= 3 days
  1 day before expires: notify owner "last call"
}
"""
CONFIG = """\
timezone = "UTC"
language = "{language}"
store = "life.db"

[accounts.shop]
host = "imap.shop.example"
user = "seller@shop.example"
password = {{ file = "password" }}
receiver = {{ authserv_id = "mx.shop.example" }}

[accounts.japan]
host = "imap.shop.example"
user = "japan@shop.example"
password = {{ file = "password" }}
timezone = "Asia/Tokyo"

[people]
owner = "owner@shop.example"

[smtp]
host = "smtp.shop.example"
from = "mailrules@shop.example"

[developers]
"446453545547" = "Never Settle"

[scripts.renew]
argv = ["/bin/true"]
"""
JAPANESE = """\
From: Amazon <seller-notification@amazon.co.jp>
Subject: アクションが必要 - お使いのソフトウェアアプリケーション認証は、あと 20日で有効期限切れになります。
Date: Mon, 18 Mar 2024 08:00:00 +0900
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

ご出品いただきありがとうございます。青空在庫サービス様が出品者様に代わってアクセスできます。
アクセス権の有効期限は、2024-04-07です。

開発者 ID: 525964794073
開発者のニックネーム: 青空在庫サービス
アクセス権の有効期限: 2024-04-07
"""
CONNECTION = """\
From: AccountOne <service@accountone.de>
Subject: Status Ihrer Schnittstellen
Date: Mon, 18 Mar 2024 08:00:00 +0000
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

In Ihrem Dashboard steht "Anbindung erneuern".
"""


def hostile() -> str:
    """Return a stranger's notice whose subject, nickname, text and HTML all want to be code."""
    plain = warning("2024-04-05", name=EVIL_NAME, number="111122223333", link=EVIL).partition("\n\n")[2]
    return (
        f"From: {EVIL} <stranger@evil.example>\nSubject: ACTION REQUIRED - Your software application authorization will expire in 30 days {EVIL}\n"
        "Date: Tue, 19 Mar 2024 08:00:00 +0000\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=cut\n\n"
        f"--cut\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{plain}\n"
        f'--cut\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n<html><body onload="alert(1)">{EVIL}'
        f'<img src="http://track.evil.example/pixel.png"><form action="http://evil.example/"><pre>{plain.replace("<", "&lt;")}</pre>'
        '<a href="javascript:alert(1)">click</a></body></html>\n--cut--\n'
    )


@dataclass
class Shop:
    """The folder, and the life that fills it."""

    folder: Path
    life: Life

    @property
    def config(self) -> configuration.Config:
        return configuration.load(str(self.folder / "mailrules.toml"))

    @property
    def store(self) -> Store:
        return self.life.store

    def close(self) -> None:
        self.life.close()

    @contextmanager
    def look(self, language: str = "en", now: datetime = NOW) -> Iterator[Look]:
        with looking(self.config, now, language) as it:
            yield it

    def named(self, developer: str) -> str:
        """Return the id of an authorization by its name."""
        (found,) = [a.id for a in self.store.ledger().live() if a.developer == developer]
        return found


def empty(folder: Path, language: str = "en", rules: str = RULES) -> Shop:
    """Set a shop up in which nothing has happened yet."""
    (folder / "password").write_text("never used", encoding="utf-8")
    (folder / "password").chmod(0o600)
    (folder / "mailrules.toml").write_text(CONFIG.format(language=language), encoding="utf-8")
    accounts = (
        AccountFacts(name="shop", zone=ZoneInfo("UTC"), language=language),
        AccountFacts(name="japan", zone=ZoneInfo("Asia/Tokyo"), language=language),
    )
    life = Life(folder, rules, accounts)
    life.store.meta_set("rules", json.dumps([*shipped_rules(), ("own.rules", rules)]), NOW.isoformat())
    return Shop(folder, life)


def filled(folder: Path, language: str = "en") -> Shop:
    """Set a shop up with three weeks of history, in which everything happened that may happen."""
    shop = empty(folder, language)
    life = shop.life
    _notices(life)
    life.mail(hostile(), datetime(2024, 3, 19, 8, tzinfo=UTC), trust="unverified")
    life.mail(
        warning("2024-02-30", "Tue, 19 Mar 2024 08:00:00 +0000", name="Odd One", number="999988887777"),
        datetime(2024, 3, 19, 9, tzinfo=UTC), trust="authenticated",
    )  # fmt: skip
    life.polls(datetime(2024, 3, 12, 9, tzinfo=UTC), NOW)
    _performed(life.store)
    _put_aside(life.store)
    return shop


def calm(folder: Path, language: str = "en") -> Shop:
    """Set a shop up as most are: the rules to start with, a few deadlines, a task or two, nothing that went wrong."""
    name = "starter.rules" if language == "en" else f"starter.{language}.rules"
    shop = empty(folder, language, (ROOT / "rules" / name).read_text(encoding="utf-8"))
    _notices(shop.life, lapsed=False)
    shop.life.polls(datetime(2024, 3, 12, 9, tzinfo=UTC), NOW)
    for row in shop.store.effects("planned"):
        for claim in shop.store.claim(now=NOW.isoformat(), only={row["key"]}):
            shop.store.settle(claim, Outcome(result="done", why=""), NOW.isoformat())
    _beat(shop.store)
    return shop


def _notices(life: Life, *, lapsed: bool = True) -> None:
    for days, day in ((30, 11), (23, 18)):
        at = datetime(2024, 3, day, 8, tzinfo=UTC)
        written = at.strftime("%a, %d %b %Y %H:%M:%S +0000")
        life.mail(warning(days=days, written=written), at, trust="bound")
    life.mail(JAPANESE, datetime(2024, 3, 18, 8, tzinfo=UTC), account="japan", trust="authenticated")
    life.mail(CONNECTION, datetime(2024, 3, 18, 9, tzinfo=UTC), trust="authenticated")
    for name, number, expires in (
        ("Acme Tools", "777788889999", "2024-03-22" if lapsed else "2024-05-09"),
        ("Lister Pro", "123412341234", "2024-06-30"),
        ("Repricer 24", "222233334444", "2024-11-02"),
        ("Ads Copilot", "333344445555", "2025-02-14"),
    ):
        life.act(
            lambda ledger, n=name, d=number, e=expires: entered(ledger, n, d, e), datetime(2024, 3, 12, 8, tzinfo=UTC)
        )


def entered(ledger: Ledger, developer: str, number: str, expires: str) -> Observed:
    """Enter an authorization by hand."""
    seen = Sighting(
        account="shop", system="amazon", kind="", developer_id=number, developer=developer, region="na", expires=expires,
        trust="confirmed", message="", at="2024-03-12T08:00:00+00:00", today=date(2024, 3, 12),
    )  # fmt: skip
    return enter(ledger, seen)


def _performed(store: Store) -> None:
    """Let what was asked for be done, but for one message that fails and one script of which nobody knows."""
    names = {a.id: a.developer for a in store.ledger().live()}
    for row in store.effects("planned"):
        at = (NOW - timedelta(hours=2)).isoformat()
        for claim in store.claim(now=at, only={row["key"]}):
            outcome = Outcome(result="done", why="")
            if row["rule"] == "only for Acme":
                outcome = Outcome(result="failed", why="550 5.1.1 no such user here")
            if row["action"] == "run_script" and names[row["authorization"]] == "Never Settle":
                outcome = Outcome(result="unknown", why="mailrules was stopped while it ran: it may have done its work")
            store.settle(claim, outcome, at)


def _put_aside(store: Store) -> None:
    at = (NOW - timedelta(days=1)).isoformat()
    key = MessageKey(account="shop", mailbox="INBOX", uidvalidity=7, uid=4711)
    store.quarantine(key, "f" * 64, b"x" * 120_000, f"reading it took longer than 60 seconds {EVIL}", at)
    _beat(store)


def _beat(store: Store) -> None:
    at = (NOW - timedelta(minutes=5)).isoformat()
    store.beat("shop", at)
    store.beat("japan", at)
    store.meta_set("last_poll", at, at)
