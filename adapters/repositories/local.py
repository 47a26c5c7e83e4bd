"""Repositories on this host: only below the allowed directories, whatever links and pointer files say."""

import os
from dataclasses import dataclass
from pathlib import Path

from domain.errors import RepositoryRefused

MAX_ALTERNATES = 20


@dataclass(frozen=True)
class LocalRepository:
    """`path` and `git_dir` are free of links. `owner` is the (uid, gid) of the git directory."""

    path: Path
    git_dir: Path
    owner: tuple[int, int]


def find_local(path: str, allowed: tuple[str, ...]) -> LocalRepository:
    """Raises RepositoryRefused. Everything that git would read for it must lie below `allowed`, too."""
    roots = tuple(Path(os.path.realpath(root)) for root in allowed)
    real = Path(os.path.realpath(path))
    # The check comes before any look at the disk, so that a refusal says nothing about what is there.
    _check_below(real, roots, path)
    if any(ord(letter) < 32 for letter in str(real)):
        raise RepositoryRefused("The repository's path has control characters in it.", "Rename the directory.")
    try:
        git_dir = _find_git_dir(real)
        for part in _parts(git_dir):
            _check_below(part, roots, path)
        if (_common_dir(git_dir) / "shallow").exists():
            raise RepositoryRefused(
                f"{path} is a shallow clone: it lacks the history that its commits need.",
                f"Run `git -C {real} fetch --unshallow` first.",
            )
        status = git_dir.stat()
    except OSError as error:
        raise RepositoryRefused(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
    return LocalRepository(real, git_dir, (status.st_uid, status.st_gid))


def _check_below(path: Path, roots: tuple[Path, ...], asked: str) -> None:
    if any(path.is_relative_to(root) for root in roots):
        return
    where = ", ".join(str(root) for root in roots) or "none"
    raise RepositoryRefused(
        f"Local repositories may lie below the allowed directories only, and {asked} (or a part of it) does not.",
        f"Allowed: {where}. The operator sets them as PERDURE_ALLOWED_PATHS.",
    )


def _find_git_dir(path: Path) -> Path:
    if not path.exists():
        raise RepositoryRefused(f"{path} does not exist.", "Check the path; it is one on the server's own disk.")
    pointer = path / ".git"
    if pointer.is_file():
        named = pointer.read_text(errors="surrogateescape")[:4096].strip().removeprefix("gitdir:").strip()
        return Path(os.path.realpath(path / named))
    if pointer.is_dir():
        return Path(os.path.realpath(pointer))
    if _is_git_dir(path):
        return path
    above = next((parent for parent in path.parents if (parent / ".git").exists()), None)
    hint = f"The repository's top is {above}." if above else "Run `git init` and commit there, or give another path."
    raise RepositoryRefused(f"{path} is not the top of a git repository.", hint)


def _is_git_dir(path: Path) -> bool:
    return (path / "HEAD").exists() and (path / "objects").is_dir() and (path / "refs").is_dir()


def _common_dir(git_dir: Path) -> Path:
    named = git_dir / "commondir"
    if not named.is_file():
        return git_dir
    return Path(os.path.realpath(git_dir / named.read_text(errors="surrogateescape")[:4096].strip()))


def _parts(git_dir: Path) -> list[Path]:
    """Every directory that git would read objects and refs from."""
    common = _common_dir(git_dir)
    objects = Path(os.path.realpath(common / "objects"))
    found: list[Path] = [git_dir, common, Path(os.path.realpath(common / "refs")), objects]
    waiting: list[Path] = [objects]
    while waiting and len(found) < MAX_ALTERNATES:
        directory = waiting.pop()
        listed = directory / "info" / "alternates"
        if listed.is_file():
            lines = listed.read_text(errors="surrogateescape")[:65536].splitlines()
            more: list[Path] = [
                Path(os.path.realpath(directory / line.strip('"'))) for line in lines if line and line[0] != "#"
            ]
            waiting += more
            found += more
    return found
