"""Faults of the network: connections cut at every byte, slow and broken ones, servers that lie, refuse or say good-bye.

In: a Trial and a point. Out: what the fault left. May not live here: the process, the disk, what is in the mailbox.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.torture.bench import Bench, Trial
from tests.torture.fault import Fault, Point
from tests.torture.servers import DOWN, UP, Lie, Order

# --- cuts -------------------------------------------------------------------------------------------------------------


def imap_bytes(bench: Bench) -> list[Point]:
    return [(UP, n) for n in range(bench.clean.up + 1)] + [(DOWN, n) for n in range(bench.clean.down + 1)]


def cut_imap(trial: Trial, point: Point) -> None:
    trial.bench.imap.order = Order(cut=(point[0], point[1]), reset=bool(point[1] % 2))
    trial.poll()


def smtp_bytes(bench: Bench) -> list[Point]:
    return [(UP, n) for n in range(bench.clean.smtp_up + 1)] + [(DOWN, n) for n in range(bench.clean.smtp_down + 1)]


def cut_smtp(trial: Trial, point: Point) -> None:
    trial.crashes += 1
    trial.bench.smtp.order = Order(cut=(point[0], point[1]), reset=bool(point[1] % 2))
    trial.poll()


def slow(trial: Trial, point: Point) -> None:
    which, piece, delay = point
    order = Order(piece=piece, delay=delay)
    if which == "imap":
        trial.bench.imap.order = order
    else:
        trial.bench.smtp.order = order
    trial.poll(limit=150)


def half_open(trial: Trial, point: Point) -> None:
    which, direction, n = point
    order = Order(stall=(direction, n))
    if which == "imap":
        trial.bench.imap.order = order
    else:
        trial.crashes += 1
        trial.bench.smtp.order = order
    trial.poll(limit=150)


# --- lies of an IMAP server -----------------------------------------------------------------------------------------

FETCHED = re.compile(rb"^\* \d+ FETCH ", re.MULTILINE)
LITERAL = re.compile(rb"\{(\d+)\}\r\n")


def pieces(answer: bytes) -> list[bytes]:
    """Split the untagged answers of a FETCH; the last is the tagged line."""
    starts = [m.start() for m in FETCHED.finditer(answer)]
    end = answer.rstrip(b"\r\n").rfind(b"\r\n") + 2
    return [answer[a:b] for a, b in zip(starts, [*starts[1:], end], strict=True)] + [answer[end:]]


def on(prefix: bytes, change: Callable[[bytes, bytes], bytes | None], times: int = 99) -> Lie:
    """Return a lie about the commands that begin so."""
    left = [times]

    def lie(command: bytes, tag: bytes, answer: bytes) -> bytes | None:
        if not command.upper().startswith(prefix) or not left[0]:
            return answer
        left[0] -= 1
        return change(tag, answer)

    return lie


def tagged(answer: bytes) -> bytes:
    return answer.rstrip(b"\r\n").rpartition(b"\n")[2] + b"\r\n"


def first_literal(answer: bytes, change: Callable[[int], int]) -> bytes:
    return LITERAL.sub(lambda m: b"{%d}\r\n" % change(int(m[1])), answer, count=1)


def nil_body(answer: bytes) -> bytes:
    found = re.search(rb"BODY\[[^\]]*\](<\d+>)? \{(\d+)\}\r\n", answer)
    if not found:
        return answer
    return answer[: found.start()] + b"BODY[] NIL" + answer[found.end() + int(found[2]) :]


STORM = (
    b"* 900 EXISTS\r\n* 2 EXPUNGE\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* OK [ALERT] storm\r\n* 17 RECENT\r\n* FLAGS ()\r\n"
)
FETCH, SEARCH, EXAMINE, STATUS = b"UID FETCH", b"UID SEARCH", b"EXAMINE", b"STATUS"
LIES: dict[str, Lie | Callable[[], Lie]] = {
    "nothing fetched": lambda: on(FETCH, lambda _, a: tagged(a)),
    "one of several": lambda: on(FETCH, lambda _, a: pieces(a)[0] + tagged(a)),
    "all but the last": lambda: on(FETCH, lambda _, a: b"".join(pieces(a)[:-2]) + tagged(a)),
    "backwards": lambda: on(FETCH, lambda _, a: b"".join(reversed(pieces(a)[:-1])) + tagged(a)),
    "everything twice": lambda: on(FETCH, lambda _, a: b"".join(pieces(a)[:-1]) * 2 + tagged(a)),
    "no UID": lambda: on(FETCH, lambda _, a: re.sub(rb"UID \d+ ?", b"", a)),
    "other UIDs": lambda: on(FETCH, lambda _, a: re.sub(rb"\(UID (\d+)", lambda m: b"(UID %d" % (int(m[1]) + 1000), a)),
    "size 5": lambda: on(FETCH, lambda _, a: re.sub(rb"RFC822.SIZE \d+", b"RFC822.SIZE 5", a)),
    "size 4 GB": lambda: on(FETCH, lambda _, a: re.sub(rb"RFC822.SIZE \d+", b"RFC822.SIZE 4294967296", a)),
    "NIL body": lambda: on(FETCH, lambda _, a: nil_body(a)),
    "empty body": lambda: on(FETCH, lambda _, a: nil_body(a).replace(b"NIL", b'""')),
    "no date": lambda: on(FETCH, lambda _, a: re.sub(rb'INTERNALDATE "[^"]*"', b"INTERNALDATE NIL", a)),
    "odd date": lambda: on(
        FETCH, lambda _, a: re.sub(rb'INTERNALDATE "[^"]*"', b'INTERNALDATE "99-Foo-0000 77:00:00 +9999"', a)
    ),
    "literal too long": lambda: on(FETCH, lambda _, a: first_literal(a, lambda n: n + 11)),
    "literal too short": lambda: on(FETCH, lambda _, a: first_literal(a, lambda n: max(0, n - 11))),
    "literal of 4 GB": lambda: on(FETCH, lambda _, a: first_literal(a, lambda _n: 2**32)),
    "literal dropped": lambda: on(FETCH, lambda _, a: a[: (m.end() + 5 if (m := LITERAL.search(a)) else 9)] and None),
    "garbage": lambda: on(FETCH, lambda t, _: random.Random(1).randbytes(5000) + b"\r\n" + t + b" OK\r\n"),
    "garbage lines": lambda: on(FETCH, lambda t, a: b"* 1 FETCH ((((((\r\n* \x00\xff FETCH\r\n" + a),
    "an endless line": lambda: on(FETCH, lambda t, a: b"* OK " + b"x" * 3_000_000 + b"\r\n" + a),
    "storm before": lambda: on(b"", lambda _, a: STORM + a if a.startswith(b"* ") else a),
    "storm after": lambda: on(FETCH, lambda _, a: a[: -len(tagged(a))] + STORM + tagged(a)),
    "no text after OK": lambda: on(b"", lambda t, a: a.replace(t + b" OK", t + b" OK ").replace(b"OK  ", b"OK ")),
    "NO after one": lambda: on(FETCH, lambda t, a: pieces(a)[0] + t + b" NO Some messages could not be fetched\r\n", 1),
    "BYE amid": lambda: on(FETCH, lambda _, a: pieces(a)[0] + b"* BYE shutting down\r\n", 1),
    "found nothing": lambda: on(SEARCH, lambda _, a: b"* SEARCH\r\n" + tagged(a)),
    "no SEARCH line": lambda: on(SEARCH, lambda _, a: tagged(a)),
    "found one less": lambda: on(SEARCH, lambda _, a: re.sub(rb"SEARCH (\d+) \d+", rb"SEARCH \1", a)),
    "found too many": lambda: on(SEARCH, lambda _, a: re.sub(rb"SEARCH ", b"SEARCH 4000000000 77 0 ", a)),
    "found words": lambda: on(SEARCH, lambda _, a: re.sub(rb"SEARCH ", b"SEARCH many -1 ", a)),
    "no UIDVALIDITY": lambda: on(EXAMINE, lambda _, a: re.sub(rb"\* OK \[UIDVALIDITY[^\r]*\r\n", b"", a)),
    "UIDVALIDITY 0": lambda: on(EXAMINE, lambda _, a: re.sub(rb"UIDVALIDITY \d+", b"UIDVALIDITY 0", a)),
    "other UIDVALIDITY": lambda: on(EXAMINE, lambda _, a: re.sub(rb"UIDVALIDITY \d+", b"UIDVALIDITY 77", a)),
    "UIDVALIDITY of words": lambda: on(EXAMINE, lambda _, a: re.sub(rb"UIDVALIDITY \d+", b"UIDVALIDITY abc", a)),
    "no UIDNEXT": lambda: on(EXAMINE, lambda _, a: re.sub(rb"\* OK \[UIDNEXT[^\r]*\r\n", b"", a)),
    "UIDNEXT 1": lambda: on(EXAMINE, lambda _, a: re.sub(rb"UIDNEXT \d+", b"UIDNEXT 1", a)),
    "UIDNEXT too high": lambda: on(EXAMINE, lambda _, a: re.sub(rb"UIDNEXT \d+", b"UIDNEXT 4294967290", a)),
    "0 EXISTS": lambda: on(EXAMINE, lambda _, a: re.sub(rb"\d+ EXISTS", b"0 EXISTS", a)),
    "STATUS of nothing": lambda: on(STATUS, lambda _, a: tagged(a)),
    "STATUS without UIDNEXT": lambda: on(STATUS, lambda _, a: re.sub(rb"UIDNEXT \d+ ?", b"", a)),
    "STATUS UIDNEXT 1": lambda: on(STATUS, lambda _, a: re.sub(rb"UIDNEXT \d+", b"UIDNEXT 1", a)),
    "STATUS UIDNEXT too high": lambda: on(STATUS, lambda _, a: re.sub(rb"UIDNEXT \d+", b"UIDNEXT 4294967290", a)),
    "STATUS 0 MESSAGES": lambda: on(STATUS, lambda _, a: re.sub(rb"MESSAGES \d+", b"MESSAGES 0", a)),
    "STATUS other UIDVALIDITY": lambda: on(STATUS, lambda _, a: re.sub(rb"UIDVALIDITY \d+", b"UIDVALIDITY 77", a)),
    "STATUS of words": lambda: on(STATUS, lambda _, a: re.sub(rb"UIDNEXT \d+", b"UIDNEXT many", a)),
    "no EXISTS": lambda: on(EXAMINE, lambda _, a: re.sub(rb"\* \d+ EXISTS\r\n", b"", a)),
}
NEXT = (b"From: a@shop.example\r\nSubject: the next one\r\n\r\nhello\r\n", datetime(2024, 1, 1, tzinfo=UTC))
TWICE_LATER = (2 * 3600, 26 * 3600, 27 * 3600)


def lies(_: Bench) -> list[Point]:
    return [(name, polls) for name in LIES for polls in (1, 2)]


def lie_to(trial: Trial, point: Point) -> None:
    made: Any = LIES[point[0]]
    trial.bench.imap.order = Order(lie=made())
    for _ in range(point[1]):
        trial.poll(limit=150)
    trial.bench.mailbox.add(NEXT)  # why: a lie may not make us blind for what comes after it
    trial.before = trial.bench.mailbox.snapshot()
    trial.settled(TWICE_LATER, every=True)


CODES = (
    "NO [UNAVAILABLE] later", "NO [INUSE] busy", "NO [LIMIT] too much", "NO [OVERQUOTA] Account exceeded command or bandwidth limits",
    "NO [SERVERBUG] oops", "NO [ALERT] look", "NO Request is throttled. Suggested Backoff Time: 1000 milliseconds",
    "BAD User is authenticated but not connected", "BAD what", "NO", "",
)  # fmt: skip
VERBS = ("CAPABILITY", "AUTHENTICATE", "ID", "STATUS", "EXAMINE", "UID SEARCH", "UID FETCH", "LOGOUT")


def refusals(_: Bench) -> list[Point]:
    return [(verb, code, then) for verb in VERBS for code in CODES for then in ("", "* BYE Connection closed. 14")]


def refuse(trial: Trial, point: Point) -> None:
    verb, code, then = point

    def change(tag: bytes, _: bytes) -> bytes:
        line = tag + b" " + code.encode() + b"\r\n" if code else b""
        return line + (then.encode() + b"\r\n" if then else b"") or b"* BYE\r\n"

    trial.bench.imap.order = Order(lie=on(verb.encode(), change))
    trial.codes |= {77, 78}
    trial.poll(limit=150)


GREETINGS = (
    b"* BYE too many connections\r\n", b"* BYE\r\n", b"", b"\r\n", b"220 this is SMTP\r\n", b"* OK", b"\x16\x03\x01\x02\x00\x01",
    b"* PREAUTH hello\r\n", b"* NO go away\r\n", b"x" * 100_000, b"* OK [ALERT \r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n",
)  # fmt: skip


def greet(trial: Trial, point: Point) -> None:
    trial.bench.imap.order = Order(greeting=GREETINGS[point[0]])
    trial.codes |= {77, 78}
    trial.poll()


# --- refusals of an SMTP server -------------------------------------------------------------------------------------

SMTP_VERBS = ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "TEXT", "DOT", "QUIT")
SMTP_ANSWERS = (
    "421 going down", "450 busy", "451 try later", "452 full", "500 what", "550 no", "552 too much", "554 never", "close", "wait",
    "999 odd", "garbage", "250", "354-", "\x00\xff",
)  # fmt: skip


def smtp_refusals(_: Bench) -> list[Point]:
    return [(verb, answer, times) for verb in SMTP_VERBS for answer in SMTP_ANSWERS for times in (1, 9)]


def smtp_refuse(trial: Trial, point: Point) -> None:
    """What may pass is sent later; what may not is failed and shown; nothing goes out twice but after a lost answer."""
    verb, answer, times = point
    trial.bench.sink.plan = {verb: (times, answer)}
    final = not answer.startswith("4") and answer not in ("close", "wait")
    trial.allow["may_fail"] = final
    if verb == "DOT":  # the server has taken what it says that it has not: its lie, and one duplicate each time
        trial.crashes += times
    trial.poll(limit=120)


FAULTS = (
    Fault(name="cut-imap", row="F09", world="small", points=imap_bytes, inject=cut_imap),
    Fault(name="cut-smtp", row="F23", world="small", points=smtp_bytes, inject=cut_smtp),
    Fault(
        name="slow", row="F10", world="small", inject=slow,
        points=lambda _: [(w, p, d) for w in ("imap", "smtp") for p, d in ((1, 0.0), (7, 0.0), (0, 0.2), (0, 0.5), (100, 0.1))],
    ),
    Fault(
        name="half-open", row="F10", world="small", inject=half_open,
        points=lambda b: [("smtp", d, n) for d in (UP, DOWN) for n in (10, 100, 200)]
        + [("imap", d, n) for d, n in ((DOWN, 20), (DOWN, b.clean.down // 2), (UP, 30))],
    ),
    Fault(name="greeting", row="F11", world="small", points=lambda _: [(n,) for n in range(len(GREETINGS))], inject=greet),
    Fault(name="refused", row="F11-F14", world="small", points=refusals, inject=refuse),
    Fault(name="lies", row="F16-F20", world="small", points=lies, inject=lie_to, recover=False, changes_mailbox=True),
    Fault(name="smtp-no", row="F22", world="small", points=smtp_refusals, inject=smtp_refuse),
)  # fmt: skip
