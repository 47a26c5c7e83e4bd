"""Cached checkouts: the lowest layer of every workspace on a commit, made inside the sandbox, never changed again."""

import hashlib
import os
import shutil
import uuid
from pathlib import Path

from adapters.repositories.commit import object_form, script
from adapters.repositories.empty import EMPTY_BODY
from adapters.repositories.environment import sandbox_environment
from adapters.repositories.faults import NO_SPACE
from adapters.repositories.lock import locked
from adapters.repositories.mirror import make_agent_directory
from adapters.repositories.reference import branch_of
from domain.errors import OutOfSpace, RepositoryRefused, SandboxUnavailable
from domain.ports.sandbox import Sandbox
from domain.repository import ResolvedRepository
from domain.sandbox import (
    MIRROR_PATH,
    WORKSPACE_PATH,
    Command,
    CommandResult,
    ReadOnlyMount,
    SandboxLimits,
    WritableMount,
)

CHECKOUT_SECONDS = 3600.0
MAX_FILE_BYTES = 8 * 1024**3


class Checkouts:
    """`<home>/checkouts/<key>/tree`, there only when it is whole."""

    def __init__(self, home: Path, sandbox: Sandbox, agent_uid: int | None) -> None:
        self._root = home / "checkouts"
        self._sandbox = sandbox
        self._agent_uid = agent_uid
        make_agent_directory(self._root, agent_uid)

    async def make(self, repository: ResolvedRepository, mirror: Path) -> Path:
        """Made once, however many ask at once."""
        key = hashlib.sha256(f"{repository.url}\n{repository.ref}\n{repository.commit}".encode()).hexdigest()[:32]
        kept = self._root / key
        if (kept / "tree").is_dir():
            return kept / "tree"
        async with locked(self._root / f"{key}.lock"):
            if not (kept / "tree").is_dir():
                await self._check_out(repository, mirror, key)
        return kept / "tree"

    async def _check_out(self, repository: ResolvedRepository, mirror: Path, key: str) -> None:
        for left in self._root.glob(f"{key}.making-*"):
            shutil.rmtree(left, ignore_errors=True)
        making = self._root / f"{key}.making-{uuid.uuid4().hex[:12]}"
        tree = making / "tree"
        tree.mkdir(parents=True)
        making.chmod(0o755)
        tree.chmod(0o755)
        if self._agent_uid is not None:
            os.chown(tree, self._agent_uid, self._agent_uid)
        try:
            result = await self._sandbox.run(_command(repository, mirror, tree, making.name))
            if result.exit_code != 0 or result.ended != "exited":
                raise _fault(repository, result)
            making.replace(self._root / key)
        finally:
            shutil.rmtree(making, ignore_errors=True)


def _command(repository: ResolvedRepository, mirror: Path, tree: Path, name: str) -> Command:
    branch = branch_of(repository.ref, repository.commit)
    arguments = (repository.commit, branch, repository.url, object_form(repository.commit))
    return Command(
        argv=("sh", "-c", script("checkout.sh"), "checkout", *arguments),
        cwd=WORKSPACE_PATH,
        environment=sandbox_environment(),
        stdin=EMPTY_BODY.encode(),
        timeout_seconds=CHECKOUT_SECONDS,
        mounts=(
            ReadOnlyMount(source=str(mirror), target=MIRROR_PATH),
            WritableMount(source=str(tree), target=WORKSPACE_PATH),
        ),
        limits=SandboxLimits(file_bytes=MAX_FILE_BYTES),
        name=f"checkout-{name}",
    )


def _fault(repository: ResolvedRepository, result: CommandResult) -> Exception:
    said = (result.head + result.tail).decode(errors="replace").strip()[-600:]
    what = f"Commit {repository.commit[:12]} of {repository.url} could not be checked out: {said or result.ended}"
    if NO_SPACE.search(said):
        return OutOfSpace(what, "Free space in the worker's home: the run then goes on.")
    if result.ended in ("cancelled", "timed_out", "out_of_memory"):
        return SandboxUnavailable(what)
    return RepositoryRefused(what, "Check that the commit can be checked out with `git clone` on Linux.")
