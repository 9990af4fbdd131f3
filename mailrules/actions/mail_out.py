"""Mail out: header fields of our own, one envelope, what the server said as an Outcome.

In: SmtpSettings, addresses, texts. Out: bytes of a mail, Outcome.
May not live here: what a mail says; retrying; the clock.
"""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP

from mailrules.effects import Outcome
from mailrules.hosts import is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """How to send. `tls` is "implicit" (TLS from the first byte), "starttls", or "none" (this machine only)."""

    host: str
    port: int
    tls: str
    user: str | None
    secret: Callable[[], str] | None
    sender: str
    timeout: float = 60.0


def headers(settings: SmtpSettings, own_id: str, key: str, to: Sequence[str], subject: str, now: str) -> EmailMessage:
    """Return a mail without content; the same `key` always gets the same Message-ID."""
    for value in (*to, subject, settings.sender):
        if any(ord(c) < 32 or ord(c) == 127 for c in value):
            raise ValueError(f"a header field would hold a line break or control character: {value!r}")
    domain = settings.sender.rpartition("@")[2].rstrip(">") or "localhost"
    name = hashlib.sha256(f"{own_id}\x1f{key}".encode()).hexdigest()[:32]
    mail = EmailMessage(policy=SMTP)
    mail["From"] = settings.sender
    mail["To"] = ", ".join(to)
    mail["Subject"] = subject
    mail["Date"] = datetime.fromisoformat(now)
    mail["Message-ID"] = f"<mailrules-{name}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Mailrules-Id"] = own_id
    return mail


def send(settings: SmtpSettings, to: Sequence[str], build: Callable[[bool], bytes]) -> Outcome:
    """Send what `build` makes, which is told whether the server takes 8-bit mail."""
    if not to:
        return Outcome(result="failed", why="the mail has no recipient")
    if settings.tls == "none" and not is_loopback(settings.host):
        return Outcome(result="failed", why=f"{settings.host} is not this machine: mail is not sent there without TLS")
    try:
        with _connect(settings) as server:
            eight_bit = server.has_extn("8bitmime")
            content = build(eight_bit)
            options = ["body=8bitmime"] if eight_bit and not content.isascii() else []
            sender = settings.sender.rpartition("<")[2].rstrip(">")
            refused = server.sendmail(sender, list(to), content, mail_options=options)
    except smtplib.SMTPRecipientsRefused as error:
        temporary = all(400 <= code < 500 for code, _ in error.recipients.values())
        return Outcome(result="retry" if temporary else "failed", why=_refusals(error.recipients))
    except smtplib.SMTPResponseException as error:
        temporary = not 500 <= error.smtp_code < 600
        text = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return Outcome(result="retry" if temporary else "failed", why=f"{settings.host} said {error.smtp_code} {text}")
    except smtplib.SMTPNotSupportedError as error:
        return Outcome(result="failed", why=f"{settings.host} cannot do what is needed: {error}")
    except (smtplib.SMTPException, OSError) as error:
        return Outcome(result="retry", why=f"{settings.host}:{settings.port} did not take the mail: {error}")
    if refused:
        return Outcome(result="failed", why="sent, but not to everyone: " + _refusals(refused))
    return Outcome(result="done", why=f"sent to {', '.join(to)}")


def _connect(settings: SmtpSettings) -> smtplib.SMTP:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    server: smtplib.SMTP
    if settings.tls == "implicit":
        server = smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout, context=context)
    else:
        server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout)
    try:
        if settings.tls == "starttls":
            server.starttls(context=context)
        server.ehlo_or_helo_if_needed()
        if settings.user and settings.secret:
            server.login(settings.user, settings.secret())
    except BaseException:
        server.close()
        raise
    return server


def _refusals(refused: dict[str, tuple[int, bytes]]) -> str:
    return "; ".join(
        f"{who} was refused: {code} {text.decode('utf-8', 'replace')}" for who, (code, text) in refused.items()
    )
