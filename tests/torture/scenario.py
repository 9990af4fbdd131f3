"""The worlds that faults are thrown at: a mailbox, a configuration, rules and a script, and what must come of them.

In: a day. Out: World, and its files in a folder. What must come of it is said here by hand, never asked of mailrules.
May not live here: faults, checking.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from tests.mails import DEVELOPER, DEVELOPER_ID, FORMS, RECEIVER, both, html_text, ordinary, part, plain_text, wrapped
from tests.servers import PASSWORD

Mail = tuple[bytes, datetime]
OWNER, AGENCY, OFFICE = "owner@shop.example", "agency@outside.example", "office@shop.example"
RUNG = 20

RULES = f"""\
rule "renew" {{
  on authorization_expiring
  create task "Renew {{{{ developer }}}} by {{{{ expires }}}}" due 7 days before expires
  notify owner "{{{{ developer }}}} lapses on {{{{ expires }}}}"
}}

rule "tell the agency" {{
  on authorization_expiring
  when trust is bound
  forward to "{AGENCY}"
}}

rule "start the renewal" {{
  on authorization_expiring
  when trust is bound
  run "renew"
}}

rule "ladder" {{
  while authorization is expiring and trust is bound
  {RUNG} days before expires: notify office "{{{{ developer }}}} is near {{{{ expires }}}}"
}}
"""

SCRIPT = '#!/bin/sh\nprintf "%s %s\\n" "$2" "$3" >> "$1"\n'


@dataclass(frozen=True)
class Case:
    """One authorization that the mailbox speaks of. `proven`: its sender is, and the developer is known."""

    developer: str
    number: str
    expires: date
    proven: bool = True

    @property
    def title(self) -> str:
        return f"Renew {self.developer} by {self.expires}"

    @property
    def told(self) -> str:
        return f"{self.developer} lapses on {self.expires}"

    @property
    def near(self) -> str:
        return f"{self.developer} is near {self.expires}"

    @property
    def line(self) -> str:
        return f"{self.number} {self.expires}"


@dataclass(frozen=True)
class World:
    """A mailbox and what must come of it. `notices` are the genuine ones; `others` are tasks beside those of the cases."""

    name: str
    today: date
    mails: tuple[Mail, ...]
    notices: tuple[bytes, ...]
    cases: tuple[Case, ...]
    others: tuple[str, ...] = ()
    rules: str = RULES
    extra: str = ""
    scripts: dict[str, str] = field(default_factory=dict)


def body_of(form: str, case: Case) -> bytes:
    day = case.expires.isoformat()
    plain, html = plain_text(day, case.number, case.developer), html_text(day, case.number, case.developer)
    encodings = {"plain": "8bit", "html": "8bit", "quoted-printable": "quoted-printable", "base64": "base64"}
    if form in encodings:
        return part(html if form == "html" else plain, "html" if form == "html" else "plain", encodings[form])
    if form == "multipart":
        return both(part(plain, "plain", "8bit"), part(html, "html", "8bit"))
    return both(part(plain, "plain", "quoted-printable"), part(html, "html", "base64"))


def notice(case: Case, form: str, days: int) -> Mail:
    """Return the notice of a case as it came `days` before its date."""
    arrived = datetime.combine(case.expires - timedelta(days=days), time(0, 5), UTC)
    name = f"{form}-{case.number}-{days}"
    return wrapped(body_of(form, case), days, arrived, name=name, stamp=case.proven), arrived


def cases(today: date) -> tuple[Case, ...]:
    def day(days: int) -> date:
        return today + timedelta(days=days)

    return (
        Case(DEVELOPER, DEVELOPER_ID, day(30)),
        Case("Example Tools", "525964794073", day(29)),
        Case("Harbor Apps", "811223344556", day(15)),
        Case("Unproven Maker", "377788899911", day(28), proven=False),
    )


def malformed(today: date) -> Iterator[bytes]:
    """Yield mails that are hard to read and are no notices."""
    head = b"From: a@shop.example\r\nSubject: x\r\nMessage-ID: <bad%d@shop.example>\r\n"
    yield b"no header at all, only text\r\n"
    yield head % 1 + b'Content-Type: multipart/mixed; boundary="never"\r\n\r\n--nev\r\n\r\ntext\r\n'
    yield head % 2 + b"Content-Type: text/plain; charset=x-unknown\r\n\r\n\xff\xfe\x80\x81 raw bytes\r\n"
    yield head % 3 + b"Content-Transfer-Encoding: base64\r\n\r\n!!!! this is not base64 ====\r\n"
    yield head % 4 + b"Content-Type: text/plain" + b";" * 30 + b"\r\n\r\nx\r\n"
    yield b"From: \xc3\xa4\xff <a@b\r\nFrom: two@shop.example\r\nSubject: =?utf-8?q?=ZZ?=\r\n\r\n\r\n"
    yield b"Subject: only this\r\n\r\n" + b"(" * 50 + b"\r\n"


def lookalike(today: date) -> Mail:
    """Return a notice whose sender only looks like the system."""
    content, moment = notice(Case("Trap Maker", "999888777666", today + timedelta(days=27), proven=False), "plain", 27)
    return content.replace(b"seller-notification@amazon.com", b"seller-notification@arnazon.com"), moment


def small(today: date) -> World:
    """Return three mails: a proven notice, an unproven one, an ordinary mail."""
    one, _, _, unproven = cases(today)
    source = ordinary(7, today)
    mails = (notice(one, "plain", 30), next(source), notice(unproven, "plain", 28))
    return World("small", today, mails, (mails[0][0], mails[2][0]), (one, unproven))


def house(today: date, size: int = 24, seed: int = 1) -> World:
    """Return a mailbox with all that a mailbox has: notices in several forms, reminders, tricks, ordinary and bad mail."""
    one, two, near, unproven = cases(today)
    found = [notice(one, form, 30) for form in FORMS]
    found += [notice(one, "plain", days) for days in (44, 37)]
    found += [
        notice(two, "html", 29),
        notice(near, "multipart", 15),
        notice(near, "base64", 22),
        notice(unproven, "plain", 28),
    ]
    noon = datetime.combine(today - timedelta(days=3), time(12), UTC)
    rest = [(content, noon) for content in malformed(today)]
    source = ordinary(seed, today)
    rest += [next(source) for _ in range(size - len(found) - len(rest))]
    mails = [*found, *rest]
    random.Random(seed).shuffle(mails)
    return World("house", today, tuple(mails), tuple(content for content, _ in found), (one, two, near, unproven))


def tricked(today: date) -> World:
    """Return the house's mailbox with a look-alike in it, from which only a marked task may come."""
    world = house(today)
    return World("tricked", today, (*world.mails, lookalike(today)), world.notices, world.cases)


