"""Sandboxed Jinja2: a template of a rule file and facts to text.

In: template text from rule files or the configuration, typed facts. Out: text, or the sentence why not.
May not live here: loading from disk, values from mail as template source (mail is only ever a value).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_OUTPUT = 10_000
_ALLOWED = frozenset({
    "Template", "Output", "TemplateData", "Name", "Getattr", "Filter", "Const", "If", "CondExpr", "Compare", "Operand",
    "And", "Or", "Not",
})  # fmt: skip
_FILTERS = ("default", "lower", "upper", "title", "trim", "truncate", "replace")


class TemplateProblem(ValueError):
    """A template that cannot be used, or a value that is not there; the text is a sentence."""


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    # why here: a poll that finds nothing never pays for importing jinja2
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    environment.globals.clear()
    return environment


@lru_cache(maxsize=1024)
def _compiled(template: str) -> tuple[Template, frozenset[str]]:
    """Return a template and the names in it, without what stands behind their dots."""
    # why: a poll, and all the more a replay, renders one template again and again
    from jinja2 import nodes

    environment = _environment()
    tree = environment.parse(template)
    names = frozenset(node.name for node in tree.find_all(nodes.Name))
    return environment.template_class.from_code(environment, environment.compile(tree), {}), names


def _trouble() -> type[TemplateError]:
    """Return what jinja2 raises; nobody asks before it did."""
    from jinja2 import TemplateError

    return TemplateError


def problem(template: str) -> str:
    """Return the sentence why a template cannot be used, or "". Loops, arithmetic and calls are refused."""
    from jinja2 import TemplateError, nodes

    try:
        found = list(_environment().parse(template).find_all(nodes.Node))
    except TemplateError as error:
        return f"the template cannot be read: {error.message}"
    except RecursionError:
        return "the template cannot be read: it is nested too deep"
    for node in found:
        if type(node).__name__ not in _ALLOWED:
            return f"a template may not contain `{type(node).__name__.lower()}`; write {{{{ name }}}} or {{% if %}}"
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            return f"there is no filter `{node.name}`; there are {', '.join(_FILTERS)}"
    return ""


def shown(value: object) -> object:
    """Return a fact as a template shows it: dates as YYYY-MM-DD, instants with their time, whole days as a number, nothing as `unknown`."""
    match value:
        case None:
            return "unknown"
        case timedelta():
            return value.days
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M")
        case date():
            return value.isoformat()
        case bool():
            return "yes" if value else "no"
        case _:
            return value


def render(template: str, facts: Mapping[str, object]) -> str:
    """Render one template. Dotted facts (`sender.address`) are reached by their dots.

    Raises TemplateProblem where a name is missing or the text grows over MAX_OUTPUT characters.
    """
    if "{{" not in template and "{%" not in template:
        return template
    try:
        compiled, wanted = _compiled(template)
        names: dict[str, object] = {}
        for name in wanted:
            if name in facts:
                names[name] = shown(facts[name])
            elif dotted := {n.partition(".")[2]: shown(v) for n, v in facts.items() if n.startswith(f"{name}.")}:
                names[name] = dotted
        text = compiled.render(names)
    except _trouble() as error:
        raise TemplateProblem(f"the template `{template[:60]}` cannot be filled: {error.message}") from error
    if len(text) > MAX_OUTPUT:
        raise TemplateProblem(f"the template `{template[:60]}` grows over {MAX_OUTPUT} characters")
    return text
