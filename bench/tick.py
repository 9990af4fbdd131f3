"""P1, P2, P9: a cron tick that finds nothing new, and having the shipped rules at the start.

In: whether it is to be quick. Out: figures. A real Dovecot on loopback; the peers as Debian installs them.
May not live here: the delay (delay.py), the server (server.py).

Every client does the same: log in, see whether INBOX has anything new, leave. Each round starts each of them once, so that
what else the machine does falls on all alike. P1 is wall time through a line of 40 ms, P2 and P9 are processor time.
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
from statistics import median

from bench.delay import delayed
from bench.server import PASSWORD, dovecot
from bench.table import Figure

ROOT = Path(__file__).resolve().parent.parent
FASTEST, SCRIPT, OURS = (
    "the fastest of mbsync, imapfilter, fdm, getmail",
    "a minimal IMAPClient script",
    "mailrules poll",
)
USER = "bench"
INSTALL = {"mbsync": "isync", "imapfilter": "imapfilter", "fdm": "fdm", "getmail": "getmail6"}
"""The peers, and the packages of Debian that they come in."""
WARMING = 3
"""Rounds that are not counted: the first ones take the mail in and write down what is known then."""
MINIMAL = """\
import sys
from imapclient import IMAPClient
client = IMAPClient("127.0.0.1", port=int(sys.argv[1]), ssl=False)
client.login(sys.argv[2], sys.argv[3])
client.select_folder("INBOX", readonly=True)
client.search(["UID", "100000:*"])
client.logout()
"""
SETTING = """\
timezone = "UTC"
rules = ["starter.rules"]
store = "store.db"

[accounts.shop]
host = "127.0.0.1"
port = {port}
tls = "none"
user = "{user}"
password = {{ file = "password" }}

[people]
owner = "owner@shop.example"
"""
MBSYNC = """\
IMAPAccount shop
Host 127.0.0.1
Port {port}
User {user}
Pass {password}
SSLType None
AuthMechs LOGIN

IMAPStore far
Account shop

MaildirStore near
Path {home}/near/
Inbox {home}/near/INBOX

Channel shop
Far :far:INBOX
Near :near:INBOX
Create Near
Sync Pull
SyncState *
"""
IMAPFILTER = """\
account = IMAP {{ server = "127.0.0.1", port = {port}, username = "{user}", password = "{password}" }}
account.INBOX:is_newer(0)
"""
FDM = """\
account "shop" imap server "127.0.0.1" port {port} user "{user}" pass "{password}" folder "INBOX" new-only no-cram-md5 insecure keep
action "keep" maildir "{home}/got"
match all action "keep"
"""
GETMAIL = """\
[retriever]
type = SimpleIMAPRetriever
server = 127.0.0.1
port = {port}
username = {user}
password = {password}
mailboxes = ("INBOX",)

[destination]
type = MDA_external
path = /bin/true
allow_root_commands = true

[options]
read_all = false
delete = false
verbose = 0
"""
LOADING = """\
import sys, time
from pathlib import Path
from mailrules.shipped import grammar_text, shipped_rules
began = time.process_time()
{work}
print(time.process_time() - began)
"""
PARSED = """\
from mailrules.ruleset import load
rules = load(shipped_rules(), grammar_text())"""
KEPT = """\
from mailrules.spine.kept import Kept, key_of
files, kept = shipped_rules(), Kept(Path(sys.argv[1]))
rules = kept.find(key_of(files, grammar_text(), None, {}), files)
assert rules is not None"""
FIRST = f"""{PARSED}
from mailrules.spine.kept import Kept, key_of
Kept(Path(sys.argv[1])).keep(key_of(shipped_rules(), grammar_text(), None, {{}}), rules)"""


def clients(home: Path, port: int, user: str) -> dict[str, list[str]]:
    """Return how each client is started, its files written; a peer that is not installed is left out."""
    (home / "getmail").mkdir(mode=0o700, parents=True)
    for part in ("near", "got/cur", "got/new", "got/tmp"):
        (home / part).mkdir(parents=True)
    starter = (ROOT / "rules" / "starter.rules").read_text(encoding="utf-8")
    texts = {
        "password": PASSWORD, "starter.rules": starter, "minimal.py": MINIMAL, "mailrules.toml": SETTING, "mbsyncrc": MBSYNC,
        "imapfilter.lua": IMAPFILTER, "fdm.conf": FDM, "getmail/getmailrc": GETMAIL,
    }  # fmt: skip
    for name, text in texts.items():
        filled = text.format(port=port, user=user, password=PASSWORD, home=home) if "{port}" in text else text
        (home / name).write_text(filled, encoding="utf-8")
        (home / name).chmod(0o600)
    found = {
        OURS: [sys.executable, "-m", "mailrules", "poll", "--config", str(home / "mailrules.toml")],
        SCRIPT: [sys.executable, str(home / "minimal.py"), str(port), user, PASSWORD],
    }
    peers = {
        "mbsync": ["-q", "-c", f"{home}/mbsyncrc", "shop"],
        "imapfilter": ["-c", f"{home}/imapfilter.lua"],
        "fdm": ["-q", "-f", f"{home}/fdm.conf", "fetch"],
        "getmail": ["--quiet", f"--getmaildir={home}/getmail"],
    }
    return found | {name: [path, *words] for name, words in peers.items() if (path := shutil.which(name))}


def spent(command: Sequence[str], env: Mapping[str, str]) -> tuple[float, float]:
    """Run a command; return the seconds it took, and its seconds of processor time."""
    before = os.times()
    done = subprocess.run(command, env=env, cwd=env["HOME"], capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {(done.stderr or done.stdout)[-500:]}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return after.elapsed - before.elapsed, used


def ticks(home: Path, port: int, user: str, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return (wall, processor) seconds of each client, round by round."""
    commands = clients(home, port, user)
    env = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # why: an installed program is compiled once
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for turn in range(rounds + WARMING):
        for name, command in commands.items():
            one = spent(command, env)
            if turn >= WARMING:
                times[name].append(one)
    return times


