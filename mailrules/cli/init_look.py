"""The end of `mailrules init`: logging in, and showing at once what the mailbox holds.

In: a Config, answers. Out: what lapses when; whom the person confirmed, into the store.
May not live here: how a mailbox is read (spine/lookback.py).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mailrules.cli.init_account import ask_secret
from mailrules.cli.init_files import SECRET, keep_in_file
from mailrules.cli.output import safe
from mailrules.cli.talk import Talk
from mailrules.errors import AuthError, MailrulesError

if TYPE_CHECKING:
    from mailrules.app import Progress
    from mailrules.config import Config
    from mailrules.spine.lookback import Found

TRIES = 3
SHOWN = 10


def log_in(talk: Talk, config: Config, base: Path) -> bool:
    """Test every login; where one is refused and its password is ours, ask for it again. False where a sign-in is missing."""
    from mailrules import app

    for account in config.accounts:
        issuer = account.password.get("oauth")
        if issuer and not _signed_in(config, account.name):
            if not talk.answers or not config.oauth[issuer].client_id:
                talk.tell("init.sign_in", account=account.name, issuer=issuer)
                return False
            from mailrules.spine.tokens import login

            login(config, account, typer.echo, None)
        for left in reversed(range(TRIES)):
            try:
                app.test_login(config, account.name)
                talk.tell(
                    "init.logged_in", host=account.host, user=account.user, mailboxes=", ".join(account.mailboxes)
                )
                break
            except AuthError as error:
                ours = account.password == {"file": SECRET}
                if not (talk.answers and ours and left):
                    raise
                talk.tell("init.refused", why=error)
                keep_in_file(base / SECRET, ask_secret(talk, account.provider))
    return True


def _signed_in(config: Config, name: str) -> bool:
    from mailrules import app

    try:
        app.test_login(config, name)
    except MailrulesError:
        return False
    return True


def show(talk: Talk, config: Config) -> None:
    """Look back over the mailbox, and show what it held at once."""
    from mailrules import app
    from mailrules.spine.lookback import look_back

    talk.tell("init.looking")
    with nullcontext(app.nothing) if not talk.answers else _bars() as progress:
        found = look_back(config, app.clock, progress)
    if found.busy:
        talk.tell("init.busy")
        return
    ahead = [row for row in found.authorizations if row["days_left"] is not None and row["days_left"] >= 0]
    count = len(found.authorizations)
    if not count:
        talk.tell("init.none", messages=found.messages)
    elif not ahead:
        talk.tell("init.some", authorizations=talk.count("init.authorizations", count), messages=found.messages)
    else:
        talk.tell(
            "init.next_lapses", authorizations=talk.count("init.authorizations", count), messages=found.messages,
            days=talk.count("init.days", ahead[0]["days_left"]),
        )  # fmt: skip
    for row in found.authorizations[:SHOWN]:
        talk.tell(
            "init.row" if row["expires"] else "init.row_without_date", name=row["developer"] or row["id"],
            number=row["developer_id"] or "-", expires=row["expires"], days=talk.count("init.days", row["days_left"] or 0),
        )  # fmt: skip
    if count > SHOWN:
        talk.tell("init.more", more=count - SHOWN)
    _confirm(talk, config, found)
    if found.waiting:
        talk.tell("init.waiting", count=found.waiting)


def _bars() -> AbstractContextManager[Progress]:
    # why here: it takes a while to load, and nobody sees it where there is no terminal
    from mailrules.cli.progress import bars

    return bars()


def _confirm(talk: Talk, config: Config, found: Found) -> None:
    """Ask once for every sender that no rule vouches for and every developer; what is not confirmed can be later."""
    from mailrules import app
    from mailrules.store import Store
    from mailrules.store.senders import DEVELOPER, SENDER

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
        for number, name in found.developers:
            if talk.agrees("init.confirm_developer", name=name or number, number=number):
                store.confirm(DEVELOPER, "", number, app.clock().isoformat())
