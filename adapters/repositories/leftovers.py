"""What a process that was killed left behind."""

import contextlib
import shutil
import time
from pathlib import Path

STALE_SECONDS = 24 * 3600.0


def remove_stale(root: Path, *patterns: str) -> None:
    """Only what is a day old: younger ones may belong to another process that lives."""
    for pattern in patterns:
        for left in root.glob(pattern):
            with contextlib.suppress(OSError):
                if time.time() - left.lstat().st_mtime < STALE_SECONDS:
                    continue
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()
