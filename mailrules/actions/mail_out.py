"""Mail out: header fields of our own, one envelope, what the server said as an Outcome.

In: SmtpSettings, addresses, texts. Out: bytes of a mail, Outcome.
May not live here: what a mail says; retrying; the clock.
"""

from __future__ import annotations

import contextlib
import hashlib
import smtplib
import ssl
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP

from mailrules.effects import Outcome
from mailrules.hosts import is_loopback
from mailrules.redact import Secrets
from mailrules.sasl import MECHANISMS, Exchange

LINE_BREAKING = ("Cc", "Cs", "Zl", "Zp")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """How to send. `tls` is "implicit" (TLS from the first byte), "starttls", or "none" (this machine only).

    `ca_file`: the certificates to trust instead of the system's. `away`: why no connection could be had; as long as these
    settings are in use none is tried again, or a silent server would hold up everybody, for each mail anew.
    """

    host: str
    port: int
    tls: str
    user: str | None
    secret: Callable[[], str] | None
    sender: str
    timeout: float = 60.0
    ca_file: str | None = None
    auth: str = "password"
    away: list[Exception] = field(default_factory=list, compare=False)


def headers(settings: SmtpSettings, own_id: str, key: str, to: Sequence[str], subject: str, now: str) -> EmailMessage:
    """Return a mail without content; the same `key` always gets the same Message-ID."""
    for value in (*to, subject, settings.sender):
        if any(unicodedata.category(c) in LINE_BREAKING for c in value):
            raise ValueError(f"a header field would hold a line break or control character: {value[:200]!r}")
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


def put_text(mail: EmailMessage, text: str) -> None:
    """Give a mail its text, in a form that every server takes."""
    mail.set_content(text, cte=None if text.isascii() else "base64")


def send(settings: SmtpSettings, to: Sequence[str], build: Callable[[bool], bytes]) -> Outcome:
    """Send what `build` makes, which is told whether the server takes 8-bit mail."""
    if not to:
        return Outcome(result="failed", why="the mail has no recipient")
    if settings.tls != "none" or is_loopback(settings.host):
        return _tried(settings, to, lambda: _handed_over(settings, to, build))
    return Outcome(result="failed", why=f"{settings.host} is not this machine: mail is not sent there without TLS")


def try_out(settings: SmtpSettings) -> Outcome:
    """Connect and log in, and send nothing."""

    def greeted() -> Mapping[str, tuple[int, bytes]]:
        _connect(settings).close()
        return {}

    return _tried(settings, (), greeted)


def _tried(settings: SmtpSettings, to: Sequence[str], work: Callable[[], Mapping[str, tuple[int, bytes]]]) -> Outcome:
    """Tell apart what may pass (retry), what will not, and what a person must put right (both failed)."""
    host = settings.host
    try:
        refused = work()
    except ssl.SSLCertVerificationError as error:
        told = "; is it the right server? A certificate of your own is named by ca_file in [smtp]"
        return Outcome(
            result="failed",
            why=f"nothing was sent: the certificate of {host} does not hold: {error.verify_message}{told}",
        )
    except smtplib.SMTPAuthenticationError as error:
        said = _said(error.smtp_code, error.smtp_error)
        return _refused([error.smtp_code], f"{host} refused the login of {settings.user}: {said}; look at [smtp]")
    except smtplib.SMTPRecipientsRefused as error:
        return _refused([code for code, _ in error.recipients.values()], _refusals(error.recipients))
    except smtplib.SMTPResponseException as error:
        return _refused([error.smtp_code], f"{host} said {_said(error.smtp_code, error.smtp_error)}")
    except smtplib.SMTPNotSupportedError as error:
        return Outcome(result="failed", why=f"nothing was sent: {host} cannot do what is needed: {error}")
    except UnicodeEncodeError:
        return Outcome(result="failed", why=f"an address among {', '.join(to)} is not plain ASCII, which SMTP needs")
    except (smtplib.SMTPException, OSError) as error:
        return Outcome(result="retry", why=f"{host}:{settings.port} did not take the mail: {error}")
    if refused:
        return Outcome(result="failed", why="sent, but not to everyone: " + _refusals(refused))
    return Outcome(result="done", why=f"sent to {', '.join(to)}")


def _handed_over(
    settings: SmtpSettings, to: Sequence[str], build: Callable[[bool], bytes]
) -> Mapping[str, tuple[int, bytes]]:
    if settings.away:
        raise settings.away[0]
    try:
        server = _connect(settings)
    except Exception as error:
        settings.away.append(error)
        raise
    try:
        eight_bit = server.has_extn("8bitmime")
        content = build(eight_bit)
        options = ["body=8bitmime"] if eight_bit and not content.isascii() else []
        sender = settings.sender.rpartition("<")[2].rstrip(">")
        refused = server.sendmail(sender, list(to), content, mail_options=options)
        # why: the mail is taken once DATA is answered; whatever is said to QUIT must not send it again
        with contextlib.suppress(smtplib.SMTPException, OSError):
            server.quit()
        return refused
    finally:
        server.close()


def _connect(settings: SmtpSettings) -> smtplib.SMTP:
    server: smtplib.SMTP
    context = None if settings.tls == "none" else ssl.create_default_context(cafile=settings.ca_file)
    if context:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.tls == "implicit":
        server = smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout, context=context)
    else:
        server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout)
    try:
        if settings.tls == "starttls":
            server.starttls(context=context)
        server.ehlo_or_helo_if_needed()
        if settings.user and settings.secret:
            _sign_in(server, settings, settings.user, settings.secret())
    except BaseException:
        server.close()
        raise
    return server


def _sign_in(server: smtplib.SMTP, settings: SmtpSettings, user: str, secret: str) -> None:
    if settings.auth == "password":
        server.login(user, secret)
        return
    exchange = Exchange(MECHANISMS[settings.auth], user, secret, settings.host, settings.port)
    try:
        server.auth(exchange.mechanism, lambda challenge=None: exchange.answer(challenge or b"").decode("utf-8"))
    except smtplib.SMTPAuthenticationError as error:
        said = Secrets(secret).shortened(exchange.refusal)
        told = f"; it said of the access token: {said}" if said else ""
        raise smtplib.SMTPAuthenticationError(error.smtp_code, _text(error.smtp_error) + told) from error


def _refused(codes: Sequence[int], why: str) -> Outcome:
    """A refusal of 5xx is final (RFC 5321, 4.2.1); any other may pass."""
    return Outcome(result="failed" if any(500 <= code < 600 for code in codes) else "retry", why=why)


def _said(code: int, text: bytes | str) -> str:
    return f"{code} {_text(text)}"


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said


def _refusals(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{who} was refused: {_said(*answer)}" for who, answer in refused.items())
