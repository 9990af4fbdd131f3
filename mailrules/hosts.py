"""Whether a host is this machine: only there may a password travel without TLS.

In: a host as it is written in the configuration. Out: yes or no. May not live here: looking names up, sockets.
"""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine. A name such as 127.shop.example is not."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
