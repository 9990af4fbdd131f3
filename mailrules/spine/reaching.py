"""Reaching an account's server, and leaving it alone for as long as it asked or as is wise.

In: a Config, an Account, an open store, the present instant. Out: an open session, or an error without any connection.
May not live here: which messages are read (mailboxes.py), commands of IMAP (sources/), reading the clock by itself.

What is remembered lies in the store, so that it holds for the next process too: `wait NAME` until when and why,
`spent NAME` how many bytes came on which day (UTC).
"""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar, overload

from mailrules.config import Account, Config
from mailrules.errors import AuthError, ConfigError, MailrulesError, TemporaryError
from mailrules.sources.imap_types import Full, ImapSettings, Refused, Throttled
from mailrules.sources.line import Line
from mailrules.spine.pool import AT_ONCE, alone, away
from mailrules.store import Store

if TYPE_CHECKING:
    from mailrules.sources.imap import ImapSession
    from mailrules.sources.imap_change import Changes

S = TypeVar("S", bound="ImapSession")

REFUSED = (timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
"""So long after the first, second and every later refused login in a row: providers lock who tries again and again."""
NOTHING = 20_000
"""The part of a day's share that is too little to be counted."""
LONGEST = timedelta(days=1)
"""A pause that is longer comes from a clock that was wrong, or from a server that errs."""


def imap_settings(config: Config, account: Account, budget: int = 0) -> ImapSettings:
    """Return what the IMAP source needs to know of an account."""
    return ImapSettings(
        account=account.name, host=account.host, port=account.port, tls=account.tls, user=account.user,
        ca_file=account.ca_file, max_message=config.max_message, auth=account.auth, provider=account.provider, budget=budget,
    )  # fmt: skip


def proof(config: Config, account: Account, now: datetime | None = None) -> Callable[[], str]:
    """Return what fetches the password or the access token of an account."""
    return proof_of(config, account.password, account.name, f"account {account.name}", now)


def proof_of(
    config: Config, reference: Mapping[str, Any], account: str, what: str, now: datetime | None = None
) -> Callable[[], str]:
    """Return what fetches a secret, which may be an access token of what an account has signed in to."""
    if "oauth" not in reference:
        return config.secret(reference, what)

    def token() -> str:
        # why here: only accounts that use it need it
        from mailrules.spine.tokens import access_token

        return access_token(config, account, now)

    return token


@overload
def session_of(
    config: Config, account: Account, *, now: datetime | None = None, budget: int = 0, line: Line | None = None
) -> ImapSession: ...
@overload
def session_of(
    config: Config, account: Account, kind: type[S], *, now: datetime | None = None, budget: int = 0
) -> S: ...
def session_of(
    config: Config, account: Account, kind: type[Any] | None = None, *, now: datetime | None = None, budget: int = 0,
    line: Line | None = None,
) -> Any:  # fmt: skip
    """Return the account's connection, not yet open; `kind` is what it is to be able to do."""
    from mailrules.sources.imap import ImapSession

    return (kind or ImapSession)(imap_settings(config, account, budget), proof(config, account, now), line)


@contextmanager
def dialled(config: Config, store: Store, names: Iterable[str], now: datetime) -> Iterator[dict[str, Line]]:
    """Begin to connect to the servers of accounts that may be polled; a line that nobody has taken in the end is closed."""
    with ExitStack() as lines:
        accounts = [config.account(name) for name in islice(names, AT_ONCE)]
        free = [a for a in accounts if a.mailboxes and Patience(config, store, a).free(now)]
        made = {account.name: lines.enter_context(_line(config, account)) for account in free}
        believed = {account.ca_file for account in free if account.tls != "none"}
        if believed:
            threading.Thread(target=_read, args=(believed,), daemon=True).start()
        yield made


def _read(ca_files: Iterable[str | None]) -> None:
    """Read the certificates that servers are believed by: that takes as long as their answer, and holds up no other thread."""
    from mailrules.sources.imap_wire import tls_context

    for ca_file in ca_files:
        with suppress(ConfigError):  # why: the session tells it
            tls_context(ca_file)


def _line(config: Config, account: Account) -> Line:
    settings = imap_settings(config, account)
    return Line(settings.host, settings.port, settings.connect_timeout)


@asynccontextmanager
async def reached(
    config: Config, store: Store, account: Account, now: Callable[[], datetime], ahead: Line | None = None
) -> AsyncIterator[ImapSession]:
    """Log in on entry and say good-bye on leaving, while other accounts go on; raises at once while it is to be left alone."""
    patience = Patience(config, store, account)
    await patience.hold(now())
    with ahead or _line(config, account) as line:
        session = session_of(config, account, now=now(), budget=patience.budget(now()), line=line)
        try:
            await away(session.__enter__)
            patience.over()
            try:
                yield session
            except BaseException as error:  # nothing is waited for then
                session.__exit__(type(error), error, error.__traceback__)
                raise
            session.__exit__(None, None, None)
        except (Refused, Throttled) as error:
            await patience.note(error, now())
            raise
        finally:
            patience.spend(session.received, now())


@contextmanager
def changing(config: Config, store: Store, now: Callable[[], datetime], name: str) -> Iterator[Changes]:
    """Connect to an account to change its messages, under the same rules as to read them."""
    from mailrules.sources.imap_change import Changes

    account = config.account(name)
    patience = Patience(config, store, account)
    alone(patience.hold(now()))
    session = session_of(config, account, Changes, now=now(), budget=patience.budget(now()))
    try:
        with session:
            patience.over()
            yield session
    except (Refused, Throttled) as error:
        alone(patience.note(error, now()))
        raise
    finally:
        patience.spend(session.received, now())


class Changing:
    """A context manager: one connection to each account whose mail is to be changed, made when it is first wanted.

    A server that failed is not reached again through it: a dead one would hold up all accounts, for each mail anew.
    """

    def __init__(self, config: Config, store: Store, now: Callable[[], datetime]) -> None:
        self._config, self._store, self._now = config, store, now
        self._open: dict[str, tuple[ExitStack, Changes]] = {}
        self._failed: dict[str, MailrulesError] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for held, _ in self._open.values():
            held.__exit__(*error)  # type: ignore[arg-type]

    @contextmanager
    def session(self, name: str) -> Iterator[Changes]:
        """Give the connection to an account."""
        if name in self._failed:
            raise self._failed[name]
        try:
            if name not in self._open:
                held = ExitStack()
                self._open[name] = held, held.enter_context(changing(self._config, self._store, self._now, name))
            yield self._open[name][1]
        except (ConfigError, Full):  # why: it has answered, and goes on
            raise
        except BaseException as error:
            if isinstance(error, TemporaryError | AuthError):
                self._failed[name] = error
            if name in self._open:
                self._open.pop(name)[0].__exit__(type(error), error, error.__traceback__)
            raise


class Patience(NamedTuple):
    """What is remembered of one account's server."""

    config: Config
    store: Store
    account: Account

    def free(self, now: datetime) -> bool:
        """Whether nothing is known that speaks against reaching the server."""
        most = self.account.provider.daily_bytes
        return not self._wait() and not 0 < most <= self._spent(now)

    async def hold(self, now: datetime) -> None:
        """Raise, without any connection, while the server is to be left alone."""
        who, most = f"account {self.account.name}", self.account.provider.daily_bytes
        if 0 < most <= self._spent(now):
            raise TemporaryError(
                f"{who}: {most // 1_000_000} MB came today, which is near the provider's limit; the next try is at 00:00 UTC",
                help="nothing is lost",
            )
        wait = waiting(self.store, self.account.name, now)
        if wait is None:
            return
        until = str(wait["until"])[:16].replace("T", " ")
        if wait["kind"] == "throttled":
            raise TemporaryError(
                f"{who}: not asked before {until} UTC, as the server wants it: {wait['said']}", help="nothing is lost"
            )
        if wait["mark"] == await self._mark():
            raise AuthError(
                f"{who}: the login was refused {wait['tries']} times; the next try is at {until} UTC: {wait['said']}",
                help="a changed password or setting is tried at once, and `mailrules account test` always tries",
            )

    async def note(self, error: Refused | Throttled, now: datetime) -> None:
        """Write down that the server refused us, or wants to be left alone."""
        before = self._wait()
        tries = int(before.get("tries", 0)) + 1 if isinstance(error, Refused) else 0
        pause = (
            REFUSED[min(tries, len(REFUSED)) - 1] if isinstance(error, Refused) else timedelta(seconds=error.seconds)
        )
        row = {
            "kind": "refused" if isinstance(error, Refused) else "throttled", "tries": tries, "said": self.config.secrets.redacted(str(error))[:300],
            "until": (now + min(pause, LONGEST)).isoformat(),
            "mark": await self._mark() if isinstance(error, Refused) else "",
        }  # fmt: skip
        self.store.meta_set(_wait(self.account.name), json.dumps(row), now.isoformat())

    def over(self) -> None:
        """Forget it: the login worked."""
        if self._wait():
            self.store.meta_set(_wait(self.account.name), "")

    def budget(self, now: datetime) -> int:
        """Return how many bytes may come today, 0 for any number."""
        most = self.account.provider.daily_bytes
        return most - self._spent(now) if most else 0

    def spend(self, received: int, now: datetime) -> None:
        """Write down what came, where the provider counts it; a visit that found nothing is too little to write for."""
        most = self.account.provider.daily_bytes
        if most and received > most // NOTHING:
            total = self._spent(now) + received
            self.store.meta_set(f"spent {self.account.name}", f"{now.date()} {total}", now.isoformat())

    def _spent(self, now: datetime) -> int:
        day, _, total = (self.store.meta_get(f"spent {self.account.name}") or "").partition(" ")
        return int(total) if day == str(now.date()) else 0

    def _wait(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.store.meta_get(_wait(self.account.name)) or "{}")
        return found

    async def _mark(self) -> str:
        """Return two bytes that change with the password or the settings, and that tell nobody what it is."""
        # why here: only after a refused login
        import hashlib

        account = self.account
        known = [self.store.own_id(), account.host, account.port, account.user, account.auth, dict(account.password)]
        if account.auth == "password":
            known.append(await away(proof(self.config, account)))
        return hashlib.sha256(json.dumps(known, default=str).encode()).hexdigest()[:4]


def waiting(store: Store, name: str, now: datetime) -> dict[str, Any] | None:
    """Return why and until when an account's server is left alone, None where it is not."""
    found: dict[str, Any] = json.loads(store.meta_get(_wait(name)) or "{}")
    return found if found and now < datetime.fromisoformat(found["until"]) <= now + LONGEST else None


def conditions(config: Config, store: Store | None, now: datetime) -> list[dict[str, Any]]:
    """Return every account with its state; without a store, nothing was read yet."""
    beats = {row["account"]: row for row in store.heartbeats()} if store else {}
    rows = []
    for account in config.accounts:
        beat, wait = beats.get(account.name, {}), waiting(store, account.name, now) if store else None
        rows.append(
            {
                "account": account.name, "provider": account.provider.name, "host": account.host, "port": account.port,
                "tls": account.tls, "user": account.user, "auth": account.auth, "mailboxes": ", ".join(account.mailboxes),
                "last_ok": beat.get("succeeded") or None, "failing_since": beat.get("failed") or None,
                "error": beat.get("error") or None, "left_alone_until": wait["until"] if wait else None,
            }
        )  # fmt: skip
    return rows


def _wait(name: str) -> str:
    return f"wait {name}"
