"""`mailrules schedule`: what lets the machine start mailrules by itself, as text to install.

In: a configuration's path, how often. Out: a line for cron, units for systemd, a command for Windows; only printed.
May not live here: installing anything.
"""

from __future__ import annotations

import getpass
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailrules.cli.options import ConfigPath
from mailrules.errors import UsageError

if TYPE_CHECKING:
    from mailrules.config import Config

HARDENED = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writable}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0077
"""
"""What a service may do at most; a script that a rule runs is held to it, too."""

SERVICE = """\
# /etc/systemd/system/mailrules.service
[Unit]
Description=mailrules: deadlines of authorizations, from the inbox
Wants=network-online.target
After=network-online.target

[Service]
{kind}User={user}
WorkingDirectory={folder}
ExecStart={command}
{reload}SuccessExitStatus=3 75 143
{credentials}{hardened}"""

TIMER = """
# /etc/systemd/system/mailrules.timer
[Unit]
Description=mailrules every {every}

[Timer]
OnBootSec=2min
OnUnitInactiveSec={every}
RandomizedDelaySec=20s
Persistent=yes

[Install]
WantedBy=timers.target
"""


def schedule(
    cron: Annotated[bool, typer.Option("--cron", help="A line for crontab -e.")] = False,
    systemd: Annotated[bool, typer.Option("--systemd", help="Units for systemd, hardened.")] = False,
    windows: Annotated[bool, typer.Option("--windows", help="A command for the Windows Task Scheduler.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="With --systemd: one service that stays and is told of new mail at once.")
    ] = False,
    every: Annotated[int, typer.Option("--every", metavar="MINUTES", help="How often to look.", min=1, max=59)] = 5,
    config: ConfigPath = None,
) -> None:
    """Print the text that lets this machine look for itself; nothing is installed."""
    from mailrules import config as configuration

    if cron + systemd + windows > 1:
        raise UsageError("--cron, --systemd and --windows are three ways; choose one")
    if watch and (cron or windows):
        raise UsageError("--watch is a service of systemd; cron and Windows start a poll every few minutes")
    loaded = configuration.load(config)
    if windows or (sys.platform == "win32" and not cron and not systemd):
        typer.echo(windows_command(loaded.path, every))
    elif systemd or (not cron and Path("/run/systemd/system").is_dir()):
        typer.echo(units(loaded, every, watch=watch), nl=False)
    else:
        typer.echo(cron_line(loaded.path, every))


def _program() -> list[str]:
    """Return how this very mailrules is started from anywhere."""
    found = shutil.which("mailrules")
    return [str(Path(found).absolute())] if found else [sys.executable, "-m", "mailrules"]


def cron_line(config: Path, every: int) -> str:
    """Return the line of a crontab; cron would read a % as the end of the line."""
    command = shlex.join([*_program(), "poll", "--config", str(config.absolute())])
    return f"*/{every} * * * * {command}".replace("%", r"\%")


def windows_command(config: Path, every: int) -> str:
    """Return the command that makes a task of the Windows Task Scheduler."""
    inner = " ".join(
        rf"\"{part}\"" if " " in part else part for part in [*_program(), "poll", "--config", str(config.absolute())]
    )
    return f'schtasks /Create /TN mailrules /SC MINUTE /MO {every} /TR "{inner}"'


def units(config: Config, every: int, *, watch: bool) -> str:
    """Return the units of systemd, each under the path that it belongs to, and the command that starts them."""
    folder = config.folder.absolute()
    state = config.store.parent.absolute()
    writable = [str(folder)] if state.is_relative_to(folder) else [str(folder), str(state)]
    names = [a.password["credential"] for a in config.accounts if "credential" in a.password]
    if config.smtp and config.smtp.password and "credential" in config.smtp.password:
        names.append(config.smtp.password["credential"])
    service = SERVICE.format(
        kind="Type=notify\nNotifyAccess=main\nWatchdogSec=30min\nRestart=on-failure\nRestartSec=30s\n" if watch else "Type=oneshot\nTimeoutStartSec=30min\n",
        user=getpass.getuser(), folder=_escaped(str(folder)),
        command=" ".join(_word(part) for part in [*_program(), "poll", *(["--watch", "--every", str(every)] if watch else []), "--config", str(config.path.absolute())]),
        reload="ExecReload=kill -HUP $MAINPID\n" if watch else "",
        credentials="".join(f"LoadCredential={name}:/etc/mailrules/{name}\n" for name in dict.fromkeys(names)),
        hardened=HARDENED.format(writable=" ".join(_word(path) for path in writable)),
    )  # fmt: skip
    if watch:
        return (
            service
            + "\n[Install]\nWantedBy=multi-user.target\n\n# systemctl daemon-reload && systemctl enable --now mailrules.service\n"
        )
    return (
        service
        + TIMER.format(every=f"{every}min")
        + "\n# systemctl daemon-reload && systemctl enable --now mailrules.timer\n"
    )


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """Return a word as systemd splits lines: in quotes where it holds a blank."""
    text = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if " " in text else text
