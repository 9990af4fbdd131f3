"""What the pages show, but for one authorization and one mail (story.py): plain rows, a page of them at a time.

In: a Look, a page's number, filters. Out: dicts for the templates. May not live here: HTML, words, SQL, changing anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

from mailrules.errors import MailrulesError, UsageError
from mailrules.page.look import Look
from mailrules.page.standing import overview

PER_PAGE = 25
FIRST = 5
"""So many tasks, effects and accounts are named among what needs a person; more are told as a number."""
NEEDS = ("unknown", "failed")
FILTERS: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "needs": NEEDS,
    "waiting": ("planned", "claimed"),
    "done": ("done",),
    "missed": ("missed", "cancelled"),
}
"""The views of the outbox: their names, and the states in each."""
JUDGED = 5
"""So many authorizations, the most pressing ones, a rule is asked about."""


def pages(number: int, total: int) -> dict[str, int]:
    """Return which page of a list is shown, how many there are, and where it begins."""
    last = max(1, -(-total // PER_PAGE))
    chosen = min(max(number, 1), last)
    return {"number": chosen, "last": last, "offset": (chosen - 1) * PER_PAGE, "total": total}


def front(it: Look, number: int = 1) -> dict[str, Any]:
    """Return the overview: what needs a person, the strip, the list."""
    seen = overview(it)
    paged = pages(number, len(seen.rows))
    return {
        "seen": seen, "pages": paged, "rows": seen.rows[paged["offset"] : paged["offset"] + PER_PAGE],
        "needs": needs(it), "strips": seen.strips, "drawn": len(seen.drawn),
        "spoken": [row for row in seen.rows if row.left is not None][:FIRST],
        "today": it.today(next(iter(it.config.world.accounts), None)),
    }  # fmt: skip


def needs(it: Look) -> dict[str, Any]:
    """Return what needs a person now; `count` is 0 where nothing does."""
    store = it.store
    waiting, tasks_open = store.effect_counts(NEEDS), store.task_count("open")
    beats = [beat for beat in accounts(it) if beat["error"] or not beat["succeeded"]]
    effects = named_effects(it, store.effects_page(FIRST, 0, states=NEEDS))
    # why these, too: a deadline of which no rule has made a task is nobody's business unless it is told here
    pressing = {row.id: row for row in overview(it).pressing}
    alone = [pressing[name] for name in store.without_task(list(pressing))]
    found = {
        "tasks": tasks(it, "open", 1, FIRST)["rows"], "more_tasks": max(tasks_open - FIRST, 0),
        "deadlines": alone[:FIRST], "more_deadlines": max(len(alone) - FIRST, 0),
        "effects": effects, "more_effects": max(sum(waiting.values()) - FIRST, 0),
        "aside": store.put_aside_count(), "unconfirmed": store.unconfirmed(it.at), "accounts": beats[:FIRST],
        "rules_error": (store.meta_get("rules_error") or "").partition("\n")[0], "held": store.held_back(),
    }  # fmt: skip
    found["count"] = (
        tasks_open + len(alone) + len(effects) + found["more_effects"] + found["aside"] + len(found["unconfirmed"])
        + len(beats) + len(found["held"]) + bool(found["rules_error"])
    )  # fmt: skip
    return found


def accounts(it: Look) -> list[dict[str, Any]]:
    """Return every configured account and when it was last read well."""
    beats = {row["account"]: row for row in it.store.heartbeats()}
    empty = {"succeeded": "", "failed": "", "error": ""}
    return [
        {**empty, **beats.get(a.name, {}), "account": a.name, "user": a.user, "host": a.host}
        for a in it.config.accounts
    ]


def tasks(it: Look, status: str, number: int, limit: int = PER_PAGE) -> dict[str, Any]:
    """Return tasks in one status, with the names of what they are about."""
    open_count, done = it.store.task_count("open"), it.store.task_count("done")
    paged = pages(number, open_count if status == "open" else done)
    rows = it.store.tasks_page(limit, paged["offset"], status=status)
    return {"rows": dated_tasks(it, rows), "pages": paged, "status": status, "open": open_count, "done": done}


def dated_tasks(it: Look, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return tasks with the days that are left and the name of their authorization."""
    names = it.store.names_of([row["authorization"] for row in rows])
    return [
        {
            **row, "name": names.get(row["authorization"], ""),
            "left": (date.fromisoformat(row["due"]) - it.today(row["account"])).days if row["due"] else None,
        }
        for row in rows
    ]  # fmt: skip


def task(it: Look, name: str) -> dict[str, Any]:
    """Return one task with what it is about. Raises UsageError where there is none."""
    row = it.store.task(name)
    if row is None:
        raise UsageError(f"there is no task {name}")
    return {"task": dated_tasks(it, [row])[0]}


