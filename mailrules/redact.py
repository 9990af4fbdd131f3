"""Secrets taken out of text that leaves: what is printed, what is stored, what a crash says.

In: every secret that was fetched, and texts. Out: the texts with a mark where a secret stood.
May not live here: fetching secrets (secret.py); anything that decides what a secret may be used for.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, TextIO

MARK = "[redacted]"
SHORTEST = 4
"""Anything shorter would be found in half of all words."""
PLAIN = 8
"""From this length on a secret is taken out even from the middle of a word."""

_KNOWN: set[str] = set()
_TOKENS = re.compile(
    r"Atz[a-z]\|[\w+/=.-]{8,}"  # access and refresh tokens of Login with Amazon
    r"|amzn1\.oa2-cs\.[\w.-]{8,}"  # client secrets of Login with Amazon
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bya29\.[\w-]{20,}|\b1//0[\w-]{20,}"  # access and refresh tokens of Google
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"  # JSON web tokens, also of Microsoft
    r"|(?<=\bBearer )[\w+/=.~-]{8,}"
    r"|(?<=password=)[^\s&\"'{}]{4,}|(?<=passwd=)[^\s&\"'{}]{4,}|(?<=secret=)[^\s&\"'{}]{4,}|(?<=token=)[^\s&\"'{}]{4,}"
)
_HINT = re.compile(r"Atz|amzn1\.oa2|AKIA|ya29\.|1//0|eyJ|Bearer |password=|passwd=|secret=|token=")
_BLOB = re.compile(r"[A-Za-z0-9+/]{12,}={0,2}")


def remember(secret: str) -> None:
    """Let a secret be taken out of every text from now on."""
    if len(secret) >= SHORTEST:
        _KNOWN.add(secret)


def redacted(text: str) -> str:
    """Return the text without secrets: those that were fetched, also inside base64, and what has the shape of a token."""
    if _HINT.search(text):
        text = _TOKENS.sub(MARK, text)
    if not _KNOWN:
        return text
    for secret in sorted(_KNOWN, key=len, reverse=True):
        if len(secret) >= PLAIN:
            text = text.replace(secret, MARK)
        elif secret in text:  # why the look-around: a password that is a short word must not eat into longer words
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MARK, text)
    return _BLOB.sub(_blob, text)


def _blob(found: re.Match[str]) -> str:
    """Take out base64 that holds a secret: AUTH PLAIN puts user and password into one blob, and servers echo it."""
    text = found[0].rstrip("=")
    try:
        inner = base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return found[0]
    return MARK if any(secret.encode() in inner for secret in _KNOWN) else found[0]


class Redacting:
    """A text stream that lets no secret through; everything else is the stream's own affair."""

    encoding = "utf-8"  # why: the library of the command line writes around a stream that says ascii

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text without secrets."""
        self._stream.write(redacted(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write lines without secrets."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
