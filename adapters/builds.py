"""Which code this is: an id that changes whenever the code of the workers does."""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = "0.1.0"
CODE = ("domain", "activities", "adapters", "workflows", "worker.py")
"""What a worker is made of; a change elsewhere makes no other worker."""
LONGEST = 100
GIT_SECONDS = 10.0


def build_id(environment: Mapping[str, str], root: Path = ROOT) -> str:
    """`PERDURE_BUILD_ID`, else the commit of the checkout, else the version and a hash of the code.

    A checkout that was changed has a hash of its code behind the commit."""
    if named := environment.get("PERDURE_BUILD_ID"):
        return re.sub(r"[^\w.+-]", "-", named)[:LONGEST]
    commit = _git(root, "rev-parse", "--verify", "HEAD") if (root / ".git").exists() else None
    if commit is None:
        return f"{VERSION}-{content_hash(root)}"
    changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", *CODE)
    return commit[:12] if changed == "" else f"{commit[:12]}-{content_hash(root)}"


def content_hash(root: Path) -> str:
    """Over names and contents: the same code has the same hash wherever it lies."""
    found = hashlib.sha256()
    for path in sorted(_files(root)):
        content = path.read_bytes()
        found.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()[:10]


def _files(root: Path) -> Iterable[Path]:
    for name in CODE:
        place = root / name
        yield from [place] if place.is_file() else (one for one in place.rglob("*") if _is_code(one))


def _is_code(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"


def _git(root: Path, *arguments: str) -> str | None:
    """None where git is missing, or this is no checkout that it would speak of."""
    # The checkout may be another user's; nothing is written there, and nobody is asked anything.
    command = ["git", "-C", str(root), "-c", f"safe.directory={root}", "-c", "core.fsmonitor=false", *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        environment.pop(name, None)
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False, timeout=GIT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.strip() if ended.returncode == 0 else None
