"""A small read-only IMAP4rev1 server of our own, on loopback, in this process (RFC 3501, as much as a reader needs).

In: a user, a password and messages. Out: host and port for a client.
May not live here: anything that the real IMAP source does; this is the other side of the wire.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import socket
import socketserver
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Self

_LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"|(\([^)]*\))|([^\s"]+)', re.DOTALL)
_ITEM = re.compile(
    rb"BODY(?:\.PEEK)?\[([^\]]*)\](?:<(\d+)\.(\d+)>)?|RFC822\.SIZE|INTERNALDATE|FLAGS|UID", re.IGNORECASE
)
_CAPABILITY = b"IMAP4rev1 AUTH=PLAIN SASL-IR LITERAL+ ID"
_STATUS = re.compile(rb"MESSAGES|RECENT|UIDNEXT|UIDVALIDITY|UNSEEN")
_LOGGED_IN = ("LIST", "STATUS", "SELECT", "EXAMINE", "UID", "CLOSE")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MAX_LITERAL = 100_000


def _header(content: bytes) -> bytes:
    end = re.search(rb"\r?\n\r?\n", content)
    return content[: end.end()] if end else content


def _fields(content: bytes, names: Sequence[bytes]) -> bytes:
    """Return the named header fields as they stand, and the empty line (RFC 3501 section 6.4.5)."""
    wanted = {name.lower() for name in names}
    fields = re.findall(rb"[^\r\n]+\r?\n(?:[ \t][^\n]*\n)*", _header(content))
    return b"".join(f for f in fields if f.partition(b":")[0].strip().lower() in wanted) + b"\r\n"


def _date(moment: datetime) -> bytes:
    month = _MONTHS[moment.month - 1]  # strftime's names depend on the locale
    return f'"{moment:%d}-{month}-{moment:%Y %H:%M:%S %z}"'.encode()


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.connections.add(self.connection)
        self.logged_in = self.selected = self.done = False
        with contextlib.suppress(OSError, EOFError):
            self._say(b"* OK [CAPABILITY " + _CAPABILITY + b"] mailrules demo ready")
            while not self.done:
                self._command(self._read())
        self.server.connections.discard(self.connection)

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")

    def _line(self) -> bytes:
        line = self.rfile.readline(_MAX_LITERAL)
        if not line.endswith(b"\n"):
            raise EOFError
        return line.rstrip(b"\r\n")

    def _read(self) -> bytes:
        """Read a command; a literal is put in place as a quoted string."""
        line = self._line()
        while found := _LITERAL.search(line):
            size = int(found[1])
            if size > _MAX_LITERAL:
                raise EOFError
            if not found[2]:
                self._say(b"+ go on")
            text = self.rfile.read(size).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            line = line[: found.start()] + b'"' + text + b'"' + self._line()
        return line

    def _command(self, line: bytes) -> None:
        words = [
            re.sub(rb"\\(.)", rb"\1", m[1], flags=re.DOTALL) if m[1] is not None else m[2] or m[3]
            for m in _WORD.finditer(line)
        ]
        if len(words) < 2:
            self._say(b"* BAD what?")
            return
        tag, name, rest = words[0], words[1].decode("latin-1").upper(), words[2:]
        if name in _LOGGED_IN and not self.logged_in:
            answer = b"NO log in first"
        else:
            method = getattr(self, f"do_{name.lower()}", None) if name.isalpha() else None
            try:
                answer = method(rest) if method else b"BAD unknown command"
            except (IndexError, ValueError):
                answer = b"BAD arguments"
        self._say(tag + b" " + answer)

    def do_capability(self, _: list[bytes]) -> bytes:
        self._say(b"* CAPABILITY " + _CAPABILITY)
        return b"OK done"

    def do_noop(self, _: list[bytes]) -> bytes:
        return b"OK done"

    def do_logout(self, _: list[bytes]) -> bytes:
        self._say(b"* BYE until next time")
        self.done = True
        return b"OK done"

    def do_id(self, _: list[bytes]) -> bytes:
        self._say(b'* ID ("name" "mailrules demo")')
        return b"OK done"

    def do_login(self, words: list[bytes]) -> bytes:
        return self._check(words[0], words[1])

    def do_authenticate(self, words: list[bytes]) -> bytes:
        if words[0].upper() != b"PLAIN":
            return b"NO only PLAIN"
        if len(words) < 2:
            self._say(b"+ ")
        try:
            _, user, password = base64.b64decode(words[1] if len(words) > 1 else self._line()).split(b"\0")
        except binascii.Error:
            return b"BAD base64"
        return self._check(user, password)

    def _check(self, user: bytes, password: bytes) -> bytes:
        self.logged_in = (user, password) == (self.server.owner.user.encode(), self.server.owner.password.encode())
        return b"OK welcome" if self.logged_in else b"NO [AUTHENTICATIONFAILED] wrong user or password"

    def do_list(self, words: list[bytes]) -> bytes:
        if words[1].upper() in (b"INBOX", b"*", b"%"):
            self._say(b'* LIST (\\HasNoChildren) "/" INBOX')
        return b"OK done"

    def do_status(self, words: list[bytes]) -> bytes:
        if words[0].upper() != b"INBOX":
            return b"NO [NONEXISTENT] no such mailbox"
        count = len(self.server.owner.messages)
        values = {
            b"MESSAGES": count,
            b"RECENT": 0,
            b"UNSEEN": count,
            b"UIDNEXT": count + 1,
            b"UIDVALIDITY": self.server.owner.uidvalidity,
        }
        found = b" ".join(b"%s %d" % (item, values[item]) for item in _STATUS.findall(words[1].upper()))
        self._say(b"* STATUS INBOX (" + found + b")")
        return b"OK done"

    def do_examine(self, words: list[bytes]) -> bytes:
        self.selected = words[0].upper() == b"INBOX"
        if not self.selected:
            return b"NO [NONEXISTENT] no such mailbox"
        count = len(self.server.owner.messages)
        self._say(b"* FLAGS (\\Seen)\r\n* OK [PERMANENTFLAGS ()] none\r\n* %d EXISTS\r\n* 0 RECENT" % count)
        self._say(b"* OK [UIDVALIDITY %d] valid" % self.server.owner.uidvalidity)
        self._say(b"* OK [UIDNEXT %d] next" % (count + 1))
        return b"OK [READ-ONLY] done"

    do_select = do_examine

    def do_close(self, _: list[bytes]) -> bytes:
        self.selected = False
        return b"OK done"

    def do_uid(self, words: list[bytes]) -> bytes:
        if not self.selected:
            return b"BAD no mailbox is open"
        kind = words[0].upper()
        if kind == b"SEARCH":
            return self._search(words[1:])
        if kind == b"FETCH":
            return self._fetch(words[1], b" ".join(words[2:]))
        return b"NO this server is read-only"

    def _members(self, sequence: bytes) -> list[int]:
        count = len(self.server.owner.messages)
        found: set[int] = set()
        for run in sequence.split(b","):
            ends = [count if end == b"*" else int(end) for end in run.split(b":")]
            found.update(range(max(1, min(ends)), min(count, max(ends)) + 1))
        return sorted(found)

    def _search(self, words: list[bytes]) -> bytes:
        found = set(range(1, len(self.server.owner.messages) + 1))
        rest = iter(words)
        for word in rest:
            if word.upper() == b"UID":
                found &= set(self._members(next(rest, b"")))
            elif word.upper() != b"ALL":
                found &= set(self._members(word))
        self._say(b"* SEARCH" + b"".join(b" %d" % uid for uid in sorted(found)))
        return b"OK done"

    def _fetch(self, sequence: bytes, items: bytes) -> bytes:
        for uid in self._members(sequence):
            content, moment = self.server.owner.messages[uid - 1]
            parts = [b"UID %d" % uid]
            for item in _ITEM.finditer(items):
                name = item[0].upper()
                if name == b"RFC822.SIZE":
                    parts.append(b"RFC822.SIZE %d" % len(content))
                elif name == b"INTERNALDATE":
                    parts.append(b"INTERNALDATE " + _date(moment))
                elif name == b"FLAGS":
                    parts.append(b"FLAGS ()")
                elif name != b"UID":
                    parts.append(self._section(content, item))
            self._say(b"* %d FETCH (" % uid + b" ".join(parts) + b")")
        return b"OK done"

    @staticmethod
    def _section(content: bytes, item: re.Match[bytes]) -> bytes:
        section = item[1].upper()
        if section.startswith(b"HEADER.FIELDS"):
            data = _fields(content, section.partition(b"(")[2].strip(b") ").split())
        elif section == b"HEADER":
            data = _header(content)
        elif section == b"TEXT":
            data = content[len(_header(content)) :]
        elif section == b"":
            data = content
        else:
            raise ValueError
        origin = b""
        if item[2] is not None:
            data, origin = data[int(item[2]) : int(item[2]) + int(item[3])], b"<" + item[2] + b">"
        return b"BODY[" + item[1] + b"]" + origin + b" {%d}\r\n" % len(data) + data


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, owner: MailServer) -> None:
        self.owner = owner
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)


class MailServer:
    """An IMAP account with one mailbox, INBOX. `messages` may be appended to while it runs: UIDs count from 1."""

    def __init__(self, user: str, password: str, messages: Sequence[tuple[bytes, datetime]] = ()) -> None:
        self.user, self.password = user, password
        self.messages = list(messages)
        self.uidvalidity = 1
        self.host, self.port = "127.0.0.1", 0
        self._server: _Server | None = None

    def start(self) -> None:
        """Listen on a free port of loopback."""
        self._server = _Server(self)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Close the port and every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            for connection in list(server.connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
