"""Key records from the domain name system; the only importer of dnspython.

In: the name of a TXT record. Out: its text, None where there is none; Unreachable where nobody can tell now.
May not live here: what a key is good for (mail/dkim.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailrules.mail.dkim import KeyFetch, Unreachable

if TYPE_CHECKING:
    from dns.resolver import Resolver

PATIENCE = 5.0
"""Seconds for one question with all its repeats."""
UNANSWERED = 5


def key_fetch(resolver: Resolver | None = None) -> KeyFetch:
    """Return a function that asks the machine's own resolver (or another), each name once.

    After so many questions without an answer it asks no more: a name server that is down or slow does not hold a poll up.
    """
    known: dict[str, bytes | None] = {}
    unanswered: dict[str, str] = {}

    def fetch(name: str) -> bytes | None:
        if name in unanswered or len(unanswered) >= UNANSWERED:
            raise Unreachable(unanswered.get(name, "the name server does not answer"))
        if name not in known:
            try:
                known[name] = _ask(name, resolver)
            except Unreachable as error:
                unanswered[name] = str(error)
                raise
        return known[name]

    return fetch


def _ask(name: str, resolver: Resolver | None) -> bytes | None:
    # why here: only accounts that check signatures themselves need it
    import dns.exception
    import dns.resolver

    try:
        asked = resolver or dns.resolver.get_default_resolver()
        answer = asked.resolve(f"{name}.", "TXT", lifetime=PATIENCE)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return None
    except dns.exception.DNSException as error:
        raise Unreachable(type(error).__name__) from error
    records = [b"".join(record.strings) for record in answer]
    return records[0] if len(records) == 1 else None
