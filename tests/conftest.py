"""What holds for every test.

In: nothing. Out: signals as a person at a terminal sends them, one day from the beginning of a test to its end. May not live
here: fixtures that a test asks for (they stand where they are used).
"""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime

import pytest

# why: a shell that starts the tests in the background has SIGINT ignored, and so would every program that they start
signal.signal(signal.SIGINT, signal.default_int_handler)

ENOUGH = 30.0
"""Seconds that nearly every test ends in."""


def pause(now: datetime) -> float:
    """Return how long a test waits that would see midnight (UTC), which begins another day for what it started with."""
    left = 86_400 - (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    return left if left < ENOUGH else 0.0


@pytest.fixture(autouse=True)
def _one_day() -> None:
    time.sleep(pause(datetime.now(UTC)))
