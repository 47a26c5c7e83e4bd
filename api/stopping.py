"""Streams end when the server is told to stop: it would wait for them, and they for their runs, without end."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Generator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def set_on_stop(stopping: asyncio.Event) -> Generator[None]:
    """Sets `stopping` when the process is told to stop, before whoever else listens hears of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopping.set)
        then = before[signal.Signals(number)]
        if callable(then):
            then(number, frame)

    for number, then in before.items():
        if callable(then):
            signal.signal(number, stop)
    try:
        yield
    finally:
        stopping.set()
        for number, then in before.items():
            if signal.getsignal(number) is stop:
                signal.signal(number, then)
