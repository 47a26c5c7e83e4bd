"""The host's own root for a command without walls, as arguments for bwrap: nothing is hidden but what mounts cover."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from domain.sandbox import HOME_PATH, WORKSPACE_PATH, Mount

SIGNS = PurePosixPath("/.perdure")
"""Holds one directory, named by the command's marker: processes whose root shows it are the command's."""


def host_arguments(mounts: Sequence[Mount], places: Sequence[str], marker: str, root: Path = Path("/")) -> list[str]:
    """What stands below the command's mounts. `places` are the targets of others that follow."""
    own = ("/tmp", HOME_PATH, WORKSPACE_PATH, str(SIGNS))  # noqa: S108  as commands see it
    targets = [PurePosixPath(target) for target in (*own, *places, *(mount.target for mount in mounts))]
    return [*_entries(root, PurePosixPath("/"), targets), "--dir", str(SIGNS / marker)]


def _entries(source: Path, place: PurePosixPath, targets: Sequence[PurePosixPath]) -> Iterator[str]:
    """Each entry of `source` at `place`. On the way to a target bwrap must not make directories on the host, so
    these become directories of the command's own root, and their entries are bound one by one."""
    for entry in _listed(source):
        inside = place / entry.name
        if inside in targets:
            continue
        if any(target.is_relative_to(inside) for target in targets):
            yield from ("--dir", str(inside))
            yield from _entries(Path(entry.path), inside, targets)
        elif entry.is_symlink():
            yield from ("--symlink", str(Path(entry.path).readlink()), str(inside))
        else:
            yield from ("--dev-bind-try", entry.path, str(inside))


def _listed(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:  # closed to this user, or no directory
        return []
