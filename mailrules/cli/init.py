"""`mailrules init`: from an address to the first deadline, in the person's own language.

In: an address and flags; answers where there is a terminal. Out: mailrules.toml, starter rules, a stored secret, a tested
login, what the mailbox holds, the line for cron. May not live here: each of these steps (the modules beside this one).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mailrules.cli.init_account import Wanted, find_settings
from mailrules.cli.init_files import Settings, check_writable, starter_name, write_anew
from mailrules.cli.talk import Talk
from mailrules.errors import UsageError
from mailrules.words import LANGUAGES, best_language


def init(
    address: Annotated[str, typer.Option("--address", metavar="ADDRESS", help="The mail address whose inbox is watched.")] = "",
    user: Annotated[str, typer.Option("--user", help="The user name, where it is not the address.")] = "",
    provider: Annotated[str, typer.Option("--provider", metavar="NAME", help="The provider, where the address does not tell it.")] = "",
    host: Annotated[str, typer.Option("--host", help="The IMAP server, where no provider is known.")] = "",
    port: Annotated[int | None, typer.Option("--port", help="Its port.")] = None,
    tls: Annotated[str, typer.Option("--tls", help="implicit, starttls, or none for this machine.")] = "",
    ca_file: Annotated[str, typer.Option("--ca-file", metavar="FILE", help="The certificates to trust instead of the system's.")] = "",
    smtp_host: Annotated[str, typer.Option("--smtp-host", metavar="HOST", help="The server that mail to you goes out by.")] = "",
    look_up: Annotated[bool, typer.Option("--look-up", help="Ask the address's domain, and Thunderbird's list, for the servers.")] = False,
    client_id: Annotated[str, typer.Option("--client-id", metavar="ID", help="Your registration with Google or Microsoft, where one signs in by OAuth.")] = "",
    password_env: Annotated[str, typer.Option("--password-env", metavar="NAME", help="The environment variable that holds the password.")] = "",
    password_file: Annotated[str, typer.Option("--password-file", metavar="FILE", help="A file of mode 0600 that holds it.")] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input, and keep it.")] = False,
    timezone: Annotated[str, typer.Option("--timezone", help="Where deadlines are days; else the machine's.")] = "",
    owner: Annotated[str, typer.Option("--owner", help="The address to write to; else the same.")] = "",
    language: Annotated[str, typer.Option("--language", help="en, ja, de or zh; else what LANG says.")] = "",
    folder: Annotated[str, typer.Option("--folder", help="Where to write.")] = ".",
    no_test: Annotated[bool, typer.Option("--no-test", help="Do not test the login, do not look at the mailbox.")] = False,
) -> None:  # fmt: skip
    """Set up: write mailrules.toml and starter rules, test the login, show what the mailbox holds. Nothing is written over."""
    from mailrules import config as configuration
    from mailrules.cli.init_look import log_in, show  # why here: it loads what only a poll needs

    if language and best_language(language) != language.lower().partition("-")[0]:
        raise UsageError(f"--language is {', '.join(LANGUAGES)}, not {language}")
    spoken = best_language(
        language or os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG", "")
    )
    talk = Talk(spoken, sys.stdin.isatty() and sys.stdout.isatty())
    wanted = Wanted(
        address=address, user=user, provider=provider, host=host, port=port, tls=tls, ca_file=ca_file, smtp_host=smtp_host, client_id=client_id,
        password_env=password_env, password_file=password_file, password_stdin=password_stdin, timezone=timezone,
        owner=owner, look_up=look_up, no_test=no_test,
    )  # fmt: skip
    base = Path(folder)
    target = base / configuration.FILE
    check_writable(base)
    fresh: Settings | None = None
    if target.exists():
        talk.tell("init.kept", file=target)
        loaded = configuration.load(str(target))
        talk.tell("init.kept_accounts", accounts=", ".join(f"{a.name} ({a.user})" for a in loaded.accounts))
        if address and address not in {a.user for a in loaded.accounts}:
            talk.tell("init.another", address=address, file=target)
    else:
        fresh = find_settings(talk, wanted, base)
        write_anew(target, fresh)
        talk.tell("init.wrote", file=target)
    _write_rules(talk, base, fresh=fresh is not None)
    if no_test:
        talk.tell("init.next", config=target)
        return
    reached = log_in(talk, target, fresh)
    if reached:
        show(talk, reached)
        _tell_schedule(talk, target)


def _tell_schedule(talk: Talk, target: Path) -> None:
    from mailrules.cli.schedule import cron_line, windows_command

    windows = sys.platform == "win32"
    talk.tell("init.schedule_windows" if windows else "init.schedule")
    typer.echo(f"  {windows_command(target, 5) if windows else cron_line(target, 5)}")
    talk.tell("init.other_schedules")


def _write_rules(talk: Talk, base: Path, *, fresh: bool) -> None:
    from mailrules.shipped import shipped_text

    rules = base / "rules"
    if (rules / "starter.rules").exists():
        talk.tell("init.kept", file=rules / "starter.rules")
    elif not fresh and any(rules.glob("*.rules")):  # why: it may have been thrown away on purpose
        talk.tell("init.own_rules", folder=rules)
    else:
        rules.mkdir(parents=True, exist_ok=True)
        (rules / "starter.rules").write_text(shipped_text(starter_name(talk.language)), encoding="utf-8")
        talk.tell("init.wrote_rules", file=rules / "starter.rules", folder=rules)
