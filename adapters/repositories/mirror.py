"""Bare mirrors: everything that this host knows of a remote repository. They only ever grow."""

import asyncio
import hashlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from adapters.repositories.address import Remote, RemotePolicy, mirror_name
from adapters.repositories.empty import EMPTY_COMMIT, empty_pack
from adapters.repositories.environment import token_environment, write_askpass
from adapters.repositories.faults import NO_HOST, local_fault, remote_fault
from adapters.repositories.leftovers import remove_stale
from adapters.repositories.lock import locked
from adapters.repositories.program import GitCall, GitResult, run_git
from adapters.repositories.reference import OBJECT_ID, Found, check_name, choose, no_such_ref, parse, patterns
from adapters.repositories.transport import upload_pack
from domain.errors import RemoteUnavailable, RepositoryRefused
from domain.ports.files import Blobs
from domain.repository import RepositorySpec, ResolvedRepository

FETCH_SECONDS = 1800.0


class Mirrors:
    """`<home>/mirrors/<hash>.git`; a commit is whole in it when `refs/commits/<commit>` names it."""

    def __init__(self, home: Path, blobs: Blobs, policy: RemotePolicy, agent_uid: int | None) -> None:
        self.policy = policy
        self._blobs = blobs
        self.root = home / "mirrors"
        make_agent_directory(self.root, agent_uid)
        self._askpass = write_askpass(home / "askpass.sh")

    def path(self, url: str) -> Path:
        return self.root / f"{mirror_name(url)}-{hashlib.sha256(url.encode()).hexdigest()[:24]}.git"

    async def resolve(self, spec: RepositorySpec) -> ResolvedRepository:
        remote = self.policy.admit(spec.url)
        if spec.ref is not None:
            check_name(spec.ref)
        refs, head = await self._first_look(remote, spec.ref)
        found = choose(spec.ref, refs, head)
        if found is None:
            raise no_such_ref(remote.url, spec.ref, (await self.list_refs(remote))[0])
        mirror = self.path(remote.url)
        async with locked(mirror.with_suffix(".lock")):
            await self._make(mirror, remote.url, found.tip)
            commit = await self._bring_commit(mirror, remote, found)
            pack = await self._store_pack(mirror, commit)
        name = commit if found.name == found.tip else found.name
        return ResolvedRepository(url=remote.url, ref=name, commit=commit, pack=pack)

    async def restore(self, repository: ResolvedRepository) -> Path:
        """The mirror with the repository's commit in it, from the blob store where this host lacks it."""
        mirror = self.path(repository.url)
        if _mark(mirror, repository.commit).exists():
            return mirror
        async with locked(mirror.with_suffix(".lock")):
            if not _mark(mirror, repository.commit).exists():
                await self._make(mirror, repository.url, repository.commit)
                await self._read_pack(mirror, repository)
                _set_mark(mirror, repository.commit)
        return mirror

    async def _first_look(self, remote: Remote, ref: str | None) -> tuple[dict[str, str], str | None]:
        try:
            return await self.list_refs(remote, *patterns(ref))
        except RemoteUnavailable as error:
            # A host that was never reached and has no address is a slip of the pen, not an outage to wait out.
            if NO_HOST not in error.message or await asyncio.to_thread(self.path(remote.url).exists):
                raise
            raise RepositoryRefused(
                f"{remote.url}: there is no host {remote.host}.", "Check the address, then submit the task again."
            ) from error

    async def list_refs(self, remote: Remote, *names: str) -> tuple[dict[str, str], str | None]:
        call = GitCall(["ls-remote", "--symref", *upload_pack(remote), "--", remote.location, *names])
        result = await self.ask(remote, call, "listing its refs")
        refs, head = parse(result.output)
        return {name: tip for name, tip in refs.items() if not names or name in names}, head

    async def ask(self, remote: Remote, call: GitCall, doing: str) -> GitResult:
        """Runs a git that talks to the remote; raises what its failure means."""
        result = await self.try_ask(remote, call)
        if not result.ok:
            raise remote_fault(result, remote, doing)
        return result

    async def try_ask(self, remote: Remote, call: GitCall) -> GitResult:
        """Like `ask`, and answers with the failure."""
        environment = dict(call.environment)
        token = await self.policy.token(remote)
        if token:
            environment |= token_environment(self._askpass, remote.protocol, remote.host, token)
        secrets = (token,) if token else ()
        return await run_git(replace(call, environment=environment, protocol=remote.protocol, secrets=secrets))

    async def _make(self, mirror: Path, url: str, tip: str) -> None:
        if await asyncio.to_thread(mirror.exists):
            return
        form = "sha256" if len(tip) > 40 and OBJECT_ID.fullmatch(tip) else "sha1"
        fresh = Path(tempfile.mkdtemp(prefix="making-", dir=self.root))
        await self._local(GitCall(["init", "--quiet", "--bare", "--template=", f"--object-format={form}"], fresh))
        _lay_out(fresh, mirror, url)

    async def _bring_commit(self, mirror: Path, remote: Remote, found: Found) -> str:
        remove_stale(self.root, "making-*", "pack-*", f"{mirror.name}/objects/pack/tmp_*")
        commit = await self._whole(mirror, found.tip)
        if commit is None:
            await self._fetch(mirror, remote, found)
            commit = await self._whole(mirror, found.tip)
        if commit is None:
            raise no_such_ref(remote.url, found.name, (await self.list_refs(remote))[0])
        _set_mark(mirror, commit)
        return commit

    async def _fetch(self, mirror: Path, remote: Remote, found: Found) -> None:
        flags = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules"]
        fetch = GitCall(["fetch", *flags, *upload_pack(remote)], mirror, timeout_seconds=FETCH_SECONDS)
        if found.asked.startswith("refs/") or found.asked == "HEAD" or OBJECT_ID.fullmatch(found.asked):
            one = replace(fetch, arguments=[*fetch.arguments, "--", remote.location, found.asked])
            try:
                await self.ask(remote, one, "fetching")
                return
            except RepositoryRefused:
                if not OBJECT_ID.fullmatch(found.asked):
                    raise
        # A commit that no ref names: only everything can tell whether it is there.
        refs, _ = await self.list_refs(remote)
        wanted = [name for name in refs if name.startswith(("refs/heads/", "refs/tags/")) and name[-3:] != "^{}"]
        arguments = [*fetch.arguments, "--stdin", "--", remote.location]
        await self.ask(remote, replace(fetch, arguments=arguments, stdin="\n".join(wanted).encode()), "fetching")

    async def _whole(self, mirror: Path, tip: str) -> str | None:
        """The commit that `tip` means, if the mirror has it with all that it needs."""
        asked = GitCall(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{tip}^{{commit}}"], mirror)
        commit = (await run_git(asked)).output.decode().strip()
        if not commit or _mark(mirror, commit).exists():
            return commit or None
        listed = ["rev-list", "--objects", "--quiet", commit, "--not", "--glob=refs/commits"]
        walk = await run_git(GitCall(listed, mirror, timeout_seconds=FETCH_SECONDS))
        return commit if walk.ok else None

    async def _store_pack(self, mirror: Path, commit: str) -> str:
        noted = mirror / "packs" / commit
        if noted.exists() and await self._blobs.keeps(address := noted.read_text().strip()):
            return address
        with tempfile.NamedTemporaryFile(dir=self.root, prefix="pack-") as file:
            arguments = ["pack-objects", "--revs", "--stdout", "--quiet", "--delta-base-offset"]
            call = GitCall(arguments, mirror, stdin=f"{commit}\n".encode(), output_file=file)
            await self._local(replace(call, timeout_seconds=FETCH_SECONDS))
            address = await self._blobs.put_file(Path(file.name))
        write_whole(noted, address)
        return address

    async def _read_pack(self, mirror: Path, repository: ResolvedRepository) -> None:
        index = GitCall(["index-pack", "--stdin"], mirror, timeout_seconds=FETCH_SECONDS)
        if repository.commit == EMPTY_COMMIT:
            await self._local(replace(index, stdin=empty_pack()))
            return
        with tempfile.NamedTemporaryFile(dir=self.root, prefix="pack-") as file:
            await self._blobs.get_file(repository.pack, Path(file.name))
            # `file` itself may be another one by now: the store replaces what stands at the path.
            with await asyncio.to_thread(Path(file.name).open, "rb") as content:
                await self._local(replace(index, stdin=content))
        write_whole(mirror / "packs" / repository.commit, repository.pack)

    async def _local(self, call: GitCall) -> None:
        result = await run_git(call)
        if not result.ok:
            raise local_fault(result, f"git {call.arguments[0]}")


def make_agent_directory(path: Path, agent_uid: int | None) -> None:
    """A directory that only we and the agent's user can enter: private code lies below it."""
    path.mkdir(parents=True, exist_ok=True)
    if agent_uid is not None:
        os.chown(path, -1, agent_uid)
    path.chmod(0o700 if agent_uid is None else 0o710)


def _lay_out(fresh: Path, mirror: Path, url: str) -> None:
    (fresh / "refs" / "commits").mkdir()
    (fresh / "packs").mkdir()
    (fresh / "description").write_text(f"{url}\n")
    fresh.chmod(0o755)
    fresh.replace(mirror)


def write_whole(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(f"{text}\n")
    fresh.replace(path)


def _mark(mirror: Path, commit: str) -> Path:
    return mirror / "refs" / "commits" / commit


def _set_mark(mirror: Path, commit: str) -> None:
    # Written by us, not by `git update-ref`: a lock file that a killed git left would block it for ever.
    if not _mark(mirror, commit).exists():
        write_whole(_mark(mirror, commit), commit)
