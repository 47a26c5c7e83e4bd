from activities.tools.summary import summary_of


def test_a_summary_is_one_short_line() -> None:
    assert summary_of("bash", "pytest -q\n  tests") == "bash: pytest -q tests"
    assert summary_of("todo", "") == "todo"
    assert len(summary_of("bash", "x" * 500)) == 80
