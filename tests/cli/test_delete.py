"""Runs deleted from the terminal."""

import json

from tests.cli.conftest import Up, perdure


def test_a_run_is_deleted_once_it_has_ended(up: Up) -> None:
    sent = perdure(up.home, "run", "Say it once", "--model", "scripted:echo@1", "--no-plan", "--yes", "--json")
    run_id = json.loads(sent.stdout.splitlines()[-1])["id"]
    deleted = perdure(up.home, "delete", run_id)
    assert deleted.returncode == 0, deleted.stderr
    assert f"{run_id}: deleted" in deleted.stdout
    again = perdure(up.home, "delete", run_id)
    assert again.returncode != 0
    assert "There is no run" in again.stderr
