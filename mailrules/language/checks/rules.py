"""Rules: triggers, conditions, actions, templates, and the trust that an action demands.

In: a Session with everything defined, one rule. Out: the rule with its names and actions resolved, problems in the session.
May not live here: syntax, evaluation, the words themselves.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from mailrules.language import ast
from mailrules.language.ast import ActionCall, Expr, Name, Rule, Span, Text
from mailrules.language.checks.session import Session
from mailrules.language.checks.types import check_condition, demanded_trust, type_of_anchor
from mailrules.language.definitions import ActionType, FactType
from mailrules.language.frozen import replace
from mailrules.language.speller import suggestion
from mailrules.world import CHAT, outside

_TEMPLATE_PART = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}", re.DOTALL)
_NOT_NAMES = re.compile(r"'[^']*'|\"[^\"]*\"|\|[ \t]*[A-Za-z_]+")
_TEMPLATE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_TEMPLATE_WORDS = frozenset({"if", "else", "elif", "endif", "and", "or", "not", "true", "false", "none"})
_SINGLE_BRACES = re.compile(r"(?<!\{)\{[ \t]*([A-Za-z_][A-Za-z0-9_.]*)[ \t]*\}(?!\})")
_NO_WORDS = {
    "else": "write a second rule with the opposite condition",
    "elif": "write a second rule with its own condition",
    "then": "delete it: actions stand below the condition",
    "do": "delete it: actions stand below the condition",
    "end": "delete it: a rule ends with }",
    "stop": "delete it: all rules that match act",
}
_ALIKE = {
    "notify": ("send", "email", "mail", "tell", "alert", "remind", "message", "inform", "warn", "escalate", "write"),
    "create task": ("task", "todo", "make", "add", "open", "ticket", "create", "remember", "new"),
    "run": ("exec", "execute", "start", "call", "script", "launch", "invoke"),
    "forward to": ("redirect", "resend", "forward", "pass", "share"),
    "move mail to": ("move", "archive", "file", "put"),
    "flag mail": ("flag", "star"),
    "mark mail": ("mark", "keyword"),
    "label mail": ("label", "tag"),
}
"""Verbs that people bring along, and the actions they mean."""
_ASKED = {"script": "which script", "keyword": "which keyword", "label": "which label", "mailbox": "where"}
_NAMED = {"script": '"renew"', "keyword": '"$Renewal"', "label": '"Renewals"', "mailbox": '"Done"'}
_KEYWORD = re.compile(r"[A-Za-z0-9$][A-Za-z0-9$_.-]*")


def template_names(template: str) -> list[str]:
    """Return every name that a template shows or asks for, once each; texts in quotes and filters are none."""
    parts = [shown or asked for shown, asked in _TEMPLATE_PART.findall(template)]
    names = [name for part in parts for name in _TEMPLATE_NAME.findall(_NOT_NAMES.sub(" ", part))]
    return [name for name in dict.fromkeys(names) if name not in _TEMPLATE_WORDS]


def facts_of(session: Session, trigger: ast.OnTrigger | ast.WhileTrigger) -> dict[str, FactType]:
    """Return the facts that exist for a rule: the vocabulary's, and the fields common to the notices it waits for."""
    key: tuple[str, ...] = ()
    if isinstance(trigger, ast.OnTrigger):
        key = (trigger.system.value if trigger.system else "", *(kind.value for kind in trigger.kinds))
    if key not in session.facts:  # why: thousands of rules wait for the same few kinds
        session.facts[key] = _facts_of(session, trigger)
    return session.facts[key]


def _facts_of(session: Session, trigger: ast.OnTrigger | ast.WhileTrigger) -> dict[str, FactType]:
    facts = dict(session.words.facts)
    kinds = {kind for kind, _ in session.notices} | session.words.events
    for name, values in (("system", set(session.systems)), ("notice", kinds)):
        if name in facts:  # a system or a kind of notice is a word of its fact
            facts[name] = replace(facts[name], values=tuple(sorted(values | session.broken)))
    if isinstance(trigger, ast.WhileTrigger):
        return {n: f for n, f in facts.items() if not f.needs}
    common: dict[str, str] | None = None
    for kind in trigger.kinds:
        if kind.value in session.words.events:  # an event has no fields of its own
            common = {}
        for (name, system), notice in session.notices.items():
            if name != kind.value or (trigger.system and system != trigger.system.value):
                continue
            typed = {f.name.value: f.type.value for f in notice.fields}
            common = typed if common is None else {n: t for n, t in common.items() if typed.get(n) == t}
    for name, kind_of in (common or {}).items():
        facts.setdefault(name, FactType(type=kind_of))
    return facts


