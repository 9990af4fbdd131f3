"""A cron tick that finds nothing new, and the start of mailrules: P1, P2 and P9 of docs/performance.md.

In: Dovecot and the peers installed from Debian; nothing is asked of the network. Out: rows of times; a table when run.
May not live here: goals' verdicts on other figures, the servers (tests/servers.py), the delay (delay.py).

Every client does the same: log in, look whether INBOX has anything new, leave. Each round starts each of them once, so
that what else the machine does falls on all alike.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.delay import delayed
from tests.servers import Dovecot

ROOT = Path(__file__).resolve().parent.parent
MESSAGES, ROUND_TRIP = 200, 40.0
PASSWORD = "password"  # fdm's and getmail's configurations hold it as it is

SCRIPT = """\
import sys
from imapclient import IMAPClient
client = IMAPClient("127.0.0.1", port=int(sys.argv[1]), ssl=False)
client.login("seller", "password")
client.select_folder("INBOX", readonly=True)
client.search(["UID", "100000:*"])
client.logout()
"""
PARSED = """\
from lark import Lark
from pathlib import Path
from mailrules.shipped import grammar_text, shipped_rules
before = __import__("time").process_time()
from mailrules.ruleset import load
load(shipped_rules(), grammar_text())
"""
IMPORT_LARK = "import lark"
SETTING = """\
timezone = "UTC"
rules = ["starter.rules"]
store = "{store}"

[accounts.shop]
host = "127.0.0.1"
port = {port}
tls = "none"
user = "seller"
password = {{ file = "password" }}

