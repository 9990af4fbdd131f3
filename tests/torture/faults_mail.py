"""Bad mail, and good mail in every form, among the mail of a world: what is sound must come through, nothing may be invented.

In: a Trial and a point. Out: what the mail left. The generators are those of the tests, here through a real poll.
May not live here: faults of the machine, the network, the mailbox.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests import forgeries, notice_cases
from tests.mails import RECEIVER, both, html_text, part, plain_text, stamped
from tests.programs import Program, damaged
from tests.test_injection import TECHNIQUES
from tests.torture.bench import Bench, Trial
from tests.torture.checker import UNREAD
from tests.torture.fault import Fault, Point
from tests.torture.scenario import Case, Mail, lookalike, notice

CHUNK = 20


def now_of(trial: Trial) -> datetime:
    return datetime.combine(trial.world.today, datetime.min.time(), UTC)


def on_the_wire(content: bytes) -> bytes:
    """Return a mail as an IMAP server gives it: a line end alone becomes two bytes, and a NUL another byte."""
    return re.sub(rb"\r\n|\r|\n", b"\r\n", content.replace(b"\0", b"?"))


def bad_mails(trial: Trial, mails: Sequence[bytes | Mail], loose: str = "days") -> None:
    """Put mail among the good, poll, and look at what is sound. `loose`: see Evidence."""
    for mail in mails:
        content, moment = mail if isinstance(mail, tuple) else (mail, now_of(trial))
        trial.bench.mailbox.add((on_the_wire(content), moment))
    trial.before = trial.bench.mailbox.snapshot()
    trial.allow["loose"] = loose
    trial.poll()


def chunks(count: int, size: int = CHUNK) -> list[Point]:
    return [(start, min(size, count - start)) for start in range(0, count, size)]


# --- damaged ------------------------------------------------------------------------------------------------------------


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
        # why: a changed mail no longer holds its proof; with it, a changed nickname would be believed, and rightly so
        content = bytearray(chance.choice(trial.world.mails)[0].replace(RECEIVER.encode(), b"mx.evil.example"))
        for _ in range(chance.choice((1, 3, 20))):
            at = chance.randrange(max(1, len(content)))
            match chance.randrange(4):
                case 0:
                    content[at : at + 1] = bytes([chance.choice(b"\r\n\t =<>\"'():;,\\@?_-.\x80\xff\x1b")])
                case 1:
                    del content[at : at + chance.choice((1, 5, 50))]
                case 2:
                    content[at:at] = content[at : at + chance.choice((5, 50, 500))]
                case _:
                    content[at:at] = bytes(chance.choices(b'\r\n;"(<=\xe2\x80\xae', k=chance.choice((1, 10, 1000))))
        made.append(bytes(content))
    bad_mails(trial, [m for m in made if m])


# --- costly -------------------------------------------------------------------------------------------------------------


def deep(levels: int) -> bytes:
    opened = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(levels))
    return b"From: a@b.example\r\nSubject: deep\r\n" + opened + b"\r\nx\r\n"


def parts(count: int, boundary: bytes = b"b", inner: bytes = b"\r\n\r\n") -> bytes:
    head = HEAD + b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n'
    return head + (b"--" + boundary + b"\r\n" + inner) * count + b"--" + boundary + b"--\r\n"


def attached(kind: bytes, content: bytes = b"UEsDBAoAAAAAAA==") -> bytes:
    return parts(
        1, inner=b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + content + b"\r\n"
    )


HEAD = b"From: a@b.example\r\nSubject: costly\r\n"
LINE = b"x" * 70 + b"\r\n"
COSTLY: Mapping[str, Callable[[], bytes]] = {
    "semicolons": lambda: HEAD + b"Content-Type: text/plain" + b";" * 80_000 + b"\r\n\r\nx",
    "dots in From": lambda: b"From: " + b"." * 80_000 + b"\r\nSubject: x\r\n\r\nx",
    "brackets in From": lambda: b"From: " + b"(" * 50_000 + b"\r\nSubject: x\r\n\r\nx",
    "many addresses": lambda: b"From: a@b.example\r\nTo: " + b"a@b.example, " * 50_000 + b"\r\n\r\nx",
    "many header fields": lambda: HEAD + b"X-Y: z\r\n" * 100_000 + b"\r\nx",
    "one huge field": lambda: HEAD + b"X-Y: " + b"z" * 3_000_000 + b"\r\n\r\nx",
    "RFC 2231": lambda: HEAD + b"Content-Type: text/plain" + b"".join(b";\r\n a*%d=x" % n for n in range(20_000)) + b"\r\n\r\nx",
    "RFC 2047": lambda: b"From: a@b.example\r\nSubject: " + b"=?utf-8?q?=41?= " * 30_000 + b"\r\n\r\nx",
    "tags": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 200_000,
    "tables": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"<table><tr><td>" * 30_000 + b"x",
    "entities": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"&lt;&#x41;" * 300_000,
    "one long line": lambda: HEAD + b"\r\n" + b"Developer ID: " * 300_000,
    "many dates": lambda: HEAD + b"\r\n" + b"expire on 2024-04-10\r\n" * 100_000,
    "base64": lambda: HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUJD\r\n" * 500_000,
}  # fmt: skip
SIZES: Mapping[str, Callable[[], bytes]] = {
    "24 MB": lambda: HEAD + b"\r\n" + LINE * 333_000,
    "27 MB": lambda: HEAD + b"\r\n" + LINE * 375_000,
    "60 MB in one line": lambda: HEAD + b"\r\n" + b"x" * 60_000_000,
    "200 MB": lambda: HEAD + b"\r\n" + LINE * 2_800_000,
    "100,000 parts": lambda: parts(100_000),
    "10,000 deep": lambda: deep(10_000),
    "nothing": lambda: b"\r\n",
}
BOMBS: Mapping[str, Callable[[], bytes]] = {
    **{f"{n} deep": functools.partial(deep, n) for n in (10, 30, 100, 1000, 5000, 100_000)},
    **{f"{n} parts": functools.partial(parts, n) for n in (10, 100, 300, 1000, 10_000, 1_000_000)},
    **{f"{n} nested mails": functools.partial(lambda n: HEAD + b"Content-Type: message/rfc822\r\n\r\n" * n + b"\r\nx", n) for n in (5, 50, 5000)},
    "empty boundary": lambda: parts(50, b""),
    "boundary of 4 KB": lambda: parts(50, b"b" * 4096),
    "boundary of spaces": lambda: parts(50, b"   "),
    "overlapping boundaries": lambda: parts(20, b"b", b'Content-Type: multipart/mixed; boundary="bb"\r\n\r\n--bb\r\n\r\nx\r\n'),
    "boundary in itself": lambda: parts(20, b"b", b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nx\r\n'),
    "no boundary": lambda: HEAD + b"Content-Type: multipart/mixed\r\n\r\n--\r\n\r\nx\r\n----\r\n",
    "two boundaries": lambda: HEAD + b'Content-Type: multipart/mixed; boundary="a"; boundary="b"\r\n\r\n--a\r\n\r\nx\r\n--b--\r\n',
    "message/partial": lambda: HEAD + b'Content-Type: message/partial; id="x@y.example"; number=1; total=9999999\r\n\r\nx',
    "external-body": lambda: HEAD + b'Content-Type: message/external-body; access-type=local-file; name="/etc/passwd"\r\n\r\n\r\nx',
    "TNEF": lambda: attached(b"application/ms-tnef", b"eJ8+Ig=="),
    "zip": lambda: attached(b"application/zip"),
    "encrypted": lambda: HEAD + b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\r\n\r\n--b\r\n\r\nVersion: 1\r\n--b--\r\n',
    "S/MIME": lambda: HEAD + b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIB\r\n",
    "delivery report": lambda: HEAD + b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\n--b--\r\n",
    "name with a path": lambda: attached(b'application/pdf; name="../../../../etc/passwd"'),
    "unknown encoding": lambda: HEAD + b"Content-Transfer-Encoding: x-gzip64\r\n\r\nH4sIAAAA\r\n",
    "uuencode": lambda: HEAD + b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\r\n#0V%T\r\nend\r\n",
}  # fmt: skip


def costly(trial: Trial, point: Point) -> None:
    """What is too large or too odd may be put aside; all others go on, in bounded time and memory (see the checker)."""
    trial.allow["may_pend"] = True
    bad_mails(trial, [{**COSTLY, **BOMBS, **SIZES}[point[0]]()])


# --- strangers ------------------------------------------------------------------------------------------------------------


def tricks(trial: Trial, point: Point) -> None:
    """Notices of somebody else: only a marked task may come of them, never a mail outside, never a script."""
    n, how = point
    trap = Case(f"Trap Maker {n}", f"9998887776{n:02d}", trial.world.today + timedelta(days=25), proven=False)
    content, _ = notice(trap, "plain", 25)
    sender = b"From: Amazon Seller Central <seller-notification@amazon.com>"
    fails = b"Authentication-Results: mx.shop.example; dmarc=fail header.from=amazon.com\r\n"
    made = {
        "look-alike": lambda: content.replace(b"@amazon.com", b"@arnazon.com"),
        "stamped look-alike": lambda: stamped("arnazon.com") + content.replace(b"@amazon.com", b"@arnazon.com"),
        "two From": lambda: content.replace(sender, sender + b"\r\nFrom: x@evil.example"),
        "two addresses": lambda: content.replace(b"<seller", b"<x@evil.example>, <seller"),
        "foreign stamp": lambda: b"Authentication-Results: mx.evil.example; dmarc=pass header.from=amazon.com\r\n" + content,
        "stamp below": lambda: fails + stamped("amazon.com") + content,
        "in a comment": lambda: fails.replace(b"fail ", b"fail (dmarc=pass) ") + content,
        "other domain": lambda: stamped("evil.example") + content,
        "display name": lambda: content.replace(sender, b'From: "seller-notification@amazon.com" <x@evil.example>'),
        "unknown developer": lambda: stamped("amazon.com") + content,
        "lookalike domain": lambda: lookalike(trial.world.today)[0],
    }[how]()  # fmt: skip
    bad_mails(trial, [made])


TRICKS = (
    "look-alike", "stamped look-alike", "two From", "two addresses", "foreign stamp", "stamp below", "in a comment", "other domain",
    "display name", "unknown developer", "lookalike domain",
)  # fmt: skip


@functools.cache
def forged(kind: str) -> tuple[forgeries.Case, ...]:
    """Return the mails of the tests of authenticity, of all receivers; what is genuine at ours is left out."""
    made: Iterator[forgeries.Case] = {
        "phishing": lambda: forgeries.phishing(every=True),
        "addresses": lambda: forgeries.address_forms(every=True),
        "proofs": lambda: forgeries.authentications(every=True),
    }[kind]()
    return tuple(case for case in made if case.level != "bound" or case.receiver.authserv_id != RECEIVER)


def stranger(kind: str) -> Callable[[Trial, Point], None]:
    """No mail of a stranger may do more than a marked task; no developer of theirs is known, so genuine ones do no more."""

    def inject(trial: Trial, point: Point) -> None:
        start, count = point
        found = forged(kind)[start : start + count]
        bad_mails(trial, [(case.content, case.arrived) for case in found], "any" if kind == "proofs" else "marked")

    return inject


# --- header fields --------------------------------------------------------------------------------------------------------


def odd_case(trial: Trial) -> Case:
    """Return somebody whose notice speaks of an announced day, so that a day that no notice names is seen at once."""
    return Case("Odd Maker", "700800900100", trial.world.cases[0].expires, proven=False)


SINGLE = ("From", "Subject", "Date", "To", "Sender", "Message-ID", "MIME-Version", "Content-Type")


def abuses() -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    """Yield every abuse of a header as a change of a whole mail."""

    def above(field: bytes) -> Callable[[bytes], bytes]:
        return lambda mail: field + b"\r\n" + mail

    def below(field: bytes) -> Callable[[bytes], bytes]:
        return lambda mail: mail.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n", 1)

    def within(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
        return lambda mail: re.sub(old, lambda _: new, mail, count=1)

    for name in SINGLE:
        for value in (
            b"other@evil.example",
            b"",
            b"\xff\xfe",
            b"=?utf-8?q?x=0D=0ABcc:_thief=40x.example?=",
            b"x" * 100_000,
        ):
            field = name.encode() + b": " + value
            yield f"{name} above", above(field)
            yield f"{name} below", below(field)
            yield f"{name} both", lambda mail, field=field: above(field)(below(field)(mail))
        yield f"{name} with a space", above(name.encode() + b" : x@evil.example")
        yield f"{name} folded at once", within(name.encode() + b": ", name.encode() + b":\r\n ")
        yield f"{name} folded often", within(name.encode() + b": ", name.encode() + b":" + b"\r\n " * 200)
        yield f"{name} in small letters", within(name.encode() + b":", name.lower().encode() + b":")
        yield f"{name} with a tab", within(name.encode() + b": ", name.encode() + b":\t\t")
        yield (
            f"{name} twice coded",
            within(name.encode() + b": ", name.encode() + b": =?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?= "),
        )
    for bad in (
        b"\r",
        b"\n",
        b"\0",
        b"\x0b",
        b"\x0c",
        b"\x85",
        b"\x1b[2J",
        b"\xe2\x80\xae",
        b"\xe2\x80\x8b",
        b"\xc2\xad",
        b"\xe2\x80\xa8",
    ):
        for where in (b"Subject: ", b"From: ", b"To: ", b"Developer nickname: "):
            yield f"{bad!r} in {where!r}", within(where, where + b"a" + bad + b"Bcc: thief@x.example" + bad)
    for text in (
        b"=?utf-8?b?DQpCY2M6IHRoaWVmQHguZXhhbXBsZQ==?=",
        b"=?utf-8?q?=0D=0AX-Injected:_yes?=",
        b"=?x-none?q?a?=",
        b"=?utf-8?q?=?=",
        b"=?utf-8?b?!!!?=",
        b"=?utf-16?b?AAAA?=",
        b"=?utf-7?q?+AGE-?=",
        b"=?utf-8?q?" + b"a" * 5000 + b"?=",
        b"=?iso-2022-jp?b?GyRC?=",
    ):
        for where in (b"Subject: ", b"From: ", b"To: "):
            yield f"word {text[:30]!r} in {where!r}", within(where, where + text + b" ")
    yield "1 MB field", above(b"X-Long: " + b"y" * 1_000_000)
    yield "10,000 fields", above(b"\r\n".join(b"X-%d: y" % n for n in range(10_000)))
    yield "no colon", above(b"this line is no field")
    yield "a space first", above(b" folded into nothing")
    yield "mbox line", above(b"From somebody Mon Jan  1 00:00:00 2024")
    yield "no end of the header", lambda mail: mail.replace(b"\r\n\r\n", b"\r\n", 1)
    yield "line ends of one byte", lambda mail: mail.replace(b"\r\n", b"\n")
    yield "byte order mark", lambda mail: b"\xef\xbb\xbf" + mail
    yield "UTF-16", lambda mail: mail.decode("utf-8", "replace").encode("utf-16")


ABUSES = dict(abuses())


def abused(trial: Trial, point: Point) -> None:
    """Abuses of the header of a mail of nobody's: it may come to a task, never to a header field of ours."""
    start, count = point
    content, _ = notice(odd_case(trial), "plain", 30)
    bad_mails(
        trial, [change(stamped("amazon.com") + content) for change in list(ABUSES.values())[start : start + count]]
    )


