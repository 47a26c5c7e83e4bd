import os
import time
from pathlib import Path

from adapters.repositories.leftovers import STALE_SECONDS, remove_stale


def test_only_what_is_a_day_old_and_named_is_removed(tmp_path: Path) -> None:
    long_ago = time.time() - STALE_SECONDS - 60
    (tmp_path / "kept").mkdir()
    for name in ("work-old", "work-new", "other-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / "pack-old").touch()
    (tmp_path / "work-link").symlink_to(tmp_path / "kept")
    for name in ("work-old", "other-old", "pack-old", "work-link"):
        os.utime(tmp_path / name, (long_ago, long_ago), follow_symlinks=False)
    remove_stale(tmp_path, "work-*", "pack-*")
    assert {path.name for path in tmp_path.iterdir()} == {"kept", "work-new", "other-old"}
