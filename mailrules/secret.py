"""Secret references to secrets, when they are needed and not before.

In: a reference such as { command = [...] }, { file = "…" }, { env = "…" }. Out: a function that gives the secret.
May not live here: keeping a secret; no error and no log ever holds one.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mailrules.errors import AuthError
from mailrules.redact import Secrets

COMMAND_SECONDS = 10


class _Commands:
    """Commands of ours run beside one another, and none beside a script: who ends what it left behind must not meet one."""

    def __init__(self) -> None:
        self._door, self._inside = threading.Condition(), 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Stay inside while a command runs."""
        with self._door:
            self._inside += 1
        try:
            yield
        finally:
            with self._door:
                self._inside -= 1
                self._door.notify_all()

    @contextmanager
    def none(self) -> Iterator[None]:
        """Wait until no command runs, and let none begin."""
        with self._door:
            self._door.wait_for(lambda: not self._inside)
            yield


COMMANDS = _Commands()


def secret(reference: Mapping[str, Any], folder: Path, what: str, known: Secrets) -> Callable[[], str]:
    """Return a function that fetches a secret when it is needed, and lets it be `known` to what clears texts of secrets.

    `what` names it in errors, which never hold it.
    """

    def fetch() -> str:
        source, value = next(iter(reference.items()))
        try:
            found = _FETCH[source](value, folder)
        except AuthError as error:
            raise AuthError(f"the password of {what} could not be had: {error}", help=error.help) from error
        if not found:
            raise AuthError(
                f"the password of {what} is empty", help=f"look at its reference {{ {source} = … }} in mailrules.toml"
            )
        known.remember(found)
        return found

    return fetch


def exposed(reference: Mapping[str, Any], folder: Path) -> str:
    """Return why others could read or replace the secret that a reference names, "" where they cannot; nothing is fetched."""
    source, value = next(iter(reference.items()))
    try:
        return _open_to_others(folder / Path(str(value)).expanduser()) if source == "file" else ""
    except OSError as error:
        return f"{value} cannot be looked at: {error.strerror}"


def _open_to_others(path: Path) -> str:
    if os.name != "posix":
        return ""
    info = path.stat()
    if info.st_uid not in (0, os.geteuid()):
        return f"{path} belongs to somebody else"
    if info.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"{path} can be read by others"
    for place in path.resolve().parents:
        info = place.stat()
        if info.st_mode & stat.S_IWOTH and not info.st_mode & stat.S_ISVTX:
            return f"anybody may replace what lies in {place}"
    return ""


def _from_env(name: str, _folder: Path) -> str:
    if name not in os.environ:
        raise AuthError(f"the environment has no variable {name}", help=f"set {name} where mailrules is started")
    return os.environ[name]


def _from_file(name: str, folder: Path) -> str:
    path = folder / Path(name).expanduser()
    try:
        why = _open_to_others(path)
        if why:
            raise AuthError(
                why, help=f"chmod 600 {path}" if "read by" in why else "keep it in a folder that only you write to"
            )
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise AuthError(
            f"{path} cannot be read: {error}", help="write the secret there, on one line, and chmod 600 the file"
        ) from error


def _from_command(argv: list[str], folder: Path) -> str:
    import subprocess  # why here: a secret in a file needs no other program

    try:
        with COMMANDS.one():
            done = subprocess.run(
                argv,
                cwd=folder,
                capture_output=True,
                timeout=COMMAND_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
    except subprocess.TimeoutExpired as error:
        why = f"did not end within {COMMAND_SECONDS} seconds"
        raise AuthError(f"the command {argv[:1]} {why}", help="run it by hand to see why") from error
    except (OSError, ValueError, TypeError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise AuthError(f"the command {argv[:1]} could not be run: {why}", help="run it by hand to see why") from error
    if done.returncode:
        raise AuthError(
            f"the command {argv[:1]} ended with exit code {done.returncode}", help="run it by hand to see why"
        )
    return done.stdout.split("\n", 1)[0].rstrip("\r")


def _from_credential(name: str, _folder: Path) -> str:
    base = os.environ.get("CREDENTIALS_DIRECTORY")
    if not base:
        raise AuthError(
            "CREDENTIALS_DIRECTORY is not set", help="start mailrules by a systemd unit with LoadCredential="
        )
    try:
        return (Path(base) / name).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise AuthError(
            f"the credential {name} cannot be read: {error}", help=f"look at LoadCredential={name}:… in the unit"
        ) from error


def _from_keyring(name: str, _folder: Path) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise AuthError("the keyring library is not installed", help="pip install 'mailrules[keyring]'") from error
    try:
        return str(keyring.get_password("mailrules", name) or "")
    except KeyringError as error:
        raise AuthError(
            f"the keyring gives nothing: {error}", help="cron has none on Linux; keep the secret in a file there"
        ) from error


def in_keyring(name: str, found: str) -> bool:
    """Keep a secret in the machine's keyring, where a scheduled poll can read it, too; False where that is not so."""
    if sys.platform not in ("darwin", "win32"):  # why: on Linux it is open to a desktop session only, and cron has none
        return False
    try:
        import keyring

        keyring.set_password("mailrules", name, found)
    except Exception:  # why: an optional library with many back ends; the file is always there instead
        return False
    return True


_FETCH: dict[str, Callable[[Any, Path], str]] = {
    "env": _from_env, "file": _from_file, "command": _from_command, "credential": _from_credential, "keyring": _from_keyring,
}  # fmt: skip
