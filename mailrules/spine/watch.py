"""When to poll which account: servers that speak up, intervals, failures, and the minute that time rules wait for.

In: accounts with a way to listen to each, the times of waiting. Out: names of accounts to be polled now.
May not live here: polling itself; what a server says is a hint and never more, so a watch comes to what cron comes to.
"""

from __future__ import annotations

import contextlib
import queue
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from mailrules.config import Account, Config
from mailrules.errors import AuthError, MailrulesError
from mailrules.sources.imap_idle import ANSWER, Listener
from mailrules.sources.imap_types import Throttled
from mailrules.spine.reaching import session_of

MOST = 4_000
"""So many accounts are listened to at most: each takes a thread and an open file."""
AT_ONCE = 1.0
"""Seconds: a server that takes no longer to speak up did not wait for news."""
FREE = 200
"""So many open files are left for the polls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds. `poll_every`: where nobody speaks up; `listened`: where somebody does, for words that were lost.

    `renew_after`: IDLE is asked for anew (RFC 2177: before 29 minutes). `tick_every`: time rules are looked at. `answer`:
    a listening connection must answer within. The pause before connecting again doubles up to `longest_pause`, and
    begins again where a connection had lasted for `steady`.
    """

    poll_every: float = 300
    listened: float = 900
    renew_after: float = 1500
    tick_every: float = 60
    answer: float = ANSWER
    first_pause: float = 5
    longest_pause: float = 900
    steady: float = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One account and the mailbox to listen to; `whole`: it has no other."""

    account: str
    mailbox: str
    connect: Callable[[], Listener]
    whole: bool = True


def post_of(config: Config, account: Account, now: Callable[[], datetime]) -> Post:
    """Return how to listen to the first mailbox of an account; the others are looked at with it."""
    return Post(
        account=account.name, mailbox=account.mailboxes[0], whole=len(account.mailboxes) == 1,
        connect=lambda: session_of(config, account, Listener, now=now()),
    )  # fmt: skip


def _room() -> int:
    """Return how many connections may stay open: polling needs open files, too, and who is not listened to is polled."""
    try:
        import resource  # not on Windows
    except ImportError:
        return MOST
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST if allowed == resource.RLIM_INFINITY else min(max(allowed - FREE, 0), MOST)


def jittered(seconds: float) -> float:
    """Return about as many seconds, so that accounts of one server do not come back all at once."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


@dataclass(slots=True)
class _Due:
    """When an account is to be polled at the latest, and how often in turn it has failed."""

    at: float = 0.0
    failed: int = 0
    listening: bool = False


@dataclass(slots=True)
class Watch:
    """A context manager: threads listen while it is open, and whoever asks hears what there is to do."""

    posts: Iterable[Post]
    times: Times = field(default_factory=Times)
    hung_up: bool = False
    _due: dict[str, _Due] = field(default_factory=dict)
    _said: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _pair: tuple[socket.socket, ...] = ()
    _inside: int = 0
    _door: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)
    _tick: float = 0.0

    def __enter__(self) -> Self:
        posts = list(self.posts)
        self._due.update({post.account: _Due() for post in posts})
        heard = posts[: _room()]
        self._pair, self._inside = socket.socketpair(), 1 + len(heard)
        for post in heard:
            thread = threading.Thread(target=self._stay, args=(post,), daemon=True, name=f"listen {post.account}")
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pair[0].close()  # why closing: it wakes all who listen, now and later, and cannot fail where nobody does
        until = time.monotonic() + 1
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))
        self._leave()

    def _leave(self) -> None:
        """Let the last who is inside close what all of them look at; a thread may outlive its watch by an answer's time."""
        with self._door:
            self._inside -= 1
            if not self._inside:
                self._pair[1].close()

    def hang_up(self) -> None:
        """End `wait` for good; may be called by a signal's handler."""
        self.hung_up = True
        self._said.put("")

    def wait(self) -> list[str] | None:
        """Wait until accounts are to be polled, or none but time rules are due ([]); None = nothing is to be polled now."""
        now = time.monotonic()
        next_at = min([self._tick, *(due.at for due in self._due.values())])
        with contextlib.suppress(queue.Empty):
            name = self._said.get(timeout=max(next_at - now, 0.001))
            if name:
                self._due[name].at = 0.0
        names = self.roused()
        now = time.monotonic()
        if not names and (now < self._tick or self.hung_up):
            return None
        self._tick = now + self.times.tick_every
        return names

    def roused(self) -> list[str]:
        """Return, without waiting, which accounts are to be polled now; each is told once."""
        while not self._said.empty():
            name = self._said.get()
            if name:
                self._due[name].at = 0.0
        now = time.monotonic()
        names = [name for name, due in self._due.items() if due.at <= now]
        for name in names:
            self._due[name].at = now + jittered(self._pause(self._due[name]))
        return names

    def polled(self, errors: Mapping[str, MailrulesError | None]) -> None:
        """Hear how accounts answered: who fails is asked less and less often, who answers as usual."""
        for name, error in errors.items():
            due = self._due[name]
            due.failed = due.failed + 1 if error else 0
            if error:
                due.at = time.monotonic() + jittered(self._pause(due))

    def again(self, names: Iterable[str], seconds: float) -> None:
        """Ask for accounts that could not be polled now, a little later."""
        for name in names:
            self._due[name].at = time.monotonic() + seconds

    def _pause(self, due: _Due) -> float:
        times = self.times
        if due.failed:
            return float(
                min(times.poll_every * 2 ** min(due.failed - 1, 10), max(times.longest_pause, times.poll_every))
            )
        return times.listened if due.listening else times.poll_every

    def _stay(self, post: Post) -> None:
        try:
            self._listen(post)
        finally:
            self._leave()

    def _listen(self, post: Post) -> None:
        """Listen to one mailbox for ever; a server that has no IDLE is polled only."""
        times, pause = self.times, self.times.first_pause
        while not self._stopped.is_set():
            if self._due[post.account].failed:  # why: how long it is left alone is known to its polls (reaching.py)
                self._stopped.wait(jittered(times.first_pause))
                continue
            begun = time.monotonic()
            try:
                with post.connect() as session:
                    if not session.can_listen:
                        return
                    session.examine(post.mailbox)
                    self._due[post.account].listening = post.whole  # why: nobody speaks up for its other mailboxes
                    self._said.put(post.account)  # why: what came while nobody listened
                    self._hear(post, session)
            except AuthError:
                pause = times.longest_pause
            except Throttled as error:
                pause = max(pause, error.seconds)
            except Exception:  # noqa: S110 - whatever it is: this account is polled, and its poll says it
                pass
            self._due[post.account].listening = False
            if time.monotonic() - begun > times.steady:
                pause = times.first_pause
            self._stopped.wait(jittered(pause))
            pause = min(pause * 2, times.longest_pause)

    def _hear(self, post: Post, session: Listener) -> None:
        """Listen over one connection; a server that speaks as often as it is asked to is asked less and less often."""
        times, pause = self.times, self.times.first_pause
        while not self._stopped.is_set():
            begun = time.monotonic()
            if session.news(times.renew_after, self._pair[1], times.answer):
                self._said.put(post.account)
            if time.monotonic() - begun > AT_ONCE:
                pause = times.first_pause
                continue
            self._stopped.wait(jittered(pause))  # why: each hint is a poll, and what comes meanwhile is told afterwards
            pause = min(pause * 2, times.poll_every)
