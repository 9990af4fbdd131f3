"""Listening to one mailbox: IDLE (RFC 2177), as a hint that something may have changed and as nothing more.

In: an open session. Out: True for a hint, False where there was none, or an error of mailrules.errors.
May not live here: what has changed (a poll finds out), when to listen again, threads.
"""

from __future__ import annotations

import imaplib
import selectors
import socket
from typing import Any

from mailrules.sources.imap import ImapSession

ANSWER = 30.0
"""Seconds within which a server must take IDLE up or leave it: a connection that is gone without a word is found so."""
NEWS = (b"EXISTS", b"RECENT")


class Listener(ImapSession):
    """A session that listens. `woken` ends a wait from another thread: it can be read from, for good (its other end was closed)."""

    @property
    def can_listen(self) -> bool:
        """Whether the server offers IDLE."""
        return "IDLE" in self.capabilities

    def news(self, seconds: float, woken: socket.socket, answer: float = ANSWER) -> bool:
        """Wait for at most some seconds; return whether the examined mailbox may hold something new.

        Whatever the server says ends IDLE: only then all of it is read, in one go, however it was cut into packets.
        """
        client = self._open()
        wire: Any = client._imap  # noqa: SLF001 - IMAPClient's idle() takes no word that comes before the "+"
        with self._doing("listening"):
            self._deadline.arm(answer)
            before = self._deadline.received
            tag = wire._command("IDLE")  # noqa: SLF001
            told = False
            while wire._get_response() is not None:  # noqa: SLF001
                told = True
                if wire.tagged_commands[tag]:
                    raise imaplib.IMAP4.error(f"IDLE: {wire.tagged_commands[tag]}")
            line = len(wire.continuation_response or b"") + len("+ \r\n")  # some say nothing but "+"
            if not told and self._deadline.received - before <= line:  # why: more may have come in the same packet
                _readable(client.socket(), woken, seconds)
            self._deadline.arm(answer)
            client._idle_tag = tag  # noqa: SLF001
            _, said = client.idle_done()
        return told or any(len(item) > 1 and item[1] in NEWS for item in said)


def _readable(sock: socket.socket, woken: socket.socket, seconds: float) -> None:
    pending = getattr(sock, "pending", None)  # what TLS has deciphered already wakes nobody
    if pending is not None and pending():
        return
    # why poll: an epoll is one more open file for each account
    with getattr(selectors, "PollSelector", selectors.SelectSelector)() as selector:
        selector.register(sock, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        selector.select(seconds)
