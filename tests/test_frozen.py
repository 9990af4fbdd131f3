"""The values that the language is made of: they never change, and are equal whatever their place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrules.language.ast import NOWHERE, Clause, Name, Problem, Span, System, Text
from mailrules.language.frozen import Frozen, replace

HERE = Span("a.rules", 1, 2, 3, 4)


def test_two_that_say_the_same_are_equal_wherever_they_stand_and_two_places_only_where_they_are_one() -> None:
    assert Text(value="a", span=HERE) == Text(value="a")
    assert len({Text(value="a", span=HERE), Text(value="a"), Name(value="a"), Text(value="b")}) == 3
    assert Text(value="a") != Name(value="a")
    assert Text(value="a") != "a"
    assert HERE == Span("a.rules", 1, 2, 3, 4) != NOWHERE
    assert len({HERE, Span("a.rules", 1, 2, 3, 4), NOWHERE}) == 2
    assert Problem(code="E001", span=HERE, message="m") != Problem(code="E001", span=NOWHERE, message="m")


def test_what_is_not_given_has_its_default_and_what_has_none_must_be_given() -> None:
    assert System(name=Name(value="a"), title=Text(value="A")).domains == ()
    assert Name(value="a").span is NOWHERE
    for fields in ({}, {"value": "a", "line": 1}, {"span": HERE}):
        with pytest.raises(TypeError, match="Name lacks or does not have: "):
            Name(**fields)
    with pytest.raises(TypeError):
        Span("a.rules", 1, 2, 3)  # type: ignore[call-arg]


def test_nothing_in_it_can_be_changed_taken_away_or_added() -> None:
    text = Text(value="a")
    for name in ("value", "span", "other"):
        with pytest.raises(AttributeError):
            setattr(text, name, "b")
        with pytest.raises(AttributeError):
            delattr(text, name)
    assert not hasattr(text, "__dict__")
    assert repr(text) == f"Text(value='a', span={NOWHERE!r})"


@given(value=st.text(), other=st.text())
def test_a_copy_with_another_value_keeps_the_rest_and_leaves_the_first_as_it_was(value: str, other: str) -> None:
    text = Text(value=value, span=HERE)
    assert (replace(text, value=other).value, replace(text, value=other).span, text.value) == (other, HERE, value)
    with pytest.raises(TypeError):
        replace(text, values=other)


def test_a_pattern_takes_fields_by_name_and_a_property_reads_them() -> None:
    class Pair(Frozen):
        """Made here."""

        left: int
        right: int = 2

        @property
        def whole(self) -> int:
            return self.left + self.right

    match Pair(left=1):
        case Pair(left=left, right=right):
            assert (left, right, Pair(left=1).whole) == (1, 2, 3)
    assert Clause.__doc__
    assert Pair.__doc__ == "Made here."
