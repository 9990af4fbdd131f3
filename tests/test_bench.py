"""The bench runs and says what it found; how fast anything is, no test says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.table import Figure, table

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_some_figures_are_measured_and_told_in_one_table() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--only", "P6,P11"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode in (0, 1), done.stderr
    head, rule, *lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in head.split("|")[1:4]] == ["figure", "work", "ours"]
    assert set(rule) == {"|", "-"}
    assert [line.split("|")[1].strip() for line in lines] == ["P6"] + ["P11"] * 13
    assert {line.count("|") for line in (head, rule, *lines)} == {11}


def test_a_figure_that_is_not_there_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--only", "P99"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no figure P99" in done.stderr


def test_a_ratio_is_of_medians_and_says_whether_the_goal_is_reached() -> None:
    made = Figure(number="P3", work="w", ours=[1.0, 2.0, 9.0], against="peer", theirs=[4.0, 4.0], goal=0.5)
    assert (made.ratio, made.reached) == (0.5, True)
    faster = Figure(number="P3", work="w", ours=[2.0], against="peer", theirs=[58.0], goal=30, means="times faster")
    assert (faster.ratio, faster.reached) == (29.0, False)
    found = Figure(number="P3", work="w", ours=[99.0], against="there are", theirs=[100.0], goal=1, means="at least")
    assert (found.ratio, found.reached) == (0.99, False)


def test_a_peer_that_is_not_installed_is_said_aloud_and_is_no_success() -> None:
    made = Figure(
        number="P3", work="w", ours=[1.0], against="imapfilter", goal=1.4, missing="sudo apt-get install imapfilter"
    )
    assert (made.ratio, made.reached) == (None, None)
    assert "not here: sudo apt-get install imapfilter" in table([made])
    assert "not measured" in table([made])
