"""Signing in with Google; the only importer of google-auth-oauthlib and google-auth.

In: our registration, a person at a browser. Out: Grant, or an AuthError that says what to do.
May not live here: where a grant is kept.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any

from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials
from google_auth_oauthlib.flow import InstalledAppFlow

from mailrules.errors import AuthError, TemporaryError
from mailrules.redact import Secrets
from mailrules.sources.oauth import Ask, Grant, OAuthClient, Tell

SCOPES = ["https://mail.google.com/"]
NOWHERE = "http://127.0.0.1:1/"
"""Where Google sends the browser when the address is pasted: nothing answers there, and nothing has to."""
PATIENCE = 300


def sign_in(client: OAuthClient, secret: str, user: str, tell: Tell, ask: Ask | None) -> Grant:
    """Let a person sign in and consent."""
    server = client.server or "https://oauth2.googleapis.com"
    page = f"{client.server}/auth" if client.server else "https://accounts.google.com/o/oauth2/v2/auth"
    ours = {"client_id": client.client_id, "client_secret": secret, "auth_uri": page, "token_uri": f"{server}/token"}
    flow = InstalledAppFlow.from_client_config({"installed": ours}, SCOPES)
    wanted = {"access_type": "offline", "prompt": "consent", "login_hint": user}
    try:
        if ask is None:
            flow.run_local_server(port=0, timeout_seconds=PATIENCE, **wanted)
        else:
            flow.redirect_uri = NOWHERE
            address, _ = flow.authorization_url(**wanted)
            tell(f"Open this address, sign in as {user} and allow access:\n\n  {address}\n")
            pasted = ask("The browser ends at a page that cannot be shown. Paste its address").strip()
            flow.fetch_token(authorization_response=pasted.replace("http://", "https://", 1))
    except Exception as error:  # oauthlib, requests and the library itself each have their own
        raise AuthError(
            f"Google did not sign {user} in: {_words(error)}", help="start `mailrules account login` again"
        ) from error
    seconds = flow.oauth2session.token.get("refresh_token_expires_in")
    if seconds:
        tell(
            f"Google ends this sign-in after {-(-int(seconds) // 86_400)} days, because your project's consent screen is in testing:"
            " publish it (Google Cloud console, OAuth consent screen), then sign in once more."
        )
    return _grant(client, flow.credentials)


def renewed(client: OAuthClient, secret: str, grant: Grant) -> Grant:
    """Ask for a new access token."""
    server = client.server or "https://oauth2.googleapis.com"
    make: Any = Credentials
    credentials = make(
        None, refresh_token=grant.kept, token_uri=f"{server}/token", client_id=client.client_id, client_secret=secret
    )
    try:
        credentials.refresh(Request())
    except RefreshError as error:
        words = _words(error)
        if "invalid_grant" in words:
            raise AuthError(
                f"Google no longer accepts this sign-in ({words})",
                help="sign in again. Where this happens every 7 days, your project's consent screen is in testing: publish it",
            ) from error
        raise AuthError(f"Google gave no access token: {words}", help="look at [oauth.google]") from error
    except GoogleAuthError as error:
        raise TemporaryError(f"Google could not be asked for an access token: {_words(error)}") from error
    return _grant(client, credentials)


def _grant(client: OAuthClient, credentials: Any) -> Grant:
    if not credentials.refresh_token:
        raise AuthError(
            "Google gave no lasting sign-in", help="withdraw the access in your Google account, then sign in again"
        )
    return Grant(
        issuer="google", client_id=client.client_id, kept=credentials.refresh_token, access=credentials.token,
        expires=credentials.expiry.replace(tzinfo=UTC).isoformat() if credentials.expiry else "",
    )  # fmt: skip


def _words(error: Exception) -> str:
    said = str(error.args[0]) if error.args else type(error).__name__
    return Secrets().shortened("".join(c if c.isprintable() else " " for c in said))
