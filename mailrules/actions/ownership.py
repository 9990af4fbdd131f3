"""Whether somebody else could have put a program where it stands: every folder and every link on the way is looked at.

In: a path. Out: the sentence why it is not started, or "".
May not live here: starting it. Looked at before each start: what only the owner and root may change cannot change after.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

MAX_LINKS = 40


def unsafe(path: Path) -> str:
    """Return why the file at `path` may be somebody else's doing, or "". Also why it cannot be started at all."""
    try:
        for place in _way(path.absolute()):
            info = place.lstat()
            if info.st_uid not in (0, os.geteuid()):
                return f"{place} belongs to somebody else ({_name(info.st_uid)}), so {path.name} is not run"
            if _others_write(info):
                return f"others may write to {place}, so {path.name} is not run; `chmod go-w {place}` mends it"
    except OSError as error:
        return f"the script {path} was not found: {error.strerror or error}"
    if not path.is_file():
        return f"the script {path} is no file"
    return ""


def unstartable(path: Path) -> str:
    """Return why the system would not start a program, "" where it would: its mode, and what its first line names."""
    if not os.access(path, os.X_OK):
        return f"{path} is not executable; `chmod u+x {path}` mends it"
    with path.open("rb") as file:
        first = file.readline(200)
    named = first[2:].split()[:1] if first.startswith(b"#!") else []
    missing = [name for name in map(os.fsdecode, named) if not Path(name).exists()]
    return f"its first line names {missing[0]}, which is not there" if missing else ""


def _way(path: Path) -> Iterator[Path]:
    """Yield each folder, each link and at last the file, as the system walks to it."""
    waiting = list(reversed(path.parts))
    at = Path(waiting.pop())
    yield at
    links = 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            at = at.parent
            continue
        place = at / part
        yield place
        if not place.is_symlink():
            at = place
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(f"more than {MAX_LINKS} links lead there")
        target = place.readlink()
        if target.is_absolute():
            at = Path(target.anchor)
        waiting += reversed(target.parts[1:] if target.is_absolute() else target.parts)


def _others_write(info: os.stat_result) -> bool:
    if stat.S_ISLNK(info.st_mode):
        return False  # why: whoever may write to its folder may replace it, and the folder is looked at
    if stat.S_ISDIR(info.st_mode) and info.st_mode & stat.S_ISVTX:
        return False  # why: in a sticky folder such as /tmp nobody else can replace what is ours
    if info.st_mode & stat.S_IWOTH:
        return True
    return bool(info.st_mode & stat.S_IWGRP) and not _alone(info)


def _alone(info: os.stat_result) -> bool:
    """Return whether the group has no member but the owner, as where every user has a group of the same name."""
    import grp
    import pwd

    try:
        owner, members = pwd.getpwuid(info.st_uid), set(grp.getgrgid(info.st_gid).gr_mem)
    except KeyError:
        return False
    members |= {user.pw_name for user in pwd.getpwall() if user.pw_gid == info.st_gid}
    return members <= {owner.pw_name}


def _name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
