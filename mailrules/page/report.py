"""The overview as one text that needs no server: style inside, nothing from outside.

In: a Look. Out: HTML. May not live here: rows, files, the clock.
"""

from __future__ import annotations

import base64
import hashlib

from markupsafe import Markup

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
    values["rows"] = values["seen"].rows
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    frame = {
        "linked": False, "told": "",
        "style": Markup(style),  # noqa: S704 - our own file, to the letter: its digest stands in the policy
        "style_hash": f"sha256-{digest}", "form_token": "", "path": "", "acts_of": list,
        "here": "",
    }  # fmt: skip
    return render("report.html", words, {**values, **headlines(words, values, linked=False), **frame})
