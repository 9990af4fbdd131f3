"""One SASL exchange: what we answer to a server's challenges, and what it says before it refuses.

In: a mechanism, a user, a password or an access token. Out: Exchange. For IMAP and SMTP alike.
May not live here: sockets; base64, which is the protocol's; where a token comes from.
"""

from __future__ import annotations

import json

MECHANISMS = {"xoauth2": "XOAUTH2", "oauthbearer": "OAUTHBEARER"}
"""`auth` in mailrules.toml to the name on the wire."""
WORTH_TELLING = ("status", "error", "error_description", "scope")


class Exchange:
    """PLAIN (RFC 4616), OAUTHBEARER (RFC 7628) or XOAUTH2; `refusal` is all that the server said of a token."""

    def __init__(self, mechanism: str, user: str, secret: str, host: str = "", port: int = 0) -> None:
        self.mechanism, self.refusal, self._begun = mechanism, "", False
        if mechanism == "PLAIN":
            text = f"\0{user}\0{secret}"
        elif mechanism == "XOAUTH2":
            text = f"user={user}\1auth=Bearer {secret}\1\1"
        else:
            name = user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801, section 4
            text = f"n,a={name},\1host={host}\1port={port}\1auth=Bearer {secret}\1\1"
        self._first = text.encode("utf-8")

    def answer(self, challenge: bytes) -> bytes:
        """Return the first answer; to an error that a server sends as a challenge, the empty one it waits for."""
        if not self._begun:
            self._begun = True
            return self._first
        self.refusal = _told(challenge) or self.refusal
        return b"\1" if self.mechanism == "OAUTHBEARER" else b""


def _told(challenge: bytes) -> str:
    """Return the JSON of a refusal as words: {"status":"401","scope":"…"} is "status 401, scope …"."""
    text = challenge.decode("utf-8", "replace")
    try:
        found = json.loads(text)
        text = ", ".join(f"{key} {found[key]}" for key in WORTH_TELLING if found.get(key))
    except (ValueError, AttributeError, RecursionError):
        pass
    return "".join(c if c.isprintable() else " " for c in text).strip()
