"""The page without a browser: who may come in, what changes something, what is shown beside a poller that writes."""

from __future__ import annotations

import http.client
import os
import re
import socket
import stat
import string
import subprocess
import sys
import threading
import tomllib
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest
from typer.testing import CliRunner

from mailrules.cli.commands import app
from mailrules.errors import ConfigError, UsageError
from mailrules.page.doors import ANSWERS, local
from mailrules.page.marks import marked
from mailrules.page.pictures import NAMED, NEAREST, Mark, strip
from mailrules.page.render import Words
from mailrules.page.server import listening
from tests.browser import Served, served
from tests.life import warning
from tests.shop import EVIL, NOW, Shop, empty, entered, filled

ROOT = Path(__file__).resolve().parents[1]
COOKIE = {"Cookie": "mailrules=session-secret"}
PAGES = (
    "/", "/tasks", "/tasks?show=done", "/tasks/1", "/outbox", "/outbox?show=needs", "/mails", "/mails/1", "/aside", "/rules",
    "/rule?name=tell+the+owner", "/health", "/calendar",
)  # fmt: skip


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def page(lived):
    with served(lived) as running:
        yield running
    assert running.failed == []


def ask(
    served: Served, path: str, *, method: str = "GET", host: str | None = None, form: dict[str, str] | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:  # fmt: skip
    """Send one request as it is, and return status, header fields and text."""
    connection = http.client.HTTPConnection("127.0.0.1", served.site.doors.port, timeout=30)
    body = urlencode(form or {})
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", host if host is not None else f"127.0.0.1:{served.site.doors.port}")
    if method == "POST":
        connection.putheader("Content-Type", "application/x-www-form-urlencoded")
        connection.putheader("Content-Length", str(len(body)))
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body.encode() if method == "POST" else None)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


def send(served: Served, path: str, form: dict[str, str] | None = None, **headers: str) -> int:
    """Send a form as our own page does, but for what is said otherwise."""
    fields = {"form_token": "form-secret", **(form or {})}
    given = {"Origin": served.origin, "Sec_Fetch_Site": "same-origin", "Cookie": COOKIE["Cookie"], **headers}
    return ask(served, path, method="POST", form=fields, **given)[0]


def before_and_after(shop: Shop) -> list[str]:
    """Return everything that a page could change."""
    return list(shop.store._connection.iterdump())


# --- who may come in ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_shown_to_a_browser_that_was_not_let_in(page, path):
    status, _, text = ask(page, path)
    assert status == 401
    assert "Never Settle" not in text
    assert "mailrules serve" in text
    assert ask(page, path, Cookie="mailrules=session-secre")[0] == 401


def test_the_printed_address_lets_a_browser_in_and_no_other_does(page):
    status, headers, _ = ask(page, "/enter?key=entry-secret")
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    for wrong in ("/enter", "/enter?key=", "/enter?key=entry-secre", "/enter?key=session-secret"):
        status, headers, _ = ask(page, wrong)
        assert (status, "set-cookie" in headers) == (401, False)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost", "", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "[::1]:{port}"]
)  # fmt: skip
def test_a_name_that_was_made_to_point_here_is_refused(page, host):
    status, headers, text = ask(page, "/", host=host.format(port=page.site.doors.port), **COOKIE)
    assert (status, "Never Settle" in text) == (421, False)
    assert headers["content-security-policy"] == ANSWERS["Content-Security-Policy"]