def named_effects(it: Look, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return effects with the names of their authorizations."""
    names = it.store.names_of([row["authorization"] for row in rows])
    return [{**row, "name": names.get(row["authorization"], "")} for row in rows]


def outbox(it: Look, chosen: str, number: int) -> dict[str, Any]:
    """Return what was done or waits, one view of it."""
    chosen = chosen if chosen in FILTERS else "all"
    counts = it.store.effect_counts()
    sums = {
        name: sum(counts.get(s, 0) for s in states) if states else sum(counts.values())
        for name, states in FILTERS.items()
    }
    paged = pages(number, sums[chosen])
    rows = it.store.effects_page(PER_PAGE, paged["offset"], states=FILTERS[chosen])
    return {
        "rows": named_effects(it, rows),
        "pages": paged,
        "chosen": chosen,
        "sums": sums,
        "held": it.store.held_back(),
    }


def mails(it: Look, number: int) -> dict[str, Any]:
    """Return the stored messages, newest first."""
    paged = pages(number, it.store.message_count())
    return {
        "rows": it.store.messages_page(PER_PAGE, paged["offset"]),
        "pages": paged,
        "aside": it.store.put_aside_count(),
    }


def aside(it: Look, number: int) -> dict[str, Any]:
    """Return what was not taken in. Its number is not counted: there is a next page while one is full."""
    number = max(number, 1)
    rows = it.store.put_aside(PER_PAGE + 1, (number - 1) * PER_PAGE)
    last = number + (len(rows) > PER_PAGE)
    return {"rows": rows[:PER_PAGE], "pages": {"number": number, "last": last, "offset": 0, "total": 0}}


def rules(it: Look) -> dict[str, Any]:
    """Return the rules that are live and how often each has fired; and those that fired and are no longer there."""
    fired = it.store.fired()
    live = it.rules()
    rows = [
        {
            "name": rule.name.value, "description": rule.description.value if rule.description else "",
            "file": rule.span.file, "line": rule.span.line, "disabled": rule.disabled,
            **fired.get(rule.name.value, {"times": 0, "last": ""}),
        }
        for rule in live.rules
    ]  # fmt: skip
    known = {row["name"] for row in rows}
    former = [{"name": name, **told} for name, told in fired.items() if name not in known]
    return {"rows": sorted(rows, key=lambda r: (-(r["times"] or 0), r["name"])), "former": former}


def rule(it: Look, name: str, number: int) -> dict[str, Any]:
    """Return one rule: what it asked for, and what it says to the most pressing authorizations, the nearest miss first."""
    from mailrules.whynot import of_authorization

    all_rules = rules(it)
    row = next((r for r in all_rules["rows"] if r["name"] == name), None)
    if row is None:
        raise UsageError(f"no rule is called {name}")
    pressing = overview(it).rows[:JUDGED]
    ledger = it.store.part_of_ledger([r.id for r in pressing])
    judged = [
        {"id": subject.id, "subject": subject.name, **judgment(one)}
        for subject in pressing
        for one in of_authorization(subject.id, ledger, it.rules(), it.config.world, it.now, only=name)
    ]
    judged.sort(key=lambda j: (not j["fired"], j["failed"]))
    paged = pages(number, row["times"] or 0)
    effects = it.store.effects_page(PER_PAGE, paged["offset"], rule=name)
    source = it.rules().sources.get(row["file"], "")
    return {
        "rule": row,
        "judged": judged,
        "effects": named_effects(it, effects),
        "pages": paged,
        "text": _block(source, row["line"]),
    }


def judgment(one: Any) -> dict[str, Any]:
    """Return what one rule says to one situation: whether it fires, else why not."""
    return {
        "rule": one.rule.name.value, "fired": one.fired, "reason": one.reason, "failed": one.failed,
        "conditions": [
            {"text": leaf.text, "held": leaf.held, "wanted": leaf.wanted, "found": leaf.found} for leaf in one.conditions
        ],
    }  # fmt: skip


def _block(source: str, line: int) -> str:
    """Return the text of a rule: from its first line to the brace that closes it at the margin."""
    lines = source.split("\n")[line - 1 :]
    end = next((i for i, text in enumerate(lines) if text.startswith("}")), 0)
    return "\n".join(lines[: end + 1])


def _size(store: Path) -> int:
    """Return how large the store is, with what was written and not yet folded into its file."""
    log = store.with_name(f"{store.name}-wal")
    total = 0
    for file in (store, log):
        with suppress(FileNotFoundError):  # why not asked before: a poll that ends just now takes the log away
            total += file.stat().st_size
    return total


def health(it: Look) -> dict[str, Any]:
    """Return whether everything is at work: accounts, the last poll, the rules, the store."""
    last = it.store.meta_get("last_poll") or ""
    try:
        live: int | None = len(it.rules().rules)
    except MailrulesError:
        live = None
    return {
        "accounts": accounts(it), "last": last, "rules_error": it.store.meta_get("rules_error") or "", "live": live,
        "store_size": _size(it.config.store), "path": str(it.config.store), "messages": it.store.message_count(), "asked": sum(it.store.effect_counts().values()),
        "aside": it.store.put_aside_count(), "held": it.store.held_back(), "retention": it.config.retention,
        "late": bool(last) and (it.now - datetime.fromisoformat(last)).total_seconds() > 3600,
    }  # fmt: skip
