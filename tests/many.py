"""Many accounts on one real Dovecot, and servers that are dead in every way."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from tests.mails import ordinary, wrapped
from tests.servers import Dovecot, free_port

RULES = """\
rule "renew" {
  on authorization_expiring
  create task "Renew {{ developer }} by {{ expires }}" due 7 days before expires
}

rule "escalate" {
  while authorization is expiring
  40 days before expires: create task "Nearly: {{ developer }}"
}
"""


class ManyAccounts(Dovecot):
    """One server; the accounts are shop0, shop1 and so on, and each has a mailbox of its own."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.names = [f"shop{n}" for n in range(count)]
        with (self.folder / "users").open("a", encoding="utf-8") as file:
            file.writelines(f"{name}:{{PLAIN}}{self.password}\n" for name in self.names)
        with (self.folder / "dovecot.conf").open("a", encoding="utf-8") as file:
            file.write(
                f"mail_location = maildir:{self.folder}/boxes/%u\ndefault_process_limit = 500\n"
                "default_client_limit = 2000\n"
            )
        for name in self.names:
            for part in ("cur", "new", "tmp"):
                (self.folder / "boxes" / name / part).mkdir(parents=True)
        self.maildir = self.folder / "boxes"
        self._own()
        self.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        self._wait()

    def deliver(self, name: str, content: bytes, moment: datetime) -> None:
        self.count += 1
        path = self.folder / "boxes" / name / "new" / f"{1_700_000_000 + self.count}.M{self.count}.test"
        waiting = path.parent.parent / "tmp" / path.name
        waiting.write_bytes(content)
        os.utime(waiting, (moment.timestamp(), moment.timestamp()))
        if os.geteuid() == 0:
            os.chown(waiting, self.owner.pw_uid, self.owner.pw_gid)
        waiting.rename(path)


def notice_of(number: int, expires: date, days: int = 30) -> tuple[bytes, datetime]:
    """Return a notice about a developer of its own."""
    arrived = datetime.combine(expires - timedelta(days=days), datetime.min.time(), UTC)
    text = (
        f"The provider listed below has access to your account. That access will expire on {expires}.\r\n\r\n"
        f"Developer ID:{100_000_000_000 + number}\r\nDeveloper nickname: Tools {number}\r\n"
        f"Access expiration date: {expires}\r\n"
    )
    body = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode()
    return wrapped(body, days, arrived, name=f"n{number}-{days}", stamp=False), arrived


def fill(server: ManyAccounts, today: date) -> None:
    """Put a notice and two ordinary mails into every mailbox."""
    source = ordinary(7, today)
    for number, name in enumerate(server.names):
        server.deliver(name, *notice_of(number, today + timedelta(days=30)))
        for _ in range(2):
            server.deliver(name, *next(source))


def configured(folder: Path, accounts: dict[str, tuple[int, str]], password: str = Dovecot.password) -> Path:
    """Write a configuration of accounts: name -> (port, user)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "my.rules").write_text(RULES, encoding="utf-8")
    for name, secret in (("password", password), ("wrong", "not it")):
        (folder / name).write_text(secret, encoding="utf-8")
        (folder / name).chmod(0o600)
    parts = ['timezone = "UTC"\nrules = ["my.rules"]\n']
    parts += [
        f'[accounts.{name}]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nuser = "{user}"\n'
        f'password = {{ file = "{"wrong" if name.startswith("refused") else "password"}" }}\nregion = "na"\n'
        for name, (port, user) in accounts.items()
    ]
    path = folder / "mailrules.toml"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


@contextlib.contextmanager
def silent(first: bytes, until: threading.Event) -> Iterator[int]:
    """Accept every connection, say `first` and then nothing, until the event; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    held: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                held.append(sock)
                if first:
                    sock.sendall(first)

    threading.Thread(target=serve, daemon=True).start()

    def release() -> None:
        until.wait(60)
        for sock in held:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=release, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        until.set()
        listener.close()
        for sock in held:
            sock.close()


@contextlib.contextmanager
def dead_accounts(count: int, server: ManyAccounts, until: threading.Event) -> Iterator[dict[str, tuple[int, str]]]:
    """Yield accounts that cannot work: closed port, black hole, greeting and silence, login refused, in turn."""
    with silent(b"", until) as hole, silent(b"* OK hello\r\n", until) as mute:
        kinds = (("closed", free_port()), ("hole", hole), ("mute", mute), ("refused", server.port))
        yield {f"{kind}{n}": (port, server.names[0]) for n in range(count) for kind, port in [kinds[n % 4]]}
