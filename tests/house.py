"""A whole installation in a folder: configuration, rules, script, an IMAP server and an SMTP server of its own."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from mailrules import app
from mailrules import config as configuration
from mailrules.demo.imap_server import MailServer
from mailrules.demo.smtp_sink import SmtpSink
from mailrules.spine.plan import Plan, from_text, to_text
from mailrules.store import Store
from tests.mails import DEVELOPER, DEVELOPER_ID, RECEIVER, plain_text, wrapped

NOW = datetime(2024, 3, 25, 9, 0, tzinfo=UTC)
EXPIRES = date(2024, 4, 10)
SCRIPT = """\
import sys
with open(sys.argv[1], "a") as log:
    log.write(" ".join(sys.argv[2:]) + "\\n")
"""


def mail(developer: str, number: str, *, expires: date, days: int) -> tuple[bytes, datetime]:
    """Return a stamped expiry notice for any developer, `days` before its date."""
    body = "Content-Type: text/plain; charset=utf-8\r\n\r\n" + plain_text(expires.isoformat(), number, developer)
    arrived = datetime.combine(expires - timedelta(days=days), datetime.min.time(), UTC)
    name = f"{number}-{expires}-{days}"
    return wrapped(body.encode(), days, arrived, name=name, stamp=True), arrived


@dataclass
class House:
    """The folder and the servers that its configuration names."""

    folder: Path
    server: MailServer
    sink: SmtpSink
    opened: contextlib.ExitStack

    @property
    def toml(self) -> Path:
        return self.folder / "mailrules.toml"

    @property
    def config(self) -> configuration.Config:
        return configuration.load(str(self.toml))

    @property
    def store(self) -> Store:
        return self.opened.enter_context(Store.scratch(self.config.store))

    def poll(self, now: datetime = NOW) -> app.Outcome:
        return app.poll(self.config, tell_time=lambda: now)

    def plan(self, now: datetime = NOW) -> Plan:
        outcome = app.poll(self.config, dry_run=True, tell_time=lambda: now)
        assert outcome.plan
        assert [r.error for r in outcome.reports] == [None]
        return from_text(to_text(outcome.plan), "plan.json")

    def apply(self, plan: Plan, now: datetime = NOW) -> app.Outcome:
        return app.apply(self.config, plan, tell_time=lambda: now)

    def change(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def done(self) -> list[tuple[str, str]]:
        return sorted((row["action"], row["state"]) for row in self.store.effects())

    def script_runs(self) -> list[str]:
        log = self.folder / "log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []

    def assert_nothing_happened(self) -> None:
        assert self.done() == []
        assert self.script_runs() == []
        assert self.sink.received == []
        assert self.store.messages() == []
        assert not self.store.ledger().authorizations


@contextlib.contextmanager
def settled(folder: Path, rules: str, mails: Sequence[tuple[bytes, datetime]]) -> Iterator[House]:
    """Set a house up in a folder."""
    with MailServer("seller", "secret", mails) as server, SmtpSink() as sink, contextlib.ExitStack() as opened:
        (folder / "my.rules").write_text(rules, encoding="utf-8")
        (folder / "renew.py").write_text(SCRIPT, encoding="utf-8")
        (folder / "password").write_text("secret", encoding="utf-8")
        (folder / "password").chmod(0o600)
        argv = [sys.executable, str(folder / "renew.py"), str(folder / "log"), "{{ developer_id }}", "{{ expires }}"]
        (folder / "mailrules.toml").write_text(
            f"""timezone = "UTC"
rules = ["my.rules"]

[accounts.shop]
host = "127.0.0.1"
port = {server.port}
tls = "none"
user = "seller"
password = {{ file = "password" }}
region = "na"
receiver = {{ authserv_id = "{RECEIVER}" }}

[smtp]
host = "127.0.0.1"
port = {sink.port}
tls = "none"
from = "mailrules@shop.example"

[people]
owner = "owner@shop.example"

[developers]
"{DEVELOPER_ID}" = "{DEVELOPER}"

[scripts.renew]
argv = {json.dumps(argv)}
""",
            encoding="utf-8",
        )
        yield House(folder, server, sink, opened)
