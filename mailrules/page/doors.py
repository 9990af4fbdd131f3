"""Who may come in: the checks that every request passes before anything is looked at.

In: header fields, cookies and form values as text. Out: yes or no, the header fields of every answer. Pure but for the
secrets, which are handed in. May not live here: the server, pages.

The page listens on this machine only. A web page of a stranger in the same browser could still send requests there, so:
the Host must be ours (against names that are made to point here), reading needs the cookie that the printed address was
exchanged for (SameSite=Strict: other sites' requests do not carry it), and changing needs a POST that the browser itself
says comes from our own page, with the token that only our own forms hold.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

COOKIE = "mailrules"
ANSWERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""Header fields of every answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The secrets of one start, and the port. `feed` is the calendar's, and stays the same over starts."""

    port: int
    entry: str
    session: str
    form: str
    feed: str

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names under which this machine may be asked."""
        return (f"127.0.0.1:{self.port}", f"localhost:{self.port}")

    def host_is_ours(self, host: str) -> bool:
        """Whether a request was meant for this server, and not for a name that somebody made to point here."""
        return host.lower() in self.hosts

    def may_look(self, cookies: Mapping[str, str]) -> bool:
        """Whether the browser has been let in."""
        return same(cookies.get(COOKIE, ""), self.session)

    def may_change(self, headers: Mapping[str, str], form: Mapping[str, str]) -> bool:
        """Whether a POST was sent by a form of our own page."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if site is not None and site != "same-origin":
            return False
        ours = origin in [f"http://{host}" for host in self.hosts]
        # why null: a page without a referrer has none, and browsers then tell only by Sec-Fetch-Site that it is our own
        if not ours and not (origin in (None, "null") and site == "same-origin"):
            return False
        return same(form.get("form_token", ""), self.form)


def same(given: str, wanted: str) -> bool:
    """Compare in a time that tells nothing of the secret."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def local(path: str) -> str:
    """Return a path of our own to go back to; the overview for anything else."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isascii() and path.isprintable()
    return path if ours and len(path) < 500 else "/"
