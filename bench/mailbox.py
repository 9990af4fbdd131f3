"""A mailbox to measure with: ordinary mail of realistic sizes, and one notice in a hundred, the same from one seed.

In: how many messages, their mean size, a day. Out: files of a Maildir, and what has to be found in them.
May not live here: servers, clients, what is measured.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from pathlib import Path

from tests.mails import FORMS, both, html_text, part, plain_text

NOTICE_SHARE = 100
MEAN_BYTES = 73_500
_NOTICE_BYTES = 6_000
_ENGLISH = [
    "order",
    "parcel",
    "invoice",
    "shipping",
    "renewal",
    "lamp",
    "account",
    "update",
    "offer",
    "season",
    "stock",
    "refund",
    "return",
    "label",
    "customer",
    "price",
    "delivery",
    "warehouse",
    "question",
    "answer",
    "report",
    "weekly",
    "summary",
    "payment",
]
_WORDS = [*_ENGLISH, "Größe", "Rechnung", "注文", "发送", "订单"]


@dataclass(frozen=True, kw_only=True)
class Made:
    """What was made: how many messages and bytes, and the developer ids that its notices name."""

    messages: int
    size: int
    ids: frozenset[str]


def make(maildir: Path, count: int, today: date, *, mean: int = MEAN_BYTES, seed: int = 6) -> Made:
    """Write `count` messages into a Maildir."""
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True, exist_ok=True)
    ids: set[str] = set()
    size = 0
    for number, (content, moment, developer) in enumerate(messages(count, today, mean=mean, seed=seed)):
        path = maildir / "cur" / f"{1_600_000_000 + number}.M{number}P1.bench,S={len(content)},W={len(content)}:2,S"
        path.write_bytes(content)
        os.utime(path, (moment.timestamp(), moment.timestamp()))
        size += len(content)
        if developer:
            ids.add(developer)
    return Made(messages=count, size=size, ids=frozenset(ids))


def messages(count: int, today: date, *, mean: int, seed: int) -> Iterator[tuple[bytes, datetime, str]]:
    """Yield (bytes, arrival, developer id or "") of each message, the oldest first."""
    chance = random.Random(seed)
    noise = _noise(chance)
    for number in range(count):
        if number % NOTICE_SHARE == NOTICE_SHARE // 2:
            yield notice(number, today, chance)
        else:
            back = timedelta(days=(count - number) * 700 // count, minutes=number % 1440)
            yield _ordinary(number, datetime.combine(today, time(12), UTC) - back, mean, chance, noise)


def notice(number: int, today: date, chance: random.Random) -> tuple[bytes, datetime, str]:
    """Return Amazon's expiry notice in one of its forms, about a developer of its own, of the last days."""
    left = (30, 23, 16)[number % 3]
    expires = (today + timedelta(days=left - 1)).isoformat()
    developer, name = f"{446_000_000_000 + number * 7:012d}", f"Developer {number}"
    plain, html = plain_text(expires, developer, name), html_text(expires, developer, name)
    rest = _prose(chance, _NOTICE_BYTES - len(plain), _ENGLISH)
    plain, html = f"{plain}\r\n{rest}", html.replace("</body>", f"<p>{rest}</p></body>")
    form = FORMS[number // NOTICE_SHARE % len(FORMS)]
    body = {
        "plain": lambda: part(plain, "plain", "8bit"),
        "html": lambda: part(html, "html", "8bit"),
        "quoted-printable": lambda: part(plain, "plain", "quoted-printable"),
        "base64": lambda: part(plain, "plain", "base64"),
        "multipart": lambda: both(part(plain, "plain", "8bit"), part(html, "html", "8bit")),
        "multipart-encoded": lambda: both(part(plain, "plain", "quoted-printable"), part(html, "html", "base64")),
    }[form]()
    arrived = datetime.combine(today - timedelta(days=1), time(0, 5), UTC)
    subject = f"ACTION REQUIRED - Your software application authorization will expire in {left} days"
    head = _head("Amazon Seller Central <seller-notification@amazon.com>", subject, arrived, f"n{number}", chance)
    return head + body, arrived, developer


def _head(sender: str, subject: str, moment: datetime, name: str, chance: random.Random) -> bytes:
    """Return header fields as they come today: most of their bytes are the servers' own."""
    signature = "".join(chance.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/", k=340))
    folded = "\r\n ".join(signature[i : i + 68] for i in range(0, 340, 68))
    domain = sender.rpartition("@")[2].rstrip(">")
    hops = "".join(
        f"Received: from mx{hop}.{domain} (mx{hop}.{domain} [192.0.2.{hop}])\r\n\tby in{hop}.shop.example with ESMTPS id"
        f" {name}{hop};\r\n\t{format_datetime(moment)}\r\n"
        for hop in range(1, 5)
    )
    return (
        f"{hops}DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s1; h=From:Subject:Date;\r\n b={folded}\r\n"
        f"From: {sender}\r\nTo: Seller <seller@shop.example>\r\nSubject: {subject}\r\nDate: {format_datetime(moment)}\r\n"
        f"Message-ID: <{name}.{chance.randrange(10**12)}@{domain}>\r\nMIME-Version: 1.0\r\n"
    ).encode()


def _ordinary(
    number: int, moment: datetime, mean: int, chance: random.Random, noise: bytes
) -> tuple[bytes, datetime, str]:
    """Return one ordinary mail: short text, a newsletter of HTML, or one with an attachment, as sizes are in a mailbox."""
    host = f"{chance.choice(_WORDS[:8]).lower().encode('ascii', 'ignore').decode()}{number % 97}.example"
    subject = " ".join(chance.choices(_WORDS if number % 6 == 0 else _ENGLISH, k=chance.randint(3, 8)))
    if not subject.isascii():
        from email.header import Header

        subject = Header(subject, "utf-8").encode()
    head = _head(f"Somebody <user{number}@{host}>", subject, moment, f"o{number}", chance)
    kind = chance.random()
    text = _prose(chance, chance.randint(200, 3_000))
    if kind < 0.35:
        return head + part(text, "plain", "8bit"), moment, ""
    if kind < 0.75:
        page = f"<html><body><p>{text}</p>{'<div>lamp &amp; more</div>' * int(chance.expovariate(26 / (0.3 * mean)))}</body></html>"
        return head + both(part(text, "plain", "8bit"), part(page, "html", "8bit")), moment, ""
    # why: a quarter carries the bytes, as in real mailboxes; the rest of the mean is theirs
    wanted = int(chance.expovariate(1 / (3.4 * mean)))
    start = chance.randrange(len(noise) - 4_000_000)
    start -= start % 78
    attached = (
        b'--cut\r\nContent-Type: application/pdf; name="invoice.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + noise[start : start + min(wanted, 4_000_000)]
    )
    first = b"--cut\r\n" + part(text, "plain", "8bit") + b"\r\n"
    return (
        head + b'Content-Type: multipart/mixed; boundary="cut"\r\n\r\n' + first + attached + b"\r\n--cut--\r\n",
        moment,
        "",
    )


def _prose(chance: random.Random, size: int, words: Sequence[str] = _WORDS) -> str:
    lines, length = [], 0
    while length < size:
        line = " ".join(chance.choices(words, k=9))
        lines.append(line)
        length += len(line) + 2
    return "\r\n".join(lines) + "\r\n"


def _noise(chance: random.Random) -> bytes:
    """Return bytes of base64 from which attachments are cut."""
    import base64

    return base64.encodebytes(chance.randbytes(6_000_000)).replace(b"\n", b"\r\n")
