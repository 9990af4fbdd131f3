"""The page in real Chromium: what a seller sees and clicks, with keyboard, phone, in the dark, without JavaScript."""

from __future__ import annotations

import functools
import http.server
import re
import threading
from contextlib import closing

import pytest
from axe_core_python.sync_playwright import Axe

from mailrules.page.report import html
from tests.browser import CHROMIUM, PHONE, REQUIRED, Watched, chromium, served, window
from tests.shop import EVIL, NOW, Shop, empty, filled

pytestmark = [
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM and not REQUIRED, reason="Chromium is not installed"),
]
LANGUAGES = ("en", "ja", "de", "zh")


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    with closing(filled(tmp_path_factory.mktemp("shop"))) as shop:
        yield shop


@pytest.fixture(scope="module")
def page(lived):
    with served(lived) as running:
        yield running
    assert running.failed == []


@pytest.fixture
def fresh(tmp_path):
    with closing(filled(tmp_path)) as shop, served(shop) as running:
        yield shop, running
    assert running.failed == []


def paths(shop: Shop) -> list[str]:
    """Return a path to every kind of page."""
    evil = next(a.id for a in shop.store.ledger().live() if a.developer_id == "111122223333")
    return [
        "/", f"/authorizations/{shop.named('Never Settle')}", f"/authorizations/{evil}", "/tasks", "/tasks?show=done", "/tasks/1",
        "/outbox", "/mails", "/mails/5", "/aside", "/rules", "/rule?name=only+for+Acme", "/health", "/calendar", "/nothing",
    ]  # fmt: skip


def violations(watched: Watched) -> list[str]:
    """Return what axe finds wrong for people who see, hear or move otherwise."""
    found = Axe().run(watched.page)["violations"]
    return [
        f"{one['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:200]}"
        for one in found
        for node in one["nodes"]
    ]


def calm(watched: Watched) -> None:
    """Nothing went elsewhere, and the browser had nothing to complain of but the page that is not there."""
    assert watched.outside() == []
    assert [c for c in watched.complaints if "404" not in c] == []


def test_the_strip_shows_every_deadline_and_says_it_in_words(browser, page, lived):
    with window(browser, page) as seen:
        seen.go("/")
        strip = seen.page.get_by_role("img", name=re.compile("all 7 authorizations"))
        assert strip.count() == 1
        assert "Acme Tools: 3 days ago" in strip.locator("title").text_content()
        assert strip.locator("circle").count() == 7
        box = strip.bounding_box()
        dots = [dot.bounding_box() for dot in strip.locator("circle").all()]
        assert all(box["x"] <= d["x"] and d["x"] + d["width"] <= box["x"] + box["width"] for d in dots)
        assert [d["x"] for d in dots] == sorted(d["x"] for d in dots)
        assert seen.page.get_by_role("heading", level=1).inner_text() == "Acme Tools has lapsed"
        rows = seen.page.get_by_role("table").last.get_by_role("row")
        assert rows.count() == 1 + len(lived.store.ledger().live())
        calm(seen)


def test_a_story_shows_the_mail_with_each_value_marked_in_its_place(browser, page):
    with window(browser, page) as seen:
        seen.go("/")
        seen.page.get_by_role("link", name="Never Settle").last.click()
        marks = seen.page.locator("pre mark")
        assert [m.inner_text().split("\n")[-1] for m in marks.all()] == [
            "Developer ID446453545547",
            "DeveloperNever Settle",
            "Lapses on2024-04-10",
        ]
        plain = seen.page.locator("pre").first.evaluate("e => getComputedStyle(e).backgroundColor")
        assert marks.first.evaluate("e => getComputedStyle(e).backgroundColor") != plain
        before = marks.last.evaluate("e => e.previousSibling.textContent")
        assert before.endswith("Access expiration date: ")
        assert seen.page.get_by_text("2024-04-10 line 5, column 25").is_visible()
        calm(seen)


