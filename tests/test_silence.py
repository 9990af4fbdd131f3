"""The pure part writes no log, whatever is wrong with a mail; what was wrong is in the message's defects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BROKEN = b"From: a@shop.example\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed\n\nPr\xfcfen\n"
PROGRAM = """
import sys
from datetime import UTC, datetime
from mailrules.mail.message import RawMessage
from mailrules.mail.parse import parse_message
content = sys.stdin.buffer.read()
message = parse_message(RawMessage(source="x", content=content, received_at=datetime(2024, 3, 11, tzinfo=UTC)))
print(len(message.defects))
"""


def test_a_broken_structure_is_a_defect_and_nothing_on_standard_error() -> None:
    place = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=place, input=BROKEN, capture_output=True, check=True)
    assert (done.stdout.split(), done.stderr) == ([b"2"], b"")
