"""The tutorial is carried out as it is written: files are saved, changes are made, commands print what stands there."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mailrules.cli.commands import app
from mailrules.demo.imap_server import MailServer

PAGE = (Path(__file__).parent.parent / "docs" / "tutorial.md").read_text(encoding="utf-8")
STEP = re.compile(
    r"Save [^`]*`(?P<file>[^`\n]+)`[^`]*?:\n\n```\w+\n(?P<content>.*?)^```"
    r"|Change `(?P<old>[^`\n]+)` to `(?P<new>[^`\n]+)` in `(?P<where>[^`\n]+)`"
    r"|^```console\n(?P<session>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


def fits(shown: str, found: str) -> bool:
    """Return whether output is as shown; `…` stands for any text."""
    return re.fullmatch(".*".join(map(re.escape, shown.strip().split("…"))), found.strip(), re.DOTALL) is not None


def run(line: str) -> str:
    words = shlex.split(line, comments=True)
    target = words[-1] if ">" in words else ""
    args = words[1 : words.index(">")] if target else words[1:]
    assert words[0] == "mailrules", line
    result = CliRunner().invoke(app, args)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    if target:
        Path(target).write_text(result.stdout, encoding="utf-8")
        return result.stderr
    return result.output


def test_the_tutorial_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILRULES_PASSWORD", "made up")
    monkeypatch.setenv("COLUMNS", "200")
    steps = list(STEP.finditer(PAGE))
    assert PAGE.count("```") == 2 * sum(not step["old"] for step in steps), "a block that is neither saved nor run"
    mails = [step["content"].encode() for step in steps if (step["file"] or "").endswith(".eml")]
    with MailServer("seller@shop.example", "made up", [(m, datetime.now(UTC)) for m in mails]) as server:
        for step in steps:
            if step["file"]:
                path = Path(step["file"])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step["content"], encoding="utf-8")
            elif step["old"]:
                path = Path(step["where"])
                text = path.read_text(encoding="utf-8")
                assert text.count(step["old"]) == 1
                path.write_text(text.replace(step["old"], step["new"]), encoding="utf-8")
            else:
                for command in re.split(r"^\$ ", step["session"], flags=re.MULTILINE)[1:]:
                    line, _, shown = command.partition("\n")
                    found = run(line)
                    assert fits(shown, found), f"{line}\n--- the page shows\n{shown}\n--- it prints\n{found}"
                    toml = Path("mailrules.toml")
                    if "init" in line:  # the inbox of the page is a server of our own here
                        text = toml.read_text(encoding="utf-8").replace('"imap.shop.example"', '"127.0.0.1"')
                        text = re.sub(r"(port +=) 993", rf"\1 {server.port}", text).replace('"implicit"', '"none"', 1)
                        toml.write_text(text, encoding="utf-8")
