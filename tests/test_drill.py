"""`mailrules drill`: a declared script tried before it is needed, as a poll would start it, and nothing remembered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mailrules import app as spine
from mailrules.cli.commands import app
from mailrules.errors import ConfigError, UsageError
from tests.house import EXPIRES, House, mail, settled
from tests.mails import DEVELOPER, DEVELOPER_ID

RULES = 'rule "renew" {\n  on authorization_expiring\n  when trust is bound\n  run "renew"\n}\n'
TELL = """\
import json, os, sys
told = json.load(sys.stdin)
print(json.dumps([sys.argv[1:], told, dict(os.environ)]))
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with settled(tmp_path, RULES, [mail(DEVELOPER, DEVELOPER_ID, expires=EXPIRES, days=30)]) as made:
        yield made


def drill(house: House, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["drill", "renew", "--config", str(house.toml), *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, str(result.output)


def row(house: House) -> dict[str, Any]:
    return dict(json.loads(drill(house, "--json")[1]))


def test_a_drill_starts_the_script_as_a_poll_would_and_marks_itself(house: House) -> None:
    (house.folder / "renew.py").write_text(TELL, encoding="utf-8")
    code, _ = drill(house)
    assert code == 0
    tried = json.loads(row(house)["output"])
    house.poll()
    (effect,) = house.store.effects()
    real = json.loads(effect["output"])
    assert [len(tried[0]), set(tried[1])] == [len(real[0]), set(real[1])]
    assert set(tried[2]) - set(real[2]) == {"MAILRULES_DRILL"}
    assert (tried[1]["drill"], real[1]["drill"]) == (True, False)
    assert (tried[1]["developer"], tried[1]["developer_id"], tried[1]["days_left"]) == ("Drill", "000000000000", 30)
    assert tried[1]["expires"] == tried[0][2] == (spine.clock().date() + timedelta(days=30)).isoformat()


def test_a_drill_leaves_no_trace(house: House) -> None:
    drill(house)
    assert len(house.script_runs()) == 1
    assert not house.config.store.exists()
    house.poll()
    before = house.config.store.read_bytes()
    drill(house)
    assert house.config.store.read_bytes() == before
    assert len(house.store.effects()) == 1


@pytest.mark.parametrize(
    ("text", "result", "code", "why"),
    [
        ("import sys; sys.exit(0)", "done", 0, "it ended well"),
        ("import sys; sys.exit(3)", "failed", 3, "exit code 3"),
        ("import os; os.kill(os.getpid(), 11)", "failed", -11, "signal SIGSEGV"),
        ("import time; time.sleep(60)", "failed", None, "stopped after 1 seconds"),
    ],
)
def test_a_drill_tells_how_it_ended_and_succeeds_only_if_the_script_did(
    house: House, text: str, result: str, code: int | None, why: str
) -> None:
    (house.folder / "renew.py").write_text(text, encoding="utf-8")
    house.change("mailrules.toml", "[scripts.renew]\n", '[scripts.renew]\ntimeout = "1s"\n')
    exit_code, output = drill(house)
    assert exit_code == (0 if result == "done" else 1)
    assert f"{result}: " in output
    found = row(house)
    assert (found["result"], found["exit"], why in found["why"]) == (result, code, True)
    assert found["seconds"] < 5


def test_a_drill_says_what_would_have_been_concluded(house: House) -> None:
    assert "no evidence of renewal" in row(house)["concluded"]
    house.change("mailrules.toml", "[scripts.renew]\n", "[scripts.renew]\nverifies = true\n")
    later = date.today() + timedelta(days=365)  # noqa: DTZ011 - any day far ahead
    for printed, concluded in (
        (later.isoformat(), f"expires {later}"),
        ("2001-01-01", "its word was not taken"),
        ("", "assumed True"),
    ):
        (house.folder / "renew.py").write_text(f"print('expires: {printed}')", encoding="utf-8")
        assert concluded in row(house)["concluded"]
    (house.folder / "renew.py").write_text("import sys; sys.exit(1)", encoding="utf-8")
    assert row(house)["concluded"] == "nothing: a person would be asked"


def test_a_drill_shows_what_was_printed_without_letting_it_reach_the_terminal(house: House) -> None:
    (house.folder / "renew.py").write_text(r"print('\x1b[31mred\x1b[0m')", encoding="utf-8")
    code, output = drill(house)
    assert (code, "\x1b" in output, "\\u001b[31mred" in output) == (0, False, True)


def test_a_script_that_cannot_be_drilled_is_a_sentence(house: House) -> None:
    house.change("mailrules.toml", '"{{ expires }}"', '"{{ shop }}"')
    with pytest.raises(ConfigError, match="cannot be drilled: the template"):
        drill(house)
    house.change("mailrules.toml", "[scripts.renew]", "[scripts.renewal]")
    with pytest.raises(UsageError, match="no script `renew` is declared"):
        drill(house)
