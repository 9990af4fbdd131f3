"""What a test expects against what has happened.

In: a plain Test, its Run, its rules. Out: a Failure for each expectation that is not met: expected, found, and why the
rules held back. May not live here: making things happen, printing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from mailrules.effects import WORDS, Effect
from mailrules.language.ast import Rule, Span
from mailrules.language.story import Expectation, Test
from mailrules.ruletests.run import KINDS, Run, title_of

NEAREST = 3
"""So many rules that held back are told with a failure, the nearest miss first."""
LISTED = 12
"""So many things that are there are told with a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One expectation that is not met: what was expected, what is there, why each rule held back, nearest miss first."""

    span: Span
    expected: str
    found: tuple[str, ...]
    why: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it as one sentence with its place."""
        told = "; ".join([f"expected {self.expected}, found {'; '.join(self.found)}", *self.why])
        return f"{self.span.file}:{self.span.line}: {told}"


def failures_of(test: Test, run: Run, rules: tuple[Rule, ...]) -> tuple[Failure, ...]:
    """Return what is not met of a test's expectations, in their order."""
    claimed: set[str] = set()
    failures = []
    for expected in test.expectations:
        match expected.what:
            case "nothing else":
                failure = _something_else(expected, run, claimed)
            case "authorization":
                failure = _wrong_state(expected, run)
            case "notice":
                failure = _wrong_notice(expected, run)
            case _:
                failure = _wrong_effects(expected, run, claimed, rules)
        if failure:
            failures.append(failure)
    return tuple(failures)


def _something_else(expected: Expectation, run: Run, claimed: set[str]) -> Failure | None:
    others = [_described(e, at, run) for key, (e, at) in run.effects.items() if key not in claimed and _came(e)]
    return Failure(span=expected.span, expected="nothing else", found=_some(others)) if others else None


def _came(effect: Effect) -> bool:
    return effect.state == "planned"


def _wrong_effects(expected: Expectation, run: Run, claimed: set[str], rules: tuple[Rule, ...]) -> Failure | None:
    kind, target = KINDS[expected.what], expected.target.value if expected.target else None
    found = [
        key
        for key, (effect, at) in run.effects.items()
        if effect.action == kind
        and _came(effect)
        and target in (None, effect.target)
        and (expected.text is None or expected.text.value in (title_of(effect), effect.target))
        and (expected.due is None or effect.args.get("due") == expected.due.day)
        and (expected.on is None or _day(at, run).isoformat() == expected.on.day)
    ]
    claimed.update(found)
    if _enough(expected.count, len(found)):
        return None
    words = [
        "forward to" if expected.what == "forward" and target else expected.what,
        target or "",
        f'"{expected.text.value}"' if expected.text else "",
        f"due {expected.due.day}" if expected.due else "",
        _times(expected.count),
        f"on {expected.on.day}" if expected.on else "",
    ]
    there = [_described(effect, at, run) for effect, at in run.effects.values()]
    too_few = expected.count is None or len(found) < expected.count
    return Failure(
        span=expected.span, expected=" ".join(w for w in words if w), found=(_counted(len(found)), *_some(there)),
        why=_held_back(run, rules, expected.what) if too_few else (),
    )  # fmt: skip


def _held_back(run: Run, rules: tuple[Rule, ...], what: str) -> tuple[str, ...]:
    """Return why rules held back, nearest miss first: those that do what is expected, then the fewest failed conditions."""
    verb = next(verb for kind, verb in WORDS.items() if kind == KINDS[what])
    ranked = []
    for rule in rules:
        held = run.held.get(rule.name.value)
        if held and rule.name.value not in run.seen.fired:
            other = all(call.verb != verb for call in rule.calls)
            told = f"rule `{rule.name.value}` ({rule.span.file}:{rule.span.line}) held back on {_day(held.at, run)}: {held.reason}"
            ranked.append((other, held.failed, rule.span.line, told))
    return tuple(told for *_, told in sorted(ranked)[:NEAREST])


