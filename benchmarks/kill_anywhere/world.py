"""What is outside and never killed: the model that counts, and the forge that counts."""

import os
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from adapters.models.scripted import ScriptedServer
from adapters.models.scripted.counts import Counter
from adapters.models.scripted.question import Question
from benchmarks.kill_anywhere.work import EVERYTHING, FAMILY, FILES, MARK, WORKS
from tests.fixtures.forges.state import TOKEN, ForgedRepository
from tests.fixtures.git_server import git
from tests.fixtures.github import ForgeServer, forge_server

REPOSITORY = "team/adder"


class TimedCounter(Counter):
    """Also remembers when what was asked; the task's first line is a run's name."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[tuple[str, str, float]] = []

    @override
    def asked(self, question: Question) -> None:
        super().asked(question)
        phase = "plan" if "propose_plan" in question.tools else "work"
        self.times.append((question.first_user, f"{phase}/{question.turn}", time.time()))


@dataclass
class World:
    model: ScriptedServer
    counter: TimedCounter
    forge: ForgeServer
    repository: ForgedRepository
    token: str = TOKEN

    @property
    def url(self) -> str:
        return self.forge.url(REPOSITORY)

    def asked(self, name: str) -> list[tuple[str, float]]:
        """When the model was asked for which turn of which phase of this run."""
        return [(turn, at) for task, turn, at in self.counter.times if name in task.split()]

    def updates(self, branch: str) -> int:
        """How often the branch was written."""
        return len(git(self.repository.path, "reflog", "show", branch, fails=True).splitlines())

    def pulls(self, branch: str) -> int:
        return sum(one.head == branch for one in self.repository.pulls)

    def drop_an_answer(self, turn: int) -> None:
        """The next push, or the next pull request, is done and left without an answer."""
        self.forge.drops = [("/git-receive-pack", "/pulls")[turn % 2]]


@asynccontextmanager
async def world(home: Path) -> AsyncGenerator[World]:
    with forge_server(home / "forge") as forge:
        repository = forge.add(REPOSITORY, FILES)
        git(repository.path, "config", "core.logAllRefUpdates", "always")
        model, counter = ScriptedServer(), TimedCounter()
        model.app.counter = counter
        for work in (*WORKS, FAMILY, EVERYTHING):
            model.add(work.name, work.script)
        await model.start()
        yield World(model, counter, forge, repository)
        await model.stop()


def orphans(home: Path, older_than_seconds: float = 0.0) -> dict[int, str]:
    """Commands of runs that still live: what a command left behind, and whatever has the home in its arguments."""
    born_before = time.time() - older_than_seconds
    found: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (path / "cmdline").read_bytes().split(b"\0")
            is_old = path.stat().st_ctime <= born_before
        except OSError:
            continue
        words = [word.decode(errors="replace") for word in arguments]
        sandboxed = "bwrap" in words[0] and any(str(home) in word for word in words)
        if is_old and (MARK in words or sandboxed):
            found[int(path.name)] = " ".join(words)[:160]
    return found


def end(left: dict[int, str]) -> None:
    """Those that a trial leaves must not be counted in the next."""
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
