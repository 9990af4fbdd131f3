"""The connection under an IMAP session, and the wall-clock deadline that may cut it.

In: ImapSettings. Out: imaplib's connection, and a Deadline that shuts its socket down from another thread.
May not live here: commands, and what their answers mean.
"""

from __future__ import annotations

import contextlib
import imaplib
import socket
import ssl
import threading
from collections.abc import Callable

from mailrules.sources.imap_types import ImapSettings


class Wire(imaplib.IMAP4):
    """imaplib's connection, with its socket shown to the deadline before the first byte is awaited."""

    def __init__(self, settings: ImapSettings, context: ssl.SSLContext | None, opened: Callable[[socket.socket], None]) -> None:
        self._settings, self._context, self._opened = settings, context, opened
        super().__init__(settings.host, settings.port)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:  # noqa: ARG002 - imaplib's signature
        settings = self._settings
        sock = socket.create_connection((settings.host, settings.port), settings.connect_timeout)
        try:
            self._opened(sock)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_hostname=settings.host)
        except BaseException:
            sock.close()
            raise
        return sock  # connect_timeout holds for the greeting, too: a TLS port is silent to a plain client


class Deadline:
    """A time-out per read does not end a server that trickles: this one counts the whole session."""

    def __init__(self) -> None:
        self.expired = False
        self._socket: socket.socket | None = None
        self._timer: threading.Timer | None = None

    def arm(self, seconds: float) -> None:
        """Start counting, or start again with another time."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, sock: socket.socket) -> None:
        """Take the socket to cut; a copy, because wrap_socket() detaches the one it is given."""
        self._socket = sock.dup()
        if self.expired:
            self._cut()

    def end(self) -> None:
        """Stop counting and let go of the socket."""
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _cut(self) -> None:
        self.expired = True
        sock = self._socket
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
