"""A mistake in a shipped rule or wording makes one of its file's tests fail. `make mutation` prints the survivors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import survivors

ROOT = Path(__file__).parent.parent
RULES = sorted(
    p.relative_to(ROOT).as_posix()
    for p in [ROOT / "rules" / "starter.rules", *(ROOT / "rules" / "examples").glob("*.rules")]
)
NOTICES = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "rules" / "notices").glob("*.rules"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*RULES, *NOTICES])
def test_nine_of_ten_mistakes_in_a_shipped_file_are_noticed_by_its_tests(name: str) -> None:
    left, count = survivors(name, (ROOT / name).read_text(encoding="utf-8"), ROOT)
    assert len(left) <= count / 10, "\n".join(map(str, left))


def test_a_file_without_tests_notices_nothing() -> None:
    text = 'rule "a" {\n  on authorization_expiring\n  create task "x"\n}\n'
    left, count = survivors("my.rules", text, ROOT)
    assert (len(left), count) == (1, 2)  # a rule that does nothing does not check
