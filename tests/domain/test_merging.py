"""Two changes of one text."""

import pytest

from domain.merging import merged

BASE = "a\nb\nc\nd\ne\n"


@pytest.mark.parametrize(
    ("ours", "theirs", "together"),
    [
        ("A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n", "A\nb\nc\nd\nE\n"),
        ("a\nc\nd\ne\n", "a\nb\nc\nd\ne\nf\n", "a\nc\nd\ne\nf\n"),
        (BASE, "x\n", "x\n"),
        ("x\n", BASE, "x\n"),
        ("A\nb\nc\nd\ne\n", "A\nb\nc\nd\ne\n", "A\nb\nc\nd\ne\n"),
        ("A\nb\nc\nd\nE", "A\nb\nc\nd\ne\n", "A\nb\nc\nd\nE"),
    ],
)
def test_changes_of_different_places_are_put_together(ours: str, theirs: str, together: str) -> None:
    assert merged(BASE, ours, theirs) == together


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("A\nb\nc\nd\ne\n", "x\nb\nc\nd\ne\n"),
        ("A\nb\nc\nd\ne\n", "a\nB\nc\nd\ne\n"),
        ("x\n", "a\nb\nC\nd\ne\n"),
        ("new\na\nb\nc\nd\ne\n", "other\na\nb\nc\nd\ne\n"),
        (BASE + "f\n", BASE + "g\n"),
    ],
)
def test_changes_of_the_same_place_or_of_places_that_touch_are_nobodys_to_choose(ours: str, theirs: str) -> None:
    assert merged(BASE, ours, theirs) is None
    assert merged(BASE, theirs, ours) is None


def test_a_text_too_long_to_compare_is_not_merged() -> None:
    long = "a\n" * 30_000
    assert merged(long, "b\n" + long, long + "c\n") is None
