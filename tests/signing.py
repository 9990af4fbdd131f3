"""Keys made here and now, and mails signed with them: for tests of our own check of signatures."""

from __future__ import annotations

import base64
import functools
import random
import time
from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from unittest import mock

import dkim

HEADERS = ("from", "to", "subject", "date", "message-id", "mime-version", "content-type", "content-transfer-encoding")


def _is_prime(number: int, chance: random.Random) -> bool:
    if any(number % small == 0 for small in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(16):
        power = pow(chance.randrange(2, number - 1), odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def _prime(bits: int, chance: random.Random) -> int:
    while True:
        number = chance.getrandbits(bits) | (3 << (bits - 2)) | 1
        if number % 65537 != 1 and _is_prime(number, chance):
            return number


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x80 | (size.bit_length() + 7) // 8]) + size.to_bytes((size.bit_length() + 7) // 8, "big")  # fmt: skip
    return bytes([tag]) + length + content


def _integers(*numbers: int) -> bytes:
    return _der(0x30, b"".join(_der(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in numbers))


@functools.cache
def key(bits: int = 1024, seed: int = 1) -> tuple[bytes, bytes]:
    """Return (private key as PEM, key record) of a new RSA key."""
    chance = random.Random(seed)
    p, q = _prime(bits // 2, chance), _prime(bits // 2, chance)
    n, e = p * q, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    private = base64.encodebytes(_integers(0, n, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)))
    pem = b"-----BEGIN RSA PRIVATE KEY-----\n" + private + b"-----END RSA PRIVATE KEY-----\n"
    return pem, b"v=DKIM1; k=rsa; p=" + base64.b64encode(_integers(n, e))


def signed(
    mail: bytes,
    domain: str = "amazon.com",
    *,
    headers: Sequence[str] = HEADERS,
    bits: int = 1024,
    at: datetime | None = None,
    **more: Any,
) -> bytes:
    """Return a mail with a signature on top, made now or `at` an instant."""
    there = {line.partition(b":")[0].lower() for line in mail.partition(b"\r\n\r\n")[0].split(b"\r\n")}
    covered = [name.encode() for name in headers if name.encode() in there]
    options = {"canonicalize": (b"relaxed", b"relaxed"), **more}
    clock = SimpleNamespace(time=at.timestamp if at else time.time)
    with mock.patch.object(dkim, "time", clock):
        signature = dkim.sign(mail, b"sel", domain.encode(), key(bits)[0], include_headers=covered, **options)
    return bytes(signature) + mail
