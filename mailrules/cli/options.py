"""Options that several commands share, so that they read the same everywhere.

In: nothing. Out: annotated types for typer. May not live here: commands.
"""

from __future__ import annotations

from typing import Annotated

import typer

ConfigPath = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration (else MAILRULES_CONFIG, ./mailrules.toml, your configuration folder).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
AccountName = Annotated[str | None, typer.Option("--account", "-a", metavar="NAME", help="Only this account.")]
