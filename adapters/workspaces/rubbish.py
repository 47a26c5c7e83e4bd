"""What is no longer wanted leaves in one rename; removing it, which a disk can make slow, keeps nobody waiting."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from adapters.workspaces.tree import remove_path


class Rubbish:
    """One thread; the end of the process waits for it, and what a kill leaves is swept at the next start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rubbish")

    def take(self, path: Path) -> None:
        """A path on the same disk; nothing happens where nothing is."""
        gone = self._path / secrets.token_hex(8)
        with suppress(FileNotFoundError):
            try:
                path.rename(gone)
            except FileNotFoundError:
                self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.rename(gone)
            self._thread.submit(_remove, gone)

    def sweep(self) -> None:
        if self._path.is_dir():
            for path in self._path.iterdir():
                self._thread.submit(_remove, path)

    def settle(self) -> None:
        """Blocks until all that was taken is gone."""
        self._thread.submit(int).result()


def _remove(path: Path) -> None:
    # Another process of this host may sweep the same directory; what is left comes up at the next start.
    with suppress(OSError):
        remove_path(path)
