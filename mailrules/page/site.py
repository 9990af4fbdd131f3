"""The pages and what can be done on them: a path to HTML, a form to an act. Knows no server.

In: paths, queries, forms, cookies as values; the clock as a function. Out: Answer. May not live here: starlette, sockets, SQL.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from mailrules.config import Config
from mailrules.errors import MailrulesError, UsageError
from mailrules.page import model
from mailrules.page.doors import COOKIE, Doors, local, same
from mailrules.page.front import headlines
from mailrules.page.look import Look, Memory, looking
from mailrules.page.render import LANGUAGES, Words, render, shipped
from mailrules.page.story import mail, story
from mailrules.spine import acts
from mailrules.spine.opened import Opened
from mailrules.store.shown import Shown
from mailrules.words import best_language

MENU = (
    ("overview", "/"), ("tasks", "/tasks"), ("outbox", "/outbox"), ("mails", "/mails"), ("rules", "/rules"), ("health", "/health"),
)  # fmt: skip
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#1d5f68" stroke-width="2">'
    '<rect x="3" y="5" width="18" height="14" rx="3"/><path d="M3 7l9 6 9-6"/></svg>'
)
OFFERED = ("approve", "retry", "cancel")
"""What can be done to an action here; to do a finished one again is left to the command line."""
REMEMBERED = 100
"""So many sentences about what was done wait to be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request. `form` is None where it was no POST."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None

    @property
    def number(self) -> int:
        """The page of a list that is asked for."""
        text = self.query.get("page", "1")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back: a text, or another address to go to; a cookie to set."""

    body: str = ""
    status: int = 200
    kind: str = "text/html; charset=utf-8"
    to: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)


class Site:
    """All pages over one configuration."""

    def __init__(self, config: Config, doors: Doors, tell_time: Callable[[], datetime]) -> None:
        self.config, self.doors, self.tell_time = config, doors, tell_time
        self._memory = Memory()
        self._told: OrderedDict[str, str] = OrderedDict()

    def answer(self, asked: Asked) -> Answer:
        """Return the answer to a request whose Host was found to be ours."""
        if asked.path == "/style.css":
            return Answer(body=shipped("style.css"), kind="text/css; charset=utf-8")
        if asked.path == "/icon.svg":
            return Answer(body=ICON, kind="image/svg+xml")
        words = self.words(asked)
        if asked.path == "/enter" and same(asked.query.get("key", ""), self.doors.entry):
            return Answer(status=303, to="/", cookies={COOKIE: self.doors.session})
        if asked.path.startswith("/calendar/"):
            return self._feed(asked, words)
        if not self.doors.may_look(asked.cookies):
            return problem(words, 401, "locked")
        try:
            if asked.form is not None:
                return self._change(asked, asked.form, words)
            return self._page(asked, words)
        except UsageError as error:
            if asked.form is not None:
                return problem(words, 409, "refused", str(error))
            return problem(words, 404, "missing")
        except MailrulesError as error:
            told = f"{error}. {error.help[0].upper()}{error.help[1:]}." if error.help else f"{error}."
            return problem(words, 503, "store" if asked.form is None else "refused", told)

    def words(self, asked: Asked) -> Words:
        """Return the words of the language that the reader chose, else of the first account."""
        facts = next(iter(self.config.world.accounts.values()), None)
        chosen = asked.cookies.get("language", "")
        language = (
            chosen if chosen in [code for code, _, _ in LANGUAGES] else best_language(facts.language if facts else "en")
        )
        return Words(language, self.tell_time(), facts.zone if facts else None)

    # --- looking --------------------------------------------------------------------------------------------

    def _page(self, asked: Asked, words: Words) -> Answer:
        if asked.path.startswith("/language/"):
            code = asked.path.removeprefix("/language/")
            known = code in [known for known, _, _ in LANGUAGES]
            return Answer(status=303, to="/", cookies={"language": code} if known else {})
        with looking(self.config, words.now, words.language, self._memory) as it:
            template, here, values = self._found(it, asked, words)
            told = self._told.pop(asked.query.get("told", ""), "")
            frame = {
                "menu": MENU, "here": here, "told": told, "linked": True, "form_token": self.doors.form,
                "path": asked.path + ("?" + urlencode({k: v for k, v in asked.query.items() if k != "told"}) if asked.query else ""),
                "badges": {name: "" for name, _ in MENU} | {"tasks": it.store.task_count("open") or ""},
                "acts_of": lambda state: [name for name in OFFERED if state in acts.EFFECT_ACTS[name].allowed],
            }  # fmt: skip
        return Answer(body=render(template, words, {**frame, **values}))

    def _found(self, it: Look, asked: Asked, words: Words) -> tuple[str, str, dict[str, Any]]:
        """Return which template shows a path, which entry of the menu it belongs to, and what it shows."""
        show = asked.query.get("show", "")
        match asked.path.strip("/").split("/"):
            case [""]:
                values = model.front(it, asked.number)
                return "overview.html", "overview", {**values, **headlines(words, values)}
            case ["authorizations", name]:
                return "authorization.html", "overview", story(it, name)
            case ["tasks"]:
                return "tasks.html", "tasks", model.tasks(it, "done" if show == "done" else "open", asked.number)
            case ["tasks", name]:
                return "task.html", "tasks", model.task(it, name)
            case ["outbox"]:
                return "outbox.html", "outbox", model.outbox(it, show, asked.number)
            case ["mails"]:
                return "mails.html", "mails", model.mails(it, asked.number)
            case ["mails", name]:
                return "mail.html", "mails", {"mail": mail(it, name)}
            case ["aside"]:
                return "aside.html", "mails", model.aside(it, asked.number)
            case ["rules"]:
                return "rules.html", "rules", model.rules(it)
            case ["rule"]:
                return "rule.html", "rules", model.rule(it, asked.query.get("name", ""), asked.number)
            case ["health"]:
                return "health.html", "health", model.health(it)
            case ["calendar"]:
                feed = f"/calendar/{self.doors.feed}.ics"
                return "calendar.html", "overview", {"feed": feed, "origin": f"http://{self.doors.hosts[0]}"}
            case _:
                raise UsageError("there is no such page")

    def _feed(self, asked: Asked, words: Words) -> Answer:
        from mailrules.page.calendar import calendar

        if not same(asked.path, f"/calendar/{self.doors.feed}.ics"):
            return problem(words, 404, "missing")
        try:
            with looking(self.config, words.now, words.language, self._memory) as it:
                return Answer(body=calendar(it), kind="text/calendar; charset=utf-8")
        except MailrulesError as error:
            return problem(words, 503, "store", str(error))

    # --- changing -------------------------------------------------------------------------------------------

    def _change(self, asked: Asked, form: Mapping[str, str], words: Words) -> Answer:
        if not self.doors.may_change(asked.headers, form):
            return problem(words, 403, "refused", words.say("problem_stale"))
        with Shown.open(self.config.store, now=words.now.isoformat()) as store:
            told = _act(Opened(self.config, store, words.now), asked.path.strip("/").split("/"), form, words)
        key = secrets.token_urlsafe(8)
        self._told[key] = told
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        back = local(form.get("back", "/"))
        return Answer(status=303, to=f"{back}{'&' if '?' in back else '?'}told={key}")


def _act(it: Opened, path: list[str], form: Mapping[str, str], words: Words) -> str:
    """Do what a form asks for, by the functions of the command line; return what is told about it."""
    match path:
        case ["tasks", name, "done"]:
            row, kept = acts.finish_task(it, name)
            return words.say("told_kept" if kept else "told_done", title=row["title"], why=kept)
        case ["effects", name, act] if act in OFFERED:
            acts.act_on_effect(it, name, act)
            return words.say("told_effect", id=name, state=words.say(f"effect_{acts.EFFECT_ACTS[act].state}"))
        case ["authorizations", name, "renewed"]:
            subject = acts.say_renewed(it, name, until=_day(form.get("until", "")))
            return words.say("told_renewed", name=subject.developer, until=words.short_day(subject.expires or ""))
        case ["authorizations", name, "snooze"]:
            days = form.get("days", "")
            if not (days.isascii() and days.isdigit() and len(days) < 5 and 1 <= int(days) <= 366):
                raise UsageError(f"{days} is no number of days between 1 and 366")
            subject = acts.let_sleep(it, name, days=int(days))
            return words.say("told_snoozed", name=subject.developer, until=words.short_day(subject.snoozed))
        case ["authorizations", name, "wake"]:
            return words.say("told_awake", name=acts.let_sleep(it, name).developer)
        case ["aside", "read-again"]:
            return words.many("told_read_again", it.store.read_again(it.at))
        case _:
            raise UsageError("there is nothing of that name to do")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise UsageError(f"{text} is no day of the calendar") from error


def problem(words: Words, status: int, what: str, text: str = "") -> Answer:
    """Return a page that says why there is none."""
    values = {
        "title": words.say(f"problem_{what}"), "text": text or words.say(f"problem_{what}_text"), "menu": MENU, "here": "",
        "badges": {name: "" for name, _ in MENU}, "told": "", "known": status != 401,
    }  # fmt: skip
    return Answer(body=render("problem.html", words, values), status=status)
