"""Where the files of workspaces lie on this host.

<home>/empty                                lowest layer of the roots that no checkout has
<home>/gone/                                what is being removed
<home>/w-<workspace>/lock
<home>/w-<workspace>/<generation>/marks     where the base stands: the last line
                                  base/<root>/     what this run changed, in overlay form
                                  try/<call>.<attempt>/{<root>.up,<root>.work,trash}/
                                                       owner, sealed.json
Where the sandbox mounts no overlays (materialised.py), a generation has instead of these:
                                  ledger    where the tree stands
                                  tree/<root>/     the workspace itself
"""

import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote

from pydantic import Field, ValidationError

from adapters.workspaces.apply import Owner
from adapters.workspaces.rubbish import Rubbish
from adapters.workspaces.scan import ROOT_MODES
from domain.sandbox import HOME_PATH, WORKSPACE_PATH
from domain.snapshot import DirectoryEntry, Manifest, SnapshotRef
from domain.value import Value
from domain.workspace import ROOTS, BaseSpec

TARGETS = {"workspace": WORKSPACE_PATH, "home": HOME_PATH, "tmp": "/tmp"}  # noqa: S108 - a path inside the sandbox
EMPTY = "empty"
TRAVERSABLE = 0o711
MARKS_BYTES = 64 * 1024
BOOT = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> str:
    return BOOT.read_text().strip() if BOOT.exists() else "unknown"


class Mark(Value):
    """Where a base stands. Nothing of a base is ever synced to disk, so after a reboot it is made anew from packs."""

    base: BaseSpec
    base_path: str
    boot: str = Field(default_factory=boot_id)
    snapshot: SnapshotRef | None = None
    """None while it is being made."""
    applying: str | None = None
    """The attempt that is being merged; until that is done the base stands nowhere."""

    def stands_at(self, snapshot: SnapshotRef) -> bool:
        return self.is_sound and self.applying is None and self.snapshot == snapshot

    @property
    def is_sound(self) -> bool:
        return self.snapshot is not None and self.boot == boot_id()


class Place:
    """One generation of one workspace."""

    def __init__(self, path: Path, owner: Owner, rubbish: Rubbish) -> None:
        self.path = path
        self.base = path / "base"
        self.rubbish = rubbish
        self._marks = path / "marks"
        self._owner = owner
        self._passage = TRAVERSABLE if owner is not None else 0o700

    def mark(self) -> Mark | None:
        """None where nothing was opened."""
        try:
            lines = self._marks.read_bytes().split(b"\n")
            # What stands behind the last newline was torn by a kill.
            return Mark.model_validate_json(lines[-2])
        except (FileNotFoundError, IndexError, ValidationError):
            return None

    def set_mark(self, mark: Mark) -> None:
        """Appends: to replace a file makes ext4 write it out first, and that is the slowest part of a small call."""
        line = mark.model_dump_json().encode() + b"\n"
        with self._marks.open("ab", buffering=0) as file:
            if file.tell() < MARKS_BYTES:
                file.write(line)
                return
        part = self._marks.with_suffix(".part")
        part.write_bytes(line)
        part.replace(self._marks)

    def make_base(self, mark: Mark) -> None:
        """An empty base, marked as standing nowhere yet."""
        for path in (self.path, self.path / "try"):
            make_directory(path, self._passage, None)
        self.set_mark(mark)
        self.rubbish.take(self.base)
        make_directory(self.base, self._passage, None)
        for root in ROOTS:
            make_directory(self.base / root, ROOT_MODES[root], self._owner)

    def attempt(self, attempt_id: str) -> Path:
        return self.path / "try" / quote(attempt_id, safe="")

    def make_attempt(self, attempt_id: str, known: Manifest) -> Path:
        """Fresh, whatever an earlier process left under that name."""
        path = self.attempt(attempt_id)
        self.rubbish.take(path)
        make_directory(path, self._passage, None)
        (path / "owner").write_text(process_mark(os.getpid()))
        for root in ROOTS:
            entry = known.get(root)
            mode = entry.mode if isinstance(entry, DirectoryEntry) else ROOT_MODES[root]
            make_directory(upper_of(path, root), mode, self._owner)
            make_directory(work_of(path, root), 0o700, self._owner)
        return path

    def attempts(self) -> Iterator[Path]:
        folder = self.path / "try"
        if folder.is_dir():
            yield from sorted(folder.iterdir())

    def seal(self, attempt_id: str, snapshot: SnapshotRef) -> None:
        """What it leads to, should that be committed. Who commits has stored the pack before."""
        (self.attempt(attempt_id) / "sealed.json").write_text(snapshot.model_dump_json())

    def remove_older(self) -> None:
        for number in generations(self.path.parent):
            if number < int(self.path.name):
                self.rubbish.take(self.path.parent / str(number))

    def sealed_as(self, snapshot: SnapshotRef) -> Path | None:
        """The attempt that led to `snapshot`, if it is still here."""
        return next((path for path in self.attempts() if sealed(path) == snapshot), None)


def sealed(attempt: Path) -> SnapshotRef | None:
    try:
        return SnapshotRef.model_validate_json((attempt / "sealed.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None


def workspace_path(home: Path, workspace_id: str) -> Path:
    return home / f"w-{quote(workspace_id, safe='')}"


def generations(workspace: Path) -> list[int]:
    """From the oldest to the newest."""
    if not workspace.is_dir():
        return []
    return sorted(int(path.name) for path in workspace.iterdir() if path.name.isdigit())


def given_back(workspace: Path, generation: int | None) -> list[Path]:
    """All of it, unless a later generation than the one that is over has been opened here."""
    here = generations(workspace)
    if generation is None or not any(number > generation for number in here):
        return [workspace]
    return [workspace / str(number) for number in here if number <= generation]


def attempts_before(places: Iterable[Place], call: str, attempt: int) -> list[Path]:
    """Of one call, those with a lower number; never the one that a base is just taking in."""
    found: list[Path] = []
    for place in places:
        mark = place.mark()
        for path in place.attempts():
            name, _, number = unquote(path.name).rpartition(".")
            older = name == call and number.isdigit() and int(number) < attempt
            if older and (mark is None or mark.applying != path.name):
                found.append(path)
    return found


def dead_attempts(places: Iterable[Place]) -> list[Path]:
    """Those whose process is gone and which no commit can speak of: a sealed one may yet have to be applied."""
    found: list[Path] = []
    for place in places:
        found += [path for path in place.attempts() if not is_owned(path) and sealed(path) is None]
    return found


def upper_of(attempt: Path, root: str) -> Path:
    return attempt / f"{root}.up"


def work_of(attempt: Path, root: str) -> Path:
    return attempt / f"{root}.work"


def make_passage(paths: Iterable[Path], owner: Owner) -> None:
    """Directories of ours that the agent's uid has to walk through."""
    for path in paths:
        if not path.is_dir():
            make_directory(path, TRAVERSABLE if owner is not None else 0o700, None)


def make_directory(path: Path, mode: int, owner: Owner) -> None:
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    if owner is not None:
        os.chown(path, owner, owner)
    # After mkdir, which the umask cuts.
    path.chmod(mode)


def process_mark(pid: int) -> str:
    """Names a process for good: its id and when it started."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return f"{pid} {stat.rpartition(')')[2].split()[19]}"


def is_owned(attempt: Path) -> bool:
    """Whether the process that made it is alive."""
    try:
        owner = (attempt / "owner").read_text()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return owner != "" and process_mark(int(owner.split()[0])) == owner
