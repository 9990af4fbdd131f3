"""The token store: what signing in gave, one file of mode 0600 for each account, safe against two pollers.

In: a Config, an account's name, the present instant where it is known. Out: an access token; a sign-in kept.
May not live here: how one signs in (sources/oauth_*.py), reading the clock.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from mailrules.config import Account, Config
from mailrules.errors import AuthError, ConfigError, TemporaryError
from mailrules.sources.oauth import Ask, Grant, OAuthClient, Tell, issuer_of

EARLY = timedelta(minutes=5)
"""So long before its end an access token is not used any more."""
PATIENCE = 60.0
"""Seconds for another poller to finish its refresh."""


def login(config: Config, account: Account, tell: Tell, ask: Ask | None) -> Path:
    """Let a person sign in, keep what it gave, and return where."""
    client, value = _client(config, account)
    path = _path(config, account.name)
    with _locked(path):
        _keep(path, issuer_of(client.issuer).sign_in(client, value, account.user, tell, ask))
    return path


def access_token(config: Config, name: str, now: datetime | None = None) -> str:
    """Return an access token of an account, asking for a new one where it is used up, or where `now` is not known."""
    account = config.account(name)
    client, value = _client(config, account)
    path = _path(config, name)
    grant = _kept(path, client, name)
    config.secrets.remember(grant.kept)
    if not _good(grant, now):
        with _locked(path):
            before, grant = grant, _kept(path, client, name)
            if grant == before:  # why: another poller may have asked in the meantime
                grant = _renewed(path, client, value, grant, name)
    config.secrets.remember(grant.kept)
    config.secrets.remember(grant.access)
    return grant.access


def state(config: Config, name: str) -> str:
    """Return in words whether an account has signed in."""
    try:
        grant = _read(_path(config, name))
    except AuthError as error:
        return str(error)
    return f"signed in with {grant.issuer}" if grant else "not signed in"


def _renewed(path: Path, client: OAuthClient, value: str, grant: Grant, name: str) -> Grant:
    try:
        grant = issuer_of(client.issuer).renewed(client, value, grant)
    except AuthError as error:
        raise AuthError(f"account {name}: {error}", help=f"`mailrules account login {name}`: {error.help}") from error
    except TemporaryError as error:
        raise TemporaryError(f"account {name}: {error}", help=error.help) from error
    _keep(path, grant)
    return grant


def _good(grant: Grant, now: datetime | None) -> bool:
    return now is not None and bool(grant.expires) and now + EARLY < datetime.fromisoformat(grant.expires)


def _client(config: Config, account: Account) -> tuple[OAuthClient, str]:
    issuer = account.password.get("oauth")
    if issuer is None:
        raise ConfigError(
            f"account {account.name} has no `oauth`: there is nothing to sign in to",
            help='write oauth = "google" or oauth = "microsoft" under it instead of `password`',
        )
    client = config.oauth.get(issuer)
    if client is None:
        raise ConfigError(
            f"account {account.name}: there is no [oauth.{issuer}]",
            help="docs/providers.md says how to register and what to write",
        )
    if not client.client_id:
        raise ConfigError(
            f"[oauth.{issuer}] has no client_id yet: it is the number of your own registration there",
            help="docs/providers.md says how to register, once, and what to write",
        )
    value = config.secret(client.client_secret, f"[oauth.{issuer}]")() if client.client_secret else ""
    return client, value


def _path(config: Config, name: str) -> Path:
    return config.store.parent / "tokens" / f"{quote(name, safe='')}.json"


def _kept(path: Path, client: OAuthClient, name: str) -> Grant:
    grant = _read(path)
    if grant is None:
        raise AuthError(f"account {name} has not signed in yet", help=f"run `mailrules account login {name}`")
    if (grant.issuer, grant.client_id) != (client.issuer, client.client_id):
        raise AuthError(
            f"account {name} signed in by another registration", help=f"run `mailrules account login {name}`"
        )
    return grant


def _read(path: Path) -> Grant | None:
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise AuthError(f"{path} can be read by others", help=f"chmod 600 {path}")
        return Grant(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise AuthError(
            f"{path} cannot be read ({type(error).__name__})", help="sign in again: `mailrules account login`"
        ) from error


def _keep(path: Path, grant: Grant) -> None:
    """Replace the file as a whole: whoever is killed here leaves the old one or the new one, never half of one."""
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(json.dumps(grant._asdict()))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class _locked:  # noqa: N801 - a context manager
    """One process at a time asks for a new token: some servers end both where two ask with the same one."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = FileLock(f"{path}.lock", timeout=PATIENCE, mode=0o600)

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except (Timeout, OSError) as error:
            raise TemporaryError(
                f"another mailrules holds {self._lock.lock_file}", help="the next poll tries again"
            ) from error

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._lock.release()
