"""Talking to a person in their own language: what is said, what is asked.

In: keys of the catalogues with their values, answers. Out: lines on a terminal, answers as text.
May not live here: what is asked for; the sentences (mailrules/catalogues/).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import typer

from mailrules.cli.output import safe
from mailrules.errors import UsageError
from mailrules.words import counted, say

YES = frozenset(("y", "yes", "j", "ja", "はい", "是", "好"))


@dataclass(frozen=True, slots=True)
class Talk:
    """Who is talked to: in which language, and whether anybody can answer."""

    language: str
    answers: bool

    def tell(self, key: str, **values: object) -> None:
        """Say something."""
        typer.echo(say(self.language, key, **{name: safe(value) for name, value in values.items()}))

    def count(self, key: str, n: int) -> str:
        """Return a number of things."""
        return counted(self.language, key, n)

    def ask(self, key: str, flag: str, *, default: str = "", **values: object) -> str:
        """Ask for something; where nobody can answer, name the flag that says it."""
        text = say(self.language, key, **values)
        if not self.answers:
            raise UsageError(f"{flag} is needed: {text}", help="there is no terminal to ask at")
        return _answer(text, default=default, show_default=bool(default))

    def hidden(self, key: str, flag: str, **values: object) -> str:
        """Ask for a secret; it is not shown."""
        text = say(self.language, key, **values)
        if not self.answers:
            raise UsageError(f"{flag} is needed: {text}", help="there is no terminal to ask at")
        return _answer(text, hide_input=True)

    def agrees(self, key: str, **values: object) -> bool:
        """Ask whether; no answer is no."""
        if not self.answers:
            return False
        text = say(self.language, key, **{name: safe(value) for name, value in values.items()})
        asked = f"{text} {say(self.language, 'init.yes_no')}"
        return _answer(asked, default="", show_default=False).lower() in YES


def _answer(text: str, **how: Any) -> str:
    """Return what was typed; ctrl-C and ctrl-D end the program as ctrl-C does everywhere else."""
    try:
        return str(typer.prompt(text, **how)).strip()
    except typer.Abort:
        typer.echo()
        raise KeyboardInterrupt from None
