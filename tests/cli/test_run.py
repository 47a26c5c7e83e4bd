import json
from pathlib import Path

from tests.cli.conftest import Up, perdure

ECHO = ("--no-plan", "--publish", "none")


def test_a_task_from_standard_input_is_followed_to_its_end(up: Up) -> None:
    done = perdure(up.home, "run", "-", "--model", "scripted:echo@2", *ECHO, "--follow", text="Say it twice")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "→ bash echo turn 2" in done.stdout
    assert "completed" in done.stdout.splitlines()[-2]


def test_json_is_one_object_a_line_and_ends_with_the_run(up: Up) -> None:
    done = perdure(
        up.home, "run", "Say it once", "--model", "scripted:echo@1", *ECHO, "--label", "team=web", "-f", "--json"
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["seq"] for line in lines[:-1]] == list(range(1, len(lines)))
    assert (lines[-1]["status"], lines[-1]["labels"]) == ("completed", {"team": "web"})


def test_a_run_is_paused_resumed_told_something_and_cancelled(up: Up) -> None:
    started = perdure(up.home, "run", "Say it often", "--model", "scripted:echo@300", *ECHO, "--json")
    run_id = json.loads(started.stdout)["id"]
    for command in (("pause", run_id), ("say", run_id, "Be brief."), ("resume", run_id[-12:])):
        told = perdure(up.home, *command)
        assert (told.returncode, told.stderr) == (0, ""), command
    ended = perdure(up.home, "cancel", run_id, "--reason", "Enough", "--json")
    assert json.loads(ended.stdout)["command"] == "cancel"
    watched = perdure(up.home, "watch", run_id)
    assert watched.returncode == 1
    assert "message of admin Be brief." in watched.stdout
    too_late = perdure(up.home, "pause", run_id)
    assert too_late.returncode == 5
    assert "cancelled" in too_late.stderr


def test_what_is_wrong_is_said_with_an_exit_status_of_its_own(up: Up, tmp_path: Path) -> None:
    assert perdure(up.home, "run").returncode == 2
    no_model = perdure(up.home, "run", "Do it", "--model", "nobody:nothing")
    assert no_model.returncode == 2
    assert "nobody" in no_model.stderr
    assert perdure(up.home, "show", "019a3f6e-7c1f-7d00-8000-2b1c5c9f0a11").returncode == 5
    assert perdure(up.home, "run", "Do it", "--limit", "turns").returncode == 2
    refused = perdure(up.home, "run", "Do it", "--sandbox-limit", "processes=1")
    assert refused.returncode == 2
    assert "processes" in refused.stderr
    assert "--sandbox-limit: many is no number" in perdure(up.home, "run", "x", "--sandbox-limit", "cpus=many").stderr
    unreachable = perdure(up.home, "--api", "http://127.0.0.1:9", "--token", "t", "ls")
    assert unreachable.returncode == 3
    assert "perdure up" in unreachable.stderr
    wrong = perdure(up.home, "--api", up.answers["api"], "--token", "wrong", "ls")
    assert wrong.returncode == 5
    assert perdure(tmp_path, "ls").returncode == 5


def test_a_pull_request_is_asked_for_by_options(up: Up) -> None:
    asked = (
        "--pr-title",
        "T",
        "--label-pr",
        "agent",
        "--reviewer",
        "ada",
        "--team-reviewer",
        "web",
        "--pr-base",
        "dev",
    )
    where = ("--repo", "https://git.example.com/team/app", "--publish", "pull-request")
    refused = perdure(up.home, "run", "Do it", "--model", "scripted:echo@1", *where, *asked)
    assert refused.returncode == 2
    assert "PERDURE_GITHUB_HOSTS" in refused.stderr
    wrong = perdure(up.home, "run", "Do it", *where, "--reviewer", "not a name")
    assert "pull_request.reviewers.0" in wrong.stdout + wrong.stderr


def test_who_is_told_is_an_option_and_must_be_one_of_the_operators_hosts(up: Up) -> None:
    refused = perdure(
        up.home, "run", "Do it", "--model", "scripted:echo@1", "--notify-url", "https://evil.example.com/x"
    )
    assert refused.returncode == 2
    assert "notify_url: its host and port are not among those" in refused.stderr
