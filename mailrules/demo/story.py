"""`mailrules demo`: a real poll over IMAP against a mailbox of sample mails, told step by step.

In: where to write. Out: text and an exit code; every file is in one folder, which goes away unless it is kept.
May not live here: anything the real program does not do; it calls app.poll with an ordinary configuration.
"""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import TextIO

from mailrules import app
from mailrules import config as configuration
from mailrules.demo.imap_server import MailServer
from mailrules.demo.samples import RECEIVER, samples
from mailrules.demo.smtp_sink import SmtpSink
from mailrules.errors import UsageError
from mailrules.shipped import shipped_text
from mailrules.store import Store

USER, PASSWORD = "seller@demo.example", "only-for-this-demo"

SCRIPT = """\
import sys
print("renewing developer", sys.argv[1], "which lapses on", sys.argv[2])
"""

CONFIG = """\
timezone = "UTC"
rules = ["rules/*.rules"]
store = "state/mailrules.db"

[accounts.demo]
host = "127.0.0.1"
port = {imap}
tls = "none"
user = "{user}"
password = {{ file = "password" }}
region = "na"
receiver = {{ authserv_id = "{receiver}" }}

[smtp]
host = "127.0.0.1"
port = {smtp}
tls = "none"
from = "mailrules@demo.example"

[people]
owner = "owner@demo.example"

[developers]
"446453545547" = "Never Settle"

[scripts.renew]
argv = [{python}, "renew.py", "{{{{ developer_id }}}}", "{{{{ expires }}}}"]
timeout = "20s"
cwd = {folder}
"""


def run(out: TextIO, keep: str | None) -> int:
    """Run the demo; returns the exit code."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="mailrules-demo-") as name:
            return _run(out, Path(name), kept=False)
    folder = Path(keep).absolute()
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", help="name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    return _run(out, folder, kept=True)


def _toml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _run(out: TextIO, folder: Path, *, kept: bool) -> int:
    inbox = samples(app.clock().date())
    with MailServer(USER, PASSWORD, inbox) as server, SmtpSink() as sink:
        (folder / "rules").mkdir()
        (folder / "rules" / "demo.rules").write_text(shipped_text("rules/examples/demo.rules"), encoding="utf-8")
        (folder / "renew.py").write_text(SCRIPT, encoding="utf-8")
        with os.fdopen(os.open(folder / "password", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(PASSWORD)
        settings = CONFIG.format(
            imap=server.port,
            smtp=sink.port,
            user=USER,
            receiver=RECEIVER,
            python=_toml(sys.executable),
            folder=_toml(str(folder)),
        )
        (folder / configuration.FILE).write_text(settings, encoding="utf-8")
        config = configuration.load(str(folder / configuration.FILE))
        out.write(
            f"A mailbox with {len(inbox)} mails waits on this machine; `mailrules poll` looks at it over IMAP.\n\n"
        )
        outcome = app.poll(config)
        again = app.poll(config)
    report = outcome.reports[0]
    if report.error:
        raise report.error
    out.write("What came in\n")
    out.write(f"  {report.seen} mails; {report.candidates} could be notices, so only their text was fetched.\n\n")
    with Store.open(config.store, now=app.clock().isoformat()) as store:
        out.write("What was understood\n")
        out.writelines(f"  {line}\n" for line in _understood(store))
        out.write("\nThe ledger\n")
        for subject in sorted(store.ledger().authorizations.values(), key=lambda a: a.expires or "9"):
            day = (
                f"lapses on {subject.expires} ({(date.fromisoformat(subject.expires) - app.clock().date()).days} days)"
                if subject.expires
                else "must be renewed; no date was given"
            )
            out.write(f"  {subject.developer}{f' ({subject.developer_id})' if subject.developer_id else ''}: {day}\n")
        out.write("\nWhat was done, and by which rule\n")
        for row in store.effects():
            what = {
                "create_task": "created a task",
                "forward": "forwarded the mail",
                "notify": "wrote",
                "run_script": "ran the script",
            }[row["action"]]
            out.write(f"  {what} {row['target']}".rstrip() + f": {row['state']}   rule `{row['rule']}`\n")
            if row.get("output"):
                out.write(f"      it said: {str(row['output']).strip()}\n")
        out.write("\nTasks\n")
        for row in store.tasks("open"):
            out.write(f"  {row['title']}" + (f"   (by {row['due']})" if row["due"] else "") + "\n")
    out.write(f"\nMail that went out: {len(sink.received)}\n")
    out.writelines(f"  to {', '.join(delivered.recipients)}\n" for delivered in sink.received)
    out.write(
        "\nshippinno's notice bore no stamp of the receiver: its task is marked unverified, and it reached neither the\n"
    )
    out.write("script nor the agency. The two reminders of Never Settle made one task, one forward and one run.\n")
    out.write(f"A second poll found {again.reports[0].seen} new mails and did {again.reports[0].new_effects} things.\n")
    out.write("\nWhere to go next\n  mailrules init --address you@your-shop.example\n  mailrules poll --dry-run\n")
    if kept:
        out.write(f"  mailrules explain first-reminder@demo.example --config {folder / configuration.FILE}\n")
    return 0


def _understood(store: Store) -> list[str]:
    lines = []
    for stored in store.messages():
        for notice in stored.notices:
            what = f"{notice['kind'] or 'ordinary mail'}: {notice['status']}"
            lines.append(
                f"{stored.subject[:58]:<58}  {what}, {notice['trust']}"
                + (f"\n      {notice['reason']}" if notice["reason"] else "")
            )
    return lines
