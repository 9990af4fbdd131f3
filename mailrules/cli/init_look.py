"""The end of `mailrules init`: logging in, and showing at once what the mailbox holds.

In: a Config, answers. Out: what lapses when; whom the person confirmed, into the store.
May not live here: how a mailbox is read (spine/lookback.py).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mailrules import app
from mailrules import config as configuration
from mailrules.cli.init_account import ask_secret
from mailrules.cli.init_files import SECRET, Settings, keep_in_file, quoted, write_anew
from mailrules.cli.output import safe
from mailrules.cli.talk import Talk
from mailrules.errors import AuthError, MailrulesError
from mailrules.sources.imap_types import Refused
from mailrules.store import Store
from mailrules.store.senders import DEVELOPER, SENDER

if TYPE_CHECKING:
    from mailrules.app import Progress
    from mailrules.config import Config
    from mailrules.spine.lookback import Found

TRIES = 3
SHOWN = 10
HISTORY = 30
"""What lapsed more than so many days ago is counted and not shown."""


def log_in(talk: Talk, target: Path, fresh: Settings | None) -> Config | None:
    """Test every login; what was typed and does not work is asked for again. None where a sign-in is missing.

    `fresh` is what was just written to `target`; a file that was there already is a person's, and stays.
    """
    config = configuration.load(str(target))
    for account in config.accounts:
        issuer = account.password.get("oauth")
        if issuer and not _signed_in(config, account.name):
            if not talk.answers or not config.oauth[issuer].client_id:
                talk.tell("init.sign_in", account=account.name, issuer=issuer)
                return None
            from mailrules.spine.tokens import login

            login(config, account, typer.echo, None)
        for left in reversed(range(TRIES)):
            now = config.account(account.name)
            try:
                app.test_login(config, now.name)
                talk.tell("init.logged_in", host=now.host, user=now.user, mailboxes=", ".join(now.mailboxes))
                break
            except MailrulesError as error:
                ours = isinstance(error, AuthError) and now.password == {"file": SECRET}
                typed = not isinstance(error, AuthError) and fresh is not None and fresh.typed_host
                if not (talk.answers and left and (ours or typed)):
                    talk.tell("init.mend", file=target)
                    raise
                if ours:
                    talk.tell("init.refused", why=error.said if isinstance(error, Refused) else error)
                    keep_in_file(target.parent / SECRET, ask_secret(talk, now.provider))
                elif fresh:
                    talk.tell("init.unreached", why=error)
                    host = talk.ask("init.host", "--host", default=now.host)
                    fresh = replace(fresh, account={**fresh.account, "host": quoted(host)})
                    write_anew(target, fresh)
                    config = configuration.load(str(target))
    return config


def _signed_in(config: Config, name: str) -> bool:
    try:
        app.test_login(config, name)
    except MailrulesError:
        return False
    return True


def show(talk: Talk, config: Config) -> None:
    """Look back over the mailbox, and show what it held at once."""
    from mailrules.spine.lookback import look_back

    talk.tell("init.looking")
    with nullcontext(app.nothing) if not talk.answers else _bars() as progress:
        found = look_back(config, app.clock, progress)
    if found.busy:
        talk.tell("init.busy")
        return
    rows = [row for row in found.authorizations if row["days_left"] is None or row["days_left"] >= -HISTORY]
    ahead = [row["days_left"] for row in rows if row["days_left"] is not None and row["days_left"] >= 0]
    count = talk.count("init.authorizations", len(found.authorizations))
    if not found.authorizations:
        talk.tell("init.none", messages=found.messages)
    elif not ahead:
        talk.tell("init.some", authorizations=count, messages=found.messages)
    elif not ahead[0]:
        talk.tell("init.next_today", authorizations=count, messages=found.messages)
    else:
        days = talk.count("init.days", ahead[0])
        talk.tell("init.next_lapses", authorizations=count, messages=found.messages, days=days)
    for row in rows[:SHOWN]:
        days = row["days_left"]
        key = "without_date" if days is None else "past" if days < 0 else "today" if not days else "ahead"
        talk.tell(
            f"init.row_{key}", name=row["developer"] or row["id"], number=row["developer_id"] or "-", expires=row["expires"],
            days=talk.count("init.days", abs(days or 0)),
        )  # fmt: skip
    if len(found.authorizations) > len(rows[:SHOWN]):
        talk.tell("init.more", more=len(found.authorizations) - len(rows[:SHOWN]))
    _confirm(talk, config, found)
    if found.waiting:
        talk.tell("init.waiting", count=found.waiting)


def _bars() -> AbstractContextManager[Progress]:
    # why here: it takes a while to load, and nobody sees it where there is no terminal
    from mailrules.cli.progress import bars

    return bars()


def _confirm(talk: Talk, config: Config, found: Found) -> None:
    """Ask once for every sender that no rule vouches for and the nearest developers; the rest can be confirmed later."""
    if not talk.answers:
        if found.senders or found.developers:
            talk.tell("init.unconfirmed")
        for system, address in found.senders:
            typer.echo(f"  mailrules trust confirm {safe(address)} --system {safe(system)}")
        for number, _name in found.developers:
            typer.echo(f"  mailrules trust developer {safe(number)}")
        return
    with Store.open(config.store, now=app.clock().isoformat()) as store:
        for system, address in found.senders:
            if talk.agrees("init.confirm_sender", address=address, system=system):
                store.confirm(SENDER, system, address, app.clock().isoformat())
        for number, name in found.developers[:SHOWN]:
            if talk.agrees("init.confirm_developer", name=name or number, number=number):
                store.confirm(DEVELOPER, "", number, app.clock().isoformat())
    if len(found.developers) > SHOWN:
        talk.tell("init.more_developers", more=len(found.developers) - SHOWN)
