"""`poll --watch`: one process that polls when something may have changed.

In: the options of poll, signals. Out: what each poll came to, as `poll` shows it.
May not live here: when to poll (spine/watch.py), what a poll does (app.py).
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import NoReturn

from mailrules.errors import MailrulesError
from mailrules.spine.outcome import Outcome


def watch(config: str | None, account: str | None, every: int, *, as_json: bool) -> NoReturn:
    """Watch until a signal ends it; SIGHUP reads the configuration anew."""
    from mailrules import app
    from mailrules import config as configuration
    from mailrules.cli import tell
    from mailrules.cli.outcome import show_outcome
    from mailrules.spine.watch import Times

    trouble = ""

    def told(what: Outcome | MailrulesError) -> None:
        nonlocal trouble
        if not isinstance(what, MailrulesError):
            trouble = ""
            show_outcome(what, as_json=as_json)
        elif trouble != str(what):  # why: a full disk is said once and not each minute
            trouble = str(what)
            tell(what)

    app.watch(
        lambda: configuration.load(config),
        told,
        only=[account] if account else None,
        times=Times(poll_every=every * 60, listened=max(900, every * 60)),
        on_hangup=_on_hangup,
    )


def _on_hangup(do: Callable[[], None]) -> None:
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: do())
