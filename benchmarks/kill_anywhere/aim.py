"""The benchmark's side of the named boundaries: which there are, and a kill at one of them."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kill_anywhere.boundaries import ARMED, PASSED, STRUCK, file_name
from benchmarks.kill_anywhere.work import Work


@dataclass(frozen=True)
class Target:
    """A boundary, and the works whose undisturbed runs passed it."""

    name: str
    works: tuple[Work, ...]


def targets(directory: Path, works: Mapping[str, Work]) -> list[Target]:
    """By name; `works` are those of the undisturbed runs, by the run's id."""
    found: dict[str, list[Work]] = {}
    for line in (directory / PASSED).read_text().splitlines():
        passed = json.loads(line)
        if (work := works.get(passed["run"])) is not None and work not in found.setdefault(passed["name"], []):
            found[passed["name"]].append(work)
    return [Target(name, tuple(found[name])) for name in sorted(found)]


class Aim:
    def __init__(self, directory: Path) -> None:
        self._armed, self._struck = directory / ARMED, directory / STRUCK
        for path in (self._armed, self._struck):
            path.mkdir(exist_ok=True)

    def take(self, name: str, passing: int = 1) -> None:
        """The worker that passes it for the so manieth time from now on ends there."""
        made = self._armed.with_suffix(".made")
        made.write_text(str(passing))
        (self._struck / file_name(name)).unlink(missing_ok=True)
        made.rename(self._armed / file_name(name))

    def struck(self, name: str) -> float | None:
        """When somebody was killed there."""
        try:
            return (self._struck / file_name(name)).stat().st_ctime
        except FileNotFoundError:
            return None

    async def until_struck(self, name: str, seconds: float) -> float | None:
        """None where nobody passes in this time; then nobody is killed there any more."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (at := self.struck(name)) is not None:
                return at
            await asyncio.sleep(0.02)
        (self._armed / file_name(name)).unlink(missing_ok=True)
        return self.struck(name)
