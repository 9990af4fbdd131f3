"""A word to the service manager that started us: that we are ready, that we live, that we stop.

In: the environment. Out: datagrams (sd_notify), where anybody asked for them.
May not live here: when to send them.
"""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send one state such as `READY=1`; without a service manager nothing happens, and no failure matters."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return
    address = "\0" + place[1:] if place.startswith("@") else place
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)  # why: who does not read what he asked for must not hold up the mail
        sock.sendto(state.encode(), address)


def watchdog() -> float | None:
    """Return how many seconds may pass between two signs of life, None where nobody waits for any."""
    wanted = os.environ.get("WATCHDOG_USEC", "")
    mine = os.environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
    return int(wanted) / 1_000_000 if wanted.isdecimal() and mine and int(wanted) else None
