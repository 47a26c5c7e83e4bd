"""A disk that is full is waited for, visibly, and what was going on then goes on."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.stack import Stack

SCRIPT = """
about: Says more than is told at once, in the middle of calls that write.
conversations:
  - when: {tool: bash}
    turns:
      - calls:
          - {name: bash, arguments: {command: "echo one >> log.txt"}}
      - calls:
          - {name: bash, arguments: {command: "echo two >> log.txt; sleep 10; seq 1 100000"}}
      - calls:
          - {name: bash, arguments: {command: "cat log.txt"}}
      - expect: "one\\ntwo"
        calls:
          - {name: finish, arguments: {summary: Said so.}}
      - calls:
          - {name: finish, arguments: {summary: Said so.}}
"""


@pytest.fixture
def small(stack: Stack) -> Iterator[Path]:
    """The blob store, on a disk of eight megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    path = Path(stack.environment["PERDURE_HOME"]) / "blobs"
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "perdure-test", str(path)], check=True)
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


async def test_a_run_waits_for_room_and_then_goes_on(stack: Stack, small: Path) -> None:
    stack.scripted.add("full", SCRIPT)
    run_id = await stack.submit(task="Log", model="scripted:full", plan=False)
    await stack.until_event(run_id, "turn/2/call/0/started/1", seconds=120)
    fill(small / "filler")
    waiting = await stack.until(run_id, "storage", seconds=120)
    assert "full" in waiting["waiting_reason"]
    (small / "filler").unlink()
    await stack.until(run_id, "completed", seconds=120)
    assert stack.scripted.counts().asked == 5
    returned = await stack.until_event(run_id, "turn/3/call/0/returned")
    assert returned["event"]["result"]["text"].startswith("one\ntwo")
