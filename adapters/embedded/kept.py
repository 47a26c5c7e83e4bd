"""A program that serves, forked from a parent that has loaded everything: where it dies, the next one is there at once.

Loading takes more than a second of processor time. The parent has no thread, no loop and no connection, so that a fork
of it is as good as a fresh start.
"""

import gc
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from adapters.embedded.child import die_with

REFUSED = 2
"""The exit code of a program that was told nonsense: trying again would not help."""
STEADY_SECONDS = 1.0
"""Whoever lived so long is followed without a pause."""
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
QUICK_DEATHS = 8
"""In a row; then the parent ends as well, so that whoever started it sees it and begins from nothing."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)
logger = logging.getLogger("perdure.kept")
Stamp = dict[str, tuple[int, int]]


class Kept:
    """`serve` is called in each child; where it returns, the child's work is done, and the parent ends as it did."""

    def __init__(self, serve: Callable[[], object]) -> None:
        self._serve = serve
        self._parent = os.getpid()
        self._child = 0
        self._told = False

    def run(self) -> NoReturn:
        """Must be called from the only thread there is."""
        for number in SIGNALS:
            signal.signal(number, self._tell)
        loaded = loaded_code()
        gc.collect()
        # Nobody writes to what all children share.
        gc.freeze()
        quick = 0
        while True:
            began = time.monotonic()
            self._bear()
            code = self._outlive()
            if self._told or code in (0, REFUSED):
                _end(code)
            quick = quick + 1 if time.monotonic() - began < STEADY_SECONDS else 0
            if quick == QUICK_DEATHS:
                logger.error("ended %d times in a row as soon as it was there (%s): giving up", quick, _how(code))
                _end(code)
            logger.warning("ended (%s), and is started again", _how(code))
            self._pause(quick)
            if loaded_code() != loaded:
                _begin_anew()

    def _bear(self) -> None:
        sys.stdout.flush()
        # A signal between the fork and its own handlers would be lost in the child, or reach no child.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if self._told:
            _end(0)
        self._child = os.fork()
        if self._child == 0:
            self._live()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _live(self) -> NoReturn:
        code = 1
        try:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            die_with(self._parent)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._serve()
            code = 0
        except BaseException:  # nothing may get out into what the parent was doing
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code)

    def _outlive(self) -> int:
        """Its exit code, minus the signal where one ended it. Reaps whatever else ended, as process 1 must."""
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == self._child:
                self._child = 0
                return os.waitstatus_to_exitcode(status)

    def _pause(self, quick: int) -> None:
        seconds = min(FIRST_PAUSE_SECONDS * 2 ** (quick - 1), LONGEST_PAUSE_SECONDS) if quick else 0.0
        until = time.monotonic() + seconds
        while not self._told and (left := until - time.monotonic()) > 0:
            # Whoever is told to stop does not sleep on.
            time.sleep(min(left, FIRST_PAUSE_SECONDS))

    def _tell(self, number: int, _frame: FrameType | None) -> None:
        self._told = True
        if self._child:
            os.kill(self._child, number)


def loaded_code() -> Stamp:
    """When and how long the files were that this process is made of."""
    found: Stamp = {}
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str):
            try:
                stat = Path(path).stat()
            except OSError:
                continue  # removed, or within an archive
            found[path] = (stat.st_mtime_ns, stat.st_size)
    return found


def _begin_anew() -> NoReturn:
    """A release that was installed meanwhile is not served by what was loaded before it."""
    logger.info("the code has changed: loads it")
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  this very program


def _end(code: int) -> NoReturn:
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code if code >= 0 else 128 - code)


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