def check_rule(session: Session, rule: Rule) -> Rule:
    """Check one rule; return it with its named values replaced and its actions resolved."""
    rule = _without_lets(session, rule)
    facts = facts_of(session, rule.trigger)
    if isinstance(rule.trigger, ast.OnTrigger):
        kinds = {kind for kind, _ in session.notices} | session.words.events
        for kind in rule.trigger.kinds:
            if kind.value not in kinds:
                session.say("E011", kind.span, f"there is no notice `{kind.value}`", suggestion(kind.value, kinds))
        if rule.trigger.system and rule.trigger.system.value not in session.systems:
            session.say(
                "E010",
                rule.trigger.system.span,
                f"there is no system `{rule.trigger.system.value}`",
                suggestion(rule.trigger.system.value, session.systems),
            )
        if rule.rungs or rule.repeats:
            session.say(
                "E023",
                rule.rungs[0].span if rule.rungs else rule.repeats[0].span,
                "a rung counts from a deadline of the ledger, and this rule waits for a notice",
                "begin the rule with `while authorization is expiring`",
            )
    else:
        session.problems.extend(check_condition(rule.trigger.condition, facts, session.words))
    if rule.when is not None:
        session.problems.extend(check_condition(rule.when, facts, session.words))
    if not rule.calls:
        session.say("E008", rule.name.span, "this rule does nothing", 'add an action, such as `create task "…"`')
    if isinstance(rule.owner, Name):
        _person(session, rule.owner)
    demanded = _demanded(session, rule)
    conditioned = rule.when is not None or isinstance(rule.trigger, ast.WhileTrigger)
    for start in (*(r.offset for r in rule.rungs), *(r.start for r in rule.repeats if r.start)):
        _anchor(session, start, facts)

    def ready(call: ActionCall) -> tuple[ActionCall, ...]:
        return _action(session, call, facts, demanded, conditioned=conditioned)

    return replace(
        rule,
        actions=tuple(c for action in rule.actions for c in ready(action)),
        rungs=tuple(replace(r, action=c) for r in rule.rungs for c in ready(r.action)),
        repeats=tuple(replace(r, action=c) for r in rule.repeats for c in ready(r.action)),
    )


def _without_lets(session: Session, rule: Rule) -> Rule:
    lets = session.lets
    if not lets.table:
        return rule
    trigger = rule.trigger
    if isinstance(trigger, ast.WhileTrigger):
        trigger = replace(trigger, condition=lets.expr(trigger.condition))

    def dated(call: ActionCall) -> ActionCall:
        return replace(call, due=lets.offset(call.due)) if call.due else call

    return replace(
        rule,
        trigger=trigger,
        when=lets.expr(rule.when) if rule.when is not None else None,
        actions=tuple(dated(a) for a in rule.actions),
        rungs=tuple(replace(r, offset=lets.offset(r.offset), action=dated(r.action)) for r in rule.rungs),
        repeats=tuple(
            replace(r, start=lets.offset(r.start) if r.start else None, action=dated(r.action)) for r in rule.repeats
        ),
    )


def _demanded(session: Session, rule: Rule) -> str:
    levels = session.words.trust
    conditions: list[Expr] = [rule.when] if rule.when is not None else []
    if isinstance(rule.trigger, ast.WhileTrigger):
        conditions.append(rule.trigger.condition)
    return max((demanded_trust(c, levels) for c in conditions), key=levels.index, default=levels[0])


def _anchor(session: Session, offset: ast.Offset, facts: Mapping[str, FactType]) -> None:
    session.problems += type_of_anchor(offset, facts, session.words)


