"""Faults of the world around a poll: the mailbox, rules, configuration, clock, environment, scripts.

In: a Trial and a point. Out: what the fault left. May not live here: the process, the disk, the network, bad mail.
"""

from __future__ import annotations

import dataclasses
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from tests.servers import dovecot_available
from tests.torture.bench import POLL_SECONDS, ROOT, Trial
from tests.torture.checker import Ended
from tests.torture.fault import Fault, Point
from tests.torture.scenario import Mail, notice
from tests.torture.servers import Order, has


def no_dovecot() -> str:
    return "" if dovecot_available() else "needs Dovecot, which is not installed"


def now_of(trial: Trial) -> datetime:
    return datetime.combine(trial.world.today, datetime.min.time(), UTC)


def looked_anew(trial: Trial) -> None:
    """The mailbox was changed by us: from here on it must stay as it is."""
    trial.before = trial.bench.mailbox.snapshot()


# --- the mailbox ------------------------------------------------------------------------------------------------------


def ordinary_of(trial: Trial) -> list[Mail]:
    return [mail for mail in trial.world.mails if mail[0] not in trial.world.notices]


def renumber(trial: Trial, point: Point) -> None:
    for step in point[0]:
        if step == "poll":
            trial.poll()
        else:
            trial.bench.mailbox.renumber()
    looked_anew(trial)


def shuffle(trial: Trial, point: Point) -> None:
    """Mails are deleted, moved away and back, delivered again, between polls."""
    what, n = point
    box = trial.bench.mailbox
    chance = random.Random(n)
    trial.poll()
    chosen = chance.sample(list(trial.world.mails), 5)
    for content, moment in chosen:
        if what in ("again", "all again"):
            box.add((content, moment))
        elif what == "moved":
            box.remove(content)
            trial.poll()
            box.add((content, moment))
        elif what == "deleted":
            box.remove(content)
    looked_anew(trial)
    trial.poll()
    if what == "deleted":
        for mail in chosen:
            box.add(mail)
        looked_anew(trial)


def vanish(trial: Trial, point: Point) -> None:
    """A mail is deleted between SEARCH and FETCH, or between the header fields and the text."""
    content = ordinary_of(trial)[point[1]][0]
    left = [point[0]]

    def lie(command: bytes, _: bytes, answer: bytes) -> bytes:
        if command.startswith((b"UID SEARCH", b"UID FETCH")):
            left[0] -= 1
            if left[0] == 0:
                trial.bench.mailbox.remove(content)
        return answer

    trial.bench.imap.order = Order(lie=lie)
    trial.poll()
    trial.settled((7200, 26 * 3600, 30 * 3600), every=True)
    looked_anew(trial)


def arriving(trial: Trial, point: Point) -> None:
    """Mails arrive one after another while polls go on."""
    box = trial.bench.mailbox
    mails = list(trial.world.mails)
    random.Random(point[0]).shuffle(mails)
    for content, _ in mails:
        box.remove(content)
    for start in range(0, len(mails), 9):
        running = trial.start(ahead=60 * start)
        for mail in mails[start : start + 9]:
            box.add(mail)
            time.sleep(0.02)
        trial.end(running)
    looked_anew(trial)


def replayed(trial: Trial, point: Point) -> None:
    """A forged mail with the genuine notice's Message-ID comes first; or a genuine one comes again, later."""
    what, days = point
    box, chosen = trial.bench.mailbox, trial.world.cases[0]
    genuine = [mail for mail in trial.world.mails if mail[0] in trial.world.notices]
    if what == "again":
        trial.poll()
        content, moment = genuine[0]
        box.add((content, moment + timedelta(days=days)))
        box.add((content.replace(b"Message-ID: <", b"Message-ID: <again-"), moment + timedelta(days=days)))
    else:
        for content, _ in genuine:
            box.remove(content)
        fake, moment = notice(dataclasses.replace(chosen, proven=False), "plain", 30)
        box.add((fake.replace(b"seller-notification@amazon.com", b"someone@evil.example"), moment))
        trial.poll()
        for mail in genuine:
            box.add(mail)
    looked_anew(trial)


RETURNED: Mapping[str, Callable[[bytes], bytes]] = {
    "as it was": lambda mail: mail,
    "over 51 servers": lambda mail: b"Received: by mx.shop.example\r\n" * 51 + mail,
    "as a bounce": lambda mail: (
        b"From: MAILER-DAEMON@mx.shop.example\r\nAuto-Submitted: auto-replied\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        b"Status: 5.1.1\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + mail + b"\r\n--b--\r\n"
    ),
    "as an answer": lambda mail: (
        b"From: owner@shop.example\r\nSubject: Re: your mail\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: message/rfc822\r\n\r\n" + mail
    ),
    "without our mark": lambda mail: re.sub(
        rb"(?im)^(?:X-Mailrules|Auto-Submitted)[^\n]*\n(?:[ \t][^\n]*\n)*", b"", mail
    ),
}
"""How our own mail comes back: what each does to it. Another installation's mail is as ours."""


