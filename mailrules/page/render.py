"""From rows to HTML. Every text is escaped, and what a reader would not see is made visible: mail is only ever text.

In: the name of a template, rows, a language. Out: HTML. The importer of jinja2 for pages (rules have their own, which
escapes nothing and allows next to nothing). May not live here: rows, requests, words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from mailrules.redact import without_tokens
from mailrules.words import catalogue

DAY = re.compile(r"\d{4}-\d\d-\d\d")
RUNG = re.compile(r"(\d{1,4}) days (before|after) expires")
HIDDEN = ("Cc", "Cf", "Zl", "Zp", "Cs")
LANGUAGES = (("en", "English", "en"), ("ja", "日本語", "ja"), ("de", "Deutsch", "de"), ("zh", "简体中文", "zh-CN"))


def shipped(name: str) -> str:
    """Return the text of a file beside the templates."""
    return files("mailrules.page").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(shipped), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=_visible, auto_reload=False,
    )  # fmt: skip


def _visible(value: Any) -> Any:
    """Return a text with its control, invisible and direction characters written out; tabs and line ends stay."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in HIDDEN else f"\\u{ord(c):04x}" for c in value)


class Words:
    """What templates call: texts in one language, and days and instants as people read them."""

    def __init__(self, language: str, now: datetime, zone: tzinfo | None) -> None:
        self.language, self.now, self.zone = language, now, zone
        self._texts = catalogue("page", language)

    def say(self, key: str, /, **values: object) -> str:
        """Return a text of the page."""
        return self._texts[key].format_map(values)

    def many(self, key: str, n: int) -> str:
        """Return a text about a number of things."""
        return self.say(f"{key}_{'one' if n == 1 else 'many'}", n=n)

    def left(self, days: int) -> str:
        """Return how many days are left, or have passed."""
        if days == 0:
            return self.say("left_today")
        return self.many("left" if days > 0 else "late", abs(days))

    def axis(self, days: int) -> str:
        """Return a place on the strip in few letters."""
        if days == 0:
            return self.say("axis_today")
        return self.say("axis_year") if days == 365 else self.say("axis_days", n=f"{days}".replace("-", "\u2212"))

    def day(self, text: str) -> str:
        """Return a day with its weekday, as the reader's language writes it."""
        return self.say("day", **self._parts(date.fromisoformat(text)))

    def short_day(self, text: str) -> str:
        """Return a day, or that of an instant where the reader is, without its weekday; what is neither as it is."""
        try:
            read = datetime.fromisoformat(text if DAY.match(text) else "")
        except ValueError:
            return text
        return self.say("date", **self._parts(read.astimezone(self.zone) if read.tzinfo else read))

    def instant(self, text: str) -> str:
        """Return an instant to the minute, where the reader is."""
        here = datetime.fromisoformat(text).astimezone(self.zone)
        return self.say("instant", day=self.say("date", **self._parts(here)), time=f"{here.hour:02}:{here.minute:02}")

    def _parts(self, day: date) -> dict[str, object]:
        weekday, month = self.say(f"weekday_{day.weekday()}"), self.say(f"month_{day.month}")
        return {"weekday": weekday, "number": day.day, "month": month, "year": day.year}

    def ago(self, text: str) -> str:
        """Return how long ago an instant was."""
        minutes = int((self.now - datetime.fromisoformat(text)).total_seconds() // 60)
        if minutes < 1:
            return self.say("ago_now")
        if minutes < 120:
            return self.many("ago_minutes", minutes)
        return self.many("ago_hours", minutes // 60) if minutes < 2880 else self.many("ago_days", minutes // 1440)

    def size(self, count: int) -> str:
        """Return a number of bytes in few letters."""
        return f"{count / 1_000_000:.1f} MB" if count >= 1_000_000 else f"{max(count // 1000, 1)} kB"

    def stage(self, text: str) -> str:
        """Return the name of a rung as people say it; any other as it is."""
        rung = RUNG.fullmatch(text)
        return self.many(f"stage_{rung[2]}", int(rung[1])) if rung else text

    def field_word(self, field: str) -> str:
        """Return what a value is called."""
        known = ("developer_id", "developer", "expires", "days", "region", "status", "granted", "confirmed")
        return self.say(f"field_{field}") if field in known else field.replace("_", " ")

    def event_words(self, event: Mapping[str, Any]) -> str:
        """Return one line of a story as a sentence."""
        try:
            return self._sentence(str(event["what"]), str(event["due"]), event["detail"])
        except KeyError:  # why: what was forgotten on request has lost its details, and another version may know others
            detail = ", ".join(
                f"{k} {v}" for k, v in sorted(event["detail"].items()) if v not in (None, "") and k != "message"
            )
            return " ".join(filter(None, (str(event["what"]), str(event["due"]), f"({detail})" if detail else "")))

    def _sentence(self, what: str, due: str, detail: Mapping[str, Any]) -> str:
        """Return it in the reader's language. Raises KeyError where there is no sentence for it."""
        values = {
            name: "–" if value in (None, "") else self.short_day(value) if isinstance(value, str) else value
            for name, value in {"due": due, **detail}.items()
        }
        key = f"event_{what.replace(' ', '_')}"
        if what in ("notice", "quiet"):
            until = "_until" if what == "notice" and detail.get("expires") else ""
            return self.say(f"{key}{until}", **{**values, "kind": str(detail["kind"]).replace("_", " ")})
        if what == "settled":
            return self.say(key, due=values["due"], grade=self.say(f"grade_{detail['grade'].replace(' ', '_')}"))
        if what == "renewed":
            return self.say("event_assumed" if detail.get("assumed") else key, **values)
        if what.startswith("effect "):
            state = what.removeprefix("effect set to ").removeprefix("effect ")
            about = " ".join(str(detail[name]) for name in ("action", "target", "effect") if detail.get(name))
            return self.say("event_effect", about=about.replace("_", " "), state=self.say(f"effect_{state}"))
        return self.say(key, **values)


def render(template: str, words: Words, values: Mapping[str, Any]) -> str:
    """Return the HTML of one page, without what has the shape of a token."""
    return without_tokens(fragment(template, words, values))


def fragment(template: str, words: Words, values: Mapping[str, Any]) -> Markup:
    """Return the HTML of a part of a page."""
    calls = (
        "say",
        "many",
        "left",
        "axis",
        "day",
        "short_day",
        "instant",
        "ago",
        "size",
        "stage",
        "field_word",
        "event_words",
    )
    lang = next(lang for code, _, lang in LANGUAGES if code == words.language)
    given = {
        "language": words.language, "html_language": lang, "languages": LANGUAGES, "at": words.instant(words.now.isoformat()),
        **{name: getattr(words, name) for name in calls},
    }  # fmt: skip
    text = _environment().get_template(template).render({**given, **values})
    return Markup(text)  # noqa: S704 - what a template made, which escapes
