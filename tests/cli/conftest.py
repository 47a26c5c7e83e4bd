"""A real stack of `perdure up`, and the command as a shell would run it."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
START_SECONDS = 90.0


def environment_of(home: Path) -> dict[str, str]:
    """Nothing of the developer's own stacks and keys."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home.parent),
        "PERDURE_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "TEMPORAL_CONFIG_FILE": os.devnull,
    }


def perdure(
    home: Path, *arguments: str, cwd: Path | None = None, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "cli", *arguments]
    environment = environment_of(home)
    return subprocess.run(
        command, env=environment, cwd=cwd, input=text or "", capture_output=True, text=True, timeout=150, check=False
    )


@dataclass
class Up:
    """A running `perdure up`."""

    home: Path
    process: subprocess.Popen[str]
    answers: dict[str, str]
    said: list[str] = field(default_factory=list)
    readers: list[threading.Thread] = field(default_factory=list)

    def family(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def child(self, *words: str) -> psutil.Process:
        return next(one for one in self.family() if all(word in one.cmdline() for word in words))

    def until_said(self, text: str, seconds: float = START_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not any(text in line for line in self.said):
            assert time.monotonic() < deadline, f"{text!r} was not said: {self.said}"
            time.sleep(0.05)

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        for reader in self.readers:
            reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code


def start_up(home: Path, *arguments: str, **variables: str) -> Up:
    command = [sys.executable, "-P", "-m", "cli", "up", "--json"]
    command += ["--port", "0", "--temporal-port", "0", "--ui-port", "0", *arguments]
    environment = environment_of(home) | {"PERDURE_ALLOWED_PATHS": str(home.parent)} | variables
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    up = Up(home, process, {})
    lines: queue.Queue[str] = queue.Queue()

    def read_out() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    def read_error() -> None:
        assert process.stderr is not None
        up.said.extend(iter(process.stderr.readline, ""))

    for reader in (read_out, read_error):
        up.readers.append(threading.Thread(target=reader, daemon=True))
        up.readers[-1].start()
    line = lines.get(timeout=START_SECONDS)
    if not line:
        up.end()
        raise AssertionError("".join(up.said))
    up.answers = json.loads(line)
    return up


@pytest.fixture
def new_home(open_directory: Path) -> Path:
    """As root, accounts with fewer rights must get there; short, as a socket's path must be."""
    parent = open_directory / f"c{time.monotonic_ns() % 10**9}"
    parent.mkdir(mode=0o711)
    return parent / "home"


@pytest.fixture
def upped(new_home: Path) -> Iterator[Callable[..., Up]]:
    """Starts stacks of the test's own, and ends them with it."""
    started: list[Up] = []

    def start(*arguments: str, **variables: str) -> Up:
        started.append(start_up(new_home, *arguments, **variables))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture(scope="session")
def up(open_directory: Path) -> Iterator[Up]:
    """One for the whole session, with the scripted model."""
    parent = open_directory / "cli"
    parent.mkdir(mode=0o711)
    running = start_up(parent / "home", "--scripted", "demo")
    yield running
    assert running.end() == 0, "".join(running.said)
