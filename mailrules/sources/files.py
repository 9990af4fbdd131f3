"""Mail that lies in files: .eml, Maildir, mbox, a folder of them, a saved page, standard input.

In: a path as a person gave it. Out: RawMessages, one after another, as bytes.
May not live here: reading what a message says, deciding whether it matters, writing anything.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from mailrules.errors import TemporaryError, UsageError
from mailrules.mail.message import RawMessage

# RFC 4155: "From ", an address, a date as asctime() writes it. A line of prose beginning with "From " has none.
_FROM_LINE = re.compile(
    rb"From [^\r\n]*\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(?:[A-Z][a-z]{2} +\d{1,2}|\d{1,2} +[A-Z][a-z]{2})\b"
    rb"[^\r\n]*\d{1,2}:\d{2}[^\r\n]*\r?\n?\Z"
)
_QUOTED_FROM = re.compile(rb">+From ")
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_NAMED_FIELD = re.compile(
    rb"^(?:From|To|Subject|Date|Message-ID|MIME-Version|Received|Return-Path|Delivered-To)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_TEXTS = (".txt", ".text", ".md", ".markdown")
_EPOCH = datetime.fromtimestamp(0, tz=UTC)
LONGEST_LINE = 1_000_000


def documents(path_or_dash: str, stdin: BinaryIO) -> Iterator[RawMessage]:
    """Yield every message found at a path; "-" is standard input."""
    if path_or_dash == "-":
        yield from _split("-", stdin, _EPOCH, "")
        return
    path = Path(path_or_dash)
    try:
        if path.is_dir():
            for file in _files(path):
                yield from _file(str(file), file)
        elif path.exists():
            yield from _file(path_or_dash, path)
        else:
            raise UsageError(
                f"there is no file or folder `{path_or_dash}`", help="check the path; `-` is standard input"
            )
    except ValueError as error:  # a NUL in the path
        raise UsageError(f"`{path_or_dash!r}` is no path", help="check the path") from error
    except OSError as error:
        name = error.filename or path_or_dash
        raise TemporaryError(
            f"`{name}` cannot be read: {error.strerror or error}", help="check its permissions"
        ) from error


def _files(folder: Path) -> Iterator[Path]:
    """Yield the messages of a Maildir (its tmp holds unfinished ones), else every file below that is not hidden."""
    if (folder / "cur").is_dir() and (folder / "new").is_dir():
        for part in ("cur", "new"):
            yield from sorted(p for p in (folder / part).iterdir() if p.is_file() and not p.name.startswith("."))
        return

    def refuse(error: OSError) -> None:
        raise error

    for here, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if Path(here) != folder and {"cur", "new"} <= set(folders):
            yield from _files(Path(here))
            folders[:] = [name for name in folders if name not in ("cur", "new", "tmp")]
        yield from (Path(here) / name for name in sorted(names) if not name.startswith("."))


def _file(source: str, path: Path) -> Iterator[RawMessage]:
    if not path.is_file() and not path.is_fifo():
        raise UsageError(
            f"`{source}` is neither a file nor a folder", help="name an .eml, a Maildir, an mbox or a saved page"
        )
    received = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    with path.open("rb") as stream:
        yield from _split(source, stream, received, path.suffix.lower())


def _split(source: str, stream: BinaryIO, received: datetime, suffix: str) -> Iterator[RawMessage]:
    """Yield the messages of one stream: an mbox is never held in memory as a whole."""
    first = stream.readline(LONGEST_LINE)
    if suffix in (".html", ".htm"):
        yield RawMessage(source=source, content=first + stream.read(), received_at=received, media_type="text/html")
        return
    if not first.startswith(b"From "):
        content = first + stream.read()
        kind = "message/rfc822"
        if suffix in _TEXTS and not _begins_with_fields(content):
            kind = "text/plain"
        elif (
            suffix == "" and source == "-" and content[:200].lstrip().lower().startswith((b"<!doctype html", b"<html"))
        ):
            kind = "text/html"
        elif suffix == "" and not _NAMED_FIELD.search(content[:65_536]):
            # why so strict: a text that somebody hands in is believed, and no mail may pass for one by a broken header;
            # whatever came through a server has such a field
            kind = "text/plain"
        yield RawMessage(source=source, content=content, received_at=received, media_type=kind)
        return
    if suffix in _TEXTS and not _FROM_LINE.match(first):
        yield RawMessage(source=source, content=first + stream.read(), received_at=received, media_type="text/plain")
        return
    held: bytes | None = None  # one message is named by its path alone: so the first waits for a second
    count = 0
    for content in _mbox(stream):
        if held is not None:
            count += 1
            yield RawMessage(source=f"{source}#{count}", content=held, received_at=received)
        held = content
    if held is not None:
        name = f"{source}#{count + 1}" if count else source
        yield RawMessage(source=name, content=held, received_at=received)


def _mbox(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what lies between "From " lines; such a line counts only after an empty one, with a date in it."""
    message = io.BytesIO()
    empty_before = start = True
    while line := stream.readline(LONGEST_LINE):
        if start and empty_before and _FROM_LINE.match(line):
            yield _without_separator(message.getvalue())
            message = io.BytesIO()
            continue
        message.write(line[1:] if start and _QUOTED_FROM.match(line) else line)
        empty_before = start and line in (b"\n", b"\r\n")
        start = line.endswith(b"\n")
    yield _without_separator(message.getvalue())


def _without_separator(content: bytes) -> bytes:
    """Drop the one empty line that an mbox puts after each message."""
    for end in (b"\r\n", b"\n"):
        if content.endswith(end + end):
            return content[: -len(end)]
    return content


def _begins_with_fields(content: bytes) -> bool:
    """Tell a message saved as .txt from prose: its first paragraph is header fields, one of them a usual one."""
    head = re.split(rb"\r?\n\r?\n", content[:65_536], maxsplit=1)[0]
    lines = head.splitlines()
    plausible = all(_FIELD.match(line) or line[:1] in (b" ", b"\t") for line in lines)
    return bool(lines) and plausible and _FIELD.match(lines[0]) is not None and _NAMED_FIELD.search(head) is not None