# --- what a notice says -----------------------------------------------------------------------------------------------------

HIDDEN = (
    "display:none", "visibility:hidden", "font-size:0", "opacity:0", "color:#fff;background:#fff", "position:absolute;left:-9999px",
    "max-height:0;overflow:hidden", "text-indent:-9999px", "mso-hide:all", "width:0;height:0", "clip:rect(0,0,0,0)", "transform:scale(0)",
)  # fmt: skip


def contradictions(case: Case) -> Iterator[bytes]:
    """Yield notices of one case that say two things, or something that cannot be: never may the other day be believed."""
    day, other = case.expires.isoformat(), (case.expires + timedelta(days=400)).isoformat()
    number, name = case.number, case.developer
    plain, html = plain_text(day, number, name), html_text(day, number, name)
    for second in (
        html_text(other, number, name),
        html_text(day, "111222333444", name),
        html_text(other, "111222333444", name),
    ):
        yield both(part(plain, "plain", "8bit"), part(second, "html", "8bit"))
        yield both(part(second, "html", "8bit"), part(plain, "plain", "8bit"))
    for style in HIDDEN:
        for text in (
            f"Access expiration date: {other}",
            "Developer ID: 111222333444",
            f"That access will expire on {other}.",
        ):
            for tag in ("div", "span", "p"):
                yield part(html.replace("<body>", f'<body><{tag} style="{style}">{text}</{tag}>'), "html", "8bit")
    for old, new in (
        (f"date: {day}", f"date: {other}"), (f"on {day}", f"on {other}"), (f"ID:{number}", f"ID:{number}\r\nDeveloper ID:111222333444"),
        (number, number + "9"), (number, number[:-1]), (number, number.translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))),
        (day, "2027-02-30"), (day, day[2:]), (day, "9999-12-31"), (day, "0000-00-00"), (day, f"{day} {other}"), (day, f"{other[:8]}"),
        (day, day.replace("-", "/")), (day, day.replace("-", "\u2010")), (day, ""), (number, ""), (name, ""), (name, "\u200b"),
    ):  # fmt: skip
        for form in ("8bit", "quoted-printable", "base64"):
            yield part(plain.replace(old, new), "plain", form)


