import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.tools.patch_text import Hunk, parse_patch
from activities.tools.patching import patched
from domain.errors import ModelMistake

LINES = st.lists(st.sampled_from(["a", "b", "  c", "", "d d"]), max_size=14)


def hunk(old: str = "", new: str = "", headers: tuple[str, ...] = (), at_end: bool = False) -> Hunk:
    return Hunk(old=tuple(old.splitlines()), new=tuple(new.splitlines()), headers=headers, at_end=at_end)


def v4a(before: list[str], after: list[str]) -> str:
    """A patch as difflib sees it, with the whole file as context: every place is then unique."""
    lines = ["*** Begin Patch", "*** Update File: f", "@@"]
    for kind, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            lines += [f" {line}" for line in before[i:j]]
        else:
            lines += [f"-{line}" for line in before[i:j]] + [f"+{line}" for line in after[k:m]]
    return "\n".join([*lines, "*** End of File", "*** End Patch"])


@given(LINES, LINES)
def test_a_patch_from_one_text_to_another_makes_the_other(before: list[str], after: list[str]) -> None:
    if before == after or not (before or after):
        return
    text = "".join(f"{line}\n" for line in before)
    (file,) = parse_patch(v4a(before, after))
    assert patched(text, file.hunks, "f") == "".join(f"{line}\n" for line in after)


def test_headers_choose_between_equal_places() -> None:
    text = "class A:\n    def f():\n        x\nclass B:\n    def f():\n        x\n"
    done = patched(text, [hunk("        x", "        y", headers=("class B:", "def f():"))], "f")
    assert done == "class A:\n    def f():\n        x\nclass B:\n    def f():\n        y\n"


def test_a_header_may_be_the_first_line_of_the_change() -> None:
    assert patched("def f():\n    x\n", [hunk("def f():\n    x", "def f():\n    y", headers=("def f():",))], "f") == (
        "def f():\n    y\n"
    )


def test_lines_that_only_come_go_below_the_header_or_to_the_end() -> None:
    assert patched("a\nb\n", [hunk(new="x", headers=("a",))], "f") == "a\nx\nb\n"
    assert patched("a\nb\n", [hunk(new="x")], "f") == "a\nb\nx\n"


def test_later_changes_are_looked_for_below_earlier_ones() -> None:
    assert patched("a\na\na\n", [hunk("a", "b\na"), hunk("a", "c")], "f") == "b\na\nc\na\n"
    with pytest.raises(ModelMistake, match="order of the file"):
        patched("a\nb\n", [hunk("b", "x"), hunk("a", "y")], "f")


def test_the_end_of_the_file_is_meant_where_it_is_named() -> None:
    assert patched("a\nb\na\n", [hunk("a", "c", at_end=True)], "f") == "a\nb\nc\n"


@pytest.mark.parametrize("written", ["x = 'a'   ", "x = \u2018a\u2019", "  x = 'a'"])
def test_small_slips_of_the_model_are_forgiven(written: str) -> None:
    assert patched("x = 'a'\n", [hunk(written, "y")], "f") == "y\n"


def test_line_ends_and_an_open_end_survive() -> None:
    assert patched("a\r\nb\r\n", [hunk("b", "c\nd")], "f") == "a\r\nc\r\nd\r\n"
    assert patched("a\nb", [hunk("a", "c")], "f") == "c\nb"
    assert patched("", [hunk(new="a")], "f") == "a\n"


def test_a_misfit_shows_what_was_wanted_and_what_is_near() -> None:
    with pytest.raises(ModelMistake) as mistake:
        patched("def f():\n    return 1\n", [hunk("def f():\n    return 2", "x")], "src/f.py")
    assert "does not fit src/f.py" in mistake.value.message
    assert "Nearest are lines 1 to 2:\n  def f():\n      return 1" in mistake.value.message
    with pytest.raises(ModelMistake, match="has no line 'class Z:'"):
        patched("a\n", [hunk("a", "b", headers=("class Z:",))], "f")
