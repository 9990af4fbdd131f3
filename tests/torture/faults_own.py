"""Faults with a world of their own: throttling, bad certificates, a backlog, a quiet mailbox, no network, an old store.

In: a Trial and a point. Out: what the fault left. May not live here: what other files of faults have.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.mails import ordinary
from tests.servers import PASSWORD
from tests.torture.bench import ROOT, Bench, Trial
from tests.torture.fault import Fault, Point
from tests.torture.faults_mail import on_the_wire
from tests.torture.faults_process import OF_THE_DISK, counted, no_ptrace, of_store, straced
from tests.torture.faults_wire import on
from tests.torture.faults_world import real
from tests.torture.scenario import Mail, malformed
from tests.torture.servers import Order, has

# --- throttling -------------------------------------------------------------------------------------------------------

THROTTLES = (
    "Suggested Backoff Time: 299000 milliseconds",
    "Suggested Backoff Time: 299000 milliseconds. Account is throttled",
)
VERBS = ("AUTHENTICATE", "STATUS", "EXAMINE", "UID SEARCH", "UID FETCH")


def throttled(trial: Trial, point: Point) -> None:
    """Exchange says for how long; until then nobody may come back."""
    verb, n, bye = point

    said: list[bytes] = []

    def change(tag: bytes, _: bytes) -> bytes:
        said.append(tag)
        line = tag + b" NO Request is throttled. " + THROTTLES[n].encode() + b"\r\n"
        return line + (b"* BYE Connection closed. 14\r\n" if bye else b"")

    trial.bench.imap.order = Order(lie=on(verb.encode(), change))
    trial.codes |= {77}
    trial.poll()
    trial.bench.imap.order = order = Order()
    trial.poll(ahead=60)
    if said and order.passed["down"]:
        trial.broken.append("I6 the server asked for five minutes, and was asked again after one")


# --- TLS --------------------------------------------------------------------------------------------------------------


def no_openssl() -> str:
    return "" if has("openssl") else "openssl is not installed"


@functools.cache
def certificates() -> Path:
    """Make certificates: one that is not vouched for, one of another machine, one of another time."""
    folder = Path(tempfile.mkdtemp(prefix="torture-tls-"))
    for name, subject, days in (
        ("unknown", "IP:127.0.0.1", "30"),
        ("elsewhere", "DNS:mail.other.example", "30"),
        ("old", "IP:127.0.0.1", "-1"),
    ):
        dates = (
            ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"] if name == "old" else ["-days", days]
        )
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test",
                "-addext", f"subjectAltName={subject}", "-keyout", f"{name}.key", "-out", f"{name}.pem"]  # fmt: skip
        done = subprocess.run([*make, *dates], cwd=folder, check=False, capture_output=True)
        if done.returncode and name == "old":  # why: an older openssl cannot make what is over already
            subprocess.run(
                ["faketime", "2020-01-01", *make, "-days", "30"], cwd=folder, check=True, capture_output=True
            )
        elif done.returncode:
            raise RuntimeError(done.stderr.decode("utf-8", "replace"))
    return folder


GREETING = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN%s] ready\r\n"
BAD_SERVERS = ("unknown", "elsewhere", "old", "old TLS", "no TLS", "silence", "garbage", "closes")
BAD_STARTTLS = ("no offer", "refused", "slipped in", "unknown", "elsewhere", "closes after it")


class BadServer:
    """A server whose TLS does not hold; it keeps every byte that it could read."""

    def __init__(self, mode: str, how: str) -> None:
        self.mode, self.how = mode, how
        self.heard = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(100)
            (self._implicit if self.mode == "implicit" else self._starttls)(client)

    def _secured(self, client: socket.socket, name: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates() / f"{name}.pem", certificates() / f"{name}.key")
        with context.wrap_socket(client, server_side=True) as inside:
            inside.sendall(GREETING % b"")
            self._talk(inside)

    def _talk(self, client: socket.socket) -> None:
        """Answer OK to everything, and keep it."""
        while data := client.recv(4096):
            self.heard += data
            client.sendall(b"".join(line.split(b" ")[0] + b" OK done\r\n" for line in data.split(b"\r\n") if line))

    def _implicit(self, client: socket.socket) -> None:
        match self.how:
            case "old TLS":
                client.sendall(b"\x15\x03\x01\x00\x02\x02\x46")  # an alert: this version of the protocol is not spoken
                self._talk(client)
            case "no TLS":
                client.sendall(GREETING % b"")
                self._talk(client)
            case "silence":
                self.heard += client.recv(4096)[:0]
                time.sleep(100)
            case "garbage":
                client.sendall(random.Random(1).randbytes(4000))
                self._talk(client)
            case "closes":
                return
            case _:
                self._secured(client, self.how)

    def _starttls(self, client: socket.socket) -> None:
        client.sendall(GREETING % (b"" if self.how == "no offer" else b" STARTTLS"))
        while line := client.recv(4096):
            self.heard += line
            tag, _, verb = line.strip().partition(b" ")
            if verb.upper() == b"CAPABILITY":
                offer = b"" if self.how == "no offer" else b" STARTTLS"
                client.sendall(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN%s\r\n%s OK done\r\n" % (offer, tag))
            elif verb.upper() == b"STARTTLS" and self.how == "refused":
                client.sendall(tag + b" NO not today\r\n")
            elif verb.upper() == b"STARTTLS":
                client.sendall(tag + b" OK go on\r\n" + (b"* PREAUTH welcome\r\n" if self.how == "slipped in" else b""))
                if self.how != "closes after it":
                    self._secured(client, self.how if self.how in ("unknown", "elsewhere") else "unknown")
                return
            else:
                client.sendall(tag + b" OK done\r\n")


def untrusted(trial: Trial, point: Point) -> None:
    """A server that does not prove itself is told no password, and the person is told why."""
    mode, how = point
    good = trial.config.read_text(encoding="utf-8")
    server = BadServer(mode, how)
    try:
        text = re.sub(r"port = \d+\ntls = \"none\"", f'port = {server.port}\ntls = "{mode}"', good, count=1)
        trial.config.write_text(text, encoding="utf-8")
        trial.codes |= {77, 78}
        trial.expect(trial.poll(), 75, 77, 78)
    finally:
        server.stop()
        trial.config.write_text(good, encoding="utf-8")
    said = bytes(server.heard)
    if b"AUTHENTICATE" in said.upper() or b"LOGIN" in said.upper() or PASSWORD.encode() in said:
        trial.broken.append(f"I6 a server that proved nothing was told {said[-100:]!r}")


# --- load -------------------------------------------------------------------------------------------------------------


def many(trial: Trial, count: int) -> Iterator[Mail]:
    """Yield ordinary mail, one in twenty malformed."""
    source = ordinary(count, trial.world.today)
    bad = [on_the_wire(content) for content in malformed(trial.world.today)]
    for n in range(count):
        content, moment = next(source)
        yield (b"X-Number: %d\r\n" % n + bad[n % len(bad)], moment) if n % 20 == 0 else (content, moment)


def backlog(trial: Trial, point: Point) -> None:
    """A backlog is read by polls that are killed again and again, each a little later than the one before."""
    count, seconds = point
    trial.bench.mailbox.fill([*trial.world.mails, *many(trial, count)])
    trial.before = trial.bench.mailbox.snapshot()
    pause = seconds
    for _ in range(12):
        running = trial.start()
        time.sleep(pause)
        ended = trial.kill(running)
        if ended.code is not None and ended.code >= 0:
            break
        pause *= 1.3
    trial.bench.imap.order = order = Order()
    trial.settled()
    size = sum(len(content) for content in trial.before.values())
    if order.passed["down"] > 1.3 * size + 300 * (count + 50):
        trial.broken.append(f"I7 {order.passed['down']} bytes were read of a mailbox of {size}")


TABLES = ("effects", "tasks", "places", "messages", "contents", "authorizations", "obligations", "cursors")


def quiet(trial: Trial, point: Point) -> None:
    """Nothing is new: one short talk with the server, and nothing is written down but that it was."""
    (rounds,) = point
    trial.poll()
    trial.poll(60)
    for number in range(rounds):
        before = {name: sorted(map(repr, trial.rows(f"SELECT * FROM {name}"))) for name in TABLES}
        trial.bench.imap.order, trial.bench.smtp.order = order, smtp = Order(), Order()
        trial.expect(trial.poll(120 + 60 * number), 0)
        after = {name: sorted(map(repr, trial.rows(f"SELECT * FROM {name}"))) for name in TABLES}
        changed = [name for name in TABLES if before[name] != after[name]]
        if changed:
            trial.broken.append(f"I8 nothing was new, and {', '.join(changed)} changed")
        if order.passed["down"] > 4096 or order.passed["up"] > 1024 or smtp.passed["up"]:
            trial.broken.append(
                f"I7 nothing was new, and {order.passed} bytes went over the wire, {smtp.passed} for mail"
            )


# --- no network -------------------------------------------------------------------------------------------------------


def no_namespaces() -> str:
    if not has("unshare"):
        return "unshare is not installed"
    done = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return "" if done.returncode == 0 else "this system lets nobody be without its network"


def no_network(trial: Trial, point: Point) -> None:
    """A poll without any network, before and after one with it."""
    if point[0] == "after":
        trial.poll()
    trial.expect(real(trial, ["unshare", "-n"], {}), 75)


# --- an old store -----------------------------------------------------------------------------------------------------

FIRST = ROOT / "tests" / "fixtures" / "store" / "schema1.sql"


@functools.cache
def first_store() -> bytes:
    """Return a store of the first released schema that has seen nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "old.db"
        with contextlib.closing(sqlite3.connect(path)) as store:
            store.executescript(FIRST.read_text(encoding="utf-8"))
            store.execute("PRAGMA foreign_keys=OFF")
            for (name,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                if name not in ("meta", "sqlite_sequence") and "migrations" not in name:
                    store.execute(f"DELETE FROM {name}")
            store.commit()
            store.execute("VACUUM")
        return path.read_bytes()


def grown_old(trial: Trial) -> None:
    shutil.rmtree(trial.store.parent)
    trial.store.parent.mkdir(mode=0o700)
    trial.store.write_bytes(first_store())
    trial.store.chmod(0o600)


def steps_of_upgrade(bench: Bench) -> list[Point]:
    found = counted(bench, disk=True, before=grown_old)
    kinds = ("KILL", "EIO", "ENOSPC")
    return [(name, n, kind) for name in OF_THE_DISK for n in range(1, found.get(name, 0) + 1) for kind in kinds]


def upgraded(trial: Trial, point: Point) -> None:
    """The store is of the first schema, and the poll that brings it up to date is killed, or the disk refuses."""
    name, n, kind = point
    grown_old(trial)
    what = "signal=KILL" if kind == "KILL" else f"error={kind}"
    if kind != "KILL":
        trial.crashed()
        trial.codes |= {70} if name == "pread64" else set()
    straced(trial, "-o", os.devnull, *of_store(trial), "-e", f"trace={name}", "-e", f"inject={name}:{what}:when={n}")
    # why not read-only: what was stopped may have left a journal to roll back, as the next poll does
    with contextlib.closing(sqlite3.connect(trial.store)) as store:
        found = store.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        trial.broken.append(f"I4 integrity after the upgrade was stopped: {found}")


FAULTS = (
    Fault(name="throttle", row="F13", world="small", inject=throttled,
          points=lambda _: [(verb, n, bye) for verb in VERBS for n in range(len(THROTTLES)) for bye in (False, True)]),
    Fault(name="tls", row="F21", world="small", inject=untrusted, missing=no_openssl,
          points=lambda _: [*(("implicit", how) for how in BAD_SERVERS), *(("starttls", how) for how in BAD_STARTTLS)]),
    Fault(name="backlog", row="F28", world="small", inject=backlog, changes_mailbox=True,
          points=lambda _: [(count, pause) for count in (150, 400, 1000) for pause in (0.5, 1.0, 2.0, 4.0)]),
    Fault(name="quiet", row="F29", world="house", points=lambda _: [(1,), (3,), (10,)], inject=quiet),
    Fault(name="no-network", row="F31", world="small", points=lambda _: [("before",), ("after",)], inject=no_network, missing=no_namespaces),
    Fault(name="upgrade", row="F33", world="small", points=steps_of_upgrade, inject=upgraded, missing=no_ptrace),
)  # fmt: skip
