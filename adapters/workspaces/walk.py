"""What changed in a plain tree since it was last known: each directory is listed only where its ctime moved."""

import os
import stat
from dataclasses import dataclass
from typing import Literal

from adapters.workspaces.sightings import CTIME, INODE, KIND, SETTLED, SIZE, Sight, Sightings, made_ns
from adapters.workspaces.tree import Tree
from domain.workspace import ROOTS

FORMAT = 0o170000
"""The bits of a mode that say what kind of thing it is; asked of every file, so without a call."""
FOLDER = stat.S_IFDIR
ENTERABLE = 0 if os.geteuid() == 0 else 0o500
"""What a directory's mode must give its owner for us to look into it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`new`: it was not there before, or not the same one. `unsettled`: only its content can tell whether it changed.
    `folder`: a directory that may have another mode or other names in it."""

    path: str
    how: Literal["gone", "new", "touched", "unsettled", "folder"]


class Walk:
    """Parents come before what is in them; what is new is not entered."""

    def __init__(self, tree: Tree, sightings: Sightings) -> None:
        self.differences: list[Difference] = []
        self._tree = tree
        self._sightings = sightings
        self._waiting: list[tuple[str, Sight, os.stat_result]] = []

    def run(self) -> list[Difference]:
        for root in ROOTS:
            found, own = self._tree.lstat(root), self._sightings.get(root)
            if found is None or own is None or found.st_ino != own[INODE]:
                raise FileNotFoundError(f"The directory of /{root} in a workspace is gone.")
            self._waiting.append((root, own, found))
        while self._waiting:
            self._folder(*self._waiting.pop())
        return self.differences

    def _folder(self, path: str, own: Sight, found: os.stat_result) -> None:
        folder = self._tree.directory(path)
        moved = found.st_ctime_ns != own[CTIME]
        # The number of an inode may have been another's before.
        if path not in ROOTS and (found.st_ino != own[INODE] or (moved and made_ns(folder) != own[SIZE])):
            self._add(path, "new")
            return
        inside = self._sightings.folders[path]
        if moved or not own[SETTLED]:
            self._add(path, "folder")
            with os.scandir(folder) as listing:
                for child in listing:
                    if child.name not in inside:
                        self._add(f"{path}/{child.name}", "new")
        for name, sight in inside.items():
            try:
                now = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                self._add(f"{path}/{name}", "gone")
                continue
            kind = now.st_mode & FORMAT
            same = now.st_ctime_ns == sight[CTIME] and now.st_ino == sight[INODE] and kind == sight[KIND]
            if same and sight[SETTLED] and kind != FOLDER and now.st_size == sight[SIZE]:
                continue
            if kind != sight[KIND]:
                self._add(f"{path}/{name}", "new")
            elif kind == FOLDER:
                self._waiting.append((f"{path}/{name}", sight, now))
            elif not same or now.st_size != sight[SIZE]:
                self._add(f"{path}/{name}", "touched")
            else:
                self._add(f"{path}/{name}", "unsettled")

    def _add(self, path: str, how: Literal["gone", "new", "touched", "unsettled", "folder"]) -> None:
        self.differences.append(Difference(path, how))
