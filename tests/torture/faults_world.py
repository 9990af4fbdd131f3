"""Faults of the world around a poll: the mailbox, rules, configuration, clock, environment, scripts, and bad mail.

In: a Trial and a point. Out: what the fault left. May not live here: the process, the disk, the network.
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
from tests.torture.bench import ROOT, Trial
from tests.torture.checker import Ended
from tests.torture.fault import Fault, Point
from tests.torture.faults_process import assert_code
from tests.torture.scenario import Case, Mail, lookalike, notice
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


def looped(trial: Trial, _: Point) -> None:
    """All that we sent comes back into the mailbox."""
    trial.poll()
    for _round in range(2):
        for sent in list(trial.bench.sink.sent):
            trial.bench.mailbox.add((sent.content, now_of(trial)))
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
    assert_code(trial, ended, 78)
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
        words, cwd=trial.folder, env=kept, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120,
        preexec_fn=close if closed else None,
    )  # fmt: skip
    out, err = (text.decode("utf-8", "surrogateescape") for text in (done.stdout, done.stderr))
    ended = Ended(done.returncode, out, err, time.monotonic() - began)
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
    assert_code(trial, real(trial, command, environment, closed), 0)


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
        case "somebody else's":
            os.chown(path, 65534, 65534)
    trial.allow["may_fail"] = True
    trial.codes |= {77} if point[0] == "writable folder" else set()  # the password is not taken from there, either
    trial.poll()
    trial.folder.chmod(0o755)
    if point[0] in ("world-writable", "writable folder", "somebody else's") and trial.log():
        assert_code(trial, trial.ends[-1])


# --- bad mail -------------------------------------------------------------------------------------------------------------


def bad_mails(trial: Trial, mails: list[bytes]) -> None:
    """Put bad mail among the good; what is sound must come through, and nothing may be invented from what is not."""
    for content in mails:
        # why: Dovecot gives a line end alone as two bytes, and a NUL as another byte
        trial.bench.mailbox.add((re.sub(rb"\r\n|\r|\n", b"\r\n", content.replace(b"\0", b"?")), now_of(trial)))
    looked_anew(trial)
    trial.allow["loose"] = True
    trial.poll(limit=120)


def cut_mails(trial: Trial, point: Point) -> None:
    chosen = trial.world.notices[point[0] % len(trial.world.notices)]
    step = max(1, len(chosen) // 40)
    start = point[1] % step
    bad_mails(trial, [chosen[:n] for n in range(start, len(chosen), step)])


def mutated(trial: Trial, point: Point) -> None:
    """Bytes of mails are flipped, doubled, dropped, exchanged; never a digit for a digit, which would be another date."""
    chance = random.Random(point[0])
    made = []
    for _ in range(30):
        content = bytearray(chance.choice(trial.world.mails)[0])
        for _ in range(chance.choice((1, 3, 20))):
            at = chance.randrange(len(content))
            match chance.randrange(4):
                case 0:
                    content[at] = chance.choice(b"\r\n\t =<>\"'():;,\\@?_-.\x80\xff\x1b")
                case 1:
                    del content[at : at + chance.choice((1, 5, 50))]
                case 2:
                    content[at:at] = content[at : at + chance.choice((5, 50, 500))]
                case _:
                    content[at:at] = bytes(chance.choices(b'\r\n;"(<=\xe2\x80\xae', k=chance.choice((1, 10, 1000))))
        made.append(bytes(content))
    bad_mails(trial, [m for m in made if m])


def deep(levels: int) -> bytes:
    opened = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(levels))
    return b"From: a@b.example\r\nSubject: deep\r\n" + opened + b"\r\nx\r\n"


HEAD = b"From: a@b.example\r\nSubject: costly\r\n"
COSTLY: Mapping[str, Callable[[], bytes]] = {
    "semicolons": lambda: HEAD + b"Content-Type: text/plain" + b";" * 80_000 + b"\r\n\r\nx",
    "dots in From": lambda: b"From: " + b"." * 80_000 + b"\r\nSubject: x\r\n\r\nx",
    "brackets in From": lambda: b"From: " + b"(" * 50_000 + b"\r\nSubject: x\r\n\r\nx",
    "many addresses": lambda: b"From: a@b.example\r\nTo: " + b"a@b.example, " * 50_000 + b"\r\n\r\nx",
    "many header fields": lambda: HEAD + b"X-Y: z\r\n" * 100_000 + b"\r\nx",
    "one huge field": lambda: HEAD + b"X-Y: " + b"z" * 3_000_000 + b"\r\n\r\nx",
    "many parts": lambda: (
        HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\n\r\n" * 100_000 + b"--b--\r\n"
    ),
    "deep": lambda: deep(5000),
    "nested mails": lambda: HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 5000 + b"\r\nx",
    "RFC 2231": lambda: (
        HEAD + b"Content-Type: text/plain" + b"".join(b";\r\n a*%d=x" % n for n in range(20_000)) + b"\r\n\r\nx"
    ),
    "RFC 2047": lambda: b"From: a@b.example\r\nSubject: " + b"=?utf-8?q?=41?= " * 30_000 + b"\r\n\r\nx",
    "tags": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 200_000,
    "tables": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"<table><tr><td>" * 30_000 + b"x",
    "entities": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"&lt;&#x41;" * 300_000,
    "one long line": lambda: HEAD + b"\r\n" + b"Developer ID: " * 300_000,
    "many dates": lambda: HEAD + b"\r\n" + b"expire on 2024-04-10\r\n" * 100_000,
    "base64": lambda: HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUJD\r\n" * 500_000,
    "24 MB": lambda: HEAD + b"\r\n" + b"x" * 70 + (b"\r\n" + b"x" * 70) * 333_000,
    "27 MB": lambda: HEAD + b"\r\n" + b"x" * 70 + (b"\r\n" + b"x" * 70) * 375_000,
}


def costly(trial: Trial, point: Point) -> None:
    trial.allow["may_pend"] = True
    bad_mails(trial, [COSTLY[point[0]]()])


def tricks(trial: Trial, point: Point) -> None:
    """Notices of somebody else: only a marked task may come of them, never a mail outside, never a script."""
    n, how = point
    trap = Case(f"Trap Maker {n}", f"9998887776{n:02d}", trial.world.today + timedelta(days=25), proven=False)
    content, moment = notice(trap, "plain", 25)
    sender = b"From: Amazon Seller Central <seller-notification@amazon.com>"
    made = {
        "look-alike": lambda: content.replace(b"@amazon.com", b"@arnazon.com"),
        "stamped look-alike": lambda: (
            b"Authentication-Results: mx.shop.example; dmarc=pass header.from=arnazon.com\r\n"
            + content.replace(b"@amazon.com", b"@arnazon.com")
        ),
        "two From": lambda: content.replace(sender, sender + b"\r\nFrom: x@evil.example"),
        "two addresses": lambda: content.replace(b"<seller", b"<x@evil.example>, <seller"),
        "foreign stamp": lambda: (
            b"Authentication-Results: mx.evil.example; dmarc=pass header.from=amazon.com\r\n" + content
        ),
        "stamp below": lambda: (
            b"Authentication-Results: mx.shop.example; dmarc=fail header.from=amazon.com\r\n"
            b"Authentication-Results: mx.shop.example; dmarc=pass header.from=amazon.com\r\n" + content
        ),
        "in a comment": lambda: (
            b"Authentication-Results: mx.shop.example; dmarc=fail (dmarc=pass) header.from=amazon.com\r\n" + content
        ),
        "other domain": lambda: (
            b"Authentication-Results: mx.shop.example; dmarc=pass header.from=evil.example\r\n" + content
        ),
        "display name": lambda: content.replace(sender, b'From: "seller-notification@amazon.com" <x@evil.example>'),
        "unknown developer": lambda: (
            b"Authentication-Results: mx.shop.example; dmarc=pass header.from=amazon.com\r\n" + content
        ),
        "lookalike domain": lambda: lookalike(trial.world.today)[0],
    }[how]()
    bad_mails(trial, [made])
    del moment


TRICKS = (
    "look-alike", "stamped look-alike", "two From", "two addresses", "foreign stamp", "stamp below", "in a comment", "other domain",
    "display name", "unknown developer", "lookalike domain",
)  # fmt: skip

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
    Fault(name="loop", row="B18", world="house", inject=looped, changes_mailbox=True, points=lambda _: [(0,)]),
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
                                           "no program", "no interpreter", "somebody else's")]),
    Fault(name="cut-mail", row="B03", world="house", inject=cut_mails, changes_mailbox=True,
          points=lambda b: [(m, n) for m in range(len(b.world.notices)) for n in range(40)]),
    Fault(name="mutated", row="B02+B04", world="house", inject=mutated, changes_mailbox=True, points=lambda _: [(n,) for n in range(2000)]),
    Fault(name="costly", row="B15+F25", world="small", inject=costly, changes_mailbox=True, points=lambda _: [(name,) for name in COSTLY]),
    Fault(name="tricks", row="B07+B09", world="small", inject=tricks, changes_mailbox=True,
          points=lambda _: [(n, how) for n, how in enumerate(TRICKS)]),
)  # fmt: skip
