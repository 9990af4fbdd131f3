"""Every technique of injection through every way out, once each: passed or shown as it is, or not at all; never carried out.

Two ways in: facts as a rule sees them (`handed`), and mails through the whole program (`house`). One seed makes all of it.
"""

from __future__ import annotations

import base64
import csv
import email
import email.policy
import hashlib
import io
import json
import random
import stat
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mailrules import cli
from mailrules.actions import Services, SmtpSettings, perform
from mailrules.actions.run_script import KEPT_VARIABLES
from mailrules.cli.commands import app
from mailrules.decide import decide
from mailrules.decide.compose import HIDDEN, MAX_ARGUMENT, one_line, shown
from mailrules.demo.smtp_sink import Delivered, SmtpSink
from mailrules.effects import Effect, Outcome
from mailrules.errors import UsageError
from mailrules.ledger import Ledger
from mailrules.mail.message import RawMessage
from mailrules.mail.parse import parse_message
from mailrules.notices.fields import read_value
from mailrules.pipeline import conclude, read
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.store.outbox import Claim
from mailrules.world import Script, World
from tests import mails
from tests.house import EXPIRES, NOW, House, settled

PYTHON = Path(sys.executable).resolve()  # a #! line cannot hold the spaces that a folder of an environment may have
SEED = 20261122
TECHNIQUES = {
    "shell": ["; touch {0}", "$(touch {0})", "`touch {0}`", "| touch {0} #", "&& touch {0}", "'; touch {0}; '", '"; touch {0}; "'],
    "line feed": ["one\ntouch {0}\n"],
    "carriage return": ["one\rtouch {0}\r\ntwo"],
    "nul": ["one\0touch {0}"],
    "option": ["-rf {0}", "--output={0}", "-oProxyCommand=touch {0}"],
    "template": ["{{{{ 7 * 7 }}}}", "{{% for x in y %}}", "{{{{ ''.__class__.__mro__ }}}}", "${{7*7}}", "<%= 7*7 %>"],
    "format": ["%s%s%n%x", "{{0.__class__}}", "%(developer)s", "%n%n%n"],
    "terminal": ["\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b2J", "\x1b[2J\x1b[H\x7f\x08"],
    "direction": ["gro\u202eelpmaxe.live\u202c", "\u2066one\u2069\u200f"],
    "zero width": ["N\u200be\u200dv\ufeffer", "So\u00adft\u2060\U000e0041"],
    "spreadsheet": ['=HYPERLINK("http://x.example","y")', "+1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", "\t=1+1"],
    "markup": ["<script>touch('{0}')</script>", "<img src=x onerror=alert(1)>", "&lt;b&gt;"],
    "header": ["one\r\nBcc: thief@x.example\r\n\r\nother", "=?utf-8?b?DQpCY2M6IHRoaWVmQHguZXhhbXBsZQ==?=", "one\u2028Bcc: thief@x.example"],
    "very long": ["A" * 4000, "ü" * 4000],
    "homoglyph": ["Nеvеr Sеttlе", "Αmazon", "ＮＥＶＥＲ"],
    "path": ["../../../../{0}", "..\\..\\x", "/etc/passwd", "file:///etc/passwd"],
    "query": ["'; DROP TABLE effects; --", "x' OR '1'='1"],
}  # fmt: skip
FIELDS = ("developer", "subject", "reason", "sender.name", "body", "how")
PROBE = f"""#!{PYTHON} -I
import json, os, sys
with open(os.path.join(os.path.dirname(sys.argv[0]), "log"), "a") as log:
    log.write(json.dumps([sys.argv[1:], dict(os.environ), sys.stdin.buffer.read().decode("ascii")]) + "\\n")
"""


def hidden(text: str, also: str = "") -> list[str]:
    return [c for c in text if unicodedata.category(c) in HIDDEN and c not in also]


