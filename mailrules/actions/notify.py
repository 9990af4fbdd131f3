"""Notifications: all that one person is to hear now, as one mail.

In: notify effects with the same target. Out: Outcome. May not live here: SMTP, templates, chats.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailrules.actions.mail_out import SmtpSettings, headers, put_text, send
from mailrules.effects import Effect, Outcome
from mailrules.words import say


def notify(
    effects: Sequence[Effect], batch: str, settings: SmtpSettings, own_id: str, now: str, language: str = "en"
) -> Outcome:
    """Send one mail for one effect or a batch of them."""
    to = list(effects[0].args["to"])
    subject, text = together(effects, language)
    mail = headers(settings, own_id, batch or effects[0].key, to, subject, now)
    put_text(mail, text + "\n")
    content = mail.as_bytes()
    return send(settings, to, lambda _eight_bit: content)


def together(effects: Sequence[Effect], language: str) -> tuple[str, str]:
    """Return the subject and the text of one effect, or of a batch of them."""
    if len(effects) == 1:
        return str(effects[0].args["subject"]), str(effects[0].args["body"])
    parts = [f"{e.args['subject']}\n\n{e.args['body']}" for e in effects]
    return say(language, "mail.several", count=len(effects)), "\n\n----\n\n".join(parts)
