"""What a newcomer runs first: the demo does the whole job, and what it says to run next can be run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.terminal import Terminal
from tests.test_init import command, env, run


def test_the_demo_does_the_whole_job_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code, said = run(tmp_path, "demo")
    assert code == 0, said
    assert "ran the script renew: done" in said
    assert "Mail that went out: 2\n" in said
    assert "did 0 things" in said
    assert list(tmp_path.iterdir()) == []


def test_what_the_demo_says_to_run_next_asks_for_no_more_than_a_person_knows(tmp_path: Path) -> None:
    said = run(tmp_path, "demo")[1].partition("Where to go next\n")[2]
    first = next(line.strip() for line in said.splitlines() if " init " in line)
    words = shlex.split(first)[1:]
    assert re.findall(r"--\w+", first) == ["--address"]
    with Terminal(command(*words, "--no-test"), tmp_path, env()) as person:
        person.see("IMAP server [imap.your-shop.example]")
