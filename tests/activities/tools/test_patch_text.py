import pytest

from activities.tools.patch_text import FilePatch, Hunk, parse_patch, patched_paths
from domain.errors import ModelMistake


def patch(*lines: str) -> str:
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


def test_each_kind_of_section_is_read() -> None:
    text = patch(
        *(
            "*** Update File: a.py",
            "*** Move to: b.py",
            "@@ class A:",
            "@@ def f():",
            " x",
            "-y",
            "+z",
            "",
            "@@",
            "+end",
        ),
        *("*** End of File", "*** Add File: c.py", "+one", "+", "*** Delete File: d.py"),
    )
    assert parse_patch(text) == (
        FilePatch(
            path="a.py",
            move_to="b.py",
            hunks=(
                Hunk(headers=("class A:", "def f():"), old=("x", "y", ""), new=("x", "z", ""), line=4),
                Hunk(old=(), new=("end",), at_end=True, line=10),
            ),
        ),
        FilePatch(path="c.py", content="one\n\n"),
        FilePatch(path="d.py"),
    )
    assert patched_paths(text) == ["a.py", "b.py", "c.py", "d.py"]


def test_empty_lines_between_sections_are_not_part_of_the_file() -> None:
    (one, two) = parse_patch(patch("*** Update File: a", "@@", "-x", "+y", "", "*** Add File: b", "+z", ""))
    assert one.hunks == (Hunk(old=("x",), new=("y",), line=3),)
    assert two.content == "z\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must begin"),
        ("*** Begin Patch\n*** Delete File: a", "must end"),
        (patch(), "changes no file"),
        (patch("hello"), "Line 2 of the patch cannot be read"),
        (patch("*** Update File: a", "@@", "x"), "begins with a space, + or -: 'x'"),
        (patch("*** Update File: a"), "changes nothing in a"),
        (patch("*** Update File: a", "@@ def f():"), "a change with lines"),
        (patch("*** Add File: a", "x"), "each line of a new file begins with +"),
        (patch("*** Delete File: "), "names no file"),
        (patch("*** Delete File: a", "*** Delete File: a"), "names each file once"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, why: str) -> None:
    with pytest.raises(ModelMistake, match=why.replace("+", r"\+")):
        parse_patch(text)
