import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.embedded.child import Child
from cli.parts import ProgramPart
from cli.supervisor import Supervisor
from domain.errors import WorldError

SLEEP = "import time; print('I am', flush=True); time.sleep(600)"


async def has_spoken(child: Child) -> bool:
    return "I am" in child.said()


def program(directory: Path, name: str, code: str) -> ProgramPart:
    return ProgramPart(name, ["-c", code], directory / f"{name}.log", lambda: {"PATH": os.defpath}, has_spoken, 2.0)


@pytest.fixture
async def supervised() -> AsyncIterator[tuple[Supervisor, list[str]]]:
    said: list[str] = []
    supervisor = Supervisor(said.append)
    yield supervisor, said
    await supervisor.stop()


async def until(said: list[str], text: str) -> None:
    async with asyncio.timeout(20):
        while not any(text in line for line in said):  # noqa: ASYNC110 - what is waited for is only said
            await asyncio.sleep(0.02)


def pid_of(part: ProgramPart) -> int:
    assert part.pid is not None
    return part.pid


async def test_what_is_killed_is_started_again_and_each_time_it_is_said(
    tmp_path: Path, supervised: tuple[Supervisor, list[str]]
) -> None:
    supervisor, said = supervised
    part = program(tmp_path, "Sleeper", SLEEP)
    await supervisor.start(part)
    assert said[0].startswith("Sleeper answers after")
    for expected in ("starting it again", "starting it again in 0.5 s"):
        before = pid_of(part)
        said.clear()
        os.kill(before, signal.SIGKILL)
        await until(said, "answers again")
        assert said[0].endswith(expected)
        assert pid_of(part) != before
    assert "killed by SIGKILL" in said[0]


async def test_what_does_not_start_shows_its_last_words(
    tmp_path: Path, supervised: tuple[Supervisor, list[str]]
) -> None:
    supervisor, _ = supervised
    broken = program(tmp_path, "Broken", "raise SystemExit('no such luck')")
    with pytest.raises(WorldError, match="no such luck") as failure:
        await supervisor.start(program(tmp_path, "Sleeper", SLEEP), broken)
    assert str(tmp_path / "Broken.log") in failure.value.next_step


async def test_stopping_leaves_nothing_behind(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _: None)
    deaf = program(tmp_path, "Deaf", f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}")
    await supervisor.start(deaf)
    pid = pid_of(deaf)
    await supervisor.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