def test_it_listens_on_this_machine_only():
    with listening(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        with pytest.raises(UsageError, match="cannot be had"):
            listening(listener.getsockname()[1])


@pytest.mark.parametrize("path", [*PAGES, "/style.css", "/nothing", "/enter?key=x", "/calendar/wrong.ics", "/tasks/99"])
def test_every_answer_forbids_scripts_frames_guesses_and_requests_elsewhere(page, path):
    _, headers, text = ask(page, path, **COOKIE)
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert {name: headers[name.lower()] for name in ANSWERS} == ANSWERS
    assert "<script" not in text
    assert not re.search(r"\son\w+=|javascript:|style=", re.sub(r"&[a-z0-9#]+;.*?(?=<)", "", text))
    assert not [link for link in re.findall(r'(?:src|href|action)="([^"]*)"', text) if not link.startswith(("/", "#"))]


# --- what changes something ---------------------------------------------------------------------------------


ACTS = (
    "/tasks/1/done", "/effects/{effect}/approve", "/authorizations/{id}/renewed", "/authorizations/{id}/snooze", "/aside/read-again",
)  # fmt: skip
REFUSED = {
    "no token": {"form": {"form_token": ""}},
    "the token of the cookie": {"form": {"form_token": "session-secret"}},
    "another site's page": {"Origin": "http://evil.example", "Sec_Fetch_Site": "cross-site"},
    "another port of this machine": {"Origin": "http://127.0.0.1:1", "Sec_Fetch_Site": "same-site"},
    "a typed address": {"Sec_Fetch_Site": "none"},
    "another site in an old browser": {"Origin": "http://evil.example", "Sec_Fetch_Site": ""},
    "a page without a name": {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
    "no cookie": {"Cookie": ""},
}


@pytest.mark.parametrize("how", REFUSED)
@pytest.mark.parametrize("act", ACTS)
def test_no_change_without_our_own_form(page, lived, act, how):
    effect = lived.store.effects("failed")[0]["id"]
    path = act.format(effect=effect, id=lived.named("Never Settle"))
    before = before_and_after(lived)
    extra = dict(REFUSED[how])
    form = {"days": "7", **extra.pop("form", {})}
    assert send(page, path, form, **extra) in (401, 403)
    assert before_and_after(lived) == before


def test_no_address_that_is_only_looked_at_changes_anything(page, lived):
    before = before_and_after(lived)
    effect = lived.store.effects("failed")[0]["id"]
    for act in ACTS:
        path = act.format(effect=effect, id=lived.named("Never Settle"))
        assert ask(page, f"{path}?form_token=form-secret&days=7", **COOKIE)[0] == 404
    for path in PAGES:
        assert ask(page, path, **COOKIE)[0] == 200
    assert before_and_after(lived) == before


def test_other_methods_and_large_forms_are_refused(page):
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        status, headers, _ = ask(page, "/tasks/1/done", method=method, **COOKIE)
        assert (status, headers["content-security-policy"]) == (405, ANSWERS["Content-Security-Policy"])
    assert send(page, "/tasks/1/done", {"back": "x" * 20_000}) == 413


ODD = (
    "/?page=-1", "/?page=1e9", "/?page=99999999999999999999", "/?page=%FF%FE", "/?told=%FF", "/tasks?show=%00", "/outbox?show=needs&page=9999999",
    "/tasks/%00", "/tasks/99999999999999999999", "/mails/9223372036854775808", "/mails/1/../../etc/passwd", "/..%2f..%2fetc/passwd",
    "//evil.example/", "/language/en%0d%0aSet-Cookie:x=y", "/language/..%2f", "/authorizations/%27%20OR%201=1--", "/rule?name=%FF", "/rule",
    "/calendar/%FF.ics", "/enter?key=%FF", "/effects/x/approve", "/?" + "a=1&" * 3000, "/" + "a/" * 3000,
)  # fmt: skip


@pytest.mark.parametrize("path", ODD)
def test_an_odd_address_is_answered_like_any_other(page, path):
    for method in ("GET", "HEAD"):
        status, headers, text = ask(page, path, method=method, **COOKIE)
        assert status in (200, 303, 404)
        assert headers["content-security-policy"] == ANSWERS["Content-Security-Policy"]
        assert "x=y" not in headers.get("set-cookie", "")
        assert "root:" not in text


@pytest.mark.parametrize("cookie", ["", COOKIE["Cookie"]])
def test_a_form_that_no_page_of_ours_sends_is_refused_and_not_stumbled_over(page, capfd, cookie):
    for body in (b"a=1&" * 100, b"form_token=%ff\xff", b'{"form_token": "form-secret"}', b"\x00" * 100):
        connection = http.client.HTTPConnection("127.0.0.1", page.site.doors.port, timeout=30)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie, "Origin": page.origin}
        connection.request("POST", "/tasks/1/done", body, headers)
        assert connection.getresponse().status == (403 if cookie else 401)
        connection.close()
    with socket.create_connection(("127.0.0.1", page.site.doors.port), timeout=30) as half:
        half.sendall(
            f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{page.site.doors.port}\r\nContent-Length: 9\r\n\r\nform".encode()
        )
        half.shutdown(socket.SHUT_WR)
        while half.recv(1000):
            pass
    assert ask(page, "/", **COOKIE)[0] == 200
    assert "Traceback" not in capfd.readouterr().err


@pytest.fixture
def fresh(tmp_path):
    shop = filled(tmp_path)
    with served(shop) as running:
        yield shop, running
    assert running.failed == []


def test_a_task_that_is_done_settles_its_deadline_as_on_the_command_line(fresh):
    shop, page = fresh
    name = shop.named("Never Settle")
    task = next(t["id"] for t in shop.store.tasks("open") if t["authorization"] == name)
    status, headers, _ = ask(
        page, f"/tasks/{task}/done", method="POST", form={"form_token": "form-secret", "back": "/tasks"},
        Origin=page.origin, Sec_Fetch_Site="same-origin", **COOKIE,
    )  # fmt: skip
    assert status == 303
    assert headers["location"].startswith("/tasks?told=")
    assert "Done: Renew Never Settle by 2024-04-10" in ask(page, headers["location"], **COOKIE)[2]
    assert "Done: Renew Never Settle by 2024-04-10" not in ask(page, headers["location"], **COOKIE)[2]
    ledger = shop.store.ledger()
    assert ledger.authorizations[name].expires == "2025-03-25"
    assert ledger.authorizations[name].assumed
    assert ledger.obligations[name, "2024-04-10"].grade == "a person said so"
    assert send(page, f"/tasks/{task}/done") == 409


def test_a_renewal_with_its_date_a_snooze_and_a_waking_are_written_down(fresh):
    shop, page = fresh
    name = shop.named("Never Settle")
    assert send(page, f"/authorizations/{name}/snooze", {"days": "9"}) == 303
    assert shop.store.ledger().authorizations[name].snoozed == "2024-04-03"
    assert send(page, f"/authorizations/{name}/wake") == 303
    assert shop.store.ledger().authorizations[name].snoozed == ""
    assert send(page, f"/authorizations/{name}/renewed", {"until": "2025-04-01"}) == 303
    assert shop.store.ledger().authorizations[name].expires == "2025-04-01"
    for form in ({"until": "2024-02-30"}, {"until": "2024-01-01"}, {"until": "9999-12-31"}):
        assert send(page, f"/authorizations/{name}/renewed", form) == 409
    for days in ("", "0", "-1", "367", "0366999", "9999999", "x", "٣"):
        assert send(page, f"/authorizations/{name}/snooze", {"days": days}) == 409
    assert send(page, "/authorizations/nobody/wake") == 409


def test_the_overview_follows_every_change_and_every_new_day(fresh):
    shop, page = fresh
    name = shop.named("Never Settle")

    def row() -> str:
        text = ask(page, "/", **COOKIE)[2]
        found = re.search(
            rf'<a href="/authorizations/{name}"><bdi>Never Settle</bdi></a>(?:(?!</tr>).)*days left', text, re.DOTALL
        )
        assert found
        return found[0]

    assert "16 days left" in row()
    page.site.tell_time = lambda: NOW + timedelta(days=1)
    assert "15 days left" in row()
    assert send(page, f"/authorizations/{name}/renewed", {"until": "2024-04-30"}) == 303
    assert "35 days left" in row()


def test_a_deadline_of_which_no_rule_made_a_task_is_still_told_and_renewed_with_one_click(tmp_path):
    shop = empty(tmp_path)
    for name, number, expires in (
        ("Lapsed Ltd", "1" * 12, "2024-03-20"),
        ("Soon GmbH", "2" * 12, "2024-03-27"),
        ("Far", "3" * 12, "2024-09-01"),
    ):
        shop.life.act(lambda ledger, n=name, d=number, e=expires: entered(ledger, n, d, e), NOW - timedelta(days=13))
    shop.life.mail(warning(), NOW - timedelta(days=14), trust="bound")  # of this a rule makes a task
    shop.life.polls(NOW - timedelta(days=13), NOW)

    def needed() -> str:
        return ask(page, "/", **COOKIE)[2].partition('id="needs"')[2].partition("</section>")[0]

    with served(shop) as page:
        text = ask(page, "/", **COOKIE)[2]
        assert "<h1>Lapsed Ltd has lapsed</h1>" in text
        assert "The next one lapses in 2 days: Soon GmbH. 4 known, 2 within the next 30 days." in text
        told = re.findall(r"<h3>.*?<bdi>(.*?)</bdi>", needed())
        assert told == ["Lapsed Ltd", "Soon GmbH", "Renew Never Settle by 2024-04-10"]
        assert send(page, f"/authorizations/{shop.named('Lapsed Ltd')}/renewed") == 303
        assert send(page, f"/authorizations/{shop.named('Soon GmbH')}/snooze", {"days": "7"}) == 303
        assert re.findall(r"<h3>.*?<bdi>(.*?)</bdi>", needed()) == ["Renew Never Settle by 2024-04-10"]
    assert page.failed == []
    assert shop.store.ledger().authorizations[shop.named("Lapsed Ltd")].expires == "2025-03-25"


def test_a_mail_that_nobody_vouches_for_comes_with_a_warning(page, lived):
    for message in lived.store.messages():
        text = ask(page, f"/mails/{message.id}", **COOKIE)[2]
        assert ("Nobody vouches for the sender" in text) == (message.trust == "unverified")


def test_an_action_is_approved_tried_again_or_given_up(fresh):
    shop, page = fresh
    failed, unknown = shop.store.effects("failed")[0]["id"], shop.store.effects("unknown")[0]["id"]
    assert send(page, f"/effects/{failed}/retry") == 303
    assert send(page, f"/effects/{unknown}/approve") == 303
    assert {row["id"]: row["state"] for row in shop.store.effects() if row["id"] in (failed, unknown)} == {
        failed: "planned",
        unknown: "done",
    }
    assert send(page, f"/effects/{failed}/cancel") == 303
    assert send(page, f"/effects/{failed}/approve") == 409
    assert send(page, f"/effects/{failed}/redo") == 409


def test_what_was_put_aside_is_read_again(fresh):
    shop, page = fresh
    assert send(page, "/aside/read-again") == 303
    assert [row["status"] for row in shop.store.waiting()] == ["pending"]


@pytest.mark.parametrize(
    "path", ["https://evil.example", "//evil.example", "/\\evil.example", "", "javascript:alert(1)", "/a\r\nb", "/ü"]
)
def test_one_goes_back_to_a_page_of_ours_only(path):
    assert local(path) == "/"
    assert local("/outbox?show=needs") == "/outbox?show=needs"


# --- what is shown ------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """The tags of a page, and whether each that was opened is closed in its turn."""

    void = frozenset({"meta", "link", "input", "br", "path", "rect", "line", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.all: set[str] = set()
        self.ids: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.all.add(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.open.pop() == tag


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["en", "ja", "de", "zh"])
def test_every_page_is_there_in_every_language(page, path, language):
    status, _, text = ask(page, path, Cookie=f"{COOKIE['Cookie']}; language={language}")
    assert status == 200
    assert f'<html lang="{"zh-CN" if language == "zh" else language}">' in text
    tags = Tags()
    tags.feed(text)
    tags.close()
    assert tags.open == []
    assert len(tags.ids) == len(set(tags.ids))
    assert not tags.all & {"script", "img", "iframe", "object", "embed", "base", "style"}


def test_a_strangers_mail_is_only_ever_text(page, lived):
    evil = next(a for a in lived.store.ledger().live() if a.developer_id == "111122223333")
    (message,) = [m for m in lived.store.messages() if m.trust == "unverified"]
    for path in ("/", f"/authorizations/{evil.id}", f"/mails/{message.id}", "/mails", "/aside", "/outbox", "/tasks"):
        text = ask(page, path, **COOKIE)[2]
        assert "<script" not in text
        assert "<svg onload" not in text
        assert "<b>Co" not in text
        assert "track.evil.example" not in text
        assert "\u202e" not in text
    shown = ask(page, f"/mails/{message.id}", **COOKIE)[2]
    assert "&lt;script&gt;document.title=" in shown
    assert "\\u202eevil" in shown  # what turns the text around is written out
    assert "{{ 7 * 7 }}" in shown


def test_each_value_is_marked_where_it_stands_in_the_mail(page, lived):
    text = ask(page, f"/authorizations/{lived.named('Never Settle')}", **COOKIE)[2]
    marks = re.findall(r"<mark[^>]*><span class=\"tag\">([^<]+)</span>([^<]+)</mark>", text)
    assert marks == [
        ("Days", "23"),
        ("Developer ID", "446453545547"),
        ("Developer", "Never Settle"),
        ("Lapses on", "2024-04-10"),
    ]
    assert "line 5, column 25" in text


def test_a_rule_tells_how_often_it_fired_and_why_not(page):
    text = ask(page, "/rules", **COOKIE)[2]
    row = re.search(r"renew before it lapses</a>.*?</tr>", text, re.DOTALL)
    assert row
    assert "3 times" in row[0]
    text = ask(page, "/rule?name=only+for+Acme", **COOKIE)[2]
    assert "days_left &lt;= 3 days" in text
    assert "(found 16 days)" in text
    assert ask(page, "/rule?name=no+such+rule", **COOKIE)[0] == 404


def test_a_mail_whose_bytes_are_gone_still_tells_what_was_read(tmp_path):
    shop = filled(tmp_path)
    shop.store.purge(NOW.isoformat(), 100)
    with served(shop) as page:
        text = ask(page, "/mails/1", **COOKIE)[2]
    assert page.failed == []
    assert "kept for a limited time" in text
    assert "446453545547" in text
    assert "<pre" not in text


def test_what_was_forgotten_is_shown_as_far_as_it_is_known(tmp_path):
    shop = filled(tmp_path)
    name = shop.named("Never Settle")
    shop.store.forget_authorization(name, NOW.isoformat())
    shop.store.forget_messages([m.digest for m in shop.store.messages()], NOW.isoformat())
    with served(shop) as page:
        for path in (*PAGES, f"/authorizations/{name}"):
            assert ask(page, path, **COOKIE)[0] == 200
    assert page.failed == []


def test_a_mail_that_is_odd_is_read_by_a_child_process(tmp_path):
    shop = empty(tmp_path)
    shop.life.mail(warning(link="x" * 300_000), NOW, trust="bound")
    with served(shop) as page:
        status, _, text = ask(page, "/mails/1", **COOKIE)
    assert (status, page.failed) == (200, [])
    assert "Never Settle</mark>" in text
    assert "only its beginning is shown" in text
    assert len(text) < 100_000


def test_no_secret_that_a_mail_holds_is_shown(tmp_path):
    shop = empty(tmp_path)
    shop.life.mail(warning(link="Atzr|IwEBIJedGXjDqsU_vMxykqOMg and password=hunter2hunter2"), NOW, trust="bound")
    with served(shop) as page:
        text = ask(page, "/mails/1", **COOKIE)[2]
    assert "[redacted]" in text
    assert "IwEBIJ" not in text
    assert "hunter2" not in text


def test_an_empty_shop_and_one_without_a_store_are_told_apart(tmp_path):
    shop = empty(tmp_path)
    with served(shop) as page:
        for path in [p for p in PAGES if p not in ("/tasks/1", "/mails/1")]:
            assert ask(page, path, **COOKIE)[0] == 200
        assert "No authorization is known yet" in ask(page, "/", **COOKIE)[2]
        shop.store.close()
        for file in tmp_path.glob("life.db*"):
            file.unlink()
        status, _, text = ask(page, "/", **COOKIE)
    assert status == 503
    assert "mailrules poll" in text


def test_long_lists_come_a_page_at_a_time(tmp_path):
    shop = empty(tmp_path)
    for n in range(120):
        shop.life.mail(warning(name=f"Developer {n}", number=f"{n:012}"), NOW - timedelta(days=14), trust="bound")
    with served(shop) as page:
        for path in ("/", "/tasks", "/mails", "/outbox"):
            texts = [ask(page, f"{path}?page={n}", **COOKIE)[2] for n in (1, 2, 3)]
            shown = [
                set(re.findall(r"/(?:tasks|mails|authorizations)/[\w-]+(?=\")", text.partition("<table>")[2] or text))
                for text in texts
            ]
            assert all(shown)
            assert "1 of 5" in texts[0]
        for number in ("0", "-1", "999", "x", "9" * 30):
            assert ask(page, f"/tasks?page={number}", **COOKIE)[0] == 200
        told = ask(page, "/", **COOKIE)[2]
    assert page.failed == []
    assert told.count("<circle") == 2 * NEAREST  # the nearest are named, the many are heaped up
    assert told.count('<rect class="dot') == 2


def test_the_page_is_read_while_a_poller_writes(tmp_path):
    shop = filled(tmp_path)
    stop, written = threading.Event(), []

    def poller() -> None:
        from mailrules.store import Store

        with Store.open(shop.config.store, now=NOW.isoformat()) as store:
            while not stop.is_set():
                with store.transaction():
                    store.meta_set("busy", str(len(written)), NOW.isoformat())
                    written.append(stop.wait(0.05))
                stop.wait(0.05)

    thread = threading.Thread(target=poller)
    thread.start()
    try:
        with served(shop) as page:
            for path in PAGES * 2:
                assert ask(page, path, **COOKIE)[0] == 200
            assert send(page, "/aside/read-again") == 303  # and it writes in its turn
    finally:
        stop.set()
        thread.join()
    assert len(written) > 1


def test_the_numbers_of_the_page_are_those_of_the_listing(lived):
    from mailrules.ledger.listing import by_deadline
    from mailrules.page.standing import overview

    with lived.look() as it:
        shown = {row.id: row.state for row in overview(it).rows}
        listed = by_deadline(it.store.ledger(), it.days(), it.warn_days(), it.today())
    assert shown == {row["id"]: row["state"] for row in listed}


# --- the parts ----------------------------------------------------------------------------------------------


def test_a_strip_keeps_the_order_of_days_and_stays_inside_its_frame():
    for width in (960, 360):
        drawn = strip([Mark(left=n, name=str(n), state="active") for n in (-400, -3, 0, 5, 40, 9000)], width)
        places = [dot.x for dot in drawn.dots]
        assert places == sorted(places)
        assert len(set(places)) == 6
        assert all(0 < x < width for x in places)
        assert all(b[0] - a[0] >= 40 for a, b in zip(drawn.ticks, drawn.ticks[1:], strict=False))
    heaped = strip([Mark(left=n % 9, name="", state="active" if n % 2 else "expired") for n in range(NAMED * 60)], 960)
    assert [dot.left for dot in heaped.dots] == [0] * NEAREST
    assert all(0 < bar.y < bar.y + bar.height <= heaped.floor for bar in heaped.bars)
    total = sum(bar.height for bar in heaped.bars)
    assert sum(bar.height for bar in heaped.bars if bar.state == "active") == pytest.approx(total / 2, rel=0.02)


def test_a_name_on_the_strip_stays_inside_its_frame_and_clear_of_its_line():
    names = [
        "Plentysystems Schnittstellenverwaltungsgesellschaft mbH & Co. KG",
        "深圳市跨境通电子商务有限公司" * 3,
        "Acme",
        "W" * 60,
    ]
    marks = [
        Mark(left=left, name=name, state="active")
        for left in (-400, -20, -1, 0, 3, 29, 150, 364, 9000)
        for name in names
    ]
    for width in (960, 360):
        for chosen in (marks[:14], marks[8:22], marks[22:]):
            drawn = strip(chosen, width)
            assert len(drawn.dots) == 14
            for dot in drawn.dots:
                room = sum(13 if ord(letter) > 0x3000 else 7 for letter in dot.name) + 12
                assert (dot.x - room > 0) if dot.end else (dot.x + room < width)
                assert dot.line == dot.x or dot.line <= dot.x - room
        assert {dot.name for dot in drawn.dots if not dot.name.endswith("…")} == {"Acme"}


def test_a_mark_that_does_not_stand_there_any_more_is_left_out():
    text = "one\nDeveloper: Acme\n"
    right, wrong = (
        {"line": 2, "column": 12, "text": "Acme", "field": "developer"},
        {"line": 2, "column": 1, "text": "Acme", "field": "x"},
    )
    pieces, cut = marked(text, [wrong, right, {**right, "line": 99}])
    assert "".join(piece.text for piece in pieces) == text
    assert [(piece.text, piece.field) for piece in pieces if piece.field] == [("Acme", "developer")]
    assert not cut


def test_every_language_has_every_text_with_the_same_values():
    texts = {
        code: tomllib.loads((ROOT / "mailrules" / "catalogues" / f"page.{code}.toml").read_text(encoding="utf-8"))
        for code in ("en", "ja", "de", "zh")
    }
    names = {
        code: {key: {f[1] for f in string.Formatter().parse(text) if f[1]} for key, text in each.items()}
        for code, each in texts.items()
    }
    assert names["ja"] == names["de"] == names["zh"] == names["en"]
    assert not [(code, key) for code, each in texts.items() for key, text in each.items() if not text.strip()]


def test_every_text_is_used_and_every_text_that_is_used_exists():
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "mailrules" / "page").rglob("*")
        if path.suffix in (".py", ".html")
    )
    known = set(tomllib.loads((ROOT / "mailrules" / "catalogues" / "page.en.toml").read_text(encoding="utf-8")))
    named = set(re.findall(r'say\(\s*"(\w+)"\s*[,)]', source))
    named |= {f"{name}_{n}" for name in re.findall(r'many\(\s*"(\w+)"', source) for n in ("one", "many")}
    assert named <= known
    built = (
        "menu_", "weekday_", "state_", "effect_", "trust_", "event_", "grade_", "owed_", "field_", "aside_", "status_", "outbox_",
        "problem_", "act_", "headline_next_", "left_", "late_", "mail_", "axis_", "told_", "col_", "ago_", "action_", "month_", "warn_", "stage_",
    )  # fmt: skip
    assert [key for key in known - named if not key.startswith(built)] == []


def test_days_are_told_in_words():
    words = Words("en", NOW, UTC)
    assert [words.left(n) for n in (-2, -1, 0, 1, 30)] == [
        "2 days ago",
        "1 day ago",
        "today",
        "1 day left",
        "30 days left",
    ]
    assert words.day("2024-04-10") == "Wed, 10 Apr 2024"
    assert words.ago((NOW - timedelta(hours=3)).isoformat()) == "3 hours ago"
    assert Words("ja", NOW, UTC).day("2024-04-10") == "2024年4月10日（水）"
    assert Words("de", NOW, UTC).day("2024-04-10") == "Mi, 10. Apr. 2024"
    assert Words("zh", NOW, UTC).short_day("2024-04-10") == "2024年4月10日"
    assert [words.short_day(text) for text in ("2024-04-10", "20240410", "2024-02-30")] == [
        "10 Apr 2024",
        "20240410",
        "2024-02-30",
    ]


def test_a_rung_is_told_in_words():
    rungs = (
        "1 days before expires",
        "14 days before expires",
        "2 days after expires",
        "at expires",
        "1 days before Ablauf",
    )
    assert [Words("en", NOW, UTC).stage(rung) for rung in rungs] == [
        "1 day before it lapses",
        "14 days before it lapses",
        "2 days after it lapsed",
        "at expires",
        "1 days before Ablauf",
    ]
    assert Words("de", NOW, UTC).stage("14 days before expires") == "14 Tage vor dem Ablauf"


# --- the report and the command -----------------------------------------------------------------------------


def test_the_report_is_one_private_file_with_nothing_from_outside(lived, tmp_path):
    target = tmp_path / "report.html"
    done = CliRunner().invoke(
        app, ["report", "--html", str(target), "--config", str(lived.folder / "mailrules.toml"), "--language", "de"]
    )
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    text = target.read_text(encoding="utf-8")
    assert '<html lang="de">' in text
    assert "Never Settle" in text
    assert re.findall(r'(?:src|href|action)="([^"]*)"', text) == ["#main"]
    assert EVIL not in text
    assert "<script" not in text
    assert "@import" not in text
    assert "url(" not in text
    wrong = CliRunner().invoke(
        app, ["report", "--html", str(target), "--config", str(lived.folder / "mailrules.toml"), "--language", "xx"]
    )
    assert isinstance(wrong.exception, UsageError)


def test_serve_prints_an_address_answers_and_ends_when_it_is_told_to(tmp_path):
    empty(tmp_path).store.close()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "mailrules", "serve", "--port", "0", "--config", str(tmp_path / "mailrules.toml")],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        said = [process.stdout.readline() for _ in range(3)]
        found = re.search(r"http://127\.0\.0\.1:(\d+)(/enter\?key=[\w-]+)", "".join(said))
        assert found, said
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
        connection.request("GET", found[2])
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status == 303
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 143, -15)
    assert errors == ""


@pytest.mark.parametrize("name", ["starlette", "uvicorn"])
def test_a_missing_library_is_one_sentence(lived, monkeypatch, name):
    from mailrules.page.server import application

    monkeypatch.setitem(sys.modules, name, None)
    for module in [m for m in sys.modules if m.startswith(f"{name}.")]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=name) as caught:
        application(None, print)  # type: ignore[arg-type]
    assert "mailrules[serve]" in caught.value.help


def test_an_instant_is_shown_where_the_reader_is():
    from zoneinfo import ZoneInfo

    assert (
        Words("en", NOW, ZoneInfo("Asia/Tokyo")).instant(datetime(2024, 3, 25, 20, tzinfo=UTC).isoformat())
        == "26 Mar 2024, 05:00"
    )