def looped(trial: Trial, point: Point) -> None:
    """All that we sent comes back into the mailbox, again and again."""
    change = RETURNED[point[0]]
    trial.poll()
    for _round in range(2):
        for sent in list(trial.bench.sink.sent):
            trial.bench.mailbox.add((change(sent.content), now_of(trial)))
        looked_anew(trial)
        trial.poll()


# --- rules, configuration, clock, environment -------------------------------------------------------------------------

BROKEN_RULES = (
    "rule", 'rule "renew" {\n  on nothing_known\n', "\x00\xff", "{{{{" * 1000,
    'rule "x" {\n  on authorization_expiring\n  run "nobody"\n}\n',
    'rule "x" {\n  on authorization_expiring\n  run "renew"\n}\n', "(((((" * 3000,
)  # fmt: skip


def broken_rules(trial: Trial, point: Point) -> None:
    n, when = point
    rules = trial.folder / "my.rules"
    good = rules.read_text(encoding="utf-8")
    if when == "after":
        trial.poll()
    rules.write_text(BROKEN_RULES[n], encoding="utf-8")
    trial.codes |= {78}
    ended = trial.poll()
    trial.expect(ended, 78)
    if when == "gone":
        rules.unlink()
        trial.poll()
    rules.write_text(good, encoding="utf-8")


CHANGES: Mapping[str, tuple[str, str, str]] = {
    "unknown key": ("mailrules.toml", "[smtp]", "[smtp]\ncolour = 1"),
    "no TOML": ("mailrules.toml", "[accounts.shop]", "[accounts.shop"),
    "wrong password": ("password", "p", "q"),
    "wrong user": ("mailrules.toml", '"seller"', '"nobody"'),
    "no smtp server": ("mailrules.toml", '[smtp]\nhost = "127.0.0.1"', '[smtp]\nhost = "nowhere.invalid"'),
    "no imap server": (
        "mailrules.toml",
        '[accounts.shop]\nhost = "127.0.0.1"',
        '[accounts.shop]\nhost = "nowhere.invalid"\n#',
    ),
    "no mailbox": ("mailrules.toml", 'fetch = "all"', 'fetch = "all"\nmailboxes = ["Nowhere"]'),
    "candidates only": ("mailrules.toml", 'fetch = "all"', 'fetch = "candidates"'),
    "other zone": ("mailrules.toml", 'timezone = "UTC"', 'timezone = "Pacific/Kiritimati"'),
    "no script": ("mailrules.toml", "[scripts.renew]", "[scripts.other]"),
    "no such zone": ("mailrules.toml", 'timezone = "UTC"', 'timezone = "Mars/Base"'),
    "tiny cap": ("mailrules.toml", 'rules = ["my.rules"]', 'rules = ["my.rules"]\nmax_message_mb = 1'),
}


def changed_config(trial: Trial, point: Point) -> None:
    """The configuration is wrong for one or two polls, before anything was done, or afterwards; then it is right again."""
    name, when = point
    file, old, new = CHANGES[name]
    path = trial.folder / file
    good = path.read_text(encoding="utf-8")
    assert old in good
    if when == "after":
        trial.poll()
    path.write_text(good.replace(old, new, 1), encoding="utf-8")
    trial.codes |= {77, 78}
    trial.allow["may_fail"] = name == "no script"  # why: the last good rules name it; a person is told
    trial.poll()
    trial.poll(60)
    path.write_text(good, encoding="utf-8")


def clocks(trial: Trial, point: Point) -> None:
    for hours in point[0]:
        trial.poll(hours * 3600)


def real(trial: Trial, command: list[str], environment: Mapping[str, str], closed: tuple[int, ...] = ()) -> Ended:
    """Run the command in a process of its own, from its very start."""
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **environment}
    words = [*command, sys.executable, "-P", "-m", "mailrules", "poll", "--config", str(trial.config)]

    def close() -> None:
        for number in closed:
            os.close(number)

    began = time.monotonic()
    done = subprocess.run(
        words, cwd=trial.folder, env=kept, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=2 * POLL_SECONDS,
        preexec_fn=close if closed else None,
    )  # fmt: skip
    out, err = (text.decode("utf-8", "surrogateescape") for text in (done.stdout, done.stderr))
    ended = Ended(done.returncode, out, err, time.monotonic() - began, POLL_SECONDS)
    trial.ends.append(ended)
    return ended


