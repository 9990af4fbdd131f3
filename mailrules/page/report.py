"""The overview as one file that needs no server: style inside, no link outside, for the owner's eyes only.

In: a Look, a path. Out: HTML; a file of mode 0600 that is there whole or not at all. May not live here: rows, the clock.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from pathlib import Path

from mailrules.errors import UsageError
from mailrules.page import model
from mailrules.page.front import headlines
from mailrules.page.look import Look
from mailrules.page.render import Words, render, shipped


def html(it: Look) -> str:
    """Return the overview with everything in it, however many there are."""
    facts = next(iter(it.config.world.accounts.values()), None)
    words = Words(it.language, it.now, facts.zone if facts else None)
    style = shipped("style.css")
    values = model.front(it)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    frame = {
        "linked": False, "told": "", "style": style, "style_hash": f"sha256-{digest}", "form_token": "", "path": "", "acts_of": list,
        "rows": values["seen"].rows, "here": "",
    }  # fmt: skip
    return render("report.html", words, {**values, **headlines(words, values), **frame})


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read; whoever reads it meanwhile sees the old one or the new one."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
