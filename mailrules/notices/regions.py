"""Amazon's region from the Seller Central host that a notice links to.

In: a Message. Out: "na", "eu", "fe" or None; the host of a link to the page of authorizations. One authorization is good for one region (Amazon: SP-API endpoints).
May not live here: the account's default region, which the ledger's caller knows.
"""

from __future__ import annotations

import re

from mailrules.mail.message import Message

NA = ("com", "ca", "com.mx", "com.br")
EU = ("ie", "co.uk", "fr", "com.be", "nl", "de", "it", "es", "se", "co.za", "pl", "sa", "eg", "com.tr", "ae", "in")
FE = ("co.jp", "sg", "com.au")
REGIONS = ("na", "eu", "fe")
HOSTS: dict[str, str] = {
    **{
        f"sellercentral.amazon.{tld}": region
        for region, tlds in zip(REGIONS, (NA, EU, FE), strict=True)
        for tld in tlds
    },
    "sellercentral-europe.amazon.com": "eu",
    "sellercentral-japan.amazon.com": "fe",
}
MANAGE = "/apps/manage"
"""The path under which every Seller Central keeps the page of authorizations."""
_MANAGING = re.compile(rf"https?://(sellercentral[a-z0-9.\-]{{1,60}}){re.escape(MANAGE)}(?![a-z0-9])", re.IGNORECASE)
# why small letters: a pattern that begins with plain ones is searched for many times faster than with IGNORECASE
_HOST = re.compile(r"https?://(sellercentral[a-z0-9.\-]{1,60})(?![a-z0-9.\-])")


def region_of(message: Message) -> str | None:
    """Return the region that all Seller Central links of a message share; None where there is none or they differ."""
    texts = [text for part in message.parts for text in (part.text, *part.links)]
    found = {HOSTS.get(host.rstrip(".")) for text in texts for host in _HOST.findall(text.lower())}
    return found.pop() if len(found) == 1 else None


def managing_host(message: Message) -> str | None:
    """Return the Seller Central host whose page of authorizations a message links to."""
    for part in message.parts:
        for text in (*part.links, part.text):
            for host in _MANAGING.findall(text):
                if host.lower() in HOSTS:
                    return str(host.lower())
    return None