def _action(
    session: Session, call: ActionCall, facts: Mapping[str, FactType], demanded: str, *, conditioned: bool
) -> tuple[ActionCall, ...]:
    resolved = _resolve(session, call)
    if resolved is None:
        return ()
    word = session.words.actions[resolved.verb]
    span = call.span
    if word.target and resolved.target is None:
        session.say(
            "E021",
            span,
            f"`{resolved.verb}` does not say {_ASKED.get(word.target, 'to whom')}",
            f"write {_example(word, resolved)}",
        )
    if word.takes_text == "required" and resolved.text is None:
        session.say("E021", span, f"`{resolved.verb}` does not say what", f"write {_example(word, resolved)}")
    if word.takes_text == "no" and resolved.text is not None:
        session.say("E021", resolved.text.span, f"`{resolved.verb}` takes no second text", "delete it")
    for option, given in (("due", resolved.due), ("settle", resolved.settle)):
        if given is not None and option not in word.options:
            its = next((v for v, a in session.words.actions.items() if option in a.options), "")
            session.say("E021", given.span, f"`{resolved.verb}` has no `{option}`; only `{its}` has", "delete it")
    if resolved.due:
        _anchor(session, resolved.due, facts)
    if resolved.text:
        for name in template_names(resolved.text.value):
            if name not in facts:
                where = _within(resolved.text, rf"\{{[{{%][^{{}}]*?(?<![\w.])({re.escape(name)})(?![\w.])")
                session.say("E030", where, f"`{name}` is no fact here", suggestion(name, facts))
        for name in _SINGLE_BRACES.findall(resolved.text.value):
            if name in facts:
                session.say(
                    "E030",
                    _within(resolved.text, rf"(?<!\{{)(\{{[ \t]*{re.escape(name)}[ \t]*\}})"),
                    f"`{{{name}}}` in single braces is written out as it stands",
                    f"write {{{{ {name} }}}}",
                )
    members = session.lets.targets(resolved)
    for member in members:
        _target(session, member, word.target)
        _trust(session, member, word.trust, word.target, demanded, conditioned=conditioned)
    return members


def _resolve(session: Session, call: ActionCall) -> ActionCall | None:
    """Find the longest verb that the words begin with; what is left is the target, then the text."""
    words = list(call.words)
    heads = []
    for word in words:
        if isinstance(word, Text):
            break
        heads.append(word.value)
    for size in range(len(heads), 0, -1):
        verb = " ".join(heads[:size])
        if verb in session.words.actions:
            rest = words[size:]
            target: Name | Text | None = None
            if session.words.actions[verb].target and rest:
                target = rest.pop(0)
            text = rest.pop(0) if rest and isinstance(rest[0], Text) else None
            if (
                text is None
                and isinstance(target, Text)
                and "@" not in target.value
                and session.words.actions[verb].takes_text == "required"
            ):
                target, text = None, target  # why: a text that is no address was meant as the text
            if rest:
                _too_much(session, rest[0], verb)
            return replace(call, verb=verb, target=target, text=text)
    if heads[0] in _NO_WORDS:
        session.say("E020", call.words[0].span, f"a rule has no `{heads[0]}`", _NO_WORDS[heads[0]])
        return None
    if heads[0] in session.words.facts and len(words) > 1:
        about = f"`{heads[0]}` is a fact, and a line that begins with it does nothing"
        session.say("E020", call.words[0].span, about, f"to go on with the condition above, write and {heads[0]} …")
        return None
    meant = next((verb for verb, words_ in _ALIKE.items() if heads[0].lower() in words_), "")
    near = suggestion(" ".join(heads[:2]), session.words.actions)
    if meant in session.words.actions and f"`{meant}`" not in near:
        near = f"write {_example(session.words.actions[meant], replace(call, verb=meant))}"
    session.say("E020", call.words[0].span, f"no action begins with `{heads[0]}`", near)
    return None


def _within(text: Text, pattern: str) -> Span:
    """Return the place of what a pattern's group fits in a text; the whole text where its places cannot be counted."""
    found, span = re.search(pattern, text.value), text.span
    if found is None or span.end_line != span.line or span.end_column - span.column != len(text.value) + 2:
        return span
    begin = span.column + 1 + found.start(1)
    return Span(span.file, span.line, begin, span.line, begin + len(found[1]))


