"""A seeded generator of mails: Amazon's English expiry notice in every form, and the ordinary mail it lies among."""

from __future__ import annotations

import base64
import quopri
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

RECEIVER = "mx.shop.example"
DEVELOPER_ID, DEVELOPER = "446453545547", "Never Settle"
EXPIRES = date(2024, 4, 10)
REMINDERS = (30, 23, 16, 9, 2)
FORMS = ("plain", "html", "quoted-printable", "base64", "multipart", "multipart-encoded")


def today() -> date:
    """Return the present day in UTC; to be asked in a test, for the tests of a long run are not all of one day."""
    return datetime.now(UTC).date()


def stamped(domain: str) -> bytes:
    return f"Authentication-Results: {RECEIVER}; dmarc=pass header.from={domain}\r\n".encode()


def plain_text(
    expires: str, developer_id: str = DEVELOPER_ID, developer: str = DEVELOPER, again: str | None = None
) -> str:
    return (
        "Dear Shop,\r\n\r\nPlease renew the access of a provider to your selling account.\r\n\r\n"
        f"The provider listed below has access to your account. That access will expire on {expires}.\r\n\r\n"
        "Renew or revoke it at https://sellercentral.amazon.com/apps/manage\r\n\r\n"
        f"Developer ID:{developer_id}\r\nDeveloper nickname: {developer}\r\nAccess expiration date: {again or expires}\r\n\r\nThanks\r\n"
    )


def html_text(expires: str, developer_id: str = DEVELOPER_ID, developer: str = DEVELOPER, extra: str = "") -> str:
    return (
        "<html><head><style>p { color: #333 }</style></head><body><table><tr><td>\r\n"
        "<p>The provider listed below has access to your account.\r\n"
        f"That access will expire&nbsp;on <b>{expires}</b>.</p></td></tr>\r\n"
        f"<tr><td><b>Developer</b> <i>ID</i>:</td><td>{developer_id}</td></tr>\r\n"
        f"<tr><td>Developer&nbsp;<span>nickname</span>:</td><td>{developer.replace(' ', '&nbsp;')}</td></tr>\r\n"
        f"<tr><td>Access <em>expiration</em>&nbsp;date:</td><td><span>{expires}</span></td></tr></table>{extra}\r\n"
        '<p><a href="https://sellercentral.amazon.com/apps/manage">Manage Your Apps</a></p></body></html>\r\n'
    )


def part(text: str, kind: str, encoding: str) -> bytes:
    content = text.encode()
    if encoding == "base64":
        content = base64.encodebytes(content).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        content = quopri.encodestring(content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
        # soft breaks in the middle of what has to be read
        content = content.replace(b"Developer ni", b"Develop=\r\ner ni").replace(b"4464535", b"4464=\r\n535")
    return (
        f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + content
    )


def both(plain: bytes, html: bytes) -> bytes:
    parts = b"".join(b"--cut\r\n" + p + b"\r\n" for p in (plain, html))
    return b'Content-Type: multipart/alternative; boundary="cut"\r\n\r\n' + parts + b"--cut--\r\n"


def body(form: str, expires: str) -> bytes:
    plain, html = plain_text(expires), html_text(expires)
    return {
        "plain": lambda: part(plain, "plain", "8bit"),
        "html": lambda: part(html, "html", "8bit"),
        "quoted-printable": lambda: part(plain, "plain", "quoted-printable"),
        "base64": lambda: part(plain, "plain", "base64"),
        "multipart": lambda: both(part(plain, "plain", "8bit"), part(html, "html", "8bit")),
        "multipart-encoded": lambda: both(part(plain, "plain", "quoted-printable"), part(html, "html", "base64")),
    }[form]()


def wrapped(content: bytes, days: int, arrived: datetime, *, name: str, stamp: bool) -> bytes:
    head = (
        "From: Amazon Seller Central <seller-notification@amazon.com>\r\nTo: seller@shop.example\r\n"
        f"Subject: ACTION REQUIRED - Your software application authorization will expire in {days} days\r\n"
        f"Date: {format_datetime(arrived)}\r\nMessage-ID: <{name}@mail.example>\r\nMIME-Version: 1.0\r\n"
    )
    return (stamped("amazon.com") if stamp else b"") + head.encode() + content


def notice(
    form: str = "plain", *, expires: date = EXPIRES, days: int = 30, stamp: bool = False
) -> tuple[bytes, datetime]:
    """Return the notice as it comes `days` before the date, and when it came."""
    arrived = datetime.combine(expires - timedelta(days=days), time(0, 5), UTC)
    return wrapped(body(form, expires.isoformat()), days, arrived, name=f"{form}-{days}", stamp=stamp), arrived


def reminders(form: str = "plain", *, expires: date = EXPIRES, stamp: bool = False) -> list[tuple[bytes, datetime]]:
    return [notice(form, expires=expires, days=days, stamp=stamp) for days in REMINDERS]


def ordinary(seed: int, today: date) -> Iterator[tuple[bytes, datetime]]:
    """Yield ordinary mails of many kinds without end; the same seed and day give the same bytes."""
    chance = random.Random(seed)
    words = ["order", "parcel", "invoice", "Größe", "shipping", "renewal", "Rechnung", "注文", "lamp", "account"]
    number = 0
    while True:
        number += 1
        text = "".join(
            " ".join(chance.choices(words, k=chance.randint(3, 9))) + "\n" for _ in range(chance.randint(1, 12))
        )
        arrived = datetime.combine(today - timedelta(days=chance.randint(1, 300)), time(chance.randrange(24)), UTC)
        mail = EmailMessage()
        mail["From"] = (
            f"Somebody <user{number}@{chance.choice(['shop.example', 'news.example', 'marketplace.amazon.com', 'amazon.de'])}>"
        )
        mail["To"], mail["Date"], mail["Message-ID"] = (
            "seller@shop.example",
            format_datetime(arrived),
            f"<o{number}@shop.example>",
        )
        mail["Subject"] = f"{chance.choice(words)} {number}"
        match number % 6:
            case 0:
                mail.set_content(text)
            case 1:
                mail.set_content(f"<p>{text}</p>", subtype="html")
            case 2:
                mail.set_content(text)
                mail.add_alternative(f"<div>{text}</div>", subtype="html")
            case 3:
                mail.set_content(text)
                mail.add_attachment(
                    chance.randbytes(3000), maintype="application", subtype="pdf", filename="Rechnung.pdf"
                )
            case 4:
                mail.set_content("注文を発送しました\n" * 3, charset="iso-2022-jp", cte="7bit")
            case _:
                inner = EmailMessage()
                inner["From"], inner["Subject"] = "someone@shop.example", "Re: lamp"
                inner.set_content(text)
                mail.set_content("see below\n")
                mail.add_attachment(inner)
        yield mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), arrived


def mailbox(today: date, *, stamp: bool, size: int = 300, seed: int = 1) -> list[tuple[bytes, datetime]]:
    """Return a mailbox of `size` mails: the 30-day notice once in each form among ordinary mail."""
    expires = today + timedelta(days=30)
    mails = [notice(form, expires=expires, stamp=stamp) for form in FORMS]
    source = ordinary(seed, today)
    mails += [next(source) for _ in range(size - len(mails))]
    random.Random(seed).shuffle(mails)
    return mails
