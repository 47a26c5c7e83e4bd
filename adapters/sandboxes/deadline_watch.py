"""A program of its own, for `deadlines.py`: kills processes whose time is over. It needs the standard library alone.

Lines come in: `<number> <pid> <seconds>` sets a deadline, `<number>` lifts it. At the end of the input it ends.
"""

import contextlib
import os
import select
import signal
import sys
import time

CHUNK = 65536


class Watched:
    def __init__(self, pid: int, seconds: float) -> None:
        self.at = time.monotonic() + seconds
        try:
            self.pidfd = os.pidfd_open(pid)
        except OSError:  # over already
            self.pidfd = -1

    def kill(self) -> None:
        if self.pidfd >= 0:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def close(self) -> None:
        if self.pidfd >= 0:
            os.close(self.pidfd)


def take(line: bytes, watched: dict[int, Watched]) -> None:
    number, *more = line.split()
    if more:
        watched[int(number)] = Watched(int(more[0]), float(more[1]))
    elif one := watched.pop(int(number), None):
        one.close()


def main() -> None:
    watched: dict[int, Watched] = {}
    rest = b""
    while True:
        first = min((one.at for one in watched.values()), default=None)
        patience = None if first is None else max(first - time.monotonic(), 0)
        if select.select([0], [], [], patience)[0]:
            chunk = os.read(0, CHUNK)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                take(line, watched)
            continue
        now = time.monotonic()
        for number in [number for number, one in watched.items() if one.at <= now]:
            one = watched.pop(number)
            one.kill()
            one.close()


if __name__ == "__main__":
    # Who stops a worker from its terminal, or ends it, does not mean this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
    sys.exit()