def no_faketime() -> str:
    return "" if has("faketime") else "faketime is not installed"


def faked(trial: Trial, point: Point) -> None:
    zone, moments = point
    for moment in moments:
        real(trial, ["faketime", "-f", moment], {"TZ": zone, "HOME": str(trial.folder)})


ENVIRONMENTS: tuple[tuple[str, dict[str, str], tuple[int, ...], list[str]], ...] = (
    ("no home", {}, (), []),
    ("LANG=C", {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}, (), []),
    ("odd LANG", {"LANG": "xx_YY.nonsense", "LC_ALL": "xx"}, (), []),
    ("no such TZ", {"TZ": "Mars/Base"}, (), []),
    ("far TZ", {"TZ": "Pacific/Kiritimati"}, (), []),
    ("TERM and columns", {"TERM": "dumb", "COLUMNS": "1", "NO_COLOR": "1"}, (), []),
    ("stdin closed", {}, (0,), []),
    ("stdout closed", {}, (1,), []),
    ("stderr closed", {}, (2,), []),
    ("all closed", {}, (0, 1, 2), []),
    ("umask 0", {}, (), ["sh", "-c", 'umask 0; exec "$@"', "sh"]),
    ("umask 777", {"TMPDIR": "/tmp"}, (), ["sh", "-c", 'umask 077; exec "$@"', "sh"]),
    ("no TMPDIR", {"TMPDIR": "/nowhere"}, (), []),
    ("low memory", {}, (), ["sh", "-c", 'ulimit -v 700000; exec "$@"', "sh"]),
    ("few files", {}, (), ["sh", "-c", 'ulimit -n 24; exec "$@"', "sh"]),
    ("nice", {}, (), ["nice", "-n", "19"]),
)


def strange(trial: Trial, point: Point) -> None:
    _, environment, closed, command = ENVIRONMENTS[point[0]]
    trial.expect(real(trial, command, environment, closed), 0)


# --- scripts ------------------------------------------------------------------------------------------------------------

LOG = 'printf "%s %s\\n" "$2" "$3" >> "$1"\n'
SCRIPTS: Mapping[str, tuple[str, bool]] = {
    "exit 0": ("exit 0\n", True),
    "exit 10": ("exit 10\n", True),
    "exit 1": ("exit 1\n", False),
    "exit 75": ("exit 75\n", False),
    "exit 77": ("exit 77\n", False),
    "exit 255": ("exit 255\n", False),
    "kills itself": ("kill -9 $$\n", False),
    "segfault": ("kill -SEGV $$\n", False),
    "hangs": ("sleep 60\n", False),
    "ignores TERM": ("trap '' TERM\nwhile :; do sleep 1; done\n", False),
    "daemon": ('setsid sh -c "sleep 60; : $0 $1" >/dev/null 2>&1 &\nexit 0\n', True),
    "daemon of a daemon": ("setsid sh -c \"setsid sh -c 'sleep 60; : $1' & exit 0\" & \nexit 0\n", True),
    "many children": ('for n in $(seq 100); do sh -c "sleep 60; : $1" & done\nexit 0\n', True),
    "controls of a terminal": ("printf '\\033[2J\\033]0;x\\007\\r\\b'\nexit 0\n", True),
    # why no pipe: a shell that is still laying one has its ends open
    "descriptors of ours": (
        'for fd in /proc/$$/fd/*; do\n[ -L "$fd" ] || continue\ncase ${fd##*/} in [0-2]|10|255) ;; *) exit 1 ;; esac\ndone\nexit 0\n',
        True,
    ),
    "a file without end": ('trap "" XFSZ\nhead -c 1100000000 /dev/zero > "$1.big"\nrm -f "$1.big"\nexit 0\n', True),
    "keeps our pipe": ('sh -c "sleep 60; : $1" &\nexit 0\n', True),
    "closes its output": ("exec >&- 2>&-\nexit 0\n", True),
    "binary": ("head -c 100000 /dev/urandom\nexit 0\n", True),
    "a flood": ("head -c 60000000 /dev/zero\nexit 0\n", False),
    "reads nothing": ("exec <&-\nexit 0\n", True),
    "deletes its folder": ('rm -rf "$PWD"\nexit 0\n', True),
    "kills its parent": ("kill -9 $PPID\nsleep 0.2\n", False),
}


def scripts(trial: Trial, point: Point) -> None:
    tail, _ = SCRIPTS[point[0]]
    (trial.folder / "renew.sh").write_text("#!/bin/sh\n" + LOG + tail, encoding="utf-8")
    toml = trial.config.read_text(encoding="utf-8")
    if not SCRIPTS[point[0]][1]:
        trial.config.write_text(toml.replace('timeout = "20s"', 'timeout = "2s"'), encoding="utf-8")
    trial.allow["may_fail"] = not SCRIPTS[point[0]][1]
    if point[0] == "kills its parent":
        ended = trial.end(trial.start(), 90, count=False)
        if ended.code == -9:
            trial.crashed()
        trial.codes |= {-9}
    else:
        trial.poll(limit=90)