def contradicting(trial: Trial, point: Point) -> None:
    start, count = point
    case = odd_case(trial)
    head = notice(case, "plain", 30)[0].split(b"Content-Type:", 1)[0]
    found = list(contradictions(case))[start : start + count]
    impossible = ("9999-12-31", "2027-02-30", "0000-00-00")
    bad_mails(trial, [stamped("amazon.com") + head + content for content in found])
    for (title,) in trial.rows("SELECT title FROM tasks"):
        if any(day in title for day in impossible) and UNREAD not in title:
            trial.broken.append(f"I2 unasked: a day that does not exist: {title}")


def count_of_contradictions(bench: Bench) -> list[Point]:
    return chunks(len(list(contradictions(bench.world.cases[0]))))


@functools.cache
def whole(kind: str) -> tuple[notice_cases.Case, ...]:
    """Return the cases of notice_cases that are one mail each."""
    made = notice_cases.genuine() if kind == "genuine" else notice_cases.look_alikes()
    return tuple(c for c in made if c.techniques["container"] == "eml")


def in_forms(trial: Trial, point: Point) -> None:
    """Genuine notices in every form: each deadline stands in the ledger afterwards."""
    start, count = point
    cases = whole("genuine")[start : start + count]
    bad_mails(trial, [(next(iter(c.files.values())), c.arrived) for c in cases], "any")
    known = set(
        trial.rows("SELECT developer_id, due FROM obligations JOIN authorizations ON authorization = authorizations.id")
    )
    for case in cases:
        for want in case.wants:
            key = (want.fields.get("developer_id"), want.fields.get("expires"))
            if want.status == "read" and want.kind == "authorization_expiring" and all(key) and key not in known:
                trial.broken.append(f"I1 lost: the notice {case.name}: {key}")


