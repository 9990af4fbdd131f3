"""What changed where a mail is nearly a notice: the difference to the wording, and a drafted wording to paste.

In: a CompiledWording, the Group that it nearly fits, the clauses that were not found. Out: texts for a person.
May not live here: whether it is near enough (recognize.py), how a line becomes a clause (draft.py).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from mailrules.language.values import fold
from mailrules.notices.draft import clause_from, quoted
from mailrules.notices.groups import Group
from mailrules.notices.lines import Line
from mailrules.notices.patterns import CompiledClause, CompiledWording
from mailrules.notices.search import Hit, Searched

MAX_LINES = 120
MAX_COMPARED = 90
ALIKE = 0.55
_SHOWN = 90


@dataclass(frozen=True, slots=True)
class _Fit:
    """Where a clause stands in the group: `hit` where it fits, else the nearest line, if one is near."""

    clause: CompiledClause
    line: Line | None
    fits: bool


def difference(wording: CompiledWording, group: Group, missing: Sequence[CompiledClause]) -> str:
    """Return, clause by clause, where a wording fits and which line looks like what is missing."""
    fits = _fits(wording, group, missing)
    name = f"wording {wording.wording.language.value} of {wording.definition.kind.value} of {wording.definition.system.value}"
    lines = [f"{name}: {sum(f.fits for f in fits)} of {len(fits)} clauses fit"]
    for fit in fits:
        clause = f"{fit.clause.place} {quoted(fit.clause.source)}"
        if fit.fits and fit.line:
            lines.append(f"  fits     {clause}  ({_where(fit.line)})")
        elif fit.fits:
            lines.append(f"  fits     {clause}")
        else:
            lines.append(f"  missing  {clause}")
            if fit.line:
                shown = fit.line.text.strip()
                lines.append(f"  nearest  {shown[:_SHOWN]}{'…' if len(shown) > _SHOWN else ''}  ({_where(fit.line)})")
    return "\n".join(lines)


def draft(wording: CompiledWording, group: Group, missing: Sequence[CompiledClause]) -> str:
    """Return a wording block that keeps the clauses that fit and takes the nearest lines for those that do not."""
    head = f"wording {wording.wording.language.value} of {wording.definition.kind.value} of {wording.definition.system.value} {{"
    lines = [head]
    types = {f.name.value: f.type.value for f in wording.definition.fields}
    for fit in _fits(wording, group, missing):
        maybe = "maybe " if fit.clause.optional else ""
        if fit.fits:
            lines.append(f"  {maybe}{fit.clause.place} {quoted(fit.clause.source)}")
            continue
        made = clause_from(fit.clause, fit.line.text, types) if fit.line else ""
        if made:
            lines.append(f"  {maybe}{fit.clause.place} {quoted(made)}")
        else:
            lines.append(f"  # not found: {fit.clause.place} {' '.join(fit.clause.source.split())}")
    decisive = any(clause.place == "line" and not clause.holes for clause in missing)
    for name, value in wording.wording.constants:
        # why: what another word means, nobody but the author can say
        lines.append(f"  {'# ' if decisive else ''}{name.value} is {quoted(value.value)}")
    return "\n".join([*lines, "}"])


def _where(line: Line) -> str:
    return f"{line.part}, line {line.number}"


def _fits(wording: CompiledWording, group: Group, missing: Sequence[CompiledClause]) -> list[_Fit]:
    about = [Searched(group.subject.lines)] if group.subject.lines else []
    fits = [_fit(clause, [group.subject], about, missing=not group.subject.find(clause)) for clause in wording.subject]
    texts = [text.searched for text in group.texts]
    taken = {
        text.lines[hit.line]
        for clause in wording.body
        if clause not in missing
        for text in texts
        for hit in text.find(clause)[:1]
    }
    free = [Searched([line for line in _likely(text) if line not in taken]) for text in texts]
    return [*fits, *(_fit(clause, texts, free, missing=clause in missing) for clause in wording.body)]


def _likely(text: Searched) -> list[Line]:
    """Return the lines to compare with: those with a label first, MAX_LINES at most."""
    labelled = [line for line in text.lines if any(mark in line.text[:80] for mark in ":\uff1a\t")]
    rest = [line for line in text.lines[:MAX_LINES] if line not in labelled[:MAX_LINES]]
    return [*labelled, *rest][:MAX_LINES]


def _fit(clause: CompiledClause, texts: Sequence[Searched], free: Sequence[Searched], *, missing: bool) -> _Fit:
    if not missing:
        for text in texts:
            hits: list[Hit] = text.find(clause)
            if hits:
                return _Fit(clause, text.lines[hits[0].line], True)
        return _Fit(clause, None, True)
    return _Fit(clause, _nearest(clause, free), False)


def _nearest(clause: CompiledClause, texts: Sequence[Searched]) -> Line | None:
    """Return the line most like a clause: labels are compared with labels, sentences with sentences."""
    wanted = _comparable(fold(clause.source), clause.place)
    matcher = difflib.SequenceMatcher(None, autojunk=False)
    matcher.set_seq2(wanted)
    best, score = None, ALIKE
    for text in texts:
        for line, folded in zip(text.lines, text.folded, strict=True):
            matcher.set_seq1(_comparable(folded[:400], clause.place))
            if matcher.real_quick_ratio() > score and matcher.quick_ratio() > score:
                ratio = matcher.ratio()
                if ratio > score:
                    best, score = line, ratio
    return best


def _comparable(folded: str, place: str) -> str:
    bare = folded.strip(" >*_|•·:-")
    return (bare.partition(":")[0] if place == "line" else bare)[:MAX_COMPARED]
