"""Where a plain tree stands and what it looked like then: one file, so that neither can be had without the other.

Each line is a JSON object: `mark`, `seen` (sights by path), `gone` (paths), and `whole` on the first, which has all.
A line is written at once, between two newlines: what a kill tore is passed over, since nobody went on from it.
"""

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from adapters.workspaces.layout import Mark, process_mark
from adapters.workspaces.sightings import Sight, Sightings

SLACK_BYTES = 4 * 1024**2


class TreeMark(Mark):
    """`snapshot` is what the tree was when it was last looked at; `applying` the attempt that has been writing in it
    since, or whose effect it holds before that is committed."""

    worker: str = ""
    """The process in which that attempt is made."""

    @property
    def is_held(self) -> bool:
        """By another process that is alive."""
        if self.applying is None or not self.worker:
            return False
        pid = int(self.worker.split()[0])
        return pid != os.getpid() and process_mark(pid) == self.worker


class Ledger:
    """Kept in memory between calls; read again where another process wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sightings = Sightings()
        self._mark: TreeMark | None = None
        self._known: tuple[int, int] | None = None
        self._whole_bytes = 0
        self._lock = threading.Lock()
        """Whoever waits for the mark to change looks at it beside the one who has the workspace for itself."""

    def mark(self) -> TreeMark | None:
        """None where nothing was opened. Blocks."""
        with self._lock:
            found = self._identity()
            if found is None:
                self._known, self._mark = None, None
            elif found != self._known:
                self._read()
                self._known = found
            return self._mark

    def begin_anew(self, mark: TreeMark, seen: Mapping[str, Sight]) -> None:
        """All that was known before is void."""
        with self._lock:
            self.sightings = Sightings(seen)
            self._replace(mark)

    def set(self, mark: TreeMark, seen: Mapping[str, Sight] | None = None, gone: Iterable[str] = ()) -> None:
        gone = sorted(gone)
        with self._lock:
            self._known = None
            with self.path.open("ab", buffering=0) as file:
                _write(file.fileno(), _line(mark, seen or {}, gone))
                written = file.tell()
            self.sightings.update(seen or {}, gone)
            self._mark = mark
            if written > 2 * self._whole_bytes + SLACK_BYTES:
                self._replace(mark)
            self._known = self._identity()

    def _replace(self, mark: TreeMark) -> None:
        self._known = None
        part = self.path.with_suffix(".part")
        line = _line(mark, self.sightings.all(), (), whole=True)
        part.write_bytes(line)
        part.replace(self.path)
        self._whole_bytes = len(line)
        self._mark = mark
        self._known = self._identity()

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_size

    def _read(self) -> None:
        self.sightings, self._mark = Sightings(), None
        for line in self.path.read_bytes().split(b"\n"):
            try:
                entry = json.loads(line) if line else None
                mark = TreeMark.model_validate(entry["mark"]) if entry else None
            except (ValueError, ValidationError):
                continue
            if entry is None:
                continue
            if entry["whole"]:
                self.sightings, self._whole_bytes = Sightings(), len(line)
            self.sightings.update({path: tuple(sight) for path, sight in entry["seen"].items()}, entry["gone"])
            self._mark = mark


def _line(mark: TreeMark, seen: Mapping[str, Sight], gone: Iterable[str], *, whole: bool = False) -> bytes:
    entry = {"mark": mark.model_dump(mode="json"), "seen": seen, "gone": list(gone), "whole": whole}
    return b"\n" + json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _write(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]
