"""A program that is forked from a parent which has loaded everything."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 60.0
PROGRAM = """
import os, signal, sys, time
import loaded  # what takes long
from adapters.embedded.kept import Kept

def serve():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
    print(os.getpid(), loaded.VALUE, flush=True)
    {body}

Kept(serve).run()
"""


class Program:
    def __init__(self, place: Path, body: str) -> None:
        self.place = place
        (place / "loaded.py").write_text("VALUE = 'old'\n")
        (place / "program.py").write_text(textwrap.dedent(PROGRAM).format(body=body))
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{place}", "PYTHONDONTWRITEBYTECODE": "1"}
        with (place / "said").open("wb") as said:
            argv = [sys.executable, str(place / "program.py")]
            self.process = subprocess.Popen(argv, env=environment, stdout=said, stderr=subprocess.STDOUT)

    def served(self, times: int) -> list[str]:
        """What each of so many has said: its process id and what it has loaded."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(lines := [line for line in self.said.splitlines() if line[:1].isdigit()]) < times:
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)
        return lines

    @property
    def said(self) -> str:
        return (self.place / "said").read_text()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    started: list[Program] = []

    def start(body: str) -> Program:
        started.append(Program(tmp_path, body))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


def pid_of(line: str) -> int:
    return int(line.split()[0])


def test_whoever_is_killed_is_followed_and_the_last_is_told_to_stop(program: Callable[[str], Program]) -> None:
    kept = program("time.sleep(600)")
    for times in range(1, 4):
        os.kill(pid_of(kept.served(times)[-1]), signal.SIGKILL)
    pids = [pid_of(line) for line in kept.served(4)]
    assert len(set(pids)) == 4
    assert [one.pid for one in psutil.Process(kept.process.pid).children()] == pids[-1:]
    kept.process.terminate()
    # What the child ended with.
    assert kept.process.wait(PATIENCE_SECONDS) == 7
    assert not psutil.pid_exists(pids[-1])


def test_nobody_outlives_the_parent(program: Callable[[str], Program]) -> None:
    kept = program("time.sleep(600)")
    serving = psutil.Process(pid_of(kept.served(1)[0]))
    kept.process.kill()
    kept.process.wait()
    _, alive = psutil.wait_procs([serving], timeout=PATIENCE_SECONDS)
    assert alive == []


def test_what_was_told_nonsense_is_not_tried_again(program: Callable[[str], Program]) -> None:
    kept = program("os._exit(2)")
    assert kept.process.wait(PATIENCE_SECONDS) == 2
    assert len(kept.served(1)) == 1


def test_who_dies_at_once_again_and_again_is_given_up(program: Callable[[str], Program]) -> None:
    kept = program("raise RuntimeError('broken')")
    assert kept.process.wait(PATIENCE_SECONDS) == 1
    assert len(kept.served(1)) == 8
    assert "RuntimeError: broken" in kept.said


def test_code_that_has_changed_is_loaded_for_the_next_one(program: Callable[[str], Program]) -> None:
    kept = program("time.sleep(600)")
    first = kept.served(1)[0]
    (kept.place / "loaded.py").write_text("VALUE = 'newer'\n")
    os.kill(pid_of(first), signal.SIGKILL)
    assert [line.split()[1] for line in kept.served(2)] == ["old", "newer"]
    kept.process.terminate()
    assert kept.process.wait(PATIENCE_SECONDS) == 7
