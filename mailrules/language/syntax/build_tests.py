"""The trees of tests and samples to their nodes.

In: a tree as the parser made it: its tokens are texts with a place, its branches have `data` and `children`.
Out: nodes of story.py and problems. May not live here: lark; recursion is bounded by the nesting cap of blocks.py.
"""

from __future__ import annotations

from typing import Any

from mailrules.language import story
from mailrules.language.ast import Name, Text
from mailrules.language.syntax.build_values import ValueBuilder, kind_of


class TestBuilder(ValueBuilder):
    """Builds `test` and `sample` blocks."""

    def _sample(self, tree: Any) -> story.Sample:
        name, text = tree.children
        return story.Sample(name=self.name(name), text=self.text(text), span=self.span(tree))

    def _test(self, tree: Any) -> story.Test:
        name, *clauses = tree.children
        mails, people, polls = list[story.MailStep](), list[story.PersonStep](), list[story.PollStep]()
        expectations, timezone, account, table = list[story.Expectation](), None, None, None
        for clause in clauses:
            parts: Any = clause.children
            match clause.data:
                case "timezone":
                    timezone = self.text(parts[0])
                case "test_account":
                    account = self.text(parts[0])
                case "table":
                    table = self._table(clause)
                case "mail":
                    mails.append(self._mail(clause))
                case "renewed" | "done" | "add":
                    people.append(self._person(clause))
                case "poll_every":
                    polls.append(
                        story.PollStep(
                            every=self.duration(parts[0]), until=self._moment(parts[1]), span=self.span(clause)
                        )
                    )
                case "poll_at":
                    polls.append(story.PollStep(at=self._moment(parts[0]), span=self.span(clause)))
                case _:
                    expectations.append(self._expect(clause))
        return story.Test(
            name=self.text(name), mails=tuple(mails), people=tuple(people), polls=tuple(polls),
            expectations=tuple(expectations), timezone=timezone, account=account, table=table, span=self.span(tree),
        )  # fmt: skip

    def _moment(self, tree: Any) -> story.Moment:
        first = tree.children[0]
        if kind_of(first) == "NAME":
            return story.Moment(column=self.name(first), span=self.span(tree))
        return story.Moment(value=self.instant(tree), span=self.span(tree))

    def _day(self, token: Any) -> story.Moment:
        if kind_of(token) == "NAME":
            return story.Moment(column=self.name(token), span=self.span(token))
        return story.Moment(value=f"{self.day(token)}T00:00", span=self.span(token))

    def _table(self, tree: Any) -> story.Table:
        columns = tuple(self.name(t) for t in tree.children if isinstance(t, str))
        rows = []
        for row in tree.children[len(columns) :]:
            cells = tuple(self._cell(cell) for cell in row.children)
            if len(cells) != len(columns):
                self.say(
                    "E032",
                    self.span(row),
                    f"this row has {len(cells)} value{'s' * (len(cells) != 1)}, and the table has {len(columns)} columns",
                    "give each column one value, with a comma between them",
                )
                continue
            rows.append(cells)
        return story.Table(columns=columns, rows=tuple(rows), span=self.span(tree))

    def _cell(self, tree: Any) -> Text:
        first = tree.children[0]
        match kind_of(first):
            case "STRING":
                return self.text(first)
            case "DATE":
                value = self.instant(tree) if len(tree.children) > 1 else self.day(first)
                return Text(value=value, span=self.span(tree))
            case _:
                return Text(value=str(first), span=self.span(tree))

    def _mail(self, tree: Any) -> story.MailStep:
        content, *parts = tree.children
        trust, settings = None, list[tuple[Name, Text | Name]]()
        for part in parts[:-1]:
            if isinstance(part, str):
                trust = self.name(part)
            else:
                settings = [self._setting(setting) for setting in part.children]
        kind = kind_of(content)
        return story.MailStep(
            at=self._moment(parts[-1]), path=self.text(content) if kind == "STRING" else None,
            inline=self.text(content) if kind == "LONG_STRING" else None,
            sample=self.name(content) if kind == "NAME" else None,
            settings=tuple(settings), trust=trust, span=self.span(tree),
        )  # fmt: skip

    def _setting(self, tree: Any) -> tuple[Name, Text | Name]:
        name, value = tree.children
        match kind_of(value):
            case "STRING":
                return self.name(name), self.text(value)
            case "NAME":
                return self.name(name), self.name(value)
            case "DATE":
                return self.name(name), Text(value=self.day(value), span=self.span(value))
            case _:
                return self.name(name), Text(value=str(value), span=self.span(value))

    def _person(self, tree: Any) -> story.PersonStep:
        name, *parts = tree.children
        day, system, number = None, None, None
        for part in parts[:-1]:
            if not isinstance(part, str):
                number = self.text(part.children[0])
            elif kind_of(part) == "NAME" and tree.data == "add" and system is None:
                system = self.name(part)
            else:
                day = self._day(part)
        return story.PersonStep(
            what=str(tree.data), name=self.text(name), at=self._moment(parts[-1]), day=day, system=system,
            developer_id=number, span=self.span(tree),
        )  # fmt: skip

    def _expect(self, tree: Any) -> story.Expectation:
        if tree.data == "expect_nothing_else":
            return story.Expectation(what="nothing else", span=self.span(tree))
        words = [p for p in tree.children if isinstance(p, str)]
        names = [self.name(t) for t in words[1:] if kind_of(t) == "NAME" and str(t) != "to"]
        texts = [self.text(t) for t in words if kind_of(t) == "STRING"]
        what, count, on, due, state = str(words[0]), None, None, None, None
        for part in tree.children:
            if not isinstance(part, str):
                match part.data:
                    case "once" | "never":
                        count = 1 if part.data == "once" else 0
                    case "times":
                        count = int(str(part.children[0]))
                    case "due_on":
                        due = self._day(part.children[0])
                    case "on_date":
                        on = self._day(part.children[0])
                    case _:
                        state = self.name(part.children[0])
        target: Name | Text | None = names[0] if names and what != "notice" else None
        if target is None and len(texts) > 1:  # why: `expect notify "a@b.example" "T"` names an address, then the text
            target = texts.pop(0)
        return story.Expectation(
            what=what, text=texts[0] if texts else None, target=target, count=count, on=on, due=due,
            state=(names[0] if names else None) if what == "notice" else state, span=self.span(tree),
        )  # fmt: skip
