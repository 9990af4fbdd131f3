"""A pseudo-terminal for tests: a program that believes that somebody sits there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

PATIENCE = 60.0


class Terminal:
    """One program on a terminal of its own; `screen` is all that it has shown."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self._own, theirs = pty.openpty()
        self.screen = ""
        self.process = subprocess.Popen(
            command, cwd=folder, env=dict(env), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - so that ctrl-C is a signal
        )  # fmt: skip
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)

    def see(self, text: str) -> None:
        """Wait until the text is on the screen, below what was seen before."""
        until, start = time.monotonic() + PATIENCE, getattr(self, "_seen", 0)
        while text not in self.screen[start:]:
            assert self._read(until), f"`{text}` never came; the screen shows\n{self.screen}"
        self._seen = self.screen.index(text, start) + len(text)

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._own, text.encode() + b"\r")

    def press(self, keys: str) -> None:
        """Press keys, without Enter; a moment later, since a signal may be lost just before a program begins to wait."""
        time.sleep(0.3)
        os.write(self._own, keys.encode())

    def end(self) -> int:
        """Wait until the program has ended; return its exit code."""
        until = time.monotonic() + PATIENCE
        while self._read(until):
            pass
        return self.process.wait(PATIENCE)

    def _read(self, until: float) -> bool:
        left = until - time.monotonic()
        if left <= 0 or not select.select([self._own], [], [], left)[0]:
            return False
        content = b""
        with contextlib.suppress(OSError):  # what Linux says when the other side is closed
            content = os.read(self._own, 4096)
            while content[-1:] and content[-1] >= 0x80:  # not in the middle of a character
                try:
                    content.decode()
                    break
                except UnicodeDecodeError:
                    content += os.read(self._own, 1)
        self.screen += content.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(content)
