"""What signing in by OAuth comes to: our registration with an authorization server, and what it granted.

In: nothing. Out: OAuthClient, Grant, Issuer, and `issuer_of`, which imports a provider's library where it is needed.
May not live here: where a grant is kept (spine/tokens.py), the protocols (their libraries').
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple, Protocol, cast

from mailrules.errors import ConfigError


class OAuthClient(NamedTuple):
    """Our registration with an authorization server: [oauth.google] or [oauth.microsoft]."""

    issuer: str
    client_id: str
    client_secret: Mapping[str, Any] | None = None
    tenant: str = "common"
    server: str = ""


class Grant(NamedTuple):
    """What a sign-in gave: `kept` is what new access tokens are asked for with; `expires` in ISO 8601, UTC."""

    issuer: str
    client_id: str
    kept: str
    access: str
    expires: str


Tell = Callable[[str], None]
Ask = Callable[[str], str]


class Issuer(Protocol):
    """One authorization server's ways."""

    def sign_in(self, client: OAuthClient, secret: str, user: str, tell: Tell, ask: Ask | None) -> Grant:
        """Let a person sign in. `ask` reads an address that was pasted; None: a browser of this machine is used."""

    def renewed(self, client: OAuthClient, secret: str, grant: Grant) -> Grant:
        """Return a grant with a new access token; raises AuthError where only a person can help."""


def issuer_of(name: str) -> Issuer:
    """Return what speaks with google or microsoft."""
    try:
        return cast("Issuer", import_module(f"mailrules.sources.oauth_{name}"))
    except ImportError as error:
        raise ConfigError(
            f"signing in with {name.capitalize()} needs a library that is not installed ({error.name})",
            help="pip install 'mailrules[oauth]'",
        ) from error
