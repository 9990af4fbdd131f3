"""The connection: opening, migrating, locking, transactions, and errors as sentences.

In: a path. Out: Connection, the base of Store. May not live here: what the tables mean; the clock.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from errno import EROFS
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from mailrules.errors import ConfigError, MailrulesError, StoreError, TemporaryError

SCHEMA = 6
"""Number of steps in migrations.py, kept as PRAGMA user_version. Only an older file needs them, and sqlite-utils."""
BUSY_SECONDS = 10.0
LOG_PAGES = 4_000
"""So long (16 MB) the log beside the file becomes before it is taken over: each time waits for the disk thrice. Closing does it, too."""


def explained(error: sqlite3.Error, path: Path | None) -> MailrulesError | None:
    """Return the error that a person should see, or None where it is a bug of ours."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    primary = code & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return TemporaryError(f"the store {path} is busy: another mailrules holds it")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreError(
            f"the store {path} is damaged ({error})",
            help="put it aside and restore a copy; the mail on the server is untouched",
        )
    if path is not None and path.is_dir():
        return _not_ours(path, "it is a folder")
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM) or (
        primary == sqlite3.SQLITE_CANTOPEN and path is not None and not writable(path)
    ):
        return _not_ours(path, str(error))
    if primary in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL):
        return _for_now(path, str(error))
    return None


def _not_ours(path: Path | None, why: str | None) -> ConfigError:
    return ConfigError(
        f"the store {path} cannot be written ({why})",
        help="let the user who runs mailrules own it and its folder, or name another file as `store`",
    )


def _for_now(path: Path | None, why: str) -> TemporaryError:
    return TemporaryError(
        f"the store {path} cannot be used ({why}); {_free(path)} bytes are free there",
        help="make room if the disk is full, and run it again; nothing is lost, and nothing was done by half",
    )


def writable(path: Path) -> bool:
    """Tell whether the file, or what would become it, can be written by who runs this."""
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def _free(path: Path | None) -> str:
    import shutil  # why here: it brings every kind of compression along

    try:
        return str(shutil.disk_usage(path.parent if path else Path.cwd()).free)
    except OSError:
        return "an unknown number of"


