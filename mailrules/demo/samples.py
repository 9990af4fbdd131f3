"""The sample mails of the demo, dated around the day it is run.

In: the present day. Out: (bytes, arrival). May not live here: servers, text for the terminal.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime

RECEIVER = "mx.demo.example"


def _mail(
    sender: str, subject: str, body: str, arrived: datetime, *, name: str, passed: str = ""
) -> tuple[bytes, datetime]:
    stamp = f"Authentication-Results: {RECEIVER}; dmarc=pass header.from={passed}\r\n" if passed else ""
    head = (
        f"{stamp}From: {sender}\r\nTo: seller@demo.example\r\nSubject: {subject}\r\nDate: {format_datetime(arrived)}\r\n"
        f"Message-ID: <{name}@demo.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n"
    )
    return (head + body.replace("\n", "\r\n")).encode(), arrived


def expiring(
    developer_id: str, developer: str, expires: date, arrived: datetime, *, name: str, passed: str = "amazon.com"
) -> tuple[bytes, datetime]:
    """Return Amazon's English expiry mail as it comes `expires - arrived` days before the date."""
    days = (expires - arrived.date()).days
    body = (
        f"Dear Demo Store\n\nAction is required by you to renew your authorization.\n"
        f"The provider listed below has access to your account. That access will expire on {expires}.\n\n"
        f"Developer ID:{developer_id}\nDeveloper nickname: {developer}\nAccess expiration date: {expires}\n\n"
        "https://sellercentral.amazon.com/apps/manage\n"
    )
    subject = f"ACTION REQUIRED - Your software application authorization will expire in {days} days"
    return _mail(
        "Amazon Seller Central <seller-notification@amazon.com>", subject, body, arrived, name=name, passed=passed
    )


def samples(today: date) -> list[tuple[bytes, datetime]]:
    """Return a small inbox: notices of several kinds among ordinary mail."""
    morning = datetime.combine(today, time(6), UTC)
    week = timedelta(days=7)
    first = today + timedelta(days=23)
    return [
        _mail("Shop <orders@shop.example>", "Your order has shipped", "It is on its way.\n", morning - 3 * week, name="order"),
        expiring("446453545547", "Never Settle", first, morning - week, name="first-reminder"),
        _mail("Newsletter <news@shop.example>", "Spring sale", "Everything must go.\n", morning - timedelta(days=3), name="news"),
        expiring("446453545547", "Never Settle", first, morning, name="second-reminder"),
        expiring("525964794073", "shippinno", today + timedelta(days=12), morning, name="unstamped", passed=""),
        _mail(
            "AccountOne <service@accountone.de>", "Status Ihrer Schnittstellen", "In Ihrem Dashboard steht ,,Anbindung erneuern''.\n",
            morning, name="status", passed="accountone.de",
        ),
        _mail(
            "Amazon <no-reply@amazon.com>", "Your credentials",
            "You have 30 days remaining to rotate your Login with Amazon (LWA) credentials (client secrets).\n", morning, name="lwa", passed="amazon.com",
        ),
        _mail(
            "Amazon Seller Central <seller-notification@amazon.com>",
            "ACTION REQUIRED - Your software application authorization will expire in 30 days",
            "That access will expire on 2027-02-30.\nDeveloper ID: 1111222233334\nDeveloper nickname: Odd One\nAccess expiration date: 2027-02-30\n",
            morning, name="impossible", passed="amazon.com",
        ),
    ]  # fmt: skip
