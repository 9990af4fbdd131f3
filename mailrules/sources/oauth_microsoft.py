"""Signing in with Microsoft by a code that is typed on any device; the only importer of msal.

In: our registration, a person at a browser anywhere. Out: Grant, or an AuthError that says what to do.
May not live here: where a grant is kept.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msal
import requests

from mailrules.errors import AuthError, TemporaryError
from mailrules.redact import Secrets
from mailrules.sources.oauth import Ask, Grant, OAuthClient, Tell

SCOPES = ["https://outlook.office.com/IMAP.AccessAsUser.All", "https://outlook.office.com/SMTP.Send"]
SIGN_IN_AGAIN = "sign in again"
KNOWN = {
    "AADSTS7000218": "in the app registration, under Authentication, set `Allow public client flows` to Yes",
    "AADSTS65001": "nobody has consented yet: sign in again, or let an administrator consent for the whole company",
    "AADSTS70043": "the company's sign-in frequency ended it: sign in again",
    "AADSTS700082": "nothing used it for too long: sign in again",
    "AADSTS50173": "the password was changed: sign in again",
    "AADSTS500011": "the app registration lacks the permission IMAP.AccessAsUser.All (Office 365 Exchange Online)",
    "AADSTS650053": "the app registration lacks the permission IMAP.AccessAsUser.All (Office 365 Exchange Online)",
    "AADSTS700016": "look at `client_id` and `tenant` under [oauth.microsoft]",
}
"""What to do about an ending that has a number."""


def sign_in(client: OAuthClient, secret: str, user: str, tell: Tell, ask: Ask | None) -> Grant:  # noqa: ARG001 - Issuer
    """Show a code, and wait until a person has typed it."""
    app, cache = _app(client, "")
    flow = _asked(lambda: app.initiate_device_flow(scopes=SCOPES))
    if "user_code" not in flow:
        raise _refused(flow)
    tell(f"Open {flow['verification_uri']} on any device, type the code {flow['user_code']} and sign in as {user}.")
    return _grant(client, _asked(lambda: app.acquire_token_by_device_flow(flow)), cache)


def renewed(client: OAuthClient, secret: str, grant: Grant) -> Grant:  # noqa: ARG001 - Issuer
    """Ask for a new access token."""
    app, cache = _app(client, grant.kept)
    known = app.get_accounts()
    answer = (
        _asked(lambda: app.acquire_token_silent_with_error(SCOPES, account=known[0], force_refresh=True))
        if known
        else None
    )
    return _grant(client, answer or {"error": "nothing is kept of a sign-in"}, cache)


def _app(client: OAuthClient, kept: str) -> tuple[Any, Any]:
    cache = msal.SerializableTokenCache()
    cache.deserialize(kept or None)
    server = client.server or "https://login.microsoftonline.com"

    def make() -> Any:  # it asks the server already
        return msal.PublicClientApplication(
            client.client_id,
            authority=f"{server}/{client.tenant}",
            token_cache=cache,
            instance_discovery=not client.server,
        )

    return _asked(make), cache


def _asked(call: Any) -> Any:
    try:
        return call()
    except requests.ConnectionError as error:
        where = urlsplit(str(error.request.url)).hostname if error.request else "its server"
        raise TemporaryError(
            f"Microsoft could not be asked: {where} is not reached", help="look at the network; nothing is lost"
        ) from error
    except (requests.RequestException, ValueError) as error:  # ValueError: msal, of a tenant that does not exist
        words = Secrets().shortened("".join(c if c.isprintable() else " " for c in str(error)))
        raise TemporaryError(
            f"Microsoft could not be asked: {words}", help="look at `tenant` under [oauth.microsoft]"
        ) from error


def _grant(client: OAuthClient, answer: dict[str, Any], cache: Any) -> Grant:
    if "access_token" not in answer:
        raise _refused(answer)
    kept = cache.serialize()
    expires = max((int(t["expires_on"]) for t in json.loads(kept).get("AccessToken", {}).values()), default=0)
    return Grant(
        issuer="microsoft", client_id=client.client_id, kept=kept, access=answer["access_token"],
        expires=datetime.fromtimestamp(expires, UTC).isoformat(),
    )  # fmt: skip


def _refused(answer: dict[str, Any]) -> AuthError:
    told = str(answer.get("error_description") or answer.get("error") or "no reason was given")
    words = Secrets().shortened(told.splitlines()[0])
    code = next((code for code in KNOWN if code in words), "")
    return AuthError(f"Microsoft gave no access token: {words}", help=KNOWN.get(code, SIGN_IN_AGAIN))
