import json

from tests.cli.conftest import Up, perdure


def test_lists_and_runs_are_shown_to_people_and_programs(up: Up) -> None:
    sent = perdure(up.home, "run", "Say it once more", "--model", "scripted:echo@1", "--no-plan", "--yes", "--json")
    run_id = json.loads(sent.stdout.splitlines()[-1])["id"]
    listed = json.loads(perdure(up.home, "ls", "--limit", "1", "--json").stdout)
    assert [run["id"] for run in listed["items"]] == [run_id]
    for_people = perdure(up.home, "ls", "--status", "completed").stdout
    assert f"{run_id[-12:]}  completed" in for_people
    assert max(map(len, for_people.splitlines())) <= 80
    shown = perdure(up.home, "show").stdout
    assert run_id in shown
    assert up.answers["temporal_ui"] in shown
    assert "bubblewrap at" in shown
    assert "no network" in shown
    assert "memory 2048 MiB" in shown
    assert perdure(up.home, "diff").stdout == ""
    assert "changed nothing" in perdure(up.home, "apply").stdout
