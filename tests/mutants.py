"""Small mistakes made in rules and wordings on purpose: each is a mutant that a good test of its file must notice.

What only people read (description, owner, runbook, because) is left alone. A mutant that does not check counts as noticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mailrules.language import ast
from mailrules.language.ast import ActionCall, Block, Expr, Offset, Rule, Text, Wording
from mailrules.language.check import check
from mailrules.language.frozen import replace
from mailrules.language.syntax.parse import parse
from mailrules.notices.patterns import compile_wordings
from mailrules.ruleset import RuleSet, vocabulary
from mailrules.ruletests import run_tests
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.spine.live import mail_of_test

ROOT = Path(__file__).parent.parent
WORDINGS = ROOT / "tests" / "fixtures" / "wordings"
FLIPPED = {"is": "is not", "is not": "is", "<": ">=", ">=": "<", "<=": ">", ">": "<="}
NUDGED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}


@dataclass(frozen=True)
class Mutant:
    line: int
    what: str
    block: Block

    def __str__(self) -> str:
        return f"{self.block.span.file}:{self.line}  {self.what}"


# --- expressions ----------------------------------------------------------------------------------------------------


def of_expr(expr: Expr) -> Iterator[tuple[str, Expr | None]]:
    """Yield (what was done, the mutated expression); None = the condition is dropped."""
    match expr:
        case ast.Junction(operator=word, conditions=conditions):
            yield "and <-> or", replace(expr, operator="or" if word == "and" else "and")
            for at, condition in enumerate(conditions):
                rest = conditions[:at] + conditions[at + 1 :]
                yield f"drop condition {at + 1}", rest[0] if len(rest) == 1 else replace(expr, conditions=rest)
                for what, mutated in of_expr(condition):
                    if mutated is not None:
                        yield what, replace(expr, conditions=(*conditions[:at], mutated, *conditions[at + 1 :]))
        case ast.Not(condition=condition):
            yield "drop not", condition
            for what, mutated in of_expr(condition):
                if mutated is not None:
                    yield what, replace(expr, condition=mutated)
        case ast.Comparison(comparator=comparator):
            if comparator in FLIPPED:
                yield f"{comparator} -> {FLIPPED[comparator]}", replace(expr, comparator=FLIPPED[comparator])
            else:
                yield f"not {comparator}", ast.Not(condition=expr)
            if comparator in NUDGED:
                yield f"{comparator} -> {NUDGED[comparator]}", replace(expr, comparator=NUDGED[comparator])
            for at, right in enumerate(expr.right):
                for value in of_value(right):
                    yield f"change {right!r:.40}", replace(expr, right=(*expr.right[:at], value, *expr.right[at + 1 :]))
            if len(expr.right) > 1:
                yield "drop a value", replace(expr, right=expr.right[1:])
        case ast.Name():
            yield "not", ast.Not(condition=expr)
        case _:
            pass


def of_value(expr: Expr) -> Iterator[Expr]:
    match expr:
        case ast.Number(value=value):
            yield replace(expr, value=value + 1)
        case ast.DurationLiteral(amount=amount):
            yield replace(expr, amount=amount + 1)
        case ast.DateLiteral(value=value):
            yield replace(expr, value=value[:-2] + ("11" if value.endswith("10") else "10"))
        case Text(value=value):
            yield replace(expr, value=value + "x")
        case _:
            pass


# --- rules ----------------------------------------------------------------------------------------------------------


def of_offset(offset: Offset) -> Iterator[tuple[str, Offset]]:
    if offset.named:
        yield "a number of days in place of a name", replace(offset, named=None, days=offset.days * 15)
        return
    yield "a day later", replace(offset, days=offset.days + 1)
    if offset.days:
        yield "before <-> after", replace(offset, days=-offset.days)


def of_call(call: ActionCall) -> Iterator[tuple[str, ActionCall]]:
    for at, word in enumerate(call.words):
        if isinstance(word, Text):
            yield (
                "change a text",
                replace(call, words=(*call.words[:at], replace(word, value="x" + word.value), *call.words[at + 1 :])),
            )
    if call.due:
        yield "drop due", replace(call, due=None)
        for what, due in of_offset(call.due):
            yield f"due: {what}", replace(call, due=due)
    if call.settle:
        yield "settle a unit later", replace(call, settle=replace(call.settle, amount=call.settle.amount + 1))
        yield "drop settle", replace(call, settle=None)


def of_rule(rule: Rule) -> Iterator[tuple[int, str, Rule]]:
    trigger = rule.trigger
    if isinstance(trigger, ast.OnTrigger):
        for at, kind in enumerate(trigger.kinds):
            rest = trigger.kinds[:at] + trigger.kinds[at + 1 :]
            if rest:
                yield kind.span.line, f"drop on {kind.value}", replace(rule, trigger=replace(trigger, kinds=rest))
        if trigger.system:
            yield (
                trigger.span.line,
                f"drop of {trigger.system.value}",
                replace(rule, trigger=replace(trigger, system=None)),
            )
    else:
        always = ast.Comparison(
            left=ast.Name(value="account"), comparator="is not", right=(ast.Keyword(value="nothing"),)
        )
        yield trigger.span.line, "drop while", replace(rule, trigger=replace(trigger, condition=always))
        for what, condition in of_expr(trigger.condition):
            yield (
                trigger.span.line,
                f"while: {what}",
                replace(rule, trigger=replace(trigger, condition=condition or always)),
            )
    if rule.when is not None:
        yield rule.when.span.line, "drop when", replace(rule, when=None)
        for what, condition in of_expr(rule.when):
            yield rule.when.span.line, f"when: {what}", replace(rule, when=condition)
    for at, action in enumerate(rule.actions):
        rest = rule.actions[:at] + rule.actions[at + 1 :]
        yield action.span.line, "drop action", replace(rule, actions=rest)
        for what, call in of_call(action):
            yield action.span.line, what, replace(rule, actions=(*rule.actions[:at], call, *rule.actions[at + 1 :]))
    for at, rung in enumerate(rule.rungs):
        rest, line = rule.rungs[:at] + rule.rungs[at + 1 :], rung.span.line
        yield line, "drop rung", replace(rule, rungs=rest)
        changed = [(what, replace(rung, offset=offset)) for what, offset in of_offset(rung.offset)]
        changed += [(what, replace(rung, action=call)) for what, call in of_call(rung.action)]
        for what, other in changed:
            yield line, what, replace(rule, rungs=(*rule.rungs[:at], other, *rule.rungs[at + 1 :]))
    for at, repeat in enumerate(rule.repeats):
        rest, line = rule.repeats[:at] + rule.repeats[at + 1 :], repeat.span.line
        yield line, "drop repeat", replace(rule, repeats=rest)
        longer = replace(repeat.interval, amount=repeat.interval.amount + 1)
        many = [
            ("a longer interval", replace(repeat, interval=longer)),
            ("doubling", replace(repeat, doubling=not repeat.doubling)),
        ]
        many += (
            [(what, replace(repeat, start=offset)) for what, offset in of_offset(repeat.start)] if repeat.start else []
        )
        many += [("drop from", replace(repeat, start=None))] if repeat.start else []
        many += (
            [("once less", replace(repeat, times=repeat.times - 1)), ("drop at most", replace(repeat, times=None))]
            if repeat.times
            else []
        )
        many += [(what, replace(repeat, action=call)) for what, call in of_call(repeat.action)]
        for what, other in many:
            yield line, what, replace(rule, repeats=(*rule.repeats[:at], other, *rule.repeats[at + 1 :]))


# --- wordings -------------------------------------------------------------------------------------------------------


def _said(clause: ast.Clause) -> str:
    """Return a clause's words; what another clause says already can be dropped, and the same mails are read."""
    return clause.pattern.source.value if clause.place != "subject" else f"subject {clause.pattern.source.value}"


