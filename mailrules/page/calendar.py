"""Deadlines and tasks as a calendar (RFC 5545). The only importer of icalendar.

In: a Look. Out: the text of a .ics file; the same twice for the same store. May not live here: files, the server, SQL.

A deadline is an event of a whole day, which every calendar program shows; a task is a to-do. Who a thing is, and not when
it was exported, makes its UID: taken over twice it is one, and a new date moves it (SEQUENCE counts what has changed).
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from typing import Any

from mailrules.decide.compose import one_line, shown
from mailrules.errors import ConfigError
from mailrules.page.look import Look
from mailrules.page.standing import Standing, overview

ALARMS = (30, 7, 1)
MORNING = timedelta(hours=9)
"""An alarm of a whole day rings at this time, and not at midnight."""
TASKS = 500
"""So many tasks, open and done each, are told."""


def calendar(it: Look) -> str:
    """Return the calendar as text. Raises ConfigError where the library is missing."""
    try:
        import icalendar
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the calendar needs the library {error.name}, which is not installed",
            help="pip install 'mailrules[calendar]'",
        ) from error
    made = icalendar.Calendar()
    name = it.say("calendar_name")
    for key, value in {
        "prodid": "-//mailrules//mailrules//EN", "version": "2.0", "method": "PUBLISH", "x-wr-calname": name,
        "name": name, "x-published-ttl": "PT6H",
    }.items():  # fmt: skip
        made.add(key, value)
    changes = it.store.changes()
    for row in overview(it).rows:
        if row.due is not None and not row.since:
            made.add_component(_deadline(it, row, *changes.get(row.id, (0, it.at))))
    tasks = [task for status in ("open", "done") for task in it.store.tasks_page(TASKS, 0, status=status)]
    for task in tasks:
        if task["due"]:
            made.add_component(_task(it, task))
    return str(made.to_ical(), "utf-8")


def _uid(it: Look, *names: str) -> str:
    """Return a name that is the same in every export, and tells nothing of this installation."""
    material = "\n".join((it.store.own_id(), *names))
    return f"{hashlib.sha256(material.encode()).hexdigest()[:32]}@mailrules"


def _deadline(it: Look, row: Standing, changed: int, at: str) -> Any:
    from icalendar import Event

    day = row.due or it.today()
    name = one_line(row.name)
    lines = [it.say("fact_number", number=row.number) if row.number else "", f"{it.say('col_account')}: {row.account}"]
    lines += [it.say("assumed_long")] if row.assumed else []
    event = Event()
    event.add("uid", _uid(it, "deadline", row.id))
    event.add("summary", it.say("calendar_lapses", name=name))
    event.add("dtstart", day)
    event.add("dtend", day + timedelta(days=1))
    event.add("description", shown("\n".join(filter(None, lines))))
    event.add("transp", "TRANSPARENT")
    event.add("status", "CANCELLED" if row.state == "revoked" else "CONFIRMED")
    _stamp(event, at, changed)
    if row.state != "revoked":
        for days in ALARMS:
            event.add_component(_alarm(MORNING - timedelta(days=days), it.say("calendar_lapses", name=name)))
    return event


def _task(it: Look, task: dict[str, Any]) -> Any:
    from icalendar import Todo

    title, done = one_line(task["title"]), task["status"] == "done"
    todo = Todo()
    todo.add("uid", _uid(it, "task", task["effect"]))
    todo.add("summary", title)
    todo.add("due", date.fromisoformat(task["due"]))
    todo.add("description", shown(task["body"]))
    todo.add("status", "COMPLETED" if done else "NEEDS-ACTION")
    if done:
        todo.add("completed", datetime.fromisoformat(task["done_at"]))
    else:
        todo.add_component(_alarm(MORNING, title, related="END"))
    _stamp(todo, task["done_at"] or task["created"], int(done))
    return todo


def _stamp(component: Any, at: str, changed: int) -> None:
    instant = datetime.fromisoformat(at)
    component.add("dtstamp", instant)
    component.add("last-modified", instant)
    component.add("sequence", changed)


def _alarm(trigger: timedelta, text: str, *, related: str = "START") -> Any:
    from icalendar import Alarm

    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", text)
    alarm.add("trigger", trigger, parameters={} if related == "START" else {"related": related})
    return alarm
