"""Whatever a repository has been poisoned with, nothing of it runs outside of the sandbox. A mark tells."""

import uuid
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from activities.tool_context import SandboxContext
from activities.tools import TOOLS
from adapters.blobs import ObjectBlobs
from adapters.outputs import HostOutputs
from adapters.repositories import GitRepositories
from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from domain.errors import ModelMistake, PerdureError
from domain.repository import PublishedWork
from domain.sandbox import WORKSPACE_PATH
from domain.secrets import Mask
from domain.terms import Terms
from tests.adapters.repositories.snapped import Snapped
from tests.fixtures.git_server import git
from tests.fixtures.poison import POISONS, naively, plant

CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "bash",
        {"command": "git status; git add -A; git diff HEAD; git commit -qm x; git stash; git log -p; git fetch; true"},
    ),
    ("bash", {"command": "cd bare 2>/dev/null && git status; cd ../nested 2>/dev/null && git status; git fsck; true"}),
    ("list", {"path": ".", "depth": 3}),
    ("read", {"path": "README.md"}),
    ("search", {"pattern": "library"}),
    ("edit", {"path": "README.md", "old": "small", "new": "little"}),
    ("write", {"path": "new.txt", "content": "new\n"}),
    ("apply_patch", {"patch": "--- a/new.txt\n+++ b/new.txt\n@@ -1 +1 @@\n-new\n+newer\n"}),
)


class Watched(Snapped):
    """Does everything that a run does, and looks for the mark after each step."""

    mark: Path
    outputs: HostOutputs

    async def step(self, name: str, doing: Awaitable[Any]) -> Any:
        try:
            return await doing
        finally:
            assert not self.mark.exists(), f"code ran on the host: {name}"

    async def tool(self, name: str, arguments: dict[str, Any]) -> None:
        self.calls += 1
        layers = await self.workspaces.begin(self.lease, f"turn/{self.calls}/call/0", 1)
        context = SandboxContext(
            self.sandbox,
            self.outputs,
            run_id="run-1",
            place=f"1-{self.calls}",
            name=f"poisoned-{uuid.uuid4().hex}",
            mounts=(*layers.mounts, self.mirror),
            terms=Terms(),
            cwd=WORKSPACE_PATH,
            environment={},
            first_finish=True,
            base_commit=self.base.commit,
            mask=Mask(),
        )
        await TOOLS[name].run(TOOLS[name].arguments.model_validate(arguments), context)
        sealed = await self.workspaces.seal(self.lease, layers)
        await self.workspaces.apply(self.lease, sealed)
        self.lease = self.lease.model_copy(update={"snapshot": sealed.snapshot})

    async def whole(self, source: Path, planted: str = "true") -> str:
        """From the clone to the push; the commit that stands at the origin in the end."""
        await self.step("clone and checkout", self.open(source))
        await self.step("planting", self.run(planted.replace("$MARK", str(self.mark))))
        for name, arguments in CALLS:
            try:
                await self.step(f"{name} {arguments}", self.tool(name, arguments))
            except ModelMistake:
                continue
        await self.step("diff", self.snapshots.changes(self.ref))
        await self.step("opening again", self.open_again())
        built = await self.step("assembling", self.assemble())
        result = await self.step("committing", self.commit())
        commit = result.report.decode().split()[0] if result.exit_code == 0 else built
        work = await self.step("taking in", self.take_in(commit))
        await self.step("probing", self.repositories.remote_commit(self.base, work.branch))
        await self.step("pushing", self.repositories.push(self.base, work))
        await self.step("pushing again", self.repositories.push(self.base, work))
        assert isinstance(work, PublishedWork)
        return work.commit

    def forget(self) -> None:
        self.mark.unlink(missing_ok=True)


@pytest.fixture
def mark(place: Path) -> Path:
    """Any user may make it; no sandbox sees the place."""
    marks = place / "marks"
    marks.mkdir()
    marks.chmod(0o777)
    return marks / "ran"


@pytest.fixture
def watched(
    repositories: GitRepositories, sandbox: BubblewrapSandbox, blobs: ObjectBlobs, place: Path, mark: Path
) -> Watched:
    made = Watched(repositories, sandbox, blobs, place)
    made.mark, made.outputs = mark, HostOutputs(place / "worker" / "outputs", blobs)
    return made


@pytest.mark.parametrize("name", POISONS)
async def test_what_the_agent_plants_runs_nothing_on_the_host(watched: Watched, source: Path, name: str) -> None:
    commit = await watched.whole(source, POISONS[name])
    assert git(source, "show", f"{commit}:README.md") == "A little library."


@pytest.mark.parametrize("name", POISONS)
async def test_what_was_planted_at_the_origin_runs_nothing_on_the_host(
    watched: Watched, source: Path, mark: Path, name: str
) -> None:
    plant(source, POISONS[name], mark)
    for arguments in (["add", "--all"], ["-c", "commit.gpgSign=false", "commit", "--quiet", "--message", "planted"]):
        naively(source, *arguments)
    watched.forget()
    commit = await watched.whole(source)
    bare = source / "store" if name == "gitfile redirect" else source / ".git"
    assert (bare / "refs/heads/perdure/add-1").read_text().strip() == commit


@pytest.mark.parametrize("name", POISONS)
def test_plain_git_on_the_host_does_run_it(place: Path, source: Path, mark: Path, name: str) -> None:
    """The control: it shows that the poison is one, and that the mark can be made."""
    origin, naive = place / "origin.git", place / "naive"
    git(place, "clone", "--quiet", "--bare", str(source), str(origin))
    git(place, "clone", "--quiet", str(origin), str(naive))
    plant(naive, POISONS[name], mark)
    for arguments in NAIVE:
        where = naive / arguments[1] if arguments[0] == "-C" else naive
        if where.is_dir():
            (naive / "new.txt").write_text(uuid.uuid4().hex)
            naively(where, *(arguments[2:] if arguments[0] == "-C" else arguments))
    assert mark.exists()


NAIVE = (
    ("status",),
    ("add", "--all"),
    ("diff", "HEAD"),
    ("commit", "--message", "x"),
    ("commit", "--amend"),
    ("log", "-p"),
    ("checkout", "-b", "other"),
    ("fetch", "origin"),
    ("push", "origin", "HEAD:refs/heads/pushed"),
    ("stash",),
    ("-C", "bare", "status"),
)


@pytest.mark.parametrize("name", ["nested repository with fsmonitor", "nested gitfile to a poisoned store"])
def test_not_even_a_git_directory_of_our_own_makes_the_agents_tree_safe(
    place: Path, source: Path, mark: Path, name: str
) -> None:
    """Why no git of the host is let at a tree that an agent can write."""
    clean = place / "clean.git"
    git(place, "clone", "--quiet", "--bare", str(source), str(clean))
    plant(source, POISONS[name], mark)
    for _ in range(2):
        naively(place, f"--git-dir={clean}", f"--work-tree={source}", "-c", "core.bare=false", "add", "--all")
    assert mark.exists()


async def test_a_poisoned_workspace_is_refused_or_published_but_never_half(watched: Watched, source: Path) -> None:
    """A store among the files that calls itself `.git` in other letters."""
    with pytest.raises(PerdureError):
        await watched.whole(source, "cp -r .git .GIT; rm -rf .git")
    assert git(source, "branch", "--list") == "* main"
