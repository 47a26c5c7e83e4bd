"""Whoever is stopped cannot keep a deadline; a process of its own does."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.deadlines import GRACE_SECONDS, PROGRAM, Deadline, Deadlines
from adapters.sandboxes.proc import arguments_of, children_of
from tests.adapters.sandboxes.test_survivors import alive, eventually, kill, release, start

SOON = 0.3 - GRACE_SECONDS
ROOT = Path(__file__).parents[3]
ONE_DEADLINE = """
import os, sys
from adapters.sandboxes.deadlines import Deadlines
kept = Deadlines()
kept.set(os.getpid(), 1000)
print("set", flush=True)
sys.stdin.read()
"""


@contextmanager
def sleeping() -> Generator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "1000"]) as process:
        try:
            yield process
        finally:
            process.kill()


def watchers(of: int) -> set[int]:
    return {pid for pid in children_of(of) if str(PROGRAM).encode() in arguments_of(pid)}


def new_watcher(of: int, but: Collection[int] = ()) -> int:
    """A process that has just become a program has no arguments for a moment."""
    assert eventually(lambda: bool(watchers(of) - set(but)))
    (found,) = watchers(of) - set(but)
    return found


def is_over(pid: int) -> bool:
    """Whether it has closed all that it had open; its arguments are gone before that."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def test_a_process_dies_at_its_deadline_and_not_where_it_was_lifted() -> None:
    kept = Deadlines()
    with sleeping() as late, sleeping() as early:
        lifted = Deadline(kept, early.pid, SOON)
        lifted.set()
        Deadline(kept, late.pid, SOON).set()
        lifted.lift()
        lifted.lift()
        assert late.wait(10) == -signal.SIGKILL
        assert early.poll() is None
    kept.close()


def test_deadlines_outlive_the_process_that_kept_them() -> None:
    others = watchers(os.getpid())
    kept = Deadlines()
    with sleeping() as first, sleeping() as second:
        kept.set(first.pid, 1.0 - GRACE_SECONDS)
        watcher = new_watcher(os.getpid(), others)
        os.kill(watcher, signal.SIGKILL)
        assert eventually(lambda: is_over(watcher))
        kept.set(second.pid, 500)
        assert first.wait(10) == -signal.SIGKILL
        assert second.poll() is None
    kept.close()
    assert watchers(os.getpid()) == others


def test_nobody_is_started_to_hear_that_a_deadline_is_lifted() -> None:
    others = watchers(os.getpid())
    kept = Deadlines()
    with sleeping() as process:
        number = kept.set(process.pid, 500)
        new_watcher(os.getpid(), others)
        kept.close()
        kept.lift(number)
    assert watchers(os.getpid()) == others


def test_nobody_keeps_them_when_their_process_is_gone() -> None:
    program = [sys.executable, "-c", ONE_DEADLINE]
    with subprocess.Popen(program, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"set\n"
        watcher = new_watcher(process.pid)
        assert Path(f"/proc/{watcher}/environ").read_bytes() == b""
        process.kill()
        assert eventually(lambda: not Path(f"/proc/{watcher}/cmdline").exists(), 10)


def test_a_command_of_a_worker_that_is_stopped_ends_all_the_same(
    bubblewrap: BubblewrapSandbox, home: Path, folder: Path
) -> None:
    token = f"1123{os.getpid()}"
    process = start(home, token, folder, "bubblewrap", "", "0.5")
    release(process)
    assert eventually((folder / "begun").exists, 30)
    process.send_signal(signal.SIGSTOP)
    assert alive(token, process.pid)
    assert eventually(lambda: not alive(token, process.pid), GRACE_SECONDS + 30)
    process.send_signal(signal.SIGCONT)
    kill(process)
