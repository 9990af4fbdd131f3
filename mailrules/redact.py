"""Secrets taken out of text that leaves: what is printed, what is stored, what a crash says.

In: the secrets that a configuration fetched, and texts. Out: the texts with a mark where a secret stood.
May not live here: fetching secrets (secret.py); anything that decides what a secret may be used for.

Two kinds of text leave. What others say while they hold a secret of ours (servers, scripts, errors, crashes) is cleared of
every secret that was fetched. What was read from mail is shown as it is, but for what has the shape of a token: no secret
of ours gets into it, and a mark where a mail happens to say the same would falsify it, and tell what the secret is.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import sys
from collections.abc import Sequence
from typing import Any, TextIO

MARK = "[redacted]"
SHORTEST = 4
"""Anything shorter would be found in half of all words."""
SENTENCE = 300
"""Characters of what a server said that are told."""
PLAIN = 8
"""From this length on a secret is taken out even from the middle of a word."""

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


def without_tokens(text: str) -> str:
    """Return a text that was read from mail without what has the shape of a token."""
    return _TOKENS.sub(MARK, text) if _HINT.search(text) else text


class Secrets:
    """The secrets that one configuration fetched: they are taken out of what is said while it is at work, and of no more."""

    def __init__(self, *known: str) -> None:
        self._known: set[str] = set()
        for secret in known:
            self.remember(secret)

    def __repr__(self) -> str:
        return "<secrets>"

    def remember(self, secret: str) -> None:
        """Let a secret be taken out of every text from now on, also as JSON, Python and base64 write it."""
        if len(secret) >= SHORTEST:
            quoted = (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret))
            self._known |= {secret, *(text[1:-1] for text in quoted)}
            blob = base64.b64encode(secret.encode("utf-8", "replace")).decode().rstrip("=")
            if len(blob) >= PLAIN:
                self._known.add(blob)

    def redacted(self, text: str) -> str:
        """Return the text without secrets: those that were fetched, also inside base64, and what has the shape of a token."""
        text = without_tokens(text)
        known = sorted(self._known, key=len, reverse=True)
        if not known:
            return text
        for secret in known:
            if len(secret) >= PLAIN:
                text = text.replace(secret, MARK)
            elif secret in text:  # why the look-around: a password that is a short word must not eat into longer words
                text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MARK, text)
        return _BLOB.sub(lambda found: MARK if _holds(found[0], known) else found[0], text)

    def shortened(self, text: str) -> str:
        """Return the beginning of what a server said, without secrets: nobody would know the half of one again."""
        return self.redacted(text)[:SENTENCE].strip()


def _holds(blob: str, known: Sequence[str]) -> bool:
    """Whether base64 holds a secret: AUTH PLAIN puts user and password into one blob, and servers echo it."""
    text = blob.rstrip("=")
    try:
        inner = base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return False
    return any(secret.encode("utf-8", "replace") in inner for secret in known)


_AT_THE_DOOR: list[Secrets] = []


def guard_outputs() -> None:
    """Let no secret through to the outputs of this process; its front door does so, before anything else.

    From then on every configuration shares its secrets with them: an output is one, whichever configuration said it.
    """
    _AT_THE_DOOR.append(Secrets())
    sys.stdout, sys.stderr = (Redacting(stream, _AT_THE_DOOR[-1]) for stream in (sys.stdout, sys.stderr))


def new_secrets() -> Secrets:
    """Return what a configuration is to keep its secrets in: its own, or that of the outputs where they are guarded."""
    return _AT_THE_DOOR[-1] if _AT_THE_DOOR else Secrets()


class Redacting:
    """A text stream that lets no secret through; everything else is the stream's own affair."""

    encoding = "utf-8"  # why: the library of the command line writes around a stream that says ascii

    def __init__(self, stream: TextIO, secrets: Secrets) -> None:
        self._stream = stream
        self._secrets = secrets

    def write(self, text: str) -> int:
        """Write the text without secrets."""
        self._stream.write(self._secrets.redacted(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write lines without secrets."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