def _too_much(session: Session, word: Name | Text, verb: str) -> None:
    begins = {known.split()[0] for known in session.words.actions}
    if isinstance(word, Name) and word.value in begins:
        session.say(
            "E021", word.span, f"`{word.value}` begins a second action in this line", "give it a line of its own"
        )
    elif isinstance(word, Text):
        session.say("E021", word.span, f"`{verb}` takes one text, and this is one more", "delete it")
    else:
        session.say(
            "E021", word.span, f"`{word.value}` is too much after `{verb}`", "delete it; a text stands in quotes"
        )


def _example(word: ActionType, call: ActionCall) -> str:
    """Return how an action is written, with what its author has given already."""
    if word.target in _NAMED:
        return f"{call.verb} {_NAMED[word.target]}"
    if word.takes_text == "no":
        return call.verb
    text = call.text or next((w for w in call.words if isinstance(w, Text)), None)
    shown = f'"{text.value}"' if text else '"{{ developer }} lapses on {{ expires }}"'
    if not word.target:
        return f"{call.verb} {shown}"
    target = (
        call.target.value if isinstance(call.target, Name) else f'"{call.target.value}"' if call.target else "owner"
    )
    return f"{call.verb} {target} {shown}" if word.takes_text == "required" else f"{call.verb} {target}"


def _target(session: Session, call: ActionCall, kind: str) -> None:
    target = call.target
    if target is None or not kind:
        return
    if kind == "script":
        _known(session, target, session.words.scripts, "script", "scripts")
    elif kind in _NAMED:
        _mail_word(session, target, kind)
    elif isinstance(target, Name):
        _person(session, target)
        if call.verb == "forward to" and (session.words.people or {}).get(target.value, "").startswith(CHAT):
            session.say(
                "E022", target.span, f"`{target.value}` is a chat, which takes no forwarded mail",
                f"write notify {target.value}, or name a person of [people]",
            )  # fmt: skip
    elif target.value.count("@") != 1 or any(c.isspace() for c in target.value):
        session.say(
            "E022",
            target.span,
            f"`{target.value}` is no mail address",
            f"write {target.value} without quotes, if it is a name of [people]"
            if target.value.isidentifier()
            else 'write one address, such as "ops@shop.example"',
        )


def _mail_word(session: Session, target: Name | Text, kind: str) -> None:
    """Check the name of a mailbox, a label or a keyword."""
    if isinstance(target, Name):
        session.say("E022", target.span, f"a {kind} stands in quotes", f'write "{target.value}"')
    elif not target.value.strip() or not target.value.isprintable():
        session.say("E022", target.span, f"this is no name of a {kind}", f"write a name, such as {_NAMED[kind]}")
    elif kind == "keyword" and not _KEYWORD.fullmatch(target.value):
        session.say(
            "E022", target.span, f"`{target.value}` is no keyword: a server takes one word of plain letters and digits",
            f"write one such as {_NAMED[kind]}",
        )  # fmt: skip


def _person(session: Session, target: Name) -> None:
    _known(session, target, session.words.people, "person", "people")


def _known(session: Session, target: Name | Text, known: Collection[str] | None, kind: str, table: str) -> None:
    if known is None:
        if (table, target.value) not in session.taken:  # told once for each name
            session.taken.add((table, target.value))
            session.say("N001", target.span, f"`{target.value}` is taken as it is: no configuration lists the {table}")
    elif target.value not in known:
        session.say(
            "E022",
            target.span,
            f"there is no {kind} `{target.value}` under [{table}]",
            suggestion(target.value, [*known, *session.named] if table == "people" else known)
            or f"add it under [{table}] of mailrules.toml",
        )


def _trust(session: Session, call: ActionCall, needed: str, kind: str, demanded: str, *, conditioned: bool) -> None:
    if kind == "person":
        if not (needed and isinstance(call.target, Text) and outside(call.target.value, session.words.people or {})):
            return
    elif session.words.scripts and call.target and session.words.scripts.get(call.target.value):
        needed = "authenticated"  # the script is declared to change nothing
    if needed and session.words.trust.index(demanded) < session.words.trust.index(needed):
        session.say(
            "E040",
            call.span,
            f"even {'an' if demanded[0] in 'aeiou' else 'a'} {demanded} mail could reach this `{call.verb}`, which needs {needed} mail",
            f"add a line to the rule: when trust is {needed}"
            if not conditioned
            else f"add to the rule's condition: and trust is {needed}",
        )
