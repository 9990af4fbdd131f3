"""A corpus of real mail that has no notice in it: nothing is recognized, and nothing breaks.

`make corpus` fetches the SpamAssassin public corpus into a folder of its own and runs this; nothing of it is kept here.
MAILRULES_CORPUS names the folder: every file below it is one message, or one mbox.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from mailrules.pipeline import read
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.sources.files import documents

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600)]


def test_nothing_in_a_corpus_without_notices_is_taken_for_one() -> None:
    folder = Path(os.environ.get("MAILRULES_CORPUS") or pytest.fail("MAILRULES_CORPUS names no folder of mail"))
    rules = load(shipped_rules(), grammar_text())
    count, taken = 0, []
    for raw in documents(str(folder), io.BytesIO()):
        count += 1
        taken += [
            f"{raw.source}: {n.status} {n.kind} {n.reason}"
            for n in read(raw, rules).notices
            if n.status != "unrecognized"
        ]
    assert count >= 1000, f"{folder} holds {count} messages"
    assert taken == []
