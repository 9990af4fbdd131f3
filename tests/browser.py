"""The page in a real browser: the server on a port of its own, and the system's Chromium, which may reach nothing else."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import uvicorn

from mailrules.page.doors import Doors
from mailrules.page.server import application, listening
from mailrules.page.site import Site
from tests.shop import NOW, Shop

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
REQUIRED = os.environ.get("MAILRULES_REQUIRE_SERVERS") == "1"
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1200, "height": 900}


@dataclass
class Served:
    """A page that is served; `failed` are bugs of ours that it told of."""

    site: Site
    failed: list[str]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.site.doors.port}"

    @property
    def entry(self) -> str:
        return f"{self.origin}/enter?key={self.site.doors.entry}"


@contextlib.contextmanager
def served(shop: Shop, now: datetime = NOW) -> Iterator[Served]:
    """Serve a shop's page on a free port, at a time that stands still."""
    failed: list[str] = []
    with listening(0) as listener:
        port = int(listener.getsockname()[1])
        doors = Doors(port=port, entry="entry-secret", session="session-secret", form="form-secret", feed="feed-secret")
        site = Site(shop.config, doors, lambda: now)
        settings = uvicorn.Config(application(site, failed.append), log_config=None, lifespan="off", ws="none")
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield Served(site, failed)
        finally:
            server.should_exit = True
            thread.join(10)


@dataclass
class Watched:
    """A browser window, and what it did: every request, every complaint of the browser."""

    page: Any
    served: Served
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> Any:
        answer = self.page.goto(self.served.origin + path)
        self.page.wait_for_load_state("load")
        return answer

    def outside(self) -> list[str]:
        """Return the requests that went anywhere else."""
        return [url for url in self.requests if not url.startswith((self.served.origin + "/", "data:"))]


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Start the system's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
            ],
        )
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def window(browser: Any, served: Served, *, let_in: bool = True, **options: Any) -> Iterator[Watched]:
    """Open a window of its own (no cookie of another) and let it in."""
    context = browser.new_context(**{"viewport": DESK, "locale": "en-US", "timezone_id": "UTC", **options})
    page = context.new_page()
    watched = Watched(page, served)
    context.on("request", lambda request: watched.requests.append(request.url))
    page.on(
        "console",
        lambda message: watched.complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (watched.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    try:
        if let_in:
            page.goto(served.entry)
        yield watched
    finally:
        context.close()
