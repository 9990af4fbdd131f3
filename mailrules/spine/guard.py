"""Reading one document under a guard that neither a hang nor its appetite for memory can get past.

In: a RawMessage and what reading needs. Out: a Reading, or an Unreadable with the reason, never an exception of a library.
May not live here: what becomes of a message that cannot be read (intake.py), the caps of the parser itself (mail/parse.py).

What a linear scan finds ordinary is read here, with a timer; what it finds odd, what took too long, and what was being
read when an earlier poll died is read by a child under limits (apart.py). Whatever fails there is not read at all.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mailrules.errors import UnreadableError
from mailrules.spine.apart import OUT_OF_MEMORY, from_json

if TYPE_CHECKING:
    from types import FrameType

    from mailrules.mail.message import AuthVerdict, RawMessage
    from mailrules.notices.notice import Trust
    from mailrules.pipeline import Reading
    from mailrules.ruleset import RuleSet
    from mailrules.world import Receiver

ORDINARY_BYTES = 3_000_000
ORDINARY_HEADER = 200_000
ORDINARY_LINE = 200_000
ORDINARY_DELIMITERS = 300
ORDINARY_CONTAINERS = 15
"""Above each of these no mail of 15,000 real ones was; what is above is still read, but by a child."""

_CONTAINER = re.compile(rb"\bcontent-type[ \t]{0,20}:\s{0,20}(?:multipart|message)/", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long (seconds) and how much memory (bytes) reading one document may take."""

    here: float = 5.0
    processor: int = 20
    wall: float = 60.0
    memory: int = 1_000_000_000
    answer: int = 100_000_000


LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Everything that reading needs beside the document."""

    rules: RuleSet
    receiver: Receiver | None = None
    developers: Collection[str] = ()
    senders: Collection[tuple[str, str]] = ()
    trust: Trust | None = None
    limits: Limits = LIMITS

    def read(self, raw: RawMessage, *, signature: AuthVerdict | None = None, apart: bool = False) -> Reading:
        """Read one document, by a child from the start where `apart`. Raises UnreadableError."""
        from mailrules.pipeline import read

        if not apart and not odd(raw.content):
            try:
                with timer(self.limits.here):
                    return read(
                        raw, self.rules, receiver=self.receiver, developers=self.developers, senders=self.senders,
                        signature=signature, trust=self.trust,
                    )  # fmt: skip
            except (Exception, LateError):  # noqa: S110 - whatever it was: the child finds out, and says it
                pass
        return self._apart(raw, signature)

    def _apart(self, raw: RawMessage, signature: AuthVerdict | None) -> Reading:
        import tempfile

        limits = self.limits
        task = {
            "rules": list(self.rules.sources.items()), "source": raw.source, "received_at": raw.received_at.isoformat(),
            "media_type": raw.media_type, "receiver": self.receiver._asdict() if self.receiver else None,
            "signature": asdict(signature) if signature else None, "developers": list(self.developers),
            "senders": list(self.senders), "trust": self.trust,
            "limits": {
                "RLIMIT_CPU": limits.processor, "RLIMIT_AS": limits.memory, "RLIMIT_FSIZE": limits.answer, "RLIMIT_CORE": 0,
            },
        }  # fmt: skip
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as answer:
            given.write(json.dumps(task).encode() + b"\n" + raw.content)
            given.seek(0)
            try:
                done = subprocess.run(
                    [sys.executable, "-m", "mailrules.spine.apart"], stdin=given, stdout=answer, stderr=subprocess.DEVNULL,
                    env=_environment(), timeout=limits.wall, check=False, start_new_session=True,
                )  # fmt: skip
            except subprocess.TimeoutExpired as error:
                raise UnreadableError(f"reading it took longer than {limits.wall:g} seconds") from error
            if done.returncode:
                raise UnreadableError(_why(done.returncode, limits))
            answer.seek(0)
            try:
                return from_json(answer.read().decode(), raw)
            except ValueError as error:
                raise UnreadableError("what was read of it makes no sense") from error


def _why(code: int, limits: Limits) -> str:
    if code == OUT_OF_MEMORY:
        return f"reading it took more than {limits.memory // 1_000_000} MB of memory"
    if code == -9:
        return (
            f"reading it took more than {limits.processor} seconds of processor time, or the machine had no memory left"
        )
    return f"the process that read it was ended by signal {-code}" if code < 0 else "reading it failed"


def _environment() -> dict[str, str]:
    """Return what the child needs to find the program, and nothing that could be a secret."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT", "TEMP", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def odd(content: bytes) -> str:
    """Return what is unusual about a document, "" for nothing: a scan in linear time, before any library sees it."""
    if len(content) > ORDINARY_BYTES:
        return "its size"
    end = content.find(b"\n\n"), content.find(b"\n\r\n")
    if min((e for e in end if e >= 0), default=len(content)) > ORDINARY_HEADER:
        return "the size of its header"
    if content.count(b"\n--") > ORDINARY_DELIMITERS:
        return "the number of its parts"
    if len(_CONTAINER.findall(content)) > ORDINARY_CONTAINERS:
        return "how deeply it is nested"
    return "the length of a line" if _long_line(content) else ""


def _long_line(content: bytes) -> bool:
    start = 0
    while start + ORDINARY_LINE < len(content):
        end = content.rfind(b"\n", start, start + ORDINARY_LINE)
        if end < 0:
            return True
        start = end + 1
    return False


class LateError(BaseException):  # why no Exception: readers of hostile bytes catch those, and go on
    """The timer ran out."""


@contextlib.contextmanager
def timer(seconds: float) -> Iterator[None]:
    """Interrupt what runs inside after some seconds; a timer that somebody else had set goes on afterwards."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    armed = True

    def late(_number: int, _frame: FrameType | None) -> None:
        if armed:
            raise LateError

    before = signal.signal(signal.SIGALRM, late)
    left, every = signal.getitimer(signal.ITIMER_REAL)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds, 1)
            yield
        finally:
            armed = False  # why on its own: an alarm may come at any place, this one too, and the rest must be done all the same
    finally:
        rest, _again = signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (seconds - rest), 0.001), every)
