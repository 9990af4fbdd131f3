"""`mailrules uninstall`: everything that mailrules has put on this machine, listed, and removed when asked to.

In: a configuration. Out: paths, one a line; what has to be taken out by hand. May not live here: removing the program
itself, which is the package manager's, and what a person wrote: rules stay.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailrules.cli.options import ConfigPath
from mailrules.cli.output import safe

if TYPE_CHECKING:
    from mailrules.config import Config


def uninstall(
    yes: Annotated[bool, typer.Option("--yes", help="Remove what is listed; without it, it is only listed.")] = False,
    config: ConfigPath = None,
) -> None:
    """List what mailrules keeps on this machine: settings, secrets, the store, its copies. Rules stay, they are yours."""
    from mailrules import config as configuration

    loaded = configuration.load(config)
    paths = ours(loaded)
    for path in paths:
        if yes:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        typer.echo(f"{'removed' if yes else 'would be removed'}: {safe(path)}")
    for folder in {path.parent for path in paths if yes} - {loaded.folder}:
        with suppress(OSError):  # why: one that holds anything else is not ours
            folder.rmdir()
    for path in _rules(loaded):
        typer.echo(f"yours, kept: {safe(path)}")
    typer.echo(
        "by hand: the line of mailrules in `crontab -e`, or `systemctl disable --now mailrules.timer mailrules.service`"
    )
    for name in sorted({a.password["keyring"] for a in loaded.accounts if "keyring" in a.password}):
        typer.echo(f"by hand: the entry mailrules, {safe(name)}, in the keyring of this machine")
    typer.echo(
        "by hand: the program itself: pipx uninstall mailrules, uv tool uninstall mailrules, or pip uninstall mailrules"
    )
    if not yes:
        typer.echo("nothing was removed; `mailrules uninstall --yes` does it")


def ours(config: Config) -> list[Path]:
    """Return what mailrules made or holds secrets of: the store with all that lies beside it, secrets in its folder, settings."""
    beside = sorted(config.store.parent.glob(f"{config.store.name}*")) if config.store.parent.is_dir() else []
    tokens = config.store.parent / "tokens"
    beside += [tokens] if tokens.is_dir() else []
    references = [a.password for a in config.accounts] + list(config.chats.values())
    references += [config.smtp.password] if config.smtp and config.smtp.password else []
    named = (config.folder / Path(str(r["file"])).expanduser() for r in references if "file" in r)
    secrets = [path for path in named if path.is_file() and path.resolve().is_relative_to(config.folder.resolve())]
    return list(dict.fromkeys([*beside, *secrets, config.path]))


def _rules(config: Config) -> list[Path]:
    from mailrules.errors import ConfigError

    try:
        return config.rule_files()
    except ConfigError:
        return []
