"""Work on its way out of whole runs: poisoned repositories, wrecked ones, and work that a person should look at."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from adapters.models.scripted import ScriptedServer
from tests.fixtures.git_server import git, make_repository
from tests.fixtures.poison import POISONS, WORST, naively, plant
from tests.fixtures.stack import Stack, make_stack
from tests.workflows.sayings import bash, card, completed, decide, finish, says, script, submit

KEY = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_stack(
    open_directory: Path, module_database_url: str, temporal_address: str, _scripted_server: ScriptedServer
) -> AsyncIterator[Stack]:
    """One that may use repositories of this host."""
    made = make_stack(open_directory, module_database_url, temporal_address, _scripted_server)
    made.environment["PERDURE_ALLOWED_PATHS"] = str(made.home / "sources")
    await made.api.start()
    await made.worker.start()
    await made.up()
    yield made
    await made.http.aclose()
    await made.worker.end()
    await made.api.end()
    made.remote.stop()


@pytest.fixture
def mark(stack: Stack) -> Path:
    marks = stack.home / "marks"
    marks.mkdir()
    marks.chmod(0o777)
    return marks / "ran"


@pytest.fixture
def poisoned(stack: Stack, mark: Path) -> Path:
    """A repository on this host with those of the worst that an origin can have."""
    source = stack.home / "sources" / "poisoned"
    make_repository(source, {"README.md": "A small library.\n"})
    for name in (one for one in WORST if not one.startswith("nested")):
        plant(source, POISONS[name], mark)
    for arguments in (["add", "--all"], ["commit", "--quiet", "--message", "planted"]):
        naively(source, *arguments)
    assert mark.exists()
    mark.unlink()
    return source


def ran(mark: Path) -> bool:
    return mark.exists()


async def test_the_worst_poisons_together_run_nothing_on_the_host(
    stack: Stack, temporal_client: Client, poisoned: Path, mark: Path
) -> None:
    planted = "\n".join(f"({POISONS[name].replace('$MARK', str(mark))})" for name in WORST)
    edits = {"path": "README.md", "old": "small", "new": "little"}
    turns = (
        says(bash(planted)),
        says(bash("git status; git add -A; git diff; git commit -qm x; git stash; git fetch; true")),
        says({"name": "edit", "arguments": edits, "unknown": False}),
        says({"name": "search", "arguments": {"pattern": "little"}, "unknown": False}),
    )
    named = script(stack, "poisons", *turns, *finish())
    run_id = await submit(stack, named, repository={"url": str(poisoned)}, verify=["git status; test -s README.md"])
    run = await completed(stack, temporal_client, run_id)
    diff = await stack.http.get(f"/v1/runs/{run_id}/diff")
    assert "+A little library." in diff.text
    assert not ran(mark)
    assert run["result"]["pushed"] is True
    branch = run["result"]["work"]["branch"]
    assert (poisoned / ".git/refs/heads" / branch).read_text().strip() == run["result"]["work"]["commit"]
    naively(poisoned, "status")
    assert ran(mark), "the poison was none"


async def test_work_is_published_from_its_snapshot_where_git_fails_in_the_sandbox(
    stack: Stack, temporal_client: Client
) -> None:
    wreck = "echo made >closed; echo no >y.log; chmod 000 closed; rm -rf .git; mkfifo .git"
    url = stack.repository("wrecked", {"a.txt": "a\n", ".gitignore": "*.log\n"})
    run_id = await submit(stack, script(stack, "wrecks", says(bash(wreck)), *finish()), repository={"url": url})
    run = await completed(stack, temporal_client, run_id)
    branch, bare = run["result"]["work"]["branch"], stack.remote.root / "wrecked.git"
    assert git(bare, "show", f"{branch}:closed") == "made"
    assert git(bare, "ls-tree", "-r", "--name-only", branch).splitlines() == [".gitignore", "a.txt", "closed"]


async def test_work_with_findings_waits_for_a_person_who_sees_why(stack: Stack, temporal_client: Client) -> None:
    work = (
        f"mkdir -p .github/workflows; echo 'on: push' >.github/workflows/ci.yml; printf 'a\\nkey = {KEY[:4]}' >c.ini; "
        f"echo '{KEY[4:]}' >>c.ini; "
        "printf 'import subprocess, sys\\nsubprocess.call(sys.argv[1], shell=True)\\n' >run.py"
    )
    url = stack.repository("risky", {"a.txt": "a\n"})
    named = script(stack, "risky", says(bash(work)), *finish())
    run_id = await submit(stack, named, repository={"url": url}, publish_approval=False)
    await stack.until(run_id, "publish_approval")
    asked = await card(stack, run_id)
    found = [(one["rule"], one["path"], one["line"]) for one in asked["subject"]["findings"]]
    assert found == [("ci", ".github/workflows/ci.yml", None), ("secret", "c.ini", 2), ("bandit", "run.py", 2)]
    assert "build server" in asked["risk"]
    assert KEY not in str(asked)
    assert stack.remote.pushes == 0
    await decide(stack, run_id, decision="approve")
    assert (await completed(stack, temporal_client, run_id))["result"]["pushed"] is True
