"""What lapses when, to look at and to take along: the page, the report, the calendar.

In: arguments. Out: a page until it is stopped, files. May not live here: what they show (page/).
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailrules.cli.options import ConfigPath
from mailrules.errors import UsageError
from mailrules.redact import without_tokens

if TYPE_CHECKING:
    from mailrules.page.look import Look

PORT = 8025
Language = Annotated[
    str | None, typer.Option("--language", metavar="CODE", help="en, ja, de or zh; else the first account's.")
]


def serve(
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="The port; 0 takes any free one.")
    ] = PORT,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in your browser.")] = False,
    config: ConfigPath = None,
) -> None:
    """Show the page on this machine: deadlines, tasks, mails and why, until it is stopped with Ctrl+C."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.cli.output import safe
    from mailrules.page.doors import Doors
    from mailrules.page.server import HOST, application, listening
    from mailrules.page.server import serve as answer
    from mailrules.page.site import Site
    from mailrules.store import Store

    loaded = configuration.load(config)
    with Store.open(loaded.store, now=app.clock().isoformat()) as store:
        feed = store.meta_get("feed") or secrets.token_urlsafe(24)
        store.meta_set("feed", feed, app.clock().isoformat())
    with listening(port) as listener:
        chosen = int(listener.getsockname()[1])
        doors = Doors(
            port=chosen, entry=secrets.token_urlsafe(24), session=secrets.token_urlsafe(24), form=secrets.token_urlsafe(24),
            feed=feed,
        )  # fmt: skip
        site = Site(loaded, doors, app.clock)
        page = application(
            site, lambda text: typer.echo(f"mailrules: a page failed, a bug of ours: {safe(text)}", err=True)
        )
        address = f"http://{HOST}:{chosen}/enter?key={doors.entry}"
        typer.echo(f"The page is at\n\n  {address}\n\nfor this machine only. Ctrl+C ends it.")
        if open_it:
            import webbrowser

            webbrowser.open(address)
        answer(page, listener)


def report(
    html: Annotated[str, typer.Option("--html", metavar="FILE", help="Where to; - is standard output.")],
    language: Language = None,
    config: ConfigPath = None,
) -> None:
    """Write the overview as one HTML file that needs no server."""
    from mailrules.page.report import html as page

    _write(html, page, language, config)


def calendar(
    file: Annotated[str | None, typer.Option("--file", metavar="FILE", help="Where to; else standard output.")] = None,
    language: Language = None,
    config: ConfigPath = None,
) -> None:
    """Write deadlines and tasks for your calendar (iCalendar)."""
    from mailrules.page.calendar import calendar as made

    _write(file or "-", made, language, config)


def _write(target: str, make: Callable[[Look], str], language: str | None, config: str | None) -> None:
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.cli.outcome import write_private
    from mailrules.page.look import looking
    from mailrules.words import LANGUAGES, best_language

    if language is not None and language not in LANGUAGES:
        raise UsageError(f"--language is {', '.join(LANGUAGES[:-1])} or {LANGUAGES[-1]}, not {language}")
    loaded = configuration.load(config)
    own = best_language(loaded.accounts[0].facts.language)
    with looking(loaded, app.clock(), language or own) as it:
        content = without_tokens(make(it))
    if target == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(content.encode())
    else:
        write_private(Path(target), content)
