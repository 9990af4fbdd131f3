"""Faults that a poll of its own process meets from outside: a library that breaks on one mail, a name server that fails.

In: a Trial and a point. Out: what the fault left. May not live here: faults that a forked poll can be given.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator

from tests.signing import key, signed
from tests.torture.bench import ROOT, Trial
from tests.torture.fault import Fault, Point
from tests.torture.faults_mail import now_of
from tests.torture.faults_process import not_root
from tests.torture.faults_world import looked_anew, real
from tests.torture.servers import has

# --- a library that breaks --------------------------------------------------------------------------------------------

POISON = b"From: a@shop.example\r\nSubject: poison\r\nMessage-ID: <poison@shop.example>\r\nX-Poison: yes\r\n\r\nx\r\n"
BREAKS = {
    "raises": "raise RuntimeError('poison')",
    "recurses": "broken(raw, *more, **named)",
    "runs out of memory": "raise MemoryError",
    "hangs": "while True: pass",
    "hangs in its child": "while 'apart' in sys.orig_argv[-1]: pass\n        raise RuntimeError('poison')",
    "ends the child": "if 'apart' in sys.orig_argv[-1]: os._exit(3)\n        raise RuntimeError('poison')",
    "ends the poll": "os.kill(os.getpid(), signal.SIGSEGV)",
}
LIBRARY = """import os, signal, sys
import mailrules.pipeline as pipeline
whole = pipeline.read
def broken(raw, *more, **named):
    if b"X-Poison" in raw.content:
        {}
    return whole(raw, *more, **named)
pipeline.read = broken
"""


def poisoned(trial: Trial, point: Point) -> None:
    """Reading one mail goes wrong in the worst ways: it alone is put aside, with its bytes; all others come through."""
    (trial.folder / "sitecustomize.py").write_text(LIBRARY.format(BREAKS[point[0]]), encoding="utf-8")
    trial.bench.mailbox.add((POISON, now_of(trial)))
    looked_anew(trial)
    path = {"PYTHONPATH": f"{trial.folder}{os.pathsep}{ROOT}"}
    for _ in range(6):
        ended = real(trial, [], path)
        if ended.code is None or ended.code >= 0:
            break
        trial.ends.remove(ended)
        trial.crashed()
    trial.expect(ended, 3)
    found = trial.rows("SELECT status, uid FROM places WHERE status <> 'stored'")
    if [status for status, _ in found] != ["quarantined"]:
        trial.broken.append(f"I1 one mail is poison, and {found} were put aside")
    trial.codes = {3} | ({-signal.SIGSEGV} if point[0] == "ends the poll" else set())


# --- a name server ----------------------------------------------------------------------------------------------------

FOR_NOW = ("silent", "SERVFAIL", "REFUSED", "nobody there", "other id", "cut short", "noise")
FOR_GOOD = ("NXDOMAIN", "nothing", "other key", "no key", "revoked")
_ADDRESSES = itertools.count(os.getpid() * 251 % 60_000)


class NameServer:
    """Answers for the key of amazon.com, or fails in one way. It listens on an address of its own of the loopback."""

    def __init__(self) -> None:
        self.how = "good"
        self.asked = 0
        number = next(_ADDRESSES) % 60_000
        self.address = f"127.77.{number // 250 + 1}.{number % 250 + 1}"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.address, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                query, client = self._socket.recvfrom(4096)
                if not query:  # it was shut down
                    return
                self.asked += 1
                answer = self._answer(query)
                if answer:
                    self._socket.sendto(answer, client)

    def _answer(self, query: bytes) -> bytes:
        import dns.flags
        import dns.message
        import dns.rcode
        import dns.rrset

        asked = dns.message.from_wire(query)
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.RA
        name = asked.question[0].name
        texts = {
            "other key": key(seed=2)[1], "no key": b"v=spf1 -all", "revoked": b"v=DKIM1; k=rsa; p=",
        }  # fmt: skip
        codes = {"SERVFAIL": dns.rcode.SERVFAIL, "REFUSED": dns.rcode.REFUSED, "NXDOMAIN": dns.rcode.NXDOMAIN}
        if self.how == "silent":
            return b""
        if self.how == "noise":
            return query[:2] + b"\xff" * 40
        if self.how in codes:
            answer.set_rcode(codes[self.how])
        elif self.how != "nothing":
            record = texts.get(self.how, key()[1])
            quoted = " ".join(f'"{record[n : n + 200].decode()}"' for n in range(0, len(record), 200))
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", quoted))
        wire = answer.to_wire()
        if self.how == "other id":
            return bytes([wire[0] ^ 1]) + wire[1:]
        return wire[: len(wire) // 2] if self.how == "cut short" else wire


@contextlib.contextmanager
def named(trial: Trial) -> Iterator[tuple[NameServer, list[str]]]:
    """Yield a name server, and what a command begins with for which it is the machine's."""
    server = NameServer()
    resolv = trial.folder / "resolv.conf"
    resolv.write_text(f"nameserver {server.address}\n", encoding="ascii")
    inside = f'mount --bind {resolv} /etc/resolv.conf && exec "$@"'
    try:
        yield server, ["unshare", "-m", "sh", "-c", inside, "sh"]
    finally:
        server.stop()


