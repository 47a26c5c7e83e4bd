import json
from typing import Any

from tests.cli.conftest import Up, perdure


def told(up: Up, *arguments: str) -> dict[str, Any]:
    done = perdure(up.home, *arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_run_is_forked_and_rewound_and_says_so(up: Up) -> None:
    run_id = told(up, "run", "Say it twice", "--model", "scripted:echo@2", "--no-plan", "--follow")["id"]
    made = told(up, "fork", run_id, "--at", "turn/1/call/0", "--count", "2", "-m", "Go on.", "--limit", "turns=9")
    assert made["at"] == "turn/1/call/0"
    ids = [one["id"] for one in made["runs"]]
    for forked in ids:
        watched = perdure(up.home, "watch", forked)
        assert watched.returncode == 0, watched.stdout
        assert f"forked from {run_id} at turn/1/call/0" in watched.stdout
        assert "message of admin Go on." in watched.stdout
    shown = perdure(up.home, "show", ids[0]).stdout
    assert f"from {run_id}" in shown
    assert "at turn/1/call/0 (1 turns" in shown
    listed = told(up, "ls", "--parent", run_id)
    assert {one["id"] for one in listed["items"]} == set(ids)
    plainly = perdure(up.home, "rewind", run_id, "--at", "turn/1")
    assert plainly.returncode == 0, plainly.stderr
    assert f"from {run_id} at turn/1" in plainly.stdout
    assert "superseded" in perdure(up.home, "show", run_id).stdout


def test_what_cannot_be_forked_is_said_with_an_exit_status_of_its_own(up: Up) -> None:
    run_id = told(up, "run", "Say it once", "--model", "scripted:echo@1", "--no-plan", "--follow")["id"]
    assert perdure(up.home, "fork", run_id, "--at", "turn/99").returncode == 2
    unchecked = perdure(up.home, "fork", run_id, "--count", "2", "--keep", "first")
    assert unchecked.returncode == 2
    assert "verify" in unchecked.stderr
