"""Parsed files and a vocabulary to definitions and problems.

In: RulesFiles, a Vocabulary as data. Out: Definitions (names and actions resolved, wordings merged), every problem at once.
May not live here: syntax, evaluation, the words themselves; what one kind of block must be (check_*.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from mailrules.language import ast
from mailrules.language.ast import Problem, Rule, RulesFile, Span
from mailrules.language.checks.lets import Lets
from mailrules.language.checks.notices import check_notice, check_system
from mailrules.language.checks.rules import check_rule
from mailrules.language.checks.session import Session
from mailrules.language.checks.stories import check_test
from mailrules.language.checks.warnings import warnings
from mailrules.language.definitions import Definitions, Vocabulary
from mailrules.language.frozen import replace
from mailrules.language.speller import suggestion
from mailrules.language.story import Sample, Test


def check(files: Sequence[RulesFile], vocabulary: Vocabulary) -> tuple[Definitions, tuple[Problem, ...]]:
    """Check all files together. Later files replace what earlier ones define under the same name."""
    session = Session(vocabulary)
    for file in files:
        _collect(session, file)
        session.broken |= file.names
    _add_wordings(session)
    session.lets = Lets(session.named.values())
    _check_lets(session)
    for system in session.systems.values():
        check_system(session, system)
    for notice in session.notices.values():
        if notice.kind.value not in session.broken:  # what it seems to lack stands where it could not be read
            check_notice(session, notice)
    rules = tuple(check_rule(session, rule) for rule in session.rules.values())
    before = len(session.problems)
    former = tuple(check_rule(session, rule) for rule in session.replaced if isinstance(rule, Rule))
    del session.problems[before:]  # what is replaced keeps nothing from going live
    for _, test in session.tests:
        check_test(session, test)
    _check_partial(session)
    definitions = Definitions(
        systems=tuple(session.systems.values()),
        notices=tuple(session.notices.values()),
        rules=rules,
        replaced_rules=former,
        disturbed=frozenset(b.span.file for b in session.replaced if not isinstance(b, Rule)),
        tests=tuple(session.tests),
        samples=session.samples,
    )
    problems = session.found()
    if not any(p.is_error for p in problems):
        problems += warnings(definitions, session)
    return definitions, problems


def _check_partial(session: Session) -> None:
    """Check what could be read of broken rules and tests; whatever they seem to lack may stand where they are broken."""
    before = len(session.problems)
    for block in session.partial:
        if isinstance(block, Test):
            check_test(session, block)
        elif not isinstance(block.trigger, ast.OnTrigger) or block.trigger.kinds:
            check_rule(session, block)
    found = [p for p in session.problems[before:] if p.code not in ("E008", "E032", "E033", "E040")]
    session.problems[before:] = found


def _collect(session: Session, file: RulesFile) -> None:
    session.order.setdefault(file.path, len(session.order))
    own: set[object] = set()
    for block in (*file.blocks, *file.broken):
        match block:
            case ast.System():
                _define(session, session.systems, block.name.value, block, block.name.span, "system", own)
            case ast.NoticeDefinition():
                key = (block.kind.value, block.system.value)
                _define(session, session.notices, key, block, block.kind.span, "notice", own)
            case ast.Let():
                _define(session, session.named, block.name.value, block, block.name.span, "let", own)
            case Sample():
                here = session.samples.setdefault(file.path, {})
                _define(session, here, block.name.value, block, block.name.span, "sample", own)
    for block in file.blocks:
        match block:
            case Rule():
                _define(session, session.rules, block.name.value, block, block.name.span, "rule", own)
            case ast.Wording():
                session.extra.append(block)
            case Test():
                _named_once(session, block, own)
                session.tests.append((file.path, block))
            case _:
                continue
    session.partial += [b for b in file.broken if isinstance(b, Rule | Test)]


def _named_once(session: Session, test: Test, own: set[object]) -> None:
    if ("test", test.name.value) in own:
        session.say(
            "E015",
            test.name.span,
            f"the test `{test.name.value}` is defined twice in this file",
            "give the second another name",
        )
    own.add(("test", test.name.value))


def _define(
    session: Session,
    table: dict,  # type: ignore[type-arg]
    key: object,
    block: object,
    span: Span,
    what: str,
    own: set[object],
) -> None:
    shown = key if isinstance(key, str) else " of ".join(key)  # type: ignore[arg-type]
    former = table.get(key)
    if former is not None and (what, key) in own and former != block:
        message = f"the {what} `{shown}` is defined twice in this file, first at line {former.span.line}"
        session.say("E015", span, message, "give the second another name, or delete one of them")
        return
    if former is not None and former != block:
        session.say("N002", span, f"this replaces the {what} `{shown}` of {former.span.file}")
    elsewhere = (what, key) not in own
    if elsewhere and (
        isinstance(former, Rule) or (isinstance(former, ast.System | ast.NoticeDefinition) and former != block)
    ):
        session.replaced.append(former)
    own.add((what, key))
    table[key] = block


def _add_wordings(session: Session) -> None:
    for wording in session.extra:
        key = (wording.kind.value if wording.kind else "", wording.system.value if wording.system else "")
        notice = session.notices.get(key)
        if notice is None:
            names = [f"{kind} of {system}" for kind, system in session.notices]
            session.say(
                "E011",
                wording.kind.span if wording.kind else wording.span,
                f"there is no notice `{' of '.join(key)}` to add a wording to",
                suggestion(" of ".join(key), names),
            )
        elif wording not in notice.wordings:
            session.notices[key] = replace(notice, wordings=(*notice.wordings, wording))


def _check_lets(session: Session) -> None:
    """A named value must not take the name of something that rules already speak of."""
    words = session.words
    taken = {"yes", "no", "nothing", *words.facts, *words.trust, *session.systems}
    taken = taken.union(*(fact.values for fact in words.facts.values()))
    taken |= {field.name.value for notice in session.notices.values() for field in notice.fields}
    for name, let in session.named.items():
        if name in taken:
            message = f"`{name}` is a word that conditions already know, so no value may be called so"
            session.say("E016", let.name.span, message, f"call it `my_{name}`")
        session.lets.values(let.name)
