"""Parsed files and a vocabulary to definitions and problems: names, types, templates, trust.

In: RulesFiles, a Vocabulary as data. Out: Definitions (actions resolved, wordings merged) and every problem at once.
May not live here: syntax, evaluation, the words themselves.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from mailrules.language import ast
from mailrules.language.ast import ActionCall, Expr, Name, Problem, Rule, RulesFile, Span, Text
from mailrules.language.definitions import Definitions, FactType, Vocabulary
from mailrules.language.types import check_condition, demanded_trust, is_time_zone, type_of_anchor

_DATE_FORMAT = re.compile(r"(?=.*YYYY)(?=.*M)(?=.*D)(?:YYYY|MM|DD|M|D|[^A-Za-z0-9])+")
_TEMPLATE_PART = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}", re.DOTALL)
_NOT_NAMES = re.compile(r"'[^']*'|\"[^\"]*\"|\|[ \t]*[A-Za-z_]+")
_TEMPLATE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_TEMPLATE_WORDS = frozenset({"if", "else", "elif", "endif", "and", "or", "not", "true", "false", "none"})
EXPECTED = ("task", "notify", "forward", "run", "authorization", "notice", "nothing else")


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a help line: the near name as an edit, or the list of what exists."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, 1, 0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    return "known here: " + ", ".join(names[:24]) if names else ""


def template_names(template: str) -> list[str]:
    """Return every name that a template shows or asks for, once each; texts in quotes and filters are none."""
    parts = [shown or asked for shown, asked in _TEMPLATE_PART.findall(template)]
    names = [name for part in parts for name in _TEMPLATE_NAME.findall(_NOT_NAMES.sub(" ", part))]
    return [name for name in dict.fromkeys(names) if name not in _TEMPLATE_WORDS]


def check(files: Sequence[RulesFile], vocabulary: Vocabulary) -> tuple[Definitions, tuple[Problem, ...]]:
    """Check all files together. Later files replace what earlier ones define under the same name."""
    checker = _Checker(vocabulary)
    checker.collect(files)
    return checker.finish(), tuple(checker.problems)


class _Checker:
    def __init__(self, vocabulary: Vocabulary) -> None:
        self.words = vocabulary
        self.problems: list[Problem] = []
        self.systems: dict[str, ast.System] = {}
        self.notices: dict[tuple[str, str], ast.NoticeDefinition] = {}
        self.rules: dict[str, Rule] = {}
        self.tests: list[tuple[str, ast.Test]] = []
        self.extra: list[ast.Wording] = []

    def say(self, code: str, span: Span, message: str, help: str = "") -> None:  # noqa: A002 - the word users see
        self.problems.append(Problem(code=code, span=span, message=message, help=help))

    def collect(self, files: Sequence[RulesFile]) -> None:
        for file in files:
            own: set[object] = set()
            for block in file.blocks:
                match block:
                    case ast.System():
                        self._define(self.systems, block.name.value, block, block.name.span, "system", own)
                    case ast.NoticeDefinition():
                        self._define(
                            self.notices, (block.kind.value, block.system.value), block, block.kind.span, "notice", own
                        )
                    case Rule():
                        self._define(self.rules, block.name.value, block, block.name.span, "rule", own)
                    case ast.Wording():
                        self.extra.append(block)
                    case ast.Test():
                        self.tests.append((file.path, block))

    def _define(self, table: dict, key: object, block: object, span: Span, what: str, own: set[object]) -> None:  # type: ignore[type-arg]
        shown = key if isinstance(key, str) else " of ".join(key)  # type: ignore[arg-type]
        former = table.get(key)
        if (what, key) in own and former != block:
            self.say(
                "E015", span, f"the {what} `{shown}` is defined twice in this file", "give the second another name"
            )
            return
        if former is not None and former != block:
            self.say("N002", span, f"this replaces the {what} `{shown}` of {former.span.file}")
        own.add((what, key))
        table[key] = block

    def finish(self) -> Definitions:
        for wording in self.extra:
            key = (wording.kind.value if wording.kind else "", wording.system.value if wording.system else "")
            notice = self.notices.get(key)
            if notice is None:
                names = [f"{kind} of {system}" for kind, system in self.notices]
                self.say(
                    "E011",
                    wording.kind.span if wording.kind else wording.span,
                    f"there is no notice `{' of '.join(key)}` to add a wording to",
                    suggestion(" of ".join(key), names),
                )
                continue
            if wording not in notice.wordings:
                self.notices[key] = replace(notice, wordings=(*notice.wordings, wording))
        for notice in self.notices.values():
            self._notice(notice)
        rules = tuple(self._rule(rule) for rule in self.rules.values())
        for _, test in self.tests:
            self._test(test)
        return Definitions(
            systems=tuple(self.systems.values()),
            notices=tuple(self.notices.values()),
            rules=rules,
            tests=tuple(self.tests),
        )

    # --- notices ---

    def _notice(self, notice: ast.NoticeDefinition) -> None:
        if notice.system.value not in self.systems:
            self.say(
                "E010",
                notice.system.span,
                f"there is no system `{notice.system.value}`",
                suggestion(notice.system.value, self.systems),
            )
        fields = {f.name.value: f for f in notice.fields}
        for field in notice.fields:
            self._reserved(field.name.value, field.name.span)
            self._type(field.type.value, field.type.span)
            if field.type.value == "date" and field.format and not _DATE_FORMAT.fullmatch(field.format.value):
                self.say(
                    "E014",
                    field.format.span,
                    f"`{field.format.value}` is no date format",
                    'made of YYYY, MM, DD, M and D, such as "D.M.YYYY"',
                )
        if not notice.wordings:
            self.say(
                "E007",
                notice.kind.span,
                f"the notice `{notice.kind.value}` has no wording, so nothing can ever be one",
                "add `wording en { … }`",
            )
        for wording in notice.wordings:
            for clause in wording.clauses:
                for hole in clause.pattern.pieces:
                    if isinstance(hole, str):
                        continue
                    if hole.type:
                        self._reserved(hole.name, clause.pattern.span)
                        self._type(hole.type, clause.pattern.span)
                    elif hole.name not in fields:
                        self.say(
                            "E007",
                            clause.pattern.span,
                            f"`{hole.name}` is no field of `{notice.kind.value}`",
                            suggestion(hole.name, fields) + "; or give its type here: {" + hole.name + ": text}",
                        )

    def _reserved(self, name: str, span: Span) -> None:
        # why: in `trust is bound` the word must stay a word; a field `bound` would let the mail say what it means
        words = {*self.words.trust, *self.words.states, *self.systems, "yes", "no", "nothing"}
        if name in words.union(*(fact.values for fact in self.words.facts.values())):
            self.say(
                "E016",
                span,
                f"`{name}` is a word that conditions compare with, so no field may be called so",
                f"call it `{name}_text`",
            )

    def _type(self, name: str, span: Span) -> None:
        if name not in self.words.field_types:
            self.say("E014", span, f"there is no type `{name}`", suggestion(name, self.words.field_types))

    # --- rules ---

    def _facts(self, rule: Rule) -> dict[str, FactType]:
        """Return the facts that exist for a rule: the vocabulary's, and the fields common to the notices it waits for."""
        trigger = rule.trigger
        if isinstance(trigger, ast.WhileTrigger):
            return {n: f for n, f in self.words.facts.items() if not f.needs}
        facts = dict(self.words.facts)
        common: dict[str, str] | None = None
        for kind in trigger.kinds:
            for (name, system), notice in self.notices.items():
                if name != kind.value or (trigger.system and system != trigger.system.value):
                    continue
                typed = {f.name.value: f.type.value for f in notice.fields}
                common = typed if common is None else {n: t for n, t in common.items() if typed.get(n) == t}
        for name, kind_of in (common or {}).items():
            facts.setdefault(name, FactType(type=kind_of))
        return facts

    def _rule(self, rule: Rule) -> Rule:
        facts = self._facts(rule)
        if isinstance(rule.trigger, ast.OnTrigger):
            kinds = {kind for kind, _ in self.notices} | self.words.events
            for kind in rule.trigger.kinds:
                if kind.value not in kinds:
                    self.say("E011", kind.span, f"there is no notice `{kind.value}`", suggestion(kind.value, kinds))
            if rule.trigger.system and rule.trigger.system.value not in self.systems:
                self.say(
                    "E010",
                    rule.trigger.system.span,
                    f"there is no system `{rule.trigger.system.value}`",
                    suggestion(rule.trigger.system.value, self.systems),
                )
            if rule.rungs:
                self.say(
                    "E023",
                    rule.rungs[0].span,
                    "a rung counts from a deadline of the ledger, and this rule waits for a notice",
                    "begin the rule with `while authorization is expiring`",
                )
        else:
            self.problems.extend(check_condition(rule.trigger.condition, facts, self.words))
        if rule.when is not None:
            self.problems.extend(check_condition(rule.when, facts, self.words))
        if not rule.actions and not rule.rungs:
            self.say("E008", rule.name.span, "this rule does nothing", 'add an action, such as `create task "…"`')
        demanded = self._demanded(rule)
        for rung in rule.rungs:
            self._anchor(rung.offset, facts)
        return replace(
            rule,
            actions=tuple(self._action(a, facts, demanded) for a in rule.actions),
            rungs=tuple(replace(r, action=self._action(r.action, facts, demanded)) for r in rule.rungs),
        )

    def _demanded(self, rule: Rule) -> str:
        levels = self.words.trust
        conditions: list[Expr] = [rule.when] if rule.when is not None else []
        if isinstance(rule.trigger, ast.WhileTrigger):
            conditions.append(rule.trigger.condition)
        return max((demanded_trust(c, levels) for c in conditions), key=levels.index, default=levels[0])

    def _anchor(self, offset: ast.Offset, facts: Mapping[str, FactType]) -> None:
        problem = type_of_anchor(offset, facts)
        if problem:
            self.problems.append(problem)

    def _action(self, call: ActionCall, facts: Mapping[str, FactType], demanded: str) -> ActionCall:
        resolved = self._resolve(call)
        if resolved is None:
            return replace(call, verb="notify", target=Name(value=""), text=Text(value=""))
        word = self.words.actions[resolved.verb]
        span = call.span
        if word.target and resolved.target is None:
            self.say(
                "E021",
                span,
                f"`{resolved.verb}` needs a {word.target}",
                f"name the {word.target} after `{resolved.verb}`",
            )
        if word.takes_text == "required" and resolved.text is None:
            self.say("E021", span, f"`{resolved.verb}` needs a text in quotes", "add the text at the end")
        if word.takes_text == "no" and resolved.text is not None:
            self.say("E021", resolved.text.span, f"`{resolved.verb}` takes no text", "delete it")
        for option, given in (("due", resolved.due), ("settle", resolved.settle)):
            if given is not None and option not in word.options:
                self.say("E021", given.span, f"`{resolved.verb}` has no `{option}`", "delete it")
        if resolved.due:
            self._anchor(resolved.due, facts)
        if resolved.text:
            for name in template_names(resolved.text.value):
                if name not in facts:
                    self.say("E030", resolved.text.span, f"`{name}` is no fact here", suggestion(name, facts))
        self._target(resolved, word.target)
        self._trust(resolved, word.trust, word.target, demanded)
        return resolved

    def _resolve(self, call: ActionCall) -> ActionCall | None:
        """Find the longest verb that the words begin with; what is left is the target, then the text."""
        words = list(call.words)
        heads = []
        for word in words:
            if isinstance(word, Text):
                break
            heads.append(word.value)
        for size in range(len(heads), 0, -1):
            verb = " ".join(heads[:size])
            if verb in self.words.actions:
                rest = words[size:]
                target: Name | Text | None = None
                if self.words.actions[verb].target and rest:
                    target = rest.pop(0)
                text = rest.pop(0) if rest and isinstance(rest[0], Text) else None
                if rest:
                    self.say("E021", rest[0].span, f"`{rest[0].value}` is too much after `{verb}`", "delete it")
                return replace(call, verb=verb, target=target, text=text)  # type: ignore[arg-type]
        first = " ".join(heads[:2]) or heads[0]
        self.say("E020", call.words[0].span, f"there is no action `{first}`", suggestion(first, self.words.actions))
        return None

    def _target(self, call: ActionCall, kind: str) -> None:
        target = call.target
        known: Collection[str] | None = self.words.people if kind == "person" else self.words.scripts
        if target is None or not kind:
            return
        if kind == "person" and isinstance(target, Text):
            if target.value.count("@") != 1 or any(c.isspace() for c in target.value):
                self.say(
                    "E022",
                    target.span,
                    f"`{target.value}` is no mail address",
                    "write one address, or a name of [people] without quotes",
                )
            return
        if known is None:
            self.say("N001", target.span, f"`{target.value}` is taken as it is: no configuration lists the {kind}s")
        elif target.value not in known:
            table = "people" if kind == "person" else "scripts"
            self.say(
                "E022",
                target.span,
                f"there is no {kind} `{target.value}` under [{table}]",
                suggestion(target.value, known) or f"add it under [{table}] of mailrules.toml",
            )

    def _trust(self, call: ActionCall, needed: str, kind: str, demanded: str) -> None:
        if kind == "person":
            people = self.words.people or {}
            if not (needed and isinstance(call.target, Text) and call.target.value not in people.values()):
                return
        elif self.words.scripts and call.target and self.words.scripts.get(call.target.value):
            needed = "authenticated"  # the script is declared to change nothing
        if needed and self.words.trust.index(demanded) < self.words.trust.index(needed):
            self.say(
                "E040",
                call.span,
                f"`{call.verb}` could be reached by mail whose trust is only {demanded}",
                f"add to the rule's condition: `and trust is {needed}`",
            )

    # --- tests ---

    def _test(self, test: ast.Test) -> None:
        zone = test.timezone
        if zone and not is_time_zone(zone.value):
            self.say("E022", zone.span, f"`{zone.value}` is no time zone", "write it like Asia/Tokyo")
        for poll in test.polls:
            if poll.every and not poll.every.amount:
                self.say("E009", poll.every.span, "a poll every 0 is no interval", "write `every 1 hour`")
        for step in test.mails:
            if step.trust and step.trust.value not in self.words.trust:
                self.say(
                    "E012",
                    step.trust.span,
                    f"`{step.trust.value}` is no level of trust",
                    suggestion(step.trust.value, self.words.trust),
                )
        kinds = {kind for kind, _ in self.notices}
        for expected in test.expectations:
            if expected.what not in EXPECTED:
                self.say(
                    "E031",
                    expected.span,
                    f"a test cannot expect `{expected.what}`",
                    suggestion(expected.what, EXPECTED),
                )
            elif expected.what == "notice" and (expected.state is None or expected.state.value not in kinds):
                name = expected.state.value if expected.state else ""
                self.say("E011", expected.span, f"there is no notice `{name}`", suggestion(name, kinds))
            elif expected.what == "authorization" and (
                expected.state is None or expected.state.value not in self.words.states
            ):
                self.say(
                    "E031",
                    expected.span,
                    "expect a state of an authorization",
                    'such as `expect authorization "446453545547" is expiring`; states: '
                    + ", ".join(self.words.states),
                )