def of_wording(wording: Wording) -> Iterator[tuple[int, str, Wording]]:
    for at, clause in enumerate(wording.clauses):
        rest, line = wording.clauses[:at] + wording.clauses[at + 1 :], clause.span.line
        if rest and not any(_said(clause) in _said(other) for other in rest if not other.optional):
            yield line, f"drop {clause.place}", replace(wording, clauses=rest)
        for number, pattern in enumerate(clause.patterns):
            ways = list(clause.patterns)
            for place, piece in enumerate(pattern.pieces):
                if isinstance(piece, str) and any(c.isalnum() for c in piece):
                    word = next(w for w in piece.split() if any(c.isalnum() for c in w))
                    other = (*pattern.pieces[:place], piece.replace(word, f"{word}qx", 1), *pattern.pieces[place + 1 :])
                    ways[number] = replace(pattern, pieces=other)
                    mutated = replace(clause, pattern=ways[0], others=tuple(ways[1:]))
                    yield (
                        line,
                        f"change the words of {clause.place}",
                        replace(wording, clauses=(*wording.clauses[:at], mutated, *wording.clauses[at + 1 :])),
                    )
                    break
        if clause.optional:
            must = replace(clause, optional=False)
            yield (
                line,
                f"drop maybe of {clause.place}",
                replace(wording, clauses=(*wording.clauses[:at], must, *wording.clauses[at + 1 :])),
            )
    for at, (name, text) in enumerate(wording.constants):
        rest = wording.constants[:at] + wording.constants[at + 1 :]
        yield name.span.line, f"drop {name.value} is", replace(wording, constants=rest)
        yield (
            name.span.line,
            f"change {name.value}",
            replace(wording, constants=(*rest, (name, replace(text, value=f"{text.value}x")))),
        )


