"""Tests with a table, samples and settings to plain tests: one for each row, every hole filled.

In: a Test and the samples of the rule set. Out: (label of the row, Test with inline mails and plain times), or sentences.
May not live here: files, running a test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mailrules.language.ast import Name, Text
from mailrules.language.frozen import replace
from mailrules.language.story import MailStep, Moment, Sample, Test

_HOLE = re.compile(r"\{\{[ \t]*([A-Za-z][A-Za-z0-9_]*)[ \t]*\}\}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2})?")


class BadRow(ValueError):
    """A row that no test can be made of; the text is a sentence."""


def rows_of(test: Test, samples: Mapping[str, Sample]) -> Iterator[tuple[str, Test]]:
    """Yield one plain test for each row of the table, or the test itself. Raises BadRow."""
    if test.table is None:
        yield "", _filled(test, {}, samples)
        return
    columns = [column.value for column in test.table.columns]
    for row in test.table.rows:
        cells = {name: cell.value for name, cell in zip(columns, row, strict=True)}
        yield ", ".join(cells.values()), _filled(test, cells, samples)


def _filled(test: Test, cells: Mapping[str, str], samples: Mapping[str, Sample]) -> Test:
    def at(moment: Moment) -> Moment:
        if moment.column is None:
            return moment
        value = cells.get(moment.column.value, "")
        if not _MOMENT.fullmatch(value):
            raise BadRow(f"the column `{moment.column.value}` has no day here: `{value}`")
        return replace(moment, value=value if "T" in value else f"{value}T00:00", column=None)

    def text(value: Text | None) -> Text | None:
        return replace(value, value=_fill(value.value, cells)) if value else None

    return replace(
        test,
        mails=tuple(_mail(replace(step, at=at(step.at)), cells, samples) for step in test.mails),
        people=tuple(
            replace(p, at=at(p.at), day=at(p.day) if p.day else None, name=text(p.name) or p.name) for p in test.people
        ),
        polls=tuple(
            replace(p, at=at(p.at) if p.at else None, until=at(p.until) if p.until else None) for p in test.polls
        ),
        expectations=tuple(
            replace(e, text=text(e.text), on=at(e.on) if e.on else None, due=at(e.due) if e.due else None) for e in test.expectations
        ),
        account=text(test.account),
        table=None,
    )  # fmt: skip


def _mail(step: MailStep, cells: Mapping[str, str], samples: Mapping[str, Sample]) -> MailStep:
    if step.path:
        return replace(step, path=replace(step.path, value=_fill(step.path.value, cells)))
    values = dict(cells)
    for name, value in step.settings:
        values[name.value] = cells.get(value.value, "") if isinstance(value, Name) else _fill(value.value, cells)
    source = samples[step.sample.value].text if step.sample else step.inline
    if source is None:
        return step
    if step.sample or step.settings or cells:
        unfilled = next((hole for hole in _HOLE.findall(source.value) if hole not in values), None)
        if unfilled:
            raise BadRow(f'nothing fills the hole {{{{ {unfilled} }}}} of this mail: write `with {unfilled} "…"`')
    return replace(step, inline=replace(source, value=_fill(source.value, values)), sample=None, settings=())


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _HOLE.sub(lambda hole: values.get(hole[1], hole[0]), text)
