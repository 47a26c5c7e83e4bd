import json

import pytest

from cli.client import frames, problem
from domain.errors import Conflict, InvalidRequest, PerdureError, WorldError


def test_events_are_read_from_a_stream_with_comments_and_retries_between() -> None:
    lines = [
        "retry: 1000",
        "",
        ": keep-alive",
        "",
        "event: run_started",
        'data: {"seq": 1,',
        'data: "a": 2}',
        "id: 1",
        "",
    ]
    found = list(frames(iter([*lines, "event: end", "data: {}", ""])))
    assert [(one.kind, one.body) for one in found] == [("run_started", {"seq": 1, "a": 2}), ("end", {})]


@pytest.mark.parametrize(
    ("status", "kind"), [(409, Conflict), (422, InvalidRequest), (503, WorldError), (500, PerdureError)]
)
def test_a_problem_becomes_the_error_it_was(status: int, kind: type[PerdureError]) -> None:
    said = {"detail": "It cannot be", "next_step": "Try", "errors": [{"field": "task", "message": "too long"}]}
    error = problem(status, json.dumps(said))
    assert type(error) is kind
    assert (error.message, error.next_step) == ("It cannot be\n  task: too long", "Try")


def test_a_proxy_that_answers_with_a_page_is_no_crash() -> None:
    assert problem(502, "<html>Bad gateway</html>").message == "the server answered with status 502"
    assert problem(502, "[1]").message == "the server answered with status 502"