def test_a_task_is_done_with_one_click(browser, fresh):
    shop, page = fresh
    with window(browser, page) as seen:
        seen.go("/tasks")
        card = seen.page.get_by_role("listitem").filter(has_text="Renew Never Settle")
        card.get_by_role("button", name="Done").click()
        assert seen.page.get_by_role("status").inner_text() == "Done: Renew Never Settle by 2024-04-10"
        assert card.count() == 0
        seen.go("/tasks?show=done")
        assert card.count() == 1
        calm(seen)
    assert shop.store.ledger().authorizations[shop.named("Never Settle")].expires == "2025-03-25"


def test_all_of_it_works_without_javascript(browser, fresh):
    shop, page = fresh
    with window(browser, page, java_script_enabled=False) as seen:
        seen.go("/")
        seen.page.get_by_role("link", name="Never Settle").last.click()
        seen.page.get_by_label("new date, if you know it").fill("2025-04-01")
        seen.page.get_by_role("button", name="I renewed it").click()
        assert seen.page.get_by_role("status").inner_text() == "Never Settle: renewed until 1 Apr 2025"
        seen.page.get_by_role("button", name="Remind me later").click()
        assert "snoozed until 1 Apr 2024" in seen.page.get_by_role("status").inner_text()
        seen.go("/outbox?show=needs")
        seen.page.get_by_role("button", name="Try again").first.click()
        assert seen.page.get_by_role("button", name="Try again").count() == 1
        seen.go("/aside")
        seen.page.get_by_role("button", name="Try to read them again").click()
        assert "1 message is read again" in seen.page.get_by_role("status").inner_text()
        calm(seen)
    assert shop.store.ledger().authorizations[shop.named("Never Settle")].expires == "2025-04-01"


def test_a_task_is_done_with_the_keyboard_alone(browser, fresh):
    _, page = fresh
    with window(browser, page) as seen:
        seen.go("/tasks")
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.textContent") == "Skip to the content"
        seen.page.keyboard.press("Enter")
        for _ in range(30):
            seen.page.keyboard.press("Tab")
            if seen.page.evaluate("document.activeElement.tagName") == "BUTTON":
                break
        ring = seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert ring == "solid"
        seen.page.keyboard.press("Enter")
        assert seen.page.get_by_role("status").inner_text().startswith("Done: ")
        calm(seen)


def test_what_was_put_aside_is_shown_with_its_reason_as_text(browser, page):
    with window(browser, page) as seen:
        seen.go("/")
        seen.page.get_by_role("link", name="1 message was put aside unread").click()
        assert "Message 4711 in INBOX of shop" in seen.page.locator("main").inner_text()
        assert EVIL in seen.page.locator("main").inner_text()
        calm(seen)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_usable_by_everybody_in_light_and_dark(browser, page, lived, scheme, language):
    with window(browser, page, color_scheme=scheme) as seen:
        seen.go(f"/language/{language}")
        for path in paths(lived) if language == "en" else paths(lived)[:4]:
            seen.go(path)
            calm(seen)
            assert [f"{path} {problem}" for problem in violations(seen)] == []
        light = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (int(re.findall(r"\d+", light)[0]) < 60) == (scheme == "dark")
        assert seen.outside() == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_phone_shows_every_page_without_scrolling_sideways(browser, page, lived, language):
    scheme = "dark" if language == "ja" else "light"
    with window(browser, page, viewport=PHONE, has_touch=True, is_mobile=True, color_scheme=scheme) as seen:
        seen.go(f"/language/{language}")
        for path in paths(lived):
            seen.go(path)
            width = seen.page.evaluate("document.documentElement.scrollWidth")
            assert (path, width) == (path, PHONE["width"])
            if language in ("en", "ja"):
                assert [f"{path} {problem}" for problem in violations(seen)] == []
        seen.go("/")
        small = [b.bounding_box() for b in seen.page.get_by_role("button").all()]
        assert [b for b in small if b["height"] < 24] == []  # WCAG 2.2, target size
        sizes = seen.page.evaluate(
            "[...document.querySelectorAll('.strip.narrow text')].map(t => t.getBoundingClientRect().height)"
        )
        assert min(sizes) >= 9