[people]
owner = "owner@shop.example"
"""
LOADING = """\
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from mailrules.shipped import grammar_text, shipped_rules
began = time.process_time()
{work}
print(time.process_time() - began)
"""
KEPT = """\
from mailrules.spine.kept import Kept, key_of
files, kept = shipped_rules(), Kept(Path(sys.argv[1]))
assert kept.find(key_of(files, grammar_text(), None, {}), files) is not None"""
FIRST = """\
from mailrules.ruleset import load
from mailrules.spine.kept import Kept, key_of
files = shipped_rules()
Kept(Path(sys.argv[1])).keep(key_of(files, grammar_text(), None, {}), load(files, grammar_text()))"""
PARSED = """\
from mailrules.ruleset import load
load(shipped_rules(), grammar_text())"""


def ticks(folder: Path, port: int, label: str) -> dict[str, list[str]]:
    """Return what each client is started with, its configuration written; a client that is not here is left out."""
    home = folder / label
    home.mkdir()
    (home / "password").write_text(PASSWORD, encoding="utf-8")
    (home / "password").chmod(0o600)
    (home / "script.py").write_text(SCRIPT, encoding="utf-8")
    (home / "starter.rules").write_text(
        (ROOT / "rules" / "starter.rules").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (home / "mailrules.toml").write_text(SETTING.format(store="state.db", port=port), encoding="utf-8")
    found = {
        "mailrules": [sys.executable, "-m", "mailrules", "poll", "--config", str(home / "mailrules.toml")],
        "minimal IMAPClient script": [sys.executable, str(home / "script.py"), str(port)],
    }
    (home / "mbsyncrc").write_text(
        f"IMAPAccount shop\nHost 127.0.0.1\nPort {port}\nUser seller\nPass {PASSWORD}\nSSLType None\nAuthMechs LOGIN\n\n"
        f"IMAPStore far\nAccount shop\n\nMaildirStore near\nPath {home}/near/\nInbox {home}/near/INBOX\n\n"
        f"Channel shop\nFar :far:INBOX\nNear :near:INBOX\nCreate Near\nSync Pull\nSyncState {home}/near/\n",
        encoding="utf-8",
    )
    (home / "near").mkdir()
    (home / "imapfilter.lua").write_text(
        f'account = IMAP {{ server = "127.0.0.1", port = {port}, username = "seller", password = "{PASSWORD}" }}\n'
        "account.INBOX:is_unseen()\n",
        encoding="utf-8",
    )
    (home / "fdm.conf").write_text(
        f'account "shop" imap server "127.0.0.1" port {port} user "seller" pass "{PASSWORD}" folder "INBOX" new-only'
        f' cache "{home}/fdm.cache" no-cram-md5\naction "drop" drop\naction "keep" keep\nmatch all action "keep"\n'
        if False
        else f'account "shop" imap server "127.0.0.1" port {port} user "seller" pass "{PASSWORD}" folder "INBOX" keep\n'
        f'set maximum-size 100M\ncache "{home}/fdm.cache"\naction "maildir" maildir "{home}/fdm"\n'
        'match unseen action "maildir"\n',
        encoding="utf-8",
    )
    (home / "getmail").mkdir(mode=0o700)
    (home / "getmail" / "getmailrc").write_text(
        f"[retriever]\ntype = SimpleIMAPRetriever\nserver = 127.0.0.1\nport = {port}\nusername = seller\npassword = {PASSWORD}\n"
        f'mailboxes = ("INBOX",)\n[destination]\ntype = Maildir\npath = {home}/got/\n[options]\nread_all = false\ndelete = false\nverbose = 0\n',
        encoding="utf-8",
    )
    for part in ("cur", "new", "tmp"):
        (home / "got" / part).mkdir(parents=True)
    peers = {
        "mbsync": ["-q", "-c", str(home / "mbsyncrc"), "shop"],
        "imapfilter": ["-c", str(home / "imapfilter.lua")],
        "fdm": ["-q", "-f", str(home / "fdm.conf"), "fetch"],
        "getmail": ["--quiet", f"--getmaildir={home}/getmail"],
    }
    found |= {name: [path, *words] for name, words in peers.items() if (path := shutil.which(name))}
    return found


def spent(command: Sequence[str], env: Mapping[str, str]) -> tuple[float, float]:
    """Run a command; return the seconds it took, and the seconds of processor time of it and its children."""
    began, before = os.times().elapsed, os.times()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr[-500:]}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return after.elapsed - began, used


def measured(port: int, folder: Path, label: str, rounds: int) -> dict[str, tuple[list[float], list[float]]]:
    """Return the wall times and the processor times of every client, round by round."""
    commands = ticks(folder, port, label)
    env = {**os.environ, "HOME": str(folder / label), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in commands}
    for turn in range(rounds + 3):
        for name, command in commands.items():
            wall, used = spent(command, env)
            if turn > 2:  # why: the first ones take the mail in, and write down what they know
                times[name][0].append(wall)
                times[name][1].append(used)
    return times


def loading(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return the processor times of having the shipped rules, each in a process of its own: kept, and parsed."""
    work = {"kept": KEPT, "parsed": PARSED}
    times: dict[str, list[float]] = {name: [] for name in work}

    def run(text: str) -> float:
        command = [sys.executable, "-c", LOADING.format(root=str(ROOT), work=text), str(folder / "cache")]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    subprocess.run(
        [sys.executable, "-c", LOADING.format(root=str(ROOT), work=FIRST), str(folder / "cache")],
        check=True,
        capture_output=True,
    )
    for _ in range(rounds):
        for name, text in work.items():
            times[name].append(run(text))
    return times


def rows(rounds: int = 7) -> Iterator[tuple[str, str, list[float]]]:
    """Yield (figure, who, seconds): P1 wall with a round trip of 40 ms more, P2 and P9 processor time."""
    server = Dovecot(password=PASSWORD) if False else _server()
    with tempfile.TemporaryDirectory(prefix="tick-") as name:
        folder = Path(name)
        try:
            with delayed(server.port, ROUND_TRIP) as far:
                for who, (wall, _) in measured(far, folder, "far", rounds).items():
                    yield "P1", who, wall
            for who, (_, used) in measured(server.port, folder, "near", rounds).items():
                yield "P2", who, used
            for who, used in loading(folder, rounds).items():
                yield "P9", who, used
        finally:
            server.stop()


def _server() -> Dovecot:
    server = Dovecot(PASSWORD)
    moment = datetime(2024, 3, 11, 8, tzinfo=UTC)
    for number in range(MESSAGES):
        server.add(
            f"From: a@shop.example\r\nSubject: {number}\r\nMessage-ID: <{number}@shop.example>\r\n\r\nhello\r\n".encode(),
            moment,
        )
    return server