class _Sentences:
    """Turns what SQLite and the file system say into our errors. One serves all statements of a store."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        path = self._path
        if isinstance(error, sqlite3.Error):
            ours = explained(error, path)
            if ours is not None:
                raise ours from error
        elif isinstance(error, PermissionError | FileNotFoundError | NotADirectoryError | FileExistsError):
            raise _not_ours(path, error.strerror) from error
        elif isinstance(error, OSError):
            if error.errno == EROFS:
                raise _not_ours(path, error.strerror) from error
            raise _for_now(path, error.strerror or str(error)) from error


class Connection:
    """One open store. Not shared between threads."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        connection.row_factory = sqlite3.Row
        self._connection = connection
        self._path = path
        self._sentences = _Sentences(path)
        self._depth = 0

    @classmethod
    def open(cls, path: Path, *, now: str) -> Self:
        """Open the store at `path`, making and migrating it where needed. `now` names the copy made before migrating."""
        with _Sentences(path):
            _make(path)
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            with _Sentences(path):
                _settings(connection)
                _bring_up_to_date(connection, path, now)
        except BaseException:
            connection.close()
            raise
        return cls(connection, path)

    @classmethod
    def scratch(cls, path: Path | None) -> Self:
        """Return a copy in memory of the file at `path` (empty where there is none): what a dry run writes to."""
        memory = sqlite3.connect(":memory:", isolation_level=None)
        try:
            with _Sentences(path):
                memory.execute("PRAGMA foreign_keys=ON")
                if path is not None and path.exists():
                    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
                    source = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)
                    try:
                        source.backup(memory)
                    finally:
                        source.close()
                _bring_up_to_date(memory, None, "")
        except BaseException:
            memory.close()
            raise
        return cls(memory, None)

    @classmethod
    def look(cls, path: Path) -> Self:
        """Open the store to look only: nothing is made, migrated or locked. Raises where there is none of today's schema."""
        with _Sentences(path):
            if not _size(path):
                raise _none_yet(path)
            connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        try:
            with _Sentences(path):
                connection.isolation_level = None
                _of_today(connection, path)
        except BaseException:
            connection.close()
            raise
        return cls(connection, path)

    def close(self) -> None:
        """Close the file; what was not committed is gone."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def exclusive(self) -> Iterator[bool]:
        """Yield whether this poll is the only one; False = another one runs. The lock dies with the process."""
        if self._path is None:
            yield True
            return
        from mailrules.store.lock import locked

        with ExitStack() as held:
            with self._sentences:
                mine = held.enter_context(locked(self._path.with_name(f"{self._path.name}.lock")))
            yield mine

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; an inner transaction joins the outer one."""
        if self._depth:
            yield
            return
        self._run("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # why: where even that fails, closing the file rolls back
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise
        finally:
            self._depth = 0

    @contextmanager
    def _for_good(self) -> Iterator[None]:
        """Let what is removed inside be written over, and not only be left to be used again."""
        self._run("PRAGMA secure_delete=ON")
        try:
            yield
        finally:
            self._run("PRAGMA secure_delete=OFF")

    def rebuild(self) -> None:
        """Write the file anew, so that nothing is left in it of what was removed or changed at any time, and no log beside it."""
        self._run("VACUUM")
        self._rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def _run(self, sql: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> sqlite3.Cursor:
        with self._sentences:
            return self._connection.execute(sql, values)

    def _rows(self, sql: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        with self._sentences:
            return self._connection.execute(sql, values).fetchall()

    def _many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._sentences, self.transaction():
            self._connection.executemany(sql, rows)


def _size(path: Path) -> int:
    """Return how long the file is, 0 where there is none; one that a full disk kept from being begun is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _make(path: Path) -> None:
    """Make the file and its folder where they are missing; another mailrules may be making them at the same moment."""
    if not path.parent.exists():  # why not its parents, too: a disk that is not mounted must not look like a new start
        path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _settings(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _keep_a_log(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
    connection.execute("PRAGMA foreign_keys=ON")


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Change a new file to a log beside it. SQLite waits for nobody here, whatever busy_timeout says: so we do."""
    for left in reversed(range(int(BUSY_SECONDS * 100))):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if not left or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(0.01)
        else:
            return


def _version(connection: sqlite3.Connection, path: Path | None) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA:
        raise StoreError(
            f"the store {path or ''} was written by a newer mailrules (schema {version}, this one knows {SCHEMA})",
            help="install the newer mailrules again",
        )
    return version


def _none_yet(path: Path) -> StoreError:
    return StoreError(f"there is no store {path} yet", help="the first `mailrules poll` makes it")


def _of_today(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection, path)
    if not version:  # why: whoever looks while the first poll makes it sees a file without tables
        raise _none_yet(path)
    if version < SCHEMA:
        raise StoreError(
            f"the store {path} was written by an older mailrules", help="the next `mailrules poll` takes it over"
        )


def _bring_up_to_date(connection: sqlite3.Connection, path: Path | None, now: str) -> None:
    if _version(connection, path) == SCHEMA:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _take_over(connection, path, now)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _take_over(connection: sqlite3.Connection, path: Path | None, now: str) -> None:
    """Make all tables, or the steps that are missing, in the caller's transaction."""
    version = _version(connection, path)  # why again: another mailrules may have done all of it meanwhile
    found = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if found and "_sqlite_migrations" not in found:
        raise StoreError(f"{path} is a database of another program", help="name another file as `store`")
    if not found:
        _lay_out(connection)
    elif version < SCHEMA:
        from mailrules.store.migrations import migrate

        if version and path is not None:
            _copy(path, path.with_name(f"{path.name}.schema{version}-{now[:10]}.bak"))
        migrate(connection)
    connection.execute(f"PRAGMA user_version={SCHEMA}")


def _lay_out(connection: sqlite3.Connection) -> None:
    """Make all tables as they stand today, in the caller's transaction."""
    for statement in Path(__file__).with_name("schema.sql").read_text("utf-8").split(";\n\n"):
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('own_id', ?, '')", (secrets.token_hex(16),))


def _copy(path: Path, target: Path) -> None:
    """Copy the store as it was before the transaction that is open, over a connection of its own: SQLite reads no other."""
    os.close(os.open(target, os.O_CREAT | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
