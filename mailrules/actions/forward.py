"""Forwarding: a covering text and the original, byte for byte.

In: a forward effect, the stored bytes. Out: Outcome. May not live here: parsing the original, which is never re-made.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP

from mailrules.actions.mail_out import SmtpSettings, headers, put_text, send
from mailrules.effects import Effect, Outcome

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
LONGEST_LINE = 998


def forward(
    effect: Effect, settings: SmtpSettings, own_id: str, content: Callable[[str], bytes | None], now: str
) -> Outcome:
    """Send the covering text with the original attached; where there never was a message, the text alone."""
    to = list(effect.args["to"])
    digest = effect.args.get("message")
    original = content(digest) if digest else None
    if digest and original is None:
        return Outcome(result="failed", why="the original message is no longer kept, so it cannot be forwarded")
    mail = headers(settings, own_id, effect.key, to, str(effect.args["subject"]), now)
    body = str(effect.args["body"]) + "\n"
    if original is None:
        put_text(mail, body)
        return send(settings, to, lambda _eight_bit: mail.as_bytes())
    whole: bytes = original
    return send(settings, to, lambda eight_bit: _assemble(mail, body, whole, eight_bit=eight_bit))


def _assemble(mail: EmailMessage, body: str, original: bytes, *, eight_bit: bool) -> bytes:
    """Put the MIME parts around the bytes by hand: the library would parse and re-make the original."""
    text = EmailMessage(policy=SMTP)
    put_text(text, body)
    boundary = hashlib.sha256(original).hexdigest()[:40].encode()
    while boundary in original:
        boundary = hashlib.sha256(boundary).hexdigest()[:40].encode()
    encoding = b"7bit"
    if _fits(original, eight_bit=eight_bit):
        encoding = b"7bit" if original.isascii() else b"8bit"
        part = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + original
    else:
        lines = base64.encodebytes(original).replace(b"\n", b"\r\n")
        part = (
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
            b'Content-Disposition: attachment; filename="original.eml"\r\n\r\n' + lines
        )
    line = b"\r\n--" + boundary
    # Written here and not set on `mail`: the library would fold the boundary, and add an empty multipart of its own.
    mime = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="' + boundary + b'"\r\n'
    mime += b"Content-Transfer-Encoding: " + encoding + b"\r\n"
    head = mail.as_bytes().rstrip(b"\r\n") + b"\r\n" + mime
    return head + line + b"\r\n" + text.as_bytes() + line + b"\r\n" + part + line + b"--\r\n"


def _fits(original: bytes, *, eight_bit: bool) -> bool:
    if _BARE.search(original) or (not original.isascii() and not eight_bit):
        return False
    return all(len(line) <= LONGEST_LINE for line in original.split(b"\r\n"))
