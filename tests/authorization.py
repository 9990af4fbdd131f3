"""An authorization server of our own on loopback: what Google's and Microsoft's do, as far as a mail program sees it.

In: a key to sign access tokens with. Out: a URL; `refreshes` counts how often a new token was asked for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

KEY = b"a key of thirty-two bytes or more"
USER = "seller"


def token(key: bytes = KEY, user: str = USER, lasts: int = 3600) -> str:
    """Return an access token that Dovecot believes."""
    now = int(time.time())
    claims = {"sub": user, "email": user, "iat": now - 10, "nbf": now - 10, "exp": now + lasts}
    parts = [_coded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT", "kid": "default"}, claims)]
    signed = ".".join(parts)
    return f"{signed}.{_coded(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Authorization(ThreadingHTTPServer):
    """`refusal` is answered to everyone who asks for a token, `lasts` is how long tokens are good."""

    daemon_threads = True

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lasts, self.refreshes = 3600, 0
        self.refusal: dict[str, str] | None = None
        self.more: dict[str, object] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.url = f"https://localhost:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    server: Authorization

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/auth":
            query = {k: v[0] for k, v in parse_qs(asked.query).items()}
            self.send_response(302)
            self.send_header("Location", f"{query['redirect_uri']}?{urlencode({'code': 'c', 'state': query['state']})}")
            self.end_headers()
            return
        base = f"{self.server.url}/common"
        self._say(
            200,
            {
                "authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/token",
                "device_authorization_endpoint": f"{base}/device", "issuer": f"{base}/v2.0",
            },
        )  # fmt: skip

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self.path.endswith(("/device", "/devicecode")):
            where = {"verification_uri": "https://login.example/device", "user_code": "ABCD", "device_code": "d"}
            self._say(200, {**where, "expires_in": 60, "interval": 1})
        elif self.server.refusal:
            self._say(400, self.server.refusal)
        else:
            self.server.refreshes += form["grant_type"] == ["refresh_token"]
            info = _coded(json.dumps({"uid": "u", "utid": "t"}).encode())
            granted = {"access_token": token(lasts=self.server.lasts), "refresh_token": "keeps", "client_info": info}
            self._say(200, {**granted, "token_type": "Bearer", "expires_in": self.server.lasts, **self.server.more})

    def _say(self, code: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
