import json
from pathlib import Path

from tests.cli.conftest import Up, perdure


def test_it_tries_what_a_stack_needs_and_shows_no_key(up: Up) -> None:
    looked = perdure(up.home, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(looked.stdout)}
    assert looked.returncode == 0, looked.stdout
    assert {"Python", "git", "home", "Postgres", "Temporal", "models", "stack", "stack's worker"} <= set(checks)
    assert "a timer of 10 ms fires after" in checks["Temporal's pace"]["found"]
    assert checks["overlay"]["ok"]


def test_without_a_stack_it_says_how_to_get_one(new_home: Path) -> None:
    looked = perdure(new_home, "doctor")
    assert "not up at" in looked.stdout
    assert "perdure up" in looked.stdout
    assert "port 8080 (API)" in looked.stdout
