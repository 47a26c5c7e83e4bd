from cli.lines import EventLines, one_line, plain


def test_what_a_tool_printed_cannot_steer_the_terminal() -> None:
    assert plain("\x1b[2J\x1b[31mred\x1b[0m\x07 \x9b2Jend\tok\n") == "red 2Jend\tok\n"
    assert plain("a\x1b]0;title\x07b\r") == "a]0;titleb"


def test_a_result_is_one_line_of_what_matters() -> None:
    output = "....F\n\n3 failed, 5 passed in 0.1s\n[exit code 1]\n"
    assert one_line(output, last=True) == "3 failed, 5 passed in 0.1s"
    assert one_line("x" * 300, width=10) == "x" * 9 + "…"
    assert one_line(" \n ") == ""


def test_an_event_of_a_newer_server_is_passed_over() -> None:
    assert EventLines().lines({"type": "not_yet_thought_of"}) == []