@functools.cache
def no_name_server() -> str:
    if not_root() or not has("unshare"):
        return "a name server of our own needs root and unshare; test_dkim and test_verifying answer in its place"
    done = subprocess.run(
        ["unshare", "-m", "mount", "--bind", "/etc/hosts", "/etc/resolv.conf"], capture_output=True, check=False
    )
    return "" if done.returncode == 0 else "this system lets nobody have a name server of his own"


def unnamed(trial: Trial, point: Point) -> None:
    """An account believes signatures, and the key cannot be had: no trust is gained; what may be there is asked for again."""
    (how,) = point
    proven = [case for case in trial.world.cases if case.proven]
    mails = [
        (signed(re.sub(rb"Authentication-Results:[^\n]*\n(?:[ \t][^\n]*\n)*", b"", content), at=came), came)
        if any(case.number.encode() in content for case in proven) else (content, came)
        for content, came in trial.world.mails
    ]  # fmt: skip
    again = {old: new for (old, _), (new, _) in zip(trial.world.mails, mails, strict=True)}
    cases = trial.world.cases
    if how in FOR_GOOD:
        cases = tuple(dataclasses.replace(case, proven=False) for case in cases)
    notices = tuple(again[content] for content in trial.world.notices)
    trial.world = dataclasses.replace(trial.world, mails=tuple(mails), notices=notices, cases=cases)
    trial.bench.mailbox.fill(mails)
    looked_anew(trial)
    text = trial.config.read_text(encoding="utf-8")
    trial.config.write_text(re.sub(r"receiver = .*", "receiver = { dkim = true }", text), encoding="utf-8")
    with named(trial) as (server, inside):
        server.how = how
        if how == "nobody there":
            server.stop()
        real(trial, inside, {})
        if trial.bench.sink.sent and any(b"agency" in sent.content for sent in trial.bench.sink.sent):
            trial.broken.append("I2 unasked: a mail went outside before its signature was known")
    with named(trial) as (server, inside):
        server.how = how if how in FOR_GOOD else "good"
        real(trial, inside, {})
        real(trial, inside, {})


FAULTS = (
    Fault(name="poison", row="F25", world="small", points=lambda _: [(how,) for how in BREAKS], inject=poisoned, changes_mailbox=True),
    Fault(name="name-server", row="F31+B08", world="small", inject=unnamed, recover=False, changes_mailbox=True, missing=no_name_server,
          points=lambda _: [(how,) for how in (*FOR_NOW, *FOR_GOOD)]),
)  # fmt: skip