def loading(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return processor seconds until the shipped rules are there, each time in a process of its own."""

    def run(work: str) -> float:
        command = [sys.executable, "-c", LOADING.format(work=work), str(folder / "kept")]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        return float(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)

    run(FIRST)
    times: dict[str, list[float]] = {"kept": [], "parsed": []}
    for _ in range(rounds):
        times["kept"].append(run(KEPT))
        times["parsed"].append(run(PARSED))
    return times


def rows(rounds: int = 9) -> Iterator[tuple[str, str, list[float]]]:
    """Yield (figure, who, seconds)."""
    with tempfile.TemporaryDirectory(prefix="tick-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with dovecot({USER: _mailbox(folder)}) as port:
            with delayed(port) as far:
                for who, times in ticks(folder / "far", far, USER, rounds).items():
                    yield "P1", who, [wall for wall, _ in times]
            for who, times in ticks(folder / "near", port, USER, rounds).items():
                yield "P2", who, [used for _, used in times]
        for who, values in loading(folder, rounds).items():
            yield "P9", who, values


def _mailbox(folder: Path, messages: int = 20) -> Path:
    """Write a Maildir; return it."""
    box = folder / "mail"
    for part in ("cur", "new", "tmp"):
        (box / part).mkdir(parents=True)
    moment = datetime(2024, 3, 11, 8, tzinfo=UTC).timestamp()
    for number in range(messages):
        path = box / "cur" / f"{int(moment)}.{number}.bench:2,S"
        path.write_text(f"From: a@shop.example\nSubject: {number}\nMessage-ID: <{number}@shop.example>\n\nhello\n")
        os.utime(path, (moment, moment))
    return box


def figures(*, quick: bool = False, only: frozenset[str] = frozenset()) -> Iterator[Figure]:
    """Yield P1, P2 and P9; `only` leaves out what is not asked for."""
    found: dict[tuple[str, str], list[float]] = {}
    for number, who, values in rows(2 if quick else 9):
        found[number, who] = values
    ours = {number: found[number, OURS] for number in ("P1", "P2")}
    peers = {who: values for (number, who), values in found.items() if number == "P1" and who not in (OURS, SCRIPT)}
    best = min(peers, key=lambda who: median(peers[who]), default="")
    work = "cron tick, nothing new, 40 ms round trip (wall)"
    every = (
        Figure(
            number="P1", work=work, ours=ours["P1"], against=f"{best or FASTEST}", theirs=peers.get(best, ()), goal=1.0,
            missing="" if best else _install(*INSTALL),
        ),
        *(
            Figure(number="P1", work=work, ours=ours["P1"], against=who, theirs=peers.get(who, ()), missing="" if who in peers else _install(who))
            for who in INSTALL if who != best
        ),
        Figure(number="P1", work=work, ours=ours["P1"], against=SCRIPT, theirs=found["P1", SCRIPT], goal=0.75),
        Figure(
            number="P2", work="cron tick, nothing new, loopback (CPU)", ours=ours["P2"], against=SCRIPT,
            theirs=found["P2", SCRIPT], goal=1.3,
        ),
        Figure(
            number="P9", work="the shipped rules at start, unchanged (CPU)", ours=found["P9", "kept"],
            against="import lark, build the grammar, parse them", theirs=found["P9", "parsed"], goal=0.05,
        ),
    )  # fmt: skip
    yield from (figure for figure in every if not only or figure.number in only)


def _install(*peers: str) -> str:
    return f"sudo apt-get install {' '.join(INSTALL[peer] for peer in peers)}"


if __name__ == "__main__":
    for name, who, values in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 9):
        times = " ".join(f"{1000 * value:.0f}" for value in (min(values), median(values), max(values)))
        print(f"{name}  {who:30}  {times}  ms (min median max)")
