"""What holds for every test.

In: nothing. Out: signals as a person at a terminal sends them. May not live here: fixtures (they stand where they are used).
"""

from __future__ import annotations

import signal

# why: a shell that starts the tests in the background has SIGINT ignored, and so would every program that they start
signal.signal(signal.SIGINT, signal.default_int_handler)
