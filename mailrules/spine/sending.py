"""How mail and chats go out: what the configuration says of it, with secrets that are fetched when they are needed.

In: a Config. Out: SmtpSettings and the addresses of chats, for actions. May not live here: sending (actions/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mailrules.config import Config
from mailrules.spine.reaching import proof_of

if TYPE_CHECKING:
    from mailrules.actions import SmtpSettings


def smtp_settings(config: Config) -> SmtpSettings | None:
    """Return how mail is sent, None where no [smtp] is configured."""
    from mailrules.actions import SmtpSettings

    smtp = config.smtp
    if smtp is None:
        return None
    return SmtpSettings(
        host=smtp.host, port=smtp.port, tls=smtp.tls, user=smtp.user, sender=smtp.sender, timeout=smtp.timeout,
        ca_file=smtp.ca_file, secret=proof_of(config, smtp.password, smtp.account, "[smtp]") if smtp.password else None,
        auth=smtp.auth,
    )  # fmt: skip


def chat_urls(config: Config) -> Mapping[str, Callable[[], str]]:
    """Return, for every chat, what fetches its address: it holds a token, so it is a secret."""
    return {name: config.secret(reference, f"[chats.{name}]") for name, reference in config.chats.items()}
