"""The worker that can be killed anywhere, and the next one at once: forked from a process that has loaded everything.

For sweeps in the tests. How soon a worker is up again is not to be measured with it.
"""

import os
import signal
import time
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import worker
from adapters.embedded.child import die_with
from benchmarks.kill_anywhere import bounded_worker

PAUSE_SECONDS = 0.05


def born() -> int:
    """The process id of one that serves."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        serve(parent)
    return child


def serve(parent: int) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with(parent)
    worker.join = bounded_worker.join
    worker.main()


def main() -> None:
    child = born()

    def end(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, number)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    while True:
        os.waitpid(child, 0)
        time.sleep(PAUSE_SECONDS)
        child = born()


if __name__ == "__main__":
    main()