def settle(world: World, folder: Path, imap: int, smtp: int) -> Path:
    """Write the world's files; return the configuration's path."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    (folder / "my.rules").write_text(world.rules, encoding="utf-8")
    for name, text in {"renew.sh": SCRIPT, **world.scripts}.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    (folder / "password").write_text(PASSWORD, encoding="utf-8")
    (folder / "password").chmod(0o600)
    argv = json.dumps([str(folder / "renew.sh"), str(folder / "log"), "{{ developer_id }}", "{{ expires }}"])
    known = "\n".join(f'"{case.number}" = "{case.developer}"' for case in world.cases if case.proven)
    (folder / "mailrules.toml").write_text(
        f"""timezone = "UTC"
rules = ["my.rules"]

[accounts.shop]
host = "127.0.0.1"
port = {imap}
tls = "none"
user = "seller"
password = {{ file = "password" }}
region = "na"
fetch = "all"
day_starts = "00:00"
receiver = {{ authserv_id = "{RECEIVER}" }}

[smtp]
host = "127.0.0.1"
port = {smtp}
tls = "none"
from = "mailrules@shop.example"
timeout = "8s"

[people]
owner = "{OWNER}"
office = "{OFFICE}"

[developers]
{known}

[scripts.renew]
argv = {argv}
timeout = "20s"
{world.extra}""",
        encoding="utf-8",
    )
    return folder / "mailrules.toml"
