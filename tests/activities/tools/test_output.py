from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.tools.output import how_it_ended, printed, readable, shown
from domain.sandbox import CommandResult


def result(head: bytes = b"", **fields: Any) -> CommandResult:
    return CommandResult.model_validate({"exit_code": 0, "head": head, "output_bytes": len(head), **fields})


@given(st.binary(max_size=200))
def test_every_output_becomes_storable_text(raw: bytes) -> None:
    text = readable(raw)
    assert "\0" not in text and "\x1b" not in text
    text.encode()


@given(st.text(alphabet="aé€😀", min_size=1, max_size=40), st.integers(0, 160), st.integers(0, 160))
def test_a_cut_never_damages_a_character(text: str, head: int, tail: int) -> None:
    raw = text.encode()
    cut = result(raw[:head], tail=raw[max(0, len(raw) - tail) :], cut=True, output_bytes=1000)
    assert "\ufffd" not in printed(cut, None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"exit_code": 2}, "exit code 2"),
        ({"exit_code": 137}, "exit code 137: killed by signal 9"),
        ({"ended": "timed_out", "exit_code": 137}, "longer than 7 s"),
        ({"ended": "timed_out", "exit_code": 137, "seconds": 7.1}, "give `timeout_seconds`"),
        ({"ended": "timed_out", "exit_code": 137, "seconds": 3.1}, "longer than 3 s"),
        ({"ended": "timed_out", "exit_code": 137, "seconds": 3.1}, "No command of this run may take longer"),
        ({"ended": "output_limit", "exit_code": 137}, "printed more than is allowed"),
        ({"ended": "disk_limit", "exit_code": 137}, "more on the disk than is allowed"),
        ({"ended": "out_of_memory", "exit_code": 137}, "more memory than is allowed"),
        ({"ended": "cancelled", "exit_code": 137}, "was cancelled"),
    ],
)
def test_the_ending_is_said_in_words(fields: dict[str, Any], expected: str) -> None:
    assert expected in how_it_ended(result(**fields), 7)


def test_what_was_left_out_is_counted() -> None:
    cut = result(b"head", tail=b"tail\n", cut=True, output_bytes=10_000)
    assert shown(cut, "/outputs/1-0", 1) == (
        "head\n[9,991 of 10,000 bytes left out here; all of it is in /outputs/1-0]\ntail"
    )
