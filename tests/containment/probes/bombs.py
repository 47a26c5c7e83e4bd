"""12 to 15, 30: bombs, each of them bounded: 700 processes, 1.4 GB, 400 MB, 40,000 files."""

import errno
import os
import signal
import sys
import time
from pathlib import Path

from tests.containment.probes.protocol import FACTS, Breach, probe

PROCESSES, PIECES, PIECE, CHUNK = 700, 14, 100 * 1024**2, 4 * 1024**2
SANDBOX_PROCESSES = 8
"""What a sandbox may have for itself beside those of the command."""
FILL, FILES = 400 * 1024**2, 40_000
STAY_SECONDS = 3.0
"""How long what is over a limit may last before that counts as a breach."""


def forked(work: "tuple[int, float]", says: "int | None" = None) -> int | None:
    """A child that holds `work[0]` bytes for `work[1]` seconds; None where there may be no more. Once it holds them it
    writes a byte to `says`: on a busy machine that takes longer than one would think."""
    size, seconds = work
    try:
        pid = os.fork()
    except OSError:
        return None
    if pid == 0:
        try:
            held = bytearray(size)
            if says is not None:
                os.write(says, b"x")
            time.sleep(seconds)
            os._exit(0 if len(held) == size else 1)
        except BaseException:
            os._exit(1)
    return pid


def end(pids: list[int]) -> int:
    """Kills and reaps; answers how many were still alive."""
    alive = 0
    for pid in pids:
        found, _ = os.waitpid(pid, os.WNOHANG)
        alive += not found
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue
    return alive


@probe("12")
def forks() -> str:
    pids: list[int] = []
    while len(pids) < PROCESSES and (pid := forked((0, 20))) is not None:
        pids.append(pid)
    end(pids)
    if len(pids) > int(FACTS["processes"]) + SANDBOX_PROCESSES:
        raise Breach(f"{len(pids)} processes")
    return f"{len(pids)} processes, then no more"


@probe("13 one")
def memory_of_one() -> str:
    hears, says = os.pipe()
    pid = forked((PIECES * PIECE, STAY_SECONDS), says)
    if pid is None:
        raise Breach("no process could be made")
    os.close(says)
    # Until it has it, or is dead.
    held = os.read(hears, 1)
    end([pid])
    if held:
        raise Breach(f"{PIECES * PIECE} bytes were held by one process")
    return "one process could not have it"


@probe("13 many")
def memory_of_many() -> str:
    hears, says = os.pipe()
    pids = [pid for _ in range(PIECES) if (pid := forked((PIECE, STAY_SECONDS * 4), says)) is not None]
    time.sleep(STAY_SECONDS)
    alive = end(pids)
    os.close(says)
    # Those that were killed had said so, too, and those that live may still be at it: the fewer of both hold theirs.
    holding = min(alive, len(os.read(hears, PIECES)))
    if holding * PIECE > int(FACTS["memory"]):
        raise Breach(f"{holding * PIECE} bytes were held by {holding} processes")
    return f"{holding} of {PIECES} processes could have theirs"


def fill(place: str) -> str:
    written = 0
    try:
        for number in range(FILL // CHUNK):
            Path(place, f"fill-{number}").write_bytes(b"x" * CHUNK)
            written += CHUNK
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return f"{place} was full after {written} bytes"
    time.sleep(STAY_SECONDS)
    raise Breach(f"{written} bytes stayed in {place}")


@probe("14 tmp")
def fill_tmp() -> str:
    return fill("/tmp")


@probe("14 shm")
def fill_shm() -> str:
    return fill("/dev/shm")


@probe("14 home")
def fill_home() -> str:
    return fill(os.environ["HOME"])


@probe("15")
def fill_workspace() -> str:
    return fill("/workspace")


@probe("15 files")
def many_files() -> str:
    made = 0
    try:
        for made in range(FILES):
            Path(f"/workspace/{made % 100}").mkdir(exist_ok=True)
            Path(f"/workspace/{made % 100}/{made}").touch()
    except OSError as error:
        return f"{made} files, then {error.strerror}"
    time.sleep(STAY_SECONDS)
    raise Breach(f"{FILES} files stayed")


@probe("30")
def much_output() -> str:
    for _ in range(200):
        sys.stdout.write("x" * 1024**2)
    raise Breach("200 MB were printed to the end")