def confusing(trial: Trial, point: Point) -> None:
    """Mails that look like notices of the kind and are none: nothing at all may come of them."""
    start, count = point
    bad_mails(trial, [(next(iter(c.files.values())), c.arrived) for c in whole("alike")[start : start + count]], "")


def injected(trial: Trial, point: Point) -> None:
    """Payloads in the nickname, the subject and the sender's name: nothing is executed, no field of ours is forged."""
    technique, n, where = point
    touched = trial.folder / "touched"
    payload = TECHNIQUES[technique][n].format(touched)
    case = dataclasses.replace(odd_case(trial), developer=payload if where == "nickname" else "Odd Maker")
    day = case.expires.isoformat()
    head = (
        f"From: {word(payload) if where == 'sender' else 'Amazon'} <seller-notification@amazon.com>\r\nTo: seller@shop.example\r\n"
        f"Subject: {word(payload) if where == 'subject' else 'ACTION REQUIRED'} authorization will expire in 30 days\r\n"
        f"Message-ID: <odd@mail.example>\r\nMIME-Version: 1.0\r\n"
    )
    mail = stamped("amazon.com") + head.encode() + part(plain_text(day, case.number, case.developer), "plain", "base64")
    bad_mails(trial, [mail])
    if touched.exists() or Path("touched").exists():
        trial.broken.append(f"I2 unasked: the payload was executed: {payload}")