def _wrong_notice(expected: Expectation, run: Run) -> Failure | None:
    kind = expected.state.value if expected.state else ""
    if kind == "unparsed":
        seen = [n for n in run.notices if n.status == "unparsed"]
    elif kind == "mail":
        seen = [n for n in run.notices if n.status == "unrecognized"]
    else:
        seen = [n for n in run.notices if n.kind == kind and n.status in ("read", "refused")]
    if _enough(expected.count, len(seen)):
        return None
    there = []
    for notice in run.notices:
        kind_of = f"{notice.kind} of {notice.system}" if notice.kind else ""
        there.append(" ".join(f"{notice.status} {kind_of}".split()) + (f": {notice.reason}" if notice.reason else ""))
    words = f"notice {kind} {_times(expected.count)}"
    return Failure(span=expected.span, expected=words, found=(_counted(len(seen)), *_some(there)))


def _enough(wanted: int | None, found: int) -> bool:
    return found > 0 if wanted is None else found == wanted


def _times(wanted: int | None) -> str:
    return {None: "at least once", 0: "never", 1: "once"}.get(wanted, f"{wanted} times")


def _counted(found: int) -> str:
    return f"{('none', 'one')[found] if found < 2 else found}; what there is:"


def _some(there: list[str]) -> tuple[str, ...]:
    if not there:
        return ("nothing",)
    more = len(there) - LISTED
    return tuple(there[:LISTED]) + ((f"and {more} more",) if more > 0 else ())


def _day(at: datetime, run: Run) -> date:
    return at.astimezone(run.zone).date()


def _described(effect: Effect, at: datetime, run: Run) -> str:
    what = next(word for word, kind in KINDS.items() if kind == effect.action)
    words = [what]
    if what in ("notify", "forward"):
        words.append(("to " if what == "forward" else "") + effect.target)
    named = title_of(effect) or effect.target
    words += [f'"{named}"'] if named else []
    words += [f"due {effect.args['due']}"] if effect.args.get("due") else []
    why = {
        "missed": ", missed: a gap between polls passed over it",
        "failed": f", failed: {effect.args.get('why', '')}",
    }
    return f"{' '.join(words)} on {_day(at, run).isoformat()} by rule `{effect.rule}`{why.get(effect.state, '')}"


def _wrong_state(expected: Expectation, run: Run) -> Failure | None:
    wanted = expected.state.value if expected.state else ""
    name = expected.text.value if expected.text else ""
    on = f" on {expected.on.day}" if expected.on else ""
    said = f'authorization "{name}" is {wanted}{on}'
    about = [a for a in run.ledger.authorizations.values() if name in (a.developer_id, a.developer)]
    if not about:
        known = [f'authorization "{a.developer_id or a.developer}"' for a in run.ledger.authorizations.values()]
        return Failure(
            span=expected.span, expected=said, found=("no such authorization; what there is:", *_some(known))
        )
    if any(_state(run, subject.id, expected) == wanted for subject in about):
        return None
    known = [story for subject in about for story in _changes(run, subject.id)]
    found = _state(run, about[0].id, expected)
    return Failure(
        span=expected.span,
        expected=said,
        found=(f"it is {found}; its story:" if found else "it is not known yet:", *_some(known)),
    )


def _state(run: Run, subject: str, expected: Expectation) -> str:
    """Return the state on the day that is asked for, else on the last day."""
    known = {when: state for (who, when), state in run.states.items() if who == subject}
    until = [when for when in known if expected.on is None or when.isoformat() <= expected.on.day]
    return known[max(until)] if until else ""


def _changes(run: Run, subject: str) -> Iterable[str]:
    """Yield each change of an authorization's state."""
    former = ""
    for when, state in sorted((when, state) for (who, when), state in run.states.items() if who == subject):
        if state != former:
            yield f"{state} from {when.isoformat()}"
        former = state
