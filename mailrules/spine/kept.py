"""Checked rules, kept from one poll to the next, so that what has not changed is not parsed again.

In: the texts of the rule files and the names of the configuration. Out: a RuleSet equal to what parsing gives, or None.
May not live here: deciding anything. Whatever is old, foreign, damaged or in doubt is not there; deleting it is always safe.

A folder beside the store, which only its owner may enter, holds one file for each set of rules: a line with the digest
of the rest, then what language/plain.py makes. Its name is a digest of all that the outcome of checking depends on.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mailrules import __version__

if TYPE_CHECKING:
    from mailrules.ruleset import RuleSet

MOST = 4
"""So many rule sets are kept: today's, the last good one, and a few tries."""
LARGEST = 256_000_000
PROGRAM = ("", "language", "language/checks", "language/syntax", "notices", "decide", "ledger", "store")
"""What rules and time rules are made of. Its files are looked at: a checkout changes without its version changing."""


def program() -> str:
    """Return which mailrules this is: its version, and the size and the time of each file that checks rules."""
    seen = []
    for folder in PROGRAM:
        with os.scandir(Path(__file__).parent.parent / folder) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    info = entry.stat()
                    seen.append((folder, entry.name, info.st_size, info.st_mtime_ns))
    return f"{__version__} {sorted(seen)}"


class Kept:
    """The folder of kept rule sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def beside(cls, store: Path) -> Kept:
        """Return the folder that belongs to a store."""
        return cls(store.with_name(f"{store.name}.cache"))

    def find(self, key: str, files: Sequence[tuple[str, str]]) -> RuleSet | None:
        """Return the rule set that was kept under a key, with the texts it was made of; None where there is none."""
        text = self._text(key)
        digest, _, body = text.partition(b"\n")
        if not body or hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        from mailrules.language.plain import rebuilt
        from mailrules.ruleset import RuleSet

        try:
            definitions, problems = rebuilt(body)
            return RuleSet(definitions=definitions, problems=problems, sources=dict(files))
        except Exception:  # why any: what we did not write is as if it were not there
            return None

    def keep(self, key: str, rules: RuleSet) -> None:
        """Write a rule set down, whole or not at all; where that cannot be done, nothing is lost."""
        import contextlib
        import tempfile

        from mailrules.language.plain import plain

        with contextlib.suppress(OSError, UnicodeEncodeError):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            if not _ours(os.lstat(self.folder), stat.S_ISDIR):
                return
            body = plain((rules.definitions, rules.problems))
            handle, name = tempfile.mkstemp(dir=self.folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
                Path(name).replace(self.folder / key)
            except BaseException:
                Path(name).unlink()
                raise
            self._thin_out()

    def _text(self, key: str) -> bytes:
        careful = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            if not _ours(os.lstat(self.folder), stat.S_ISDIR):
                return b""
            with os.fdopen(os.open(self.folder / key, careful), "rb") as file:
                info = os.fstat(file.fileno())
                return file.read() if _ours(info, stat.S_ISREG) and info.st_size <= LARGEST else b""
        except OSError:
            return b""

    def _thin_out(self) -> None:
        found = sorted(self.folder.iterdir(), key=lambda path: path.lstat().st_mtime_ns, reverse=True)
        for path in found[MOST:]:
            path.unlink()


def key_of(files: Sequence[tuple[str, str]], grammar: str, people: object, scripts: Mapping[str, bool]) -> str:
    """Return the name of a rule set: a digest of all that decides how it is checked, today's names among it."""
    sizes = [(path, len(text)) for path, text in files]
    seen = hashlib.sha256(repr((program(), sizes, people, sorted(scripts.items()))).encode())
    for text in (*(text for _, text in files), grammar):
        seen.update(text.encode())
    return seen.hexdigest()


def _ours(info: os.stat_result, is_kind: object) -> bool:
    """Whether only we can have put it there."""
    if not callable(is_kind) or not is_kind(info.st_mode):
        return False
    return os.name != "posix" or (info.st_uid == os.geteuid() and not info.st_mode & (stat.S_IRWXG | stat.S_IRWXO))