def test_the_page_speaks_the_language_of_the_account_until_another_is_chosen(browser, tmp_path):
    with closing(filled(tmp_path, "ja")) as shop, served(shop) as page, window(browser, page) as seen:
        seen.go("/")
        assert seen.page.evaluate("document.documentElement.lang") == "ja"
        assert seen.page.get_by_role("heading", level=1).inner_text() == "Acme Tools の期限が切れました"
        assert seen.page.get_by_role("link", name="青空在庫サービス").count() >= 1
        seen.page.get_by_role("link", name="青空在庫サービス").last.click()
        assert "青空在庫サービス" in " ".join(seen.page.locator("pre mark").all_inner_texts())
        seen.page.get_by_role("link", name="Deutsch").click()
        assert seen.page.get_by_role("heading", level=1).inner_text() == "Acme Tools ist abgelaufen"
        calm(seen)


def test_a_hostile_mail_is_shown_and_does_nothing(browser, page, lived):
    with window(browser, page) as seen:
        for path in paths(lived):
            seen.go(path)
            assert seen.page.title().endswith("mailrules")
            assert "owned" not in seen.page.title().partition("document.title")[0]
            assert seen.page.locator("script, iframe, object, embed, main img, main svg svg").count() == 0
        seen.go("/mails/5")
        assert EVIL in seen.page.locator("h2.subject").inner_text()
        assert EVIL in seen.page.locator("pre").first.inner_text()
        calm(seen)


class Evil(http.server.SimpleHTTPRequestHandler):
    """Another site on the same machine, with a form and a frame that aim at ours."""

    def __init__(self, target: str, *arguments: object) -> None:
        self.target = target
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        text = (
            f'<title>evil</title><form method="post" action="{self.target}/tasks/1/done"><input name="form_token" value="form-secret">'
            f'<button>win a prize</button></form><iframe src="{self.target}/tasks"></iframe>'
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_another_site_in_the_same_browser_can_neither_press_a_button_nor_frame_the_page(browser, fresh):
    shop, page = fresh
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Evil, page.origin)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for host in ("localhost", "127.0.0.1"):  # another site; and the same one, where the cookie does go along
            with window(browser, page) as seen:
                seen.page.goto(f"http://{host}:{server.server_port}/")
                framed = [f for f in seen.page.frames if f != seen.page.main_frame]
                assert not any("Renew" in f.content() for f in framed)
                seen.page.get_by_role("button", name="win a prize").click()
                seen.page.wait_for_load_state()
                assert seen.page.url.startswith(page.origin)
                assert seen.page.get_by_role("status").count() == 0
        server.shutdown()
    assert [t["status"] for t in shop.store.tasks() if t["id"] == "1"] == ["open"]


def test_the_report_is_the_same_picture_without_any_server(browser, page, lived, tmp_path):
    with lived.look() as it:
        (tmp_path / "report.html").write_text(html(it), encoding="utf-8")
    for scheme in ("light", "dark"):
        with window(browser, page, let_in=False, color_scheme=scheme) as seen:
            seen.page.goto((tmp_path / "report.html").as_uri())
            assert seen.page.get_by_role("heading", level=1).inner_text() == "Acme Tools has lapsed"
            assert seen.page.get_by_role("img", name=re.compile("all 7 authorizations")).is_visible()
            assert seen.page.locator("form, a[href^=http], script").count() == 0
            assert violations(seen) == []
            assert seen.complaints == []
            assert seen.requests == [(tmp_path / "report.html").as_uri()]


def test_an_empty_page_is_calm(browser, tmp_path):
    with closing(empty(tmp_path)) as shop, served(shop, NOW) as page, window(browser, page) as seen:
        for path in ("/", "/tasks", "/outbox", "/mails", "/aside", "/rules", "/health"):
            seen.go(path)
            assert violations(seen) == []
        calm(seen)