def of_block(block: Block) -> Iterator[Mutant]:
    match block:
        case Rule():
            yield from (Mutant(line, f"rule `{block.name.value}`: {what}", made) for line, what, made in of_rule(block))
        case Wording():
            yield from (
                Mutant(line, f"wording {block.language.value}: {what}", made) for line, what, made in of_wording(block)
            )
        case ast.NoticeDefinition(wordings=wordings):
            for at, wording in enumerate(wordings):
                for line, what, made in of_wording(wording):
                    changed = replace(block, wordings=(*wordings[:at], made, *wordings[at + 1 :]))
                    yield Mutant(line, f"wording {wording.language.value} of {block.kind.value}: {what}", changed)
        case ast.Let(values=values):
            for at, value in enumerate(values):
                for other in of_value(value):
                    yield Mutant(
                        block.span.line,
                        f"let {block.name.value}: change a value",
                        replace(block, values=(*values[:at], other, *values[at + 1 :])),
                    )
        case _:
            pass


# --- running them ---------------------------------------------------------------------------------------------------


def survivors(path: str) -> tuple[list[Mutant], int]:
    """Return the mutants of one shipped file that no test of it notices, and how many mutants there were.

    The mails of tests/fixtures/wordings/ count as tests of the notices of the same name: they need not be shipped.
    """
    texts = dict(shipped_rules())
    texts[path] = (ROOT / path).read_text(encoding="utf-8")
    more = WORDINGS / Path(path).name
    if path.startswith("rules/notices/") and more.is_file():
        texts[more.name] = more.read_text(encoding="utf-8")
    files = [parse(text, name, grammar_text())[0] for name, text in texts.items()]
    own = next(file for file in files if file.path == path)
    whole, tested = checked(files), {path, more.name}
    left, count = [], 0
    for at, block in enumerate(own.blocks):
        for mutant in of_block(block):
            count += 1
            if isinstance(mutant.block, ast.NoticeDefinition):  # why: to check 500 times what is the same takes minutes
                found = failing(with_notice(whole, mutant.block), tested, mutant.block.kind.value)
            else:
                changed = replace(own, blocks=(*own.blocks[:at], mutant.block, *own.blocks[at + 1 :]))
                rules = checked([changed if file is own else file for file in files])
                found = bool(rules.errors) or failing(rules, tested)
            if not found:
                left.append(mutant)
    return left, count


def checked(files: list[ast.RulesFile]) -> RuleSet:
    definitions, problems = check(files, vocabulary())
    return RuleSet(definitions=definitions, problems=problems, sources={})


def with_notice(rules: RuleSet, notice: ast.NoticeDefinition) -> RuleSet:
    """Return the rule set with one notice in place of its former self."""
    same = [w.definition.kind == notice.kind and w.definition.system == notice.system for w in rules.wordings]
    at = same.index(True)
    wordings = (*rules.wordings[:at], *compile_wordings((notice,)), *rules.wordings[at + sum(same) :])
    notices = tuple(
        notice if n.kind == notice.kind and n.system == notice.system else n for n in rules.definitions.notices
    )
    made = replace(rules, definitions=replace(rules.definitions, notices=notices))
    vars(made)["wordings"] = wordings
    return made


def failing(rules: RuleSet, tested: set[str], about: str = "") -> bool:
    """Return whether a test of the files named fails; those that speak of `about` are tried first."""
    mine = [(name, test) for name, test in rules.definitions.tests if name in tested]
    mine.sort(key=lambda pair: all(e.state is None or e.state.value != about for e in pair[1].expectations))
    return any(
        result.failures
        for test in mine
        for result in run_tests(
            replace(rules, definitions=replace(rules.definitions, tests=(test,))), mail_of_test(ROOT)
        )
    )