def word(text: str) -> str:
    return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="


def payloads(_: Bench) -> list[Point]:
    return [
        (t, n, w)
        for t, forms in TECHNIQUES.items()
        for n in range(len(forms))
        for w in ("nickname", "subject", "sender")
    ]


# --- corpora, programs ------------------------------------------------------------------------------------------------------


def corpus_files() -> list[Path]:
    folder = os.environ.get("MAILRULES_CORPUS", "")
    return sorted(p for p in Path(folder).rglob("*") if p.is_file() and p.name != "cmds") if folder else []


def no_corpus() -> str:
    return (
        "" if corpus_files() else "MAILRULES_CORPUS names no folder of mail (`make corpus` fetches one, 6,046 messages)"
    )


def real_mail(trial: Trial, point: Point) -> None:
    """Real mail without a notice: nothing may come of it, and every byte is kept."""
    start, count = point
    trial.allow["may_pend"] = False
    bad_mails(trial, [path.read_bytes() or b"\r\n" for path in corpus_files()[start : start + count]], "")


def random_rules(trial: Trial, point: Point) -> None:
    """Random and damaged rules files are checked: a list of problems or none, never a fault of ours; then the good ones poll."""
    chance = random.Random(point[0])
    rules = trial.folder / "my.rules"
    good = rules.read_bytes()
    for _ in range(10):
        text = Program(chance).file()
        text = chance.choice(
            (text, damaged(text, chance), damaged(good.decode(), chance), ODD_RULES[chance.choice(list(ODD_RULES))]())
        )
        rules.write_bytes(text.encode("utf-8", "surrogatepass"))
        checked = trial.end(trial.start("check"), count=False)
        trial.expect(checked, 0, 78)
        if "Traceback" in checked.err or "bug of ours" in checked.err:
            trial.broken.append(f"I6 a bug was met: {checked.err[-300:]}")
    rules.write_bytes(good)
    trial.poll()


