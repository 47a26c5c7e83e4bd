from pathlib import Path

from cli.sample import git
from tests.cli.conftest import perdure


def test_the_demo_ends_with_a_tested_branch_and_says_who_answered(new_home: Path) -> None:
    played = perdure(new_home, "demo")
    assert played.returncode == 0, played.stdout + played.stderr
    assert "The scripted model answers" in played.stdout
    assert "Approved by the demo itself" in played.stdout
    assert "passed, in the run and in a fresh clone" in played.stdout
    (origin,) = new_home.with_name("perdure-demo").glob("samples/*/slugkit.git")
    branches = git(origin, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()
    assert any(branch.startswith("perdure/") for branch in branches)
    assert not new_home.exists()
