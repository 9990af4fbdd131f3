"""Notifications: all that one person is to hear now, as one mail.

In: notify effects with the same target. Out: Outcome. May not live here: SMTP, templates.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailrules.actions.mail_out import SmtpSettings, headers, put_text, send
from mailrules.effects import Effect, Outcome


def notify(effects: Sequence[Effect], batch: str, settings: SmtpSettings, own_id: str, now: str) -> Outcome:
    """Send one mail for one effect or a batch of them."""
    to = list(effects[0].args["to"])
    single = len(effects) == 1
    subject = str(effects[0].args["subject"]) if single else f"{len(effects)} things need you"
    parts = [str(e.args["body"]) if single else f"{e.args['subject']}\n\n{e.args['body']}" for e in effects]
    mail = headers(settings, own_id, batch or effects[0].key, to, subject, now)
    put_text(mail, "\n\n----\n\n".join(parts) + "\n")
    content = mail.as_bytes()
    return send(settings, to, lambda _eight_bit: content)
