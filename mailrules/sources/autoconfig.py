"""Asking a domain where its mail servers are: the XML that mail programs look up (autoconfig, version 1.1).

In: a domain. Out: Servers, or None where nobody answers usefully. Asked only when a person wants it: it tells the domain
to others. May not live here: the table of known providers (providers.py); logging in.
"""

from __future__ import annotations

import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from urllib.parse import urlsplit

from mailrules.hosts import is_loopback

PLACES = (
    "https://autoconfig.{domain}/mail/config-v1.1.xml",
    "https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
    "https://autoconfig.thunderbird.net/v1.1/{domain}",
)
LONGEST = 200_000
PATIENCE = 10.0
_TLS = {"SSL": "implicit", "STARTTLS": "starttls", "plain": "none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server. `user` is the form of the user name: "%EMAILADDRESS%" or "%EMAILLOCALPART%"."""

    host: str
    port: int
    tls: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """What a domain says of its mail; `place` is who said so."""

    imap: Server
    smtp: Server | None
    place: str


def look_up(domain: str, places: tuple[str, ...] = PLACES) -> Servers | None:
    """Ask one place after another; the first that names an IMAP server with TLS is believed."""
    for place in places:
        url = place.format(domain=domain.encode("idna").decode("ascii"))
        try:
            found = _read(_fetch(url))
        except (OSError, ValueError, ET.ParseError):  # why: a place that says nothing useful is the usual case
            continue
        if found:
            imap, smtp = found
            return Servers(imap=imap, smtp=smtp, place=urlsplit(url).hostname or "")
    return None


class _Direct(urllib.request.HTTPRedirectHandler):
    """Follows nothing that leaves https: whoever is on the way could name a server of his own."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        if urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError("a redirect away from https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str) -> bytes:
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError("only https is asked")
    with urllib.request.build_opener(_Direct).open(url, timeout=PATIENCE) as answer:
        text: bytes = answer.read(LONGEST + 1)
    if len(text) > LONGEST or b"<!" in text.replace(b"<!--", b""):  # why: no declarations, so no entities to blow up
        raise ValueError("this is no such file")
    return text


def _read(text: bytes) -> tuple[Server, Server | None] | None:
    root = ET.fromstring(text)  # noqa: S314 - without declarations there is nothing to expand
    imap = [s for s in map(_server, root.iterfind(".//incomingServer[@type='imap']")) if s]
    smtp = [s for s in map(_server, root.iterfind(".//outgoingServer[@type='smtp']")) if s]
    best = sorted(imap, key=lambda s: s.tls != "implicit")
    return (best[0], min(smtp, key=lambda s: s.tls != "implicit", default=None)) if best else None


def _server(found: ET.Element) -> Server | None:
    host, port = found.findtext("hostname", "").strip().lower(), found.findtext("port", "").strip()
    tls = _TLS.get(found.findtext("socketType", "").strip())
    if not host or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535 or tls is None:
        return None
    if any(c not in "abcdefghijklmnopqrstuvwxyz0123456789-." for c in host) or (
        tls == "none" and not is_loopback(host)
    ):
        return None
    return Server(host=host, port=int(port), tls=tls, user=found.findtext("username", "%EMAILADDRESS%").strip())
