"""Notifications to chats (Slack, Teams, Telegram, LINE, WeCom, DingTalk, Feishu, ntfy and the rest that Apprise knows).

In: notify effects to one chat, and what fetches its address. Out: Outcome. The only importer of apprise.
May not live here: which chats there are. An address comes from the configuration alone, never from a mail or a rule.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from mailrules.actions.notify import together
from mailrules.effects import Effect, Outcome
from mailrules.redact import Secrets

REFUSED = ("file", "syslog", "dbus", "qt", "kde", "gnome", "glib", "macosx", "windows", "exec", "mailto", "mailtos")
"""What is no chat: it would act on this machine, or is mail, which has its own way."""
_CALL = re.compile("@(?=everyone|here|channel|all|所有人)", re.IGNORECASE)
SECONDS = 20.0
LONGEST = 4_000
"""Characters of one message; services cut off, split or refuse what is longer."""
COUNTS_BYTES = ("wecombot",)
"""Services whose limit is one of bytes: a Chinese character is three."""


def to_chat(effects: Sequence[Effect], name: str, chats: Mapping[str, Callable[[], str]], language: str) -> Outcome:
    """Send one message for one effect or a batch of them."""
    fetch = chats.get(name)
    if fetch is None:
        return Outcome(result="failed", why=f"there is no [chats.{name}] in mailrules.toml")
    url = fetch().strip()
    service, why = _service(url, f"[chats.{name}]")
    if service is None:
        return Outcome(result="failed", why=why)
    import apprise

    scheme = urlsplit(url).scheme.lower()
    service.socket_connect_timeout = service.socket_read_timeout = SECONDS
    subject, text = map(_harmless, together(effects, language))
    most = min(LONGEST, int(service.body_maxlen)) - (0 if service.title_maxlen else _size(subject, scheme) + 8)
    if _size(text, scheme) > most and len(effects) > 1:  # why: every deadline named is worth more than one told in full
        text = "\n".join(_harmless(f"- {e.args['subject']}") for e in effects)
    text = _cut(text, most, scheme)
    said = _Said(_parts(url))
    logger = logging.getLogger("apprise")
    logger.addHandler(said)
    logger.propagate = False
    try:
        sent = service.notify(body=text, title=subject, notify_type=apprise.NotifyType.WARNING)
    except Exception as error:  # why here: only here is it known which pieces of the address are secret
        sent, said.final = False, True
        said.add(f"{type(error).__name__}: {error}")
    finally:
        logger.removeHandler(said)
    if sent:
        return Outcome(result="done", why=f"sent to the chat {name}")
    why = f"the chat {name} did not take it{': ' if said.lines else ''}{'; '.join(said.lines[:3])}"
    return Outcome(result="failed" if said.final else "retry", why=why)


def not_a_chat(url: str, name: str) -> str:
    """Return why nothing can be sent to an address, "" where it is of a form that Apprise knows. Nothing is sent."""
    return _service(url.strip(), name)[1]


def _service(url: str, name: str) -> tuple[Any, str]:
    try:
        import apprise
    except ImportError:
        return None, "writing to chats needs `pip install 'mailrules[notify]'`"
    scheme = urlsplit(url).scheme.lower()
    if scheme in REFUSED:
        return None, f"{name}: `{scheme}:` is no chat"
    asset = apprise.AppriseAsset(secure_logging=True, async_mode=False)
    service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if service is None:
        return None, f"{name}: Apprise knows no address of this form; look at its documentation"
    return service, ""


def _harmless(text: str) -> str:
    """Return a text that calls nobody and links nothing: a mail may say `<!channel>` or `@everyone`."""
    return _CALL.sub("＠", text.replace("<", "‹").replace(">", "›"))


def _size(text: str, scheme: str) -> int:
    return len(text.encode()) if scheme in COUNTS_BYTES else len(text)


def _cut(text: str, most: int, scheme: str) -> str:
    """Return what a service takes of a text; that there was more is shown."""
    if _size(text, scheme) <= most:
        return text
    if scheme in COUNTS_BYTES:
        return text.encode()[: most - 3].decode(errors="ignore") + "…"
    return f"{text[: most - 1]}…"


def _parts(url: str) -> Secrets:
    """Return the pieces of an address that may be tokens, and all of it: a service may name them in what it says."""
    parts = urlsplit(url)
    pieces = (parts.password, *parts.path.split("/"), *parts.query.replace("=", "&").split("&"))
    return Secrets(url, *(piece for piece in pieces if piece and len(piece) >= 12))


class _Said(logging.Handler):
    """Collects what Apprise says went wrong; `final` where trying again cannot help."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__(logging.WARNING)
        self._secrets = secrets
        self.lines: list[str] = []
        self.final = False

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        self.add(line)
        self.final = self.final or any(f"error={code}" in line for code in (400, 401, 403, 404, 405, 410, 413, 422))

    def add(self, line: str) -> None:
        """Keep the beginning of a line, without the pieces of the address."""
        self.lines.append(self._secrets.shortened(line))
