from activities.tools.summary import summary_of


def test_a_summary_is_one_short_line() -> None:
    assert summary_of("bash", "pytest -q\n  tests") == "bash: pytest -q tests"
    assert summary_of("todo", "") == "todo"
    assert len(summary_of("bash", "x" * 500)) == 80


def test_what_looks_like_a_secret_is_in_no_line_not_even_the_part_of_it_that_would_fit() -> None:
    token = "ghp_q7Zp2Lx9Vb4Nf8Rt1Kd6Wm3Hs5Yc0Jgabcd5"
    assert summary_of("bash", f"echo {token} > key") == "bash: echo [secret: github token] > key"
    for before in range(80):
        assert "ghp_" not in summary_of("bash", f"{' x' * (before // 2)} {token}")
