"""A TCP connection that is made before it is needed: what will speak over it is made ready meanwhile.

In: a host, a port, how many seconds one of its addresses may take. Out: Line; its socket, or the error, when it is asked for.
May not live here: TLS, protocols, anything whose import takes time: whatever is imported once a Line is there costs nobody time.
"""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Any, Self


class Line:
    """One connection, begun as soon as it is made; used as a context manager, it hangs up where nobody took the socket."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._socket: socket.socket | None = None
        self._error: Exception | None = None
        self._hung_up = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._dial, args=(host, port, seconds), daemon=True, name=f"line-{host}")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()

    def take(self) -> socket.socket:
        """Wait for the connection and hand it over, once; raises what kept it from being made."""
        self._thread.join()
        with self._lock:
            found, self._socket = self._socket, None
        if found is None:
            raise self._error or ConnectionAbortedError("the line is closed")
        return found

    def hang_up(self) -> None:
        """Close what nobody took, now or as soon as it is there."""
        with self._lock:
            self._hung_up = True
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def _dial(self, host: str, port: int, seconds: float) -> None:
        try:
            # why bytes: a name in letters is prepared by rules for other alphabets, whose import takes longer than a near server
            name: Any = host.encode("ascii") if host.isascii() else host  # typeshed knows only texts
            made = socket.create_connection((name, port), seconds)
        except Exception as error:  # why any: who asks for the socket hears of it
            self._error = error
            return
        with self._lock:
            if self._hung_up:
                made.close()
            else:
                self._socket = made
