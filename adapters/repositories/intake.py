"""A clean bare repository for one piece of work: what comes out of a sandbox is looked at here, and nowhere else."""

import errno
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from adapters.beneath import open_plain
from adapters.repositories.faults import local_fault
from adapters.repositories.leftovers import remove_stale
from adapters.repositories.program import GitCall, GitResult, run_git
from domain.errors import WorkRefused

MEMORY_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class Intake:
    """`git_dir` sees the objects of its mirror and adds its own; both vanish together."""

    git_dir: Path

    async def run(self, *arguments: str, stdin: bytes | IO[bytes] = b"", seconds: float = 120.0) -> GitResult:
        call = GitCall(list(arguments), self.git_dir, stdin=stdin, timeout_seconds=seconds, memory_bytes=MEMORY_BYTES)
        return await run_git(call)

    async def need(self, *arguments: str, stdin: bytes | IO[bytes] = b"", seconds: float = 120.0) -> bytes:
        """Like `run`, for what cannot fail by the work's own fault."""
        result = await self.run(*arguments, stdin=stdin, seconds=seconds)
        if not result.ok:
            raise local_fault(result, f"git {arguments[0]}")
        return result.output

    async def write(self, path: Path, *arguments: str, stdin: bytes = b"", seconds: float = 600.0) -> None:
        """Runs a git whose output goes to a file."""
        with path.open("wb") as file:
            call = GitCall(list(arguments), self.git_dir, stdin=stdin, timeout_seconds=seconds, output_file=file)
            result = await run_git(replace(call, memory_bytes=MEMORY_BYTES))
        if not result.ok:
            raise local_fault(result, f"git {arguments[0]}")

    async def import_pack(self, file: IO[bytes], limit_bytes: int, strict: bool) -> GitResult:
        flags = ["--stdin", "--fix-thin", "--threads=1", f"--max-input-size={limit_bytes}"]
        return await self.run(
            "index-pack", *flags, *(["--strict=badFilemode=error"] if strict else []), stdin=file, seconds=600.0
        )


@asynccontextmanager
async def intake(root: Path, mirror: Path, form: str) -> AsyncGenerator[Intake]:
    """Made below `root`, which must exist."""
    remove_stale(root, "work-*")
    place = Path(tempfile.mkdtemp(prefix="work-", dir=root))
    try:
        git_dir = place / "git"
        made = await run_git(GitCall(["init", "--quiet", "--bare", "--template=", f"--object-format={form}"], git_dir))
        if not made.ok:
            raise local_fault(made, "git init")
        (git_dir / "objects" / "info" / "alternates").write_text(f"{mirror / 'objects'}\n")
        yield Intake(git_dir)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def open_pack(path: Path, limit_bytes: int) -> IO[bytes]:
    """Opens what a sandbox left: a plain file of bounded size, never a link, pipe or device. Raises WorkRefused."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        descriptor, _ = open_plain(folder, path.name, limit_bytes)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EFBIG):
            raise WorkRefused(
                f"The work's pack is no plain file of at most {limit_bytes // 1024**2} MiB.",
                "Remove large files, or add what is generated to .gitignore.",
            ) from error
        raise WorkRefused(
            f"The work's pack cannot be read: {error.strerror}.", "Resume the run to try again."
        ) from error
    finally:
        os.close(folder)
    return os.fdopen(descriptor, "rb")
