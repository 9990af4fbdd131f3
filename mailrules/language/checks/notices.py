"""Systems and notices: names, types, date formats, holes.

In: a Session with everything defined, one system or notice. Out: problems in the session.
May not live here: rules, tests, how a wording is matched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod

from mailrules.language import ast
from mailrules.language.ast import Span
from mailrules.language.checks.session import Session
from mailrules.language.speller import meant, suggestion

MAX_WAYS = 32
_LITERAL = re.compile(r"\{([A-Za-z_]\w*)\}")
_TYPES_ELSEWHERE = {
    "string": "text", "str": "text", "word": "text", "name": "text", "int": "number", "integer": "number", "email": "address", "mail": "address",
    "day": "date", "datetime": "date", "time": "date", "id": "developer_id", "host": "domain",
}  # fmt: skip
_DATE_FORMAT = re.compile(r"(?:YYYY|MMMM|MMM|MM|DD|M|D|\bde\b|[^A-Za-z0-9])+")


_FORMATS_ELSEWHERE = (
    ("%Y", "YYYY"), ("%m", "MM"), ("%d", "DD"), ("%B", "MMMM"), ("%b", "MMM"), ("yyyy", "YYYY"), ("mm", "MM"), ("dd", "DD"),
)  # fmt: skip


_DOMAIN = re.compile(r"(?:[\w-]+\.)+[\w-]+")
_A_DOMAIN = 'write what stands behind the @ of the sender, such as "amazon.com"'


def check_system(session: Session, system: ast.System) -> None:
    """Check the name of a system, its domains, and the systems that it yields to."""
    words = session.words
    if system.name.value in {*words.facts, *words.trust, *words.states}.union(
        *(f.values for f in words.facts.values())
    ):
        session.say(
            "E016",
            system.name.span,
            f"`{system.name.value}` is a word that conditions already know, so no system may be called so",
            f"call it `{system.name.value}_system`",
        )
    for domain in system.domains:
        if not _DOMAIN.fullmatch(domain.value):
            bare = domain.value.rpartition("@")[2].strip("*./ ").lower()
            help_ = f'write "{bare}": each domain by itself, without * and @' if _DOMAIN.fullmatch(bare) else _A_DOMAIN
            session.say("E019", domain.span, f"`{domain.value}` is no domain, and no mail comes from it", help_)
    for name in system.yields_to:
        if name.value not in session.systems or name.value == system.name.value:
            others = set(session.systems) - {system.name.value}
            session.say("E010", name.span, f"there is no other system `{name.value}`", suggestion(name.value, others))


def check_notice(session: Session, notice: ast.NoticeDefinition) -> None:
    """Check one notice with all its wordings, also those added by other files."""
    if notice.system.value not in session.systems:
        session.say(
            "E010",
            notice.system.span,
            f"there is no system `{notice.system.value}`",
            suggestion(notice.system.value, session.systems),
        )
    fields = {f.name.value: f for f in notice.fields}
    for field in notice.fields:
        _reserved(session, field.name.value, field.name.span)
        _type(session, field.type.value, field.type.span)
        if field.type.value == "date" and field.format:
            _date_format(session, field.format.value, field.format.span)
    if not notice.wordings:
        session.say(
            "E007",
            notice.kind.span,
            f"the notice `{notice.kind.value}` has no wording, so nothing can ever be one",
            "add `wording en { … }`",
        )
    for wording in notice.wordings:
        _check_wording(session, notice, wording, fields)


def _check_wording(
    session: Session, notice: ast.NoticeDefinition, wording: ast.Wording, fields: dict[str, ast.FieldDefinition]
) -> None:
    if not any(not clause.optional for clause in wording.clauses):
        session.say(
            "E007",
            wording.language.span,
            f"nothing in the wording `{wording.language.value}` must be found, so it would fit every mail",
            "give it a `subject`, `line` or `says` without `maybe`",
        )
    for name, _ in wording.constants:
        if name.value not in fields:
            session.say(
                "E007",
                name.span,
                f"`{name.value}` is no field of `{notice.kind.value}`",
                _field_help(name.value, fields),
            )
    for clause in wording.clauses:
        for pattern in clause.patterns:
            _check_pattern(session, notice, pattern, fields)
    ways = prod(len(clause.patterns) for clause in wording.clauses if not clause.optional)
    if ways > MAX_WAYS:
        session.say(
            "E007",
            wording.language.span,
            f"with its `or` this wording can be written in {ways} ways, and more than {MAX_WAYS} are too many",
            "write two wordings",
        )


def _check_pattern(
    session: Session, notice: ast.NoticeDefinition, pattern: ast.Pattern, fields: dict[str, ast.FieldDefinition]
) -> None:
    for hole in pattern.pieces:
        if isinstance(hole, str):
            continue
        if hole.type:
            _reserved(session, hole.name, pattern.span)
            _type(session, hole.type, pattern.span)
            if hole.type == "date" and hole.format:
                _date_format(session, hole.format, pattern.span)
        elif hole.name not in fields:
            session.say(
                "E007",
                pattern.span,
                f"`{hole.name}` is no field of `{notice.kind.value}`",
                _field_help(hole.name, fields, f"or give its type here: {{{hole.name}: text}}"),
            )
    _literal_braces(session, pattern, fields)


def _field_help(name: str, fields: Mapping[str, ast.FieldDefinition], other: str = "") -> str:
    near = meant(name, fields, 0.6)
    parts = [f"did you mean `{near}`?" if near else f"declare it in the notice: {name}: text", other]
    return "; ".join(p for p in parts if p)


def _literal_braces(session: Session, pattern: ast.Pattern, fields: Mapping[str, ast.FieldDefinition]) -> None:
    # why: `{{` is the character itself, for mails that have one; nobody's mail has {expires} where a date should be
    for piece in pattern.pieces:
        for name in _LITERAL.findall(piece) if isinstance(piece, str) else ():
            if name in fields:
                message = f"`{{{{{name}}}}}` stands for the characters {{{name}}} and reads nothing"
                session.say("E007", pattern.span, message, f"write {{{name}}}: single braces read, double ones write")


def _is_date_format(form: str) -> bool:
    """Whether a format has a year, a month and a day, each once."""
    parts = sorted(part[0] for part in re.findall("YYYY|M{1,4}|DD?", form))
    return _DATE_FORMAT.fullmatch(form) is not None and parts == ["D", "M", "Y"]


def _date_format(session: Session, form: str, span: Span) -> None:
    if _is_date_format(form):
        return
    plain = form
    for theirs, ours in _FORMATS_ELSEWHERE:
        plain = plain.replace(theirs, ours)
    help_ = (
        f'write "{plain}"'
        if _is_date_format(plain)
        else 'it is made of YYYY, MM, DD, M and D, such as "D.M.YYYY"; MMMM and MMM are the month\'s name, such as "MMMM D, YYYY"'
    )
    session.say("E014", span, f"`{form}` is no date format", help_)


def _reserved(session: Session, name: str, span: Span) -> None:
    # why: in `trust is bound` the word must stay a word; a field `bound` would let the mail say what it means
    system = session.systems.get(name)
    if system and session.order.get(system.span.file, 0) > session.order.get(span.file, 0):
        if name not in session.words.facts:  # that has been told already
            message = f"`{name}` is a field of notices in {span.file}, so no system may be called so"
            session.say("E016", system.name.span, message, f"call it `{name}_system`")
        return
    words = {*session.words.trust, *session.words.states, *session.systems, "yes", "no", "nothing"}
    if name in words.union(*(fact.values for fact in session.words.facts.values())):
        session.say(
            "E016",
            span,
            f"`{name}` is a word that conditions compare with, so no field may be called so",
            f"call it `{name}_text`",
        )


def _type(session: Session, name: str, span: Span) -> None:
    if name not in session.words.field_types:
        alike = _TYPES_ELSEWHERE.get(name.lower())
        help_ = f"write `{alike}`" if alike else suggestion(name, session.words.field_types)
        session.say("E014", span, f"there is no type `{name}`", help_)
