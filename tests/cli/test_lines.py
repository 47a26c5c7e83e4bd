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


def test_connections_of_a_command_are_shown_with_what_became_of_them() -> None:
    made = {
        "host": "mirror.example",
        "port": 443,
        "allowed": True,
        "sent_bytes": 1200,
        "received_bytes": 5,
        "reason": "",
    }
    refused = made | {"host": "evil.example\x1b[2J", "allowed": False, "reason": "not among the hosts"}
    (line,) = EventLines().lines({"type": "connection_tried", "connection": made})
    assert "mirror.example:443 (1,200 bytes out, 5 in)" in line.plain
    (line,) = EventLines().lines({"type": "connection_tried", "connection": refused})
    assert "evil.example:443 was refused: not among the hosts" in line.plain.replace("[2J", "")
    (line,) = EventLines().lines({"type": "connections_counted", "allowed": 7, "refused": 3})
    assert "7 connections more, 3 refused" in line.plain


def test_a_pull_request_is_told_by_its_address_and_what_of_it_could_not_be_had() -> None:
    receipt = {"url": "https://github.com/team/app/pull/3", "notes": ["Reviews: stranger: no\x1b[31m collaborator"]}
    event = {"type": "effect_done", "effect": "pull_request", "target": "perdure/x", "receipt": receipt}
    assert [line.plain for line in EventLines().lines(event)] == [
        "pull request https://github.com/team/app/pull/3",
        "  Reviews: stranger: no collaborator",
    ]
    pushed = {"type": "effect_done", "effect": "push", "target": "perdure/x", "receipt": {"commit": "c"}}
    assert [line.plain for line in EventLines().lines(pushed)] == ["push perdure/x"]
