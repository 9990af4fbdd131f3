"""Servers for tests: a real Dovecot on loopback, and a scripted one that lies."""

import base64
import contextlib
import getpass
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

DOVECOT = shutil.which("dovecot") or "/usr/sbin/dovecot"
PASSWORD = "pässword"  # not ASCII: LOGIN could not carry it


def dovecot_available() -> bool:
    return os.access(DOVECOT, os.X_OK)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def certificate(folder: Path) -> Path | None:
    """Make a certificate for localhost that vouches for itself, with its key beside it; None where openssl is missing."""
    path = folder / "localhost.pem"
    if not shutil.which("openssl"):
        return None
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(path.with_suffix(".key")),
         "-out", str(path)],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


class Dovecot:
    """A server with one user; messages are files in its Maildir, INTERNALDATE is their time."""

    host = "127.0.0.1"
    user = "seller"
    password = PASSWORD

    def __init__(self, token_key: bytes = b"") -> None:
        """With a key, access tokens (JSON Web Tokens, HS256) are taken, too, and checked by Dovecot itself."""
        self.port = free_port()
        # Not pytest's folder: a socket's path must be shorter than 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="dc-"))
        self.folder.chmod(0o755)
        self.maildir = self.folder / "mail"
        self.count = 0
        root = os.geteuid() == 0
        self.owner = pwd.getpwnam("mail") if root else pwd.getpwuid(os.getuid())
        own = getpass.getuser() if not root else ""
        for part in ("cur", "new", "tmp"):
            (self.maildir / part).mkdir(parents=True)
        self._own()
        users = "" if root else f"default_internal_user = {own}\ndefault_login_user = {own}\n"
        if not root:
            users += "".join(f"service {s} {{\n  chroot =\n}}\n" for s in ("anvil", "imap-login"))
        (self.folder / "users").write_text(f"{self.user}:{{PLAIN}}{self.password}\n", encoding="utf-8")
        (self.folder / "users").chmod(0o644)
        tokens, mechanisms = "", "plain"
        if token_key:
            key = self.folder / "keys" / "default" / "HS256" / "default"
            key.parent.mkdir(parents=True)
            key.write_bytes(base64.b64encode(token_key))
            (self.folder / "oauth2").write_text(
                f"introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={self.folder}/keys/\n"
                "username_attribute = email\n"
            )
            tokens = (
                f"passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {self.folder}/oauth2\n}}\n"
            )
            mechanisms = "plain xoauth2 oauthbearer"
        (self.folder / "dovecot.conf").write_text(
            f"""base_dir = {self.folder}/run
state_dir = {self.folder}/run
log_path = {self.folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
first_valid_uid = 1
mail_location = maildir:{self.maildir}
mailbox_list_index = no
{tokens}passdb {{
  driver = passwd-file
  args = {self.folder}/users
}}
userdb {{
  driver = static
  args = uid={self.owner.pw_uid} gid={self.owner.pw_gid} home={self.folder}/mail
}}
service imap {{
  process_min_avail = 2
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  service_count = 0
  process_min_avail = 1
  inet_listener imap {{
    port = {self.port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
{users}""",
            encoding="utf-8",
        )
        self.process = subprocess.Popen(
            [DOVECOT, "-F", "-c", str(self.folder / "dovecot.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._wait()

    def _wait(self) -> None:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1) as sock:
                if sock.recv(4) == b"* OK":
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        log = self.folder / "log"
        raise RuntimeError(
            f"Dovecot did not start: {log.read_text() if log.exists() else self.process.stderr.read()!r}"
        )

    def _own(self) -> None:
        if os.geteuid() == 0:
            for path in (self.maildir, *self.maildir.rglob("*")):
                with contextlib.suppress(FileNotFoundError):  # why: the server's own lock files come and go
                    os.chown(path, self.owner.pw_uid, self.owner.pw_gid)

    def add(self, content: bytes, moment: datetime) -> None:
        self.count += 1
        path = self.maildir / "new" / f"{1_700_000_000 + self.count}.M{self.count}.test"
        path.write_bytes(content)
        os.utime(path, (moment.timestamp(), moment.timestamp()))
        self._own()

    def stop(self) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def scripted(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one connection with a function; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            sock, _ = listener.accept()
            with sock, contextlib.suppress(OSError):
                sock.settimeout(10)
                handle(sock)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def lying(fetch: Callable[[bytes], bytes], search: bytes = b"* SEARCH 1 2 3\r\n") -> Callable[[socket.socket], None]:
    """Return a server that behaves until UID FETCH, which `fetch` answers (untagged data, or a whole answer with @)."""
    answers = {
        b"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n",
        b"EXAMINE": b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 4] x\r\n",
        b"LOGOUT": b"* BYE\r\n",
    }

    def handle(sock: socket.socket) -> None:
        stream = sock.makefile("rb")
        sock.sendall(b"* OK hello\r\n")
        while line := stream.readline():
            tag, _, rest = line.strip().partition(b" ")
            verb = rest.split()[0]
            if verb == b"AUTHENTICATE":
                sock.sendall(b"+ \r\n")
                stream.readline()
            data = answers.get(verb, b"")
            if rest.startswith(b"UID SEARCH"):
                data = search
            elif rest.startswith(b"UID FETCH"):
                data = fetch(rest)
                if b"@" in data:
                    sock.sendall(data.replace(b"@", tag))
                    continue
            sock.sendall(data + tag + b" OK done\r\n")
        stream.close()

    return handle
