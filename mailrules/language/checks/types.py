"""Types of expressions, and how much trust a condition demands.

In: expressions, facts with their types. Out: problems; the least trust under which a condition can hold.
May not live here: names of facts, except `trust`, whose order is the gate's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import ge, gt, le, lt
from zoneinfo import ZoneInfo

from mailrules.language.ast import (
    Arithmetic,
    Comparison,
    DateLiteral,
    DurationLiteral,
    Expr,
    InstantLiteral,
    Junction,
    Keyword,
    Name,
    Not,
    Number,
    Offset,
    Problem,
    Span,
    Text,
)  # fmt: skip
from mailrules.language.definitions import FactType, Vocabulary
from mailrules.language.speller import meant, suggestion

TEXTS = ("text", "word", "ordered word", "developer_id", "address", "domain")
ORDERS = ("<", "<=", ">", ">=")
_AT_LEAST = {"is": ge, "is one of": ge, ">=": ge, ">": gt, "<=": le, "<": lt}
"""What a comparison of `trust` asks of its level; with `is`, more is enough."""
_OF_TEXTS = ("contains", "starts with", "ends with", "matches")
_SHOWN = {
    "text": "a text", "word": "a word", "ordered word": "a level", "developer_id": "an id", "address": "an address", "domain": "a domain",
    "number": "a number", "date": "a date", "instant": "a day with its time", "duration": "a duration such as `7 days`", "yes or no": "yes or no",
}  # fmt: skip
_EXAMPLES = {
    "number": "a number, such as 3", "date": "a date, such as 2024-04-10", "duration": "a duration, such as 7 days",
    "instant": "a day and a time, such as 2024-04-10 09:00", "yes or no": "`yes` or `no`",
}  # fmt: skip
_FACTS_ELSEWHERE = {
    "deadline": "expires", "expiry": "expires", "expiration": "expires", "due": "expires", "date": "expires", "days": "days_left",
    "left": "days_left", "remaining": "days_left", "state": "authorization", "status": "authorization", "vendor": "developer",
    "app": "developer", "application": "developer", "name": "developer", "id": "developer_id", "from": "sender.domain",
    "sender": "sender.domain", "domain": "sender.domain", "title": "subject", "text": "body", "content": "body", "seller": "account",
    "date_today": "today", "count": "reminders", "kind": "notice", "type": "notice",
}  # fmt: skip
"""Names that people bring along, and the facts they mean."""
_RESULTS = {
    ("date", "+", "duration"): "date",
    ("date", "-", "duration"): "date",
    ("date", "-", "date"): "duration",
    ("instant", "+", "duration"): "instant",
    ("instant", "-", "duration"): "instant",
    ("instant", "-", "instant"): "duration",
    ("duration", "+", "duration"): "duration",
    ("duration", "-", "duration"): "duration",
    ("number", "+", "number"): "number",
    ("number", "-", "number"): "number",
}


def _wrong(span: Span, message: str, help_: str, code: str = "E013") -> list[Problem]:
    return [Problem(code=code, span=span, message=message, help=help_)]


def unknown(name: Name, facts: Mapping[str, FactType], words: Vocabulary) -> list[Problem]:
    """Return the problem of a name that is no fact here."""
    there = words.facts.get(name.value)
    if there is not None and there.needs:
        message = f"`{name.value}` is known only where a mail arrives, and this rule looks at deadlines"
        return _wrong(name.span, message, "begin the rule with `on` and a kind of notice, or leave this out", "E012")
    alike = _FACTS_ELSEWHERE.get(name.value.lower(), "")
    help_ = f"write `{alike}`" if alike in facts else suggestion(name.value, facts)
    return _wrong(name.span, f"there is no fact `{name.value}` here", help_, "E012")


def check_condition(expr: Expr, facts: Mapping[str, FactType], words: Vocabulary) -> list[Problem]:
    """Return the problems of a condition, one for each mistake."""
    match expr:
        case Junction(conditions=conditions):
            return [p for c in conditions for p in check_condition(c, facts, words)]
        case Not(condition=condition):
            return check_condition(condition, facts, words)
        case Comparison():
            return _comparison(expr, facts, words)
        case Name(value=name) if name in facts and facts[name].type == "yes or no":
            return []
        case Name(value=name) if name not in facts:
            return unknown(expr, facts, words)
        case Name(value=name):
            message = f"`{name}` alone is no condition: it is {_SHOWN[facts[name].type]}"
            return _wrong(expr.span, message, f"compare it: {name} is {_example(facts[name], words)}")
        case _:
            return _wrong(expr.span, "this alone is no condition", "compare a fact with it: developer is …")


def _example(fact: FactType, words: Vocabulary) -> str:
    values = fact.values or (words.trust if fact.type == "ordered word" else ())
    if values:
        return values[-1]
    return {"number": "3", "date": "2024-04-10", "duration": "7 days", "instant": "2024-04-10 09:00"}.get(
        fact.type, '"…"'
    )


def _comparison(expr: Comparison, facts: Mapping[str, FactType], words: Vocabulary) -> list[Problem]:
    left, problems = _type(expr.left, facts, words)
    if problems:
        return problems
    found: list[Problem] = []
    for right in expr.right:
        problems = _side(expr, left, right, facts, words)
        if problems and problems[0].span == expr.span:
            return problems
        found += problems
    return found


def _side(expr: Comparison, left: str, right: Expr, facts: Mapping[str, FactType], words: Vocabulary) -> list[Problem]:
    """Return what is wrong between the left side and one value of the right."""
    shown, comparator = _name(expr.left), expr.comparator
    if isinstance(right, Keyword) and right.value == "nothing":
        if comparator in ("is", "is not"):
            return []
        return _wrong(
            right.span, f"`{comparator}` cannot compare with nothing", "write `is nothing` or `is not nothing`"
        )
    if comparator in _OF_TEXTS and left not in TEXTS:
        help_ = "write `is`, or <, <=, >, >=" if left in ("number", "date", "instant", "duration") else "write `is`"
        return _wrong(expr.span, f"`{comparator}` looks into a text, and {shown} is {_SHOWN[left]}", help_)
    if comparator in ORDERS and (left in TEXTS or left == "yes or no") and left != "ordered word":
        return _wrong(
            expr.span, f"{_SHOWN[left]} has no order, so `{comparator}` says nothing", "write `is` or `is not`"
        )
    fact = facts.get(expr.left.value) if isinstance(expr.left, Name) else None
    values = words.trust if left == "ordered word" else fact.values if fact else ()
    if (
        isinstance(right, Name | Text)
        and values
        and comparator not in _OF_TEXTS
        and (isinstance(right, Text) or right.value not in facts)
    ):
        return _value(expr, left, right, values)
    if isinstance(right, Name) and right.value not in facts and left in ("word", "ordered word") and not values:
        return []
    if isinstance(right, Name) and right.value not in facts and left in TEXTS and not meant(right.value, facts, 0.75):
        return _wrong(
            right.span,
            f"there is no fact `{right.value}` here",
            f'to compare with a text, write "{right.value}"',
            "E012",
        )
    kind, problems = _type(right, facts, words)
    if problems:
        return problems
    if (left in TEXTS and kind in TEXTS) or left == kind:
        return []
    if left == "duration" and kind == "number":
        return _wrong(right.span, "a duration needs its unit", f"write {_written(right)} days")
    return _wrong(right.span, f"{shown} is {_SHOWN[left]}, and this is {_SHOWN[kind]}", _unlike(left, kind, right))


def _value(expr: Comparison, left: str, right: Name | Text, values: Sequence[str]) -> list[Problem]:
    shown, said = _name(expr.left), right.value
    if said.lower() not in values:
        near = meant(said, values, 0.6)
        help_ = f"did you mean `{near}`?" if near else "values: " + ", ".join(values[:12])
        return _wrong(right.span, f"`{said}` is no value of {shown}", help_, "E012")
    if left == "ordered word" and expr.comparator == "is not":
        message = f"`{_bare(shown)} is {said}` means {said} or more, so `is not` can be read in two ways"
        return _wrong(
            expr.span,
            message,
            f"for less than that, write {_bare(shown)} < {said}; for more, {_bare(shown)} > {said}",
            "E018",
        )
    return []


def _unlike(left: str, kind: str, right: Expr) -> str:
    """Return the edit for a comparison of two unlike things."""
    if kind == "text" and isinstance(right, Text):
        if left in ("date", "number", "instant") and right.value[:1].isdigit():
            return f"write {right.value} without quotes"
        if left == "duration" and right.value[:1].isdigit():
            return f"write {right.value if ' ' in right.value else right.value + ' days'} without quotes"
        if left == "yes or no":
            return "write `yes` or `no` without quotes"
    if left == "date" and (day := _loose_date(right)):
        return f"write {day}"
    if left in TEXTS:
        return f'write "{_written(right)}"' if _written(right) else "compare it with a text in quotes"
    if left == "date" and kind == "duration":
        return "compare `days_left` with it, or write a date: today + 7 days"
    if left == "duration" and kind == "date":
        return "compare `expires` with it"
    if left == "instant" and kind == "date" and isinstance(right, DateLiteral):
        return f"write {right.value} 09:00"
    if left == "number" and isinstance(right, DurationLiteral):
        return f"write {right.amount}"
    return f"compare it with {_EXAMPLES.get(left, _SHOWN[left])}"


def _loose_date(expr: Expr) -> str:
    """Return 2024-4-1, which reads as two subtractions, as a date."""
    match expr:
        case Arithmetic(left=Arithmetic(left=Number(value=year), right=Number(value=month)), right=Number(value=day)):
            return f"{year:04}-{month:02}-{day:02}"
        case _:
            return ""


def _written(expr: Expr) -> str:
    match expr:
        case DurationLiteral(amount=amount, unit=unit):
            return f"{amount} {unit}"
        case Number() | DateLiteral() | Keyword() | Text():
            return str(expr.value)
        case _:
            return ""


def _name(expr: Expr) -> str:
    return f"`{expr.value}`" if isinstance(expr, Name) else "the left side"


def _bare(shown: str) -> str:
    return shown.strip("`")


def _type(expr: Expr, facts: Mapping[str, FactType], words: Vocabulary) -> tuple[str, list[Problem]]:
    match expr:
        case Name(value=name):
            if name in facts:
                return facts[name].type, []
            return "", unknown(expr, facts, words)
        case Text():
            return "text", []
        case Number():
            return "number", []
        case DateLiteral():
            return "date", []
        case InstantLiteral():
            return "instant", []
        case DurationLiteral():
            return "duration", []
        case Keyword():
            return "yes or no", []
        case Arithmetic(left=left, operator=sign, right=right):
            one, problems = _type(left, facts, words)
            other, more = _type(right, facts, words)
            if problems or more:
                return "", problems + more
            kind = _RESULTS.get((one, sign, other))
            if kind is not None:
                return kind, []
            help_ = "write a unit: expires - 7 days" if other == "number" else "write it like `expires - 7 days`"
            return "", _wrong(expr.span, f"`{sign}` cannot join {_SHOWN[one]} and {_SHOWN[other]}", help_)
        case _:
            return "", _wrong(expr.span, "a whole condition cannot be compared", "join conditions with `and` or `or`")


def type_of_anchor(offset: Offset, facts: Mapping[str, FactType], words: Vocabulary) -> list[Problem]:
    """Return the problem of an offset whose anchor is no date."""
    anchor = offset.anchor
    if anchor.value not in facts:
        return unknown(anchor, facts, words)
    if facts[anchor.value].type != "date":
        message = f"`{anchor.value}` is {_SHOWN[facts[anchor.value].type]}, and a deadline counts from a date"
        return _wrong(anchor.span, message, "write `expires`")
    return []


def demanded_trust(expr: Expr, levels: Sequence[str]) -> str:
    """Return the least level of trust under which `expr` can hold, whatever else is so; the least of all where none is."""
    return levels[min(_possible(expr, levels, holds=True), default=0)]


def _possible(expr: Expr, levels: Sequence[str], *, holds: bool) -> set[int]:
    """Return the levels under which `expr` can hold, or can fail to: all of them where it does not speak of trust."""
    every = set(range(len(levels)))
    match expr:
        case Not(condition=condition):
            return _possible(condition, levels, holds=not holds)
        case Junction(operator=word, conditions=conditions):
            each = [_possible(c, levels, holds=holds) for c in conditions]
            return set.intersection(*each) if (word == "and") == holds else set.union(*each)
        case Comparison(left=Name(value="trust"), comparator=comparator, right=right) if comparator in _AT_LEAST:
            named = [levels.index(r.value) for r in right if isinstance(r, Name | Text) and r.value in levels]
            if len(named) != len(right):
                return every
            found = {level for level in every if any(_AT_LEAST[comparator](level, one) for one in named)}
            return found if holds else every - found
        case _:
            return every


def is_time_zone(name: str) -> bool:
    """Return whether `name` is a time zone such as Asia/Tokyo."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
