"""The pages of the warnings: title, text, a wrong and a right example each.

In: nothing. Out: WARNINGS, for pages.py. May not live here: finding problems.
"""

from __future__ import annotations


def _rule(*lines: str) -> str:
    return "\n".join(['rule "r" {', *(f"  {line}" for line in lines), "}"])


_ON = "on authorization_expiring of amazon"
_WHILE = "while authorization is expiring"
_TASK = 'create task "Renew {{ developer }} by {{ expires }}"'
_TOLD = 'notify owner "{{ developer }} lapses on {{ expires }}"'
_TESTED = '\ntest "t" {\n  mail "notice.eml" at 2024-03-11 09:00\n  expect task once\n  expect notify once\n}'
_SYSTEM = 'system hub "Example Hub" {\n  mail from "hub.example"\n}\nnotice hub_ending of hub {\n'

WARNINGS: dict[str, tuple[str, str, str, str]] = {
    "W001": (
        "a condition that can never hold",
        "Two things are demanded at once that exclude each other, so the rule, or this branch of an `or`, is dead.",
        _rule(_ON, 'when developer is "Never Settle" and developer is "Example Tools"', _TASK) + _TESTED,
        _rule(_ON, 'when developer is one of "Never Settle", "Example Tools"', _TASK) + _TESTED,
    ),
    "W002": (
        "a rule that can never fire",
        "The system has no notice of this kind: the kind is another system's.",
        _rule("on connection_renewal_needed of amazon", 'create task "Renew"') + _TESTED,
        _rule("on connection_renewal_needed", 'create task "Renew"') + _TESTED,
    ),
    "W003": (
        "a rung that never comes",
        "On the day of the rung, the rule's own condition holds no longer: an authorization that has expired is not expiring.",
        _rule(_WHILE, "2 days after expires: " + _TOLD) + _TESTED,
        _rule("while authorization is one of expiring, expired", "2 days after expires: " + _TOLD) + _TESTED,
    ),
    "W004": (
        "trusting a display name",
        "Anybody can write any name on a mail. The domain can be forged, too, unless `trust` is demanded.",
        _rule(_ON, 'when sender.name is "Amazon"', _TASK) + _TESTED,
        _rule(_ON, "when trust is authenticated", _TASK) + _TESTED,
    ),
    "W005": (
        "writing outside because of mail that nothing proves",
        "The rule writes to an address that is not in [people], and mail whose sender is unproven can make it do so.",
        _rule(_ON, 'notify "agency@outside.example" "{{ developer }} lapses on {{ expires }}"') + _TESTED,
        _rule(_ON, "when trust is authenticated", 'notify "agency@outside.example" "{{ developer }} lapses on {{ expires }}"') + _TESTED,
    ),
    "W006": (
        "a text without the deadline",
        "The text is about a deadline and does not say when it is, and no other text of the rule does.",
        _rule(_WHILE, '14 days before expires: notify owner "Renew {{ developer }}"') + _TESTED,
        _rule(_WHILE, "14 days before expires: " + _TOLD) + _TESTED,
    ),
    "W007": (
        "a rule without a test",
        ("No test of the file expects anything that the rule does. `mailrules test --coverage` says more: which rules, conditions\n"
        "and rungs the tests really reach."),
        _rule(_ON, _TASK),
        _rule(_ON, _TASK) + _TESTED,
    ),
    "W008": (
        "a wording that is never used",
        "Another wording of the same system asks for exactly the same and comes first.",
        _SYSTEM + '  wording en {\n    says "your connection ends"\n  }\n  wording us {\n    says "Your connection ends"\n  }\n}',
        _SYSTEM + '  wording en {\n    says "your connection ends"\n  }\n  wording us {\n    says "your link ends"\n  }\n}',
    ),
    "W009": (
        "a value or sample that nothing uses",
        "It may be left over, or the place that was to use it has another name.",
        "let soon = 30 days",
        "let soon = 30 days\n" + _rule(_ON, "when days_left < soon", _TASK) + _TESTED,
    ),
    "W010": (
        "a part of a domain",
        "A domain is compared as a whole: a part of it stands in domains that anybody can register.",
        _rule(_ON, 'when sender.domain ends with "amazon.com"', _TASK) + _TESTED,
        _rule(_ON, 'when sender.domain is "amazon.com"', _TASK) + _TESTED,
    ),
}  # fmt: skip
