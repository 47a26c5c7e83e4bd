from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.tools.replacing import nearest, replaced
from domain.errors import ModelMistake

TEXT = st.text(alphabet="ab\n ", max_size=60)


def mistake(text: str, old: str, new: str = "x") -> str:
    with pytest.raises(ModelMistake) as raised:
        replaced(text, old, new, "f.py")
    return raised.value.message


@given(TEXT, TEXT, TEXT)
def test_a_unique_text_is_replaced_and_nothing_else(before: str, new: str, after: str) -> None:
    if new == "<old>":
        return
    assert replaced(f"{before}<old>{after}", "<old>", new, "f") == (f"{before}{new}{after}", 1)


@given(TEXT, st.text(alphabet="ab\n ", min_size=1, max_size=3), TEXT)
def test_every_answer_is_an_exact_replacement_or_a_mistake(text: str, old: str, new: str) -> None:
    try:
        after, count = replaced(text, old, new, "f")
    except ModelMistake:
        assert text.count(old) != 1 or old == new
    else:
        assert (after, count) == (text.replace(old, new), 1)


def test_several_places_are_counted_and_named() -> None:
    assert "occurs 3 times in f.py, at lines 1, 2, 4." in mistake("a\na\nb\na\n", "a")
    assert replaced("a a a", "a", "b", "f", replace_all=True) == ("b b b", 3)


def test_windows_line_ends_are_met() -> None:
    assert replaced("a\r\nb\r\n", "a\nb", "c\nd", "f") == ("c\r\nd\r\n", 1)


def test_empty_and_equal_texts_are_mistakes() -> None:
    assert "`old` is empty" in mistake("a", "")
    assert "are the same" in mistake("a", "a", "a")


def test_a_miss_shows_the_nearest_places() -> None:
    text = "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return a - b\n"
    said = mistake(text, "def add(a, b):\n    return a+b\n")
    assert "lines 1 to 2, " in said and "alike:\ndef add(a, b):\n    return a + b" in said
    assert "lines 1 to 2, the same but for white space" in mistake(text, "def add(a, b):\n  return a + b")
    assert "nothing there is like it" in mistake(text, "SELECT 1")


def test_a_misspelt_single_line_is_found() -> None:
    assert nearest(["alpha = 1", "beta = 22", "gamma = 3"], ["beta = 2"])[0][1:] == (1, 2)


def test_a_miss_in_a_large_file_is_answered_soon() -> None:
    lines = [f"value_{number} = compute({number}, {number * 7})" for number in range(60_000)]
    began = monotonic()
    mistake("\n".join(lines), "value_x = compute(9, nothing)\n" * 30)
    assert monotonic() - began < 10