def probe(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "probe"
    path.write_text(PROBE, encoding="utf-8")
    path.chmod(stat.S_IRWXU)
    return path


def runs(folder: Path) -> list[tuple[list[str], dict[str, str], str]]:
    log = folder / "log"
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture(scope="module")
def payloads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """One text for each technique; after all of them, nothing of it was carried out."""
    chance, marker = random.Random(SEED), tmp_path_factory.mktemp("marker") / "touched"
    yield {name: chance.choice(forms).format(marker) for name, forms in TECHNIQUES.items()}
    assert not marker.exists()


# --- facts, handed to every action --------------------------------------------------------------------------------


@dataclass
class Handed:
    """What came of one technique in every text that a rule sees at once."""

    payload: str
    effects: dict[str, Effect]
    outcomes: dict[str, Outcome]
    mails: list[Delivered]
    runs: list[tuple[list[str], dict[str, str], str]]


RULES = """\
rule "all" {
  on authorization_expiring
  when trust is bound
  create task "{{ developer }} {{ subject }}"
  notify owner "{{ developer }} {{ sender.name }}"
  forward to owner "{{ subject }}"
  run "arguments"
  run "input"
}
"""


@pytest.fixture(scope="module")
def handed(payloads: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Handed]:
    with SmtpSink() as sink:
        return {
            name: _hand_over(payload, tmp_path_factory.mktemp("handed"), sink) for name, payload in payloads.items()
        }


def _hand_over(payload: str, folder: Path, sink: SmtpSink) -> Handed:
    program = str(probe(folder / "one"))
    quiet = str(probe(folder / "two"))
    world = World(
        people={"owner": "owner@shop.example"},
        scripts={"arguments": Script(argv=(program, "{{ developer }}", "--name={{ subject }}")), "input": Script(argv=(quiet,))},
        accounts={"shop": _account()}, developers={mails.DEVELOPER_ID: "x"},
    )  # fmt: skip
    rules = load(
        [*shipped_rules(), ("all.rules", RULES)],
        grammar_text(),
        people=world.people,
        scripts=dict.fromkeys(world.scripts, False),
    )
    content, arrived = mails.notice()
    raw = RawMessage(source="x", content=content, received_at=arrived, account="shop")
    (seen,) = conclude(read(raw, rules, trust="bound"), Ledger(), rules, world, arrived).situations
    facts = {**seen.facts, **dict.fromkeys(FIELDS, payload)}
    rule = next(r for r in rules.rules if r.name.value == "all")
    (decision,) = decide((rule,), replace(seen, facts=facts), world)
    effects = {e.target if e.action == "run_script" else e.action: e for e in decision.effects}
    smtp = SmtpSettings(
        host="127.0.0.1", port=sink.port, tls="none", user=None, secret=None, sender="bot@shop.example", timeout=5
    )
    services = Services(smtp=smtp, content=lambda _digest: content, sender=smtp.sender, own_id="id")
    before = len(sink.received)
    outcomes = {
        name: perform([Claim(effect=e, attempt=1)], services, NOW.isoformat())
        for name, e in effects.items()
        if e.state == "planned" and e.action != "create_task"
    }
    return Handed(payload, effects, outcomes, sink.received[before:], [*runs(folder / "one"), *runs(folder / "two")])


def _account() -> Any:
    from zoneinfo import ZoneInfo

    from mailrules.world import AccountFacts

    return AccountFacts(name="shop", zone=ZoneInfo("UTC"), language="en", region="na")


def through_arguments(it: Handed) -> None:
    refused = bool(hidden(it.payload)) or it.payload.startswith("-") or len(it.payload) > MAX_ARGUMENT
    assert (it.effects["arguments"].state == "failed") == refused
    given = [args for args, _, _ in it.runs if args]
    assert given == ([] if refused else [[it.payload, f"--name={it.payload}"]])
    if refused:
        assert "an argument of `arguments`" in it.effects["arguments"].args["why"]
        assert not hidden(it.effects["arguments"].args["why"])


def through_environment(it: Handed) -> None:
    assert it.runs
    for _, environment, _ in it.runs:
        extra = set(environment) - set(KEPT_VARIABLES)
        assert extra <= {"MAILRULES_EFFECT_KEY", "MAILRULES_ATTEMPT", "LC_CTYPE"}
        assert not [value for value in environment.values() if it.payload in value]


def through_standard_input(it: Handed) -> None:
    assert it.outcomes["input"].result == "done"
    text = next(data for args, _, data in it.runs if not args)
    assert text.isprintable()
    assert text.isascii()
    found = json.loads(text)
    assert [found[name] for name in FIELDS] == [it.payload] * len(FIELDS)


def mail_of(it: Handed, action: str) -> EmailMessage:
    assert it.outcomes[action].result == "done", it.outcomes[action]
    sent = it.mails[0 if action == "notify" else 1]
    assert sent.recipients == ("owner@shop.example",)
    found = email.message_from_bytes(sent.content, policy=email.policy.default)
    expected = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Mailrules-Id", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}  # fmt: skip
    assert set(found.keys()) == expected
    assert not found.defects
    return found  # type: ignore[return-value]


def through_mail_subject(it: Handed) -> None:
    for action, text in (("notify", f"{it.payload} {it.payload}"), ("forward", it.payload)):
        subject = str(mail_of(it, action)["Subject"])
        assert not hidden(subject)
        assert subject.split() == one_line(shown(text)).split()


def through_mail_body(it: Handed) -> None:
    for action in ("notify", "forward"):
        found = mail_of(it, action)
        text = found.get_body(("plain",))
        assert text is not None
        assert text.get_content_type() == "text/plain"
        content = text.get_content().replace("\r\n", "\n")
        assert not hidden(content, also="\n\t")
        assert f"Mail: {one_line(it.payload)}\n" in content
        assert [p.get_content_type() for p in found.iter_attachments()] == ["message/rfc822"] * (action == "forward")


def through_task_title(it: Handed) -> None:
    title = it.effects["create_task"].args["title"]
    assert not hidden(title)
    assert title == one_line(shown(f"{it.payload} {it.payload}"))
    assert len(title) <= 501


def through_task_body(it: Handed) -> None:
    body = it.effects["create_task"].args["body"]
    assert not hidden(body, also="\n\t")
    assert body.startswith(f"Authorization: {one_line(it.payload)} (Developer ID")
    assert [line for line in body.split("\n") if line.startswith("Trust: ")] == [
        "Trust: sender proven, Developer ID is yours"
    ]


@pytest.mark.parametrize(
    "channel",
    [
        through_arguments, through_environment, through_standard_input, through_mail_subject, through_mail_body,
        through_task_title, through_task_body,
    ],
)  # fmt: skip
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_hostile_fact_is_passed_as_it_is_or_not_at_all(
    technique: str, channel: Any, handed: dict[str, Handed]
) -> None:
    channel(handed[technique])


# --- mails, through the whole program ---------------------------------------------------------------------------------


@dataclass
class Lived:
    """A house that has read one notice and one ordinary mail for each technique, and what its commands print."""

    house: House
    ids: dict[str, str]
    names: dict[str, str]
    numbers: dict[str, str]
    logged: list[tuple[list[str], dict[str, str], str]]

    def command(self, *words: str) -> str:
        result = CliRunner().invoke(app, [*words, "--config", str(self.house.toml)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return str(result.output)

    def rows(self, *words: str) -> list[dict[str, Any]]:
        text = self.command(*words, "--json")
        assert not hidden(text, also="\n")
        return [json.loads(line) for line in text.splitlines()]


HOUSE_RULES = """\
rule "notice" {
  on authorization_expiring
  create task "{{ developer }}"
  notify owner "{{ developer }}"
}
rule "run" {
  on authorization_expiring
  when trust is bound
  run "renew"
}
rule "ordinary" {
  on mail
  create task "{{ subject }} from {{ sender.name }}"
  forward to owner "{{ body }}"
}
rule "told" {
  on unparsed
  create task "unread: {{ subject }}"
}
"""


def encoded(text: str) -> str:
    return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="


def hostile_notice(payload: str, number: str) -> tuple[bytes, datetime]:
    arrived = datetime.combine(EXPIRES - timedelta(days=16), datetime.min.time(), NOW.tzinfo)
    text = mails.plain_text(EXPIRES.isoformat(), number, payload)
    body = mails.part(text, "plain", "base64")
    return mails.wrapped(body, 16, arrived, name=number, stamp=True), arrived


def hostile_mail(payload: str, number: str) -> tuple[bytes, datetime]:
    head = (
        f"From: {encoded(payload)} <someone@shop.example>\r\nTo: seller@shop.example\r\nSubject: {encoded(payload)}\r\n"
        f"Message-ID: <ordinary-{number}@shop.example>\r\nMIME-Version: 1.0\r\n"
    )
    return head.encode() + mails.part(payload, "plain", "base64"), NOW - timedelta(hours=1)


@pytest.fixture(scope="module")
def lived(payloads: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    folder = tmp_path_factory.mktemp("house")
    ids = {name: str(int(mails.DEVELOPER_ID) + n) for n, name in enumerate(payloads)}
    inbox = [hostile_notice(payload, ids[name]) for name, payload in payloads.items()]
    inbox += [hostile_mail(payload, ids[name]) for name, payload in payloads.items()]
    with settled(folder, HOUSE_RULES, inbox) as house:
        known = "".join(f'"{number}" = "x"\n' for number in list(ids.values())[1:])
        toml = house.toml.read_text(encoding="utf-8")
        toml = toml[: toml.index("[scripts.renew]")] + known
        toml += f'\n[limits]\nscripts_per_hour = 99\nmails_per_recipient = 99\nmails_per_hour = 99\n\n[scripts.renew]\nargv = ["{probe(folder)}", "{{{{ developer }}}}", "{{{{ developer_id }}}}"]\n'
        house.toml.write_text(toml, encoding="utf-8")
        house.poll()
        found = {a.developer_id: a for a in house.store.ledger().live()}
        names = {name: found[n].developer for name, n in ids.items() if n in found}
        numbers = {name: found[n].id for name, n in ids.items() if n in found}
        yield Lived(house, ids, names, numbers, runs(folder))


def taken(lived: Lived, technique: str, payload: str) -> str | None:
    """Return the nickname that the ledger should know, None where the notice cannot be read."""
    line = payload.replace("\r\n", "\n").replace("\r", "\n").split("\n")[0]
    value = read_value("text", "", line)
    return value if isinstance(value, str) else None


def in_ledger(lived: Lived, technique: str, payload: str) -> None:
    name = lived.names.get(technique)
    assert name == taken(lived, technique, payload)
    assert not hidden(name or "")


def in_script(lived: Lived, technique: str, payload: str) -> None:
    name = lived.names.get(technique)
    given = [args for args, _, _ in lived.logged if args[1] == lived.ids[technique]]
    told = [
        e
        for e in lived.house.store.effects()
        if e["action"] == "run_script" and e["authorization"] == lived.numbers.get(technique)
    ]
    if name is None:
        assert (given, told) == ([], [])
    elif name.startswith("-"):
        assert (given, [e["state"] for e in told]) == ([], ["failed"])
        assert any("may not look like an option" in need for need in lived.house.poll().needs)
    else:
        assert given == [[name, lived.ids[technique]]]


def in_mail(lived: Lived, technique: str, payload: str) -> None:
    for sent in lived.house.sink.received:
        assert sent.recipients == ("owner@shop.example",)
        found = email.message_from_bytes(sent.content, policy=email.policy.default)
        assert found["Bcc"] is None
        assert not hidden(str(found["Subject"]))
    content, arrived = hostile_mail(payload, lived.ids[technique])
    forged = parse_message(RawMessage(source="", content=content, received_at=arrived)).forged
    states = [
        e["state"]
        for e in lived.house.store.effects()
        if (e["authorization"], e["action"]) == (about(content), "forward")
    ]
    assert states == ([] if forged else ["done"])


def about(content: bytes) -> str:
    """Return the name under which the effects of ordinary mail are kept."""
    return f"mail-{hashlib.sha256(content).hexdigest()[:10]}"


def listing(*words: str) -> Any:
    def check(lived: Lived, technique: str, payload: str) -> None:
        text = lived.command(*words)
        assert not hidden(text, also="\n")
        rows = lived.rows(*words)
        if technique in lived.names:
            assert [row for row in rows if lived.numbers[technique] in row.values()]
        assert len(text.splitlines()) == len(rows) + 1  # no row is broken, none is made up

    check.__name__ = "_".join(words)
    return check


def in_one_task(lived: Lived, technique: str, payload: str) -> None:
    content, _ = hostile_mail(payload, lived.ids[technique])
    subjects = (about(content), lived.numbers.get(technique))
    tasks = [row for row in lived.house.store.tasks() if row["authorization"] in subjects]
    assert tasks or technique not in lived.numbers
    for task in tasks:
        text = lived.command("tasks", "show", task["id"])
        assert text.startswith(task["title"])
        assert not hidden(text, also="\n")
        (row,) = lived.rows("tasks", "show", task["id"])
        assert (row["title"], row["body"]) == (task["title"], task["body"])


def in_csv(lived: Lived, technique: str, payload: str) -> None:
    table = list(csv.DictReader(io.StringIO(lived.command("authorizations", "export", "--csv").removeprefix("\ufeff"))))
    assert len(table) == len(lived.names)
    for row in table:
        assert not [
            cell
            for cell in row.values()
            if cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not cell.lstrip("-").isdigit()
        ]
    if technique in lived.names:
        names = [row["developer"] for row in table]
        assert lived.names[technique] in [n[1:] if n[:1] == "'" else n for n in names]


def in_export(lived: Lived, technique: str, payload: str) -> None:
    rows = [json.loads(line) for line in lived.command("authorizations", "export", "--json").splitlines()]
    assert [r["developer"] for r in rows if r["developer_id"] == lived.ids[technique]] == [
        name for key, name in lived.names.items() if key == technique
    ]


def in_story(lived: Lived, technique: str, payload: str) -> None:
    if technique in lived.numbers:
        text = lived.command("authorizations", "show", lived.numbers[technique])
        assert not hidden(text, also="\n")
        assert lived.names[technique] in text


def in_explanation(lived: Lived, technique: str, payload: str) -> None:
    for message in (f"{lived.ids[technique]}@mail.example", f"ordinary-{lived.ids[technique]}@shop.example"):
        text = lived.command("explain", message)
        assert "fetched because" in text
        assert not hidden(text, also="\n")
        (row,) = lived.rows("explain", message)
        assert row["message_id"] == f"<{message}>"


def in_reading(lived: Lived, technique: str, payload: str) -> None:
    path = lived.house.folder / "one.eml"
    for content, _ in (hostile_notice(payload, lived.ids[technique]), hostile_mail(payload, lived.ids[technique])):
        path.write_bytes(content)
        assert not hidden(lived.command("read", str(path)), also="\n")
        assert lived.rows("read", str(path))


def in_errors(lived: Lived, technique: str, payload: str) -> None:
    stream, before = io.StringIO(), sys.stderr
    sys.stderr = stream
    try:
        cli.tell(UsageError(f"a server said {payload}", help=payload))
    finally:
        sys.stderr = before
    assert not hidden(stream.getvalue(), also="\n\t")
    assert stream.getvalue().startswith("mailrules: a server said ")


@pytest.mark.parametrize(
    "channel",
    [
        in_ledger, in_script, in_mail, listing("tasks"), listing("effects"), listing("authorizations"), in_one_task, in_csv,
        in_export, in_story, in_explanation, in_reading, in_errors,
    ],
    ids=lambda channel: channel.__name__,
)  # fmt: skip
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_hostile_mail_is_shown_as_it_is_or_made_harmless(
    technique: str, channel: Any, lived: Lived, payloads: dict[str, str]
) -> None:
    channel(lived, technique, payloads[technique])


def test_the_seed_makes_the_same_texts_again_and_each_technique_is_what_it_says(payloads: dict[str, str]) -> None:
    chance = random.Random(SEED)
    again = {name: chance.choice(forms) for name, forms in TECHNIQUES.items()}
    assert len(payloads) == len(again) == 17
    assert all(again[name].split("{")[0] in payload for name, payload in payloads.items())