def script_gone(trial: Trial, point: Point) -> None:
    """The script cannot be started safely: failed, told, and never run."""
    path = trial.folder / "renew.sh"
    match point[0]:
        case "missing":
            path.unlink()
        case "not executable":
            path.chmod(0o644)
        case "world-writable":
            path.chmod(0o777)
        case "writable folder":
            trial.folder.chmod(0o777)
        case "folder":
            path.unlink()
            path.mkdir()
        case "no program":
            path.write_bytes(b"\x7fELF nonsense")
        case "no interpreter":
            path.write_text("#!/nowhere/sh\n" + LOG, encoding="utf-8")
        case "link to what others may write":
            path.unlink()
            (trial.folder / "open").mkdir(mode=0o777)
            (trial.folder / "open").chmod(0o777)
            (trial.folder / "open" / "renew.sh").write_text("#!/bin/sh\n" + LOG, encoding="utf-8")
            (trial.folder / "open" / "renew.sh").chmod(0o755)
            path.symlink_to(trial.folder / "open" / "renew.sh")
        case "somebody else's":
            os.chown(path, 65534, 65534)
    trial.allow["may_fail"] = True
    trial.codes |= {77} if point[0] == "writable folder" else set()  # the password is not taken from there, either
    trial.poll()
    trial.folder.chmod(0o755)
    if (
        point[0] in ("world-writable", "writable folder", "somebody else's", "link to what others may write")
        and trial.log()
    ):
        trial.broken.append(f"I2 unasked: a script that others may change was run: {point[0]}")


FAULTS = (
    Fault(name="renumbered", row="F15", world="house", inject=renumber, changes_mailbox=True,
          points=lambda _: [(("poll", "new"),), (("new", "poll"),), (("poll", "new", "poll", "new"),), (("poll", "new", "new", "poll"),)]),
    Fault(name="copies", row="F18", world="house", inject=shuffle, changes_mailbox=True, missing=no_dovecot,
          points=lambda _: [(what, n) for what in ("again", "moved", "deleted") for n in range(10)]),
    Fault(name="vanish", row="F17", world="house", inject=vanish, changes_mailbox=True, recover=False, missing=no_dovecot,
          points=lambda _: [(when, n) for when in (1, 2, 3, 4) for n in range(6)]),
    Fault(name="arriving", row="F17", world="house", inject=arriving, changes_mailbox=True, missing=no_dovecot,
          points=lambda _: [(n,) for n in range(20)]),
    Fault(name="replay", row="F19", world="house", inject=replayed, changes_mailbox=True, missing=no_dovecot,
          points=lambda _: [("again", n) for n in (0, 1, 20)] + [("forged first", 0)]),
    Fault(name="loop", row="B18", world="house", inject=looped, changes_mailbox=True, points=lambda _: [(how,) for how in RETURNED]),
    Fault(name="rules", row="F26", world="small", inject=broken_rules,
          points=lambda _: [(n, when) for n in range(len(BROKEN_RULES)) for when in ("before", "after", "gone")]),
    Fault(name="config", row="F14+F26", world="small", inject=changed_config,
          points=lambda _: [(name, when) for name in CHANGES for when in ("before", "after")]),
    Fault(name="clock", row="F27", world="house", inject=clocks,
          points=lambda _: [((0, 1),), ((0, -1),), ((0, -24),), ((0, -48, 0),), ((24, 0, 24),), ((0, 24, 48, 0),), ((0, 72, -24, 96),)]),
    Fault(name="faketime", row="F27", world="small", inject=faked, missing=no_faketime,
          points=lambda _: [(zone, moments) for zone in ("UTC", "America/New_York", "Pacific/Kiritimati")
                            for moments in (("-1h", "+0"), ("+1d", "-1d"), ("-1d", "+0"))]),
    Fault(name="environment", row="F32", world="small", points=lambda _: [(n,) for n in range(len(ENVIRONMENTS))], inject=strange),
    Fault(name="script", row="F24", world="small", points=lambda _: [(name,) for name in SCRIPTS], inject=scripts),
    Fault(name="no-script", row="F24", world="small", inject=script_gone,
          points=lambda _: [(w,) for w in ("missing", "not executable", "world-writable", "writable folder", "folder",
                                           "no program", "no interpreter", "somebody else's", "link to what others may write")]),
)  # fmt: skip
