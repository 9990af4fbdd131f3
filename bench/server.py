"""A Dovecot on loopback with one user for each mailbox, made for measuring.

In: Maildirs by user name. Out: the port; it ends with the block.
May not live here: clients, delays, what is measured.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

PASSWORD = "secret"
INSTALL = "sudo apt-get install dovecot-imapd"


def program() -> str | None:
    """Return Dovecot's path, None where it is not installed."""
    return shutil.which("dovecot", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")


@contextlib.contextmanager
def dovecot(maildirs: Mapping[str, Path], *, sessions: int = 400, index: Path | None = None) -> Iterator[int]:
    """Serve each user's Maildir; all have one password. What it remembers of the mail lies in `index`, by user."""
    folder = Path(tempfile.mkdtemp(prefix="dcb-"))
    folder.chmod(0o755)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    root = os.geteuid() == 0
    owner = pwd.getpwnam("mail") if root else pwd.getpwuid(os.getuid())
    index = index or folder / "index"
    users = folder / "users"
    users.write_text("".join(
        f"{user}:{{PLAIN}}{PASSWORD}:{owner.pw_uid}:{owner.pw_gid}::{path}::userdb_mail=maildir:{path}:INDEX={index}/{user}\n"
        for user, path in maildirs.items()
    ))  # fmt: skip
    users.chmod(0o644)
    index.mkdir()
    if root:
        os.chown(index, owner.pw_uid, owner.pw_gid)
        for path in maildirs.values():
            for here in (path, *path.iterdir()):
                os.chown(here, owner.pw_uid, owner.pw_gid)
    own = "" if root else f"default_internal_user = {getpass.getuser()}\ndefault_login_user = {getpass.getuser()}\n"
    own += "" if root else "".join(f"service {s} {{\n  chroot =\n}}\n" for s in ("anvil", "imap-login"))
    (folder / "dovecot.conf").write_text(f"""base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
first_valid_uid = 1
mail_max_userip_connections = {sessions}
default_process_limit = {sessions + 50}
default_client_limit = {4 * sessions + 200}
passdb {{
  driver = passwd-file
  args = {users}
}}
userdb {{
  driver = passwd-file
  args = {users}
}}
service imap-login {{
  service_count = 0
  process_min_avail = 2
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service imap {{
  process_limit = {sessions + 50}
}}
{own}""")  # fmt: skip
    with subprocess.Popen([program() or "dovecot", "-F", "-c", str(folder / "dovecot.conf")]) as process:
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as sock:
            if sock.recv(4) == b"* OK":
                return
        time.sleep(0.05)
    raise RuntimeError("Dovecot did not start")