ODD_RULES: Mapping[str, Callable[[], str]] = {
    "deep": lambda: 'rule "x" {\n on mail\n when ' + "(" * 10_000 + "\n",
    "not not": lambda: 'rule "x" {\n on mail\n when ' + "not " * 10_000 + "subject is empty\n}\n",
    "1 MB": lambda: 'rule "x" {\n on mail\n create task "x"\n}\n' * 25_000,
    "NUL": lambda: 'rule "\0" {\n on mail\n create task "\0"\n}\n',
    "mark": lambda: '\ufeffrule "x" {\n on mail\n create task "x"\n}\n',
    "bidi": lambda: 'rule "x\u202e\u2066" {\n on mail\n # \u2069\u2066 create task "y"\n create task "x"\n}\n',
    "surrogate": lambda: 'rule "\ud800" {\n}\n',
    "braces": lambda: 'rule "x" {\n on mail\n create task "' + "{{" * 5000 + '"\n}\n',
    "template": lambda: 'rule "x" {\n on mail\n create task "{{ ' + "x." * 5000 + 'x }}"\n}\n',
}


FAULTS = (
    Fault(name="real-mail", row="B01", world="small", inject=real_mail, changes_mailbox=True, missing=no_corpus,
          points=lambda _: chunks(len(corpus_files()), 100)),
    Fault(name="mutated", row="B02+B04", world="house", inject=mutated, changes_mailbox=True, points=lambda _: [(n,) for n in range(2000)]),
    Fault(name="cut-mail", row="B03", world="house", inject=cut_mails, changes_mailbox=True,
          points=lambda b: [(m, n) for m in range(len(b.world.notices)) for n in range(40)]),
    Fault(name="header", row="B05", world="small", inject=abused, changes_mailbox=True, points=lambda _: chunks(len(ABUSES), 8)),
    Fault(name="addresses", row="B06", world="small", inject=stranger("addresses"), changes_mailbox=True,
          points=lambda _: chunks(len(forged("addresses")))),
    Fault(name="tricks", row="B07+B09", world="small", inject=tricks, changes_mailbox=True,
          points=lambda _: [(n, how) for n, how in enumerate(TRICKS)]),
    Fault(name="proofs", row="B07", world="small", inject=stranger("proofs"), changes_mailbox=True,
          points=lambda _: chunks(len(forged("proofs")))),
    Fault(name="phishing", row="B09", world="small", inject=stranger("phishing"), changes_mailbox=True,
          points=lambda _: chunks(len(forged("phishing")))),
    Fault(name="real-phishing", row="B10", world="small", inject=lambda _, __: None, points=lambda _: [],
          missing=lambda: "no corpus of real phishing is published with the sources; its techniques are those of `phishing`"),
    Fault(name="forms", row="B11", world="small", inject=in_forms, changes_mailbox=True, points=lambda _: chunks(len(whole("genuine")))),
    Fault(name="look-alikes", row="B12", world="small", inject=confusing, changes_mailbox=True, points=lambda _: chunks(len(whole("alike")))),
    Fault(name="contradiction", row="B13", world="small", inject=contradicting, changes_mailbox=True, points=count_of_contradictions),
    Fault(name="injection", row="B14", world="small", inject=injected, changes_mailbox=True, points=payloads),
    Fault(name="costly", row="B15+F25", world="small", inject=costly, changes_mailbox=True, points=lambda _: [(name,) for name in COSTLY]),
    Fault(name="size", row="F30", world="small", inject=costly, changes_mailbox=True, points=lambda _: [(name,) for name in SIZES]),
    Fault(name="bombs", row="B16", world="small", inject=costly, changes_mailbox=True, points=lambda _: [(name,) for name in BOMBS]),
    Fault(name="programs", row="B17", world="small", inject=random_rules, points=lambda _: [(n,) for n in range(1000)]),
)  # fmt: skip
