"""The content of one open file put into another: shared where the file system can, else copied by the kernel."""

import errno
import fcntl
import os

from adapters.workspaces.apply import Owner

FICLONE = 0x40049409
SMALL_BYTES = 64 * 1024
STEP_BYTES = 1024**3
BLOCK_BYTES = 512
NOT_HERE = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


class Copying:
    """Remembers what the file system cannot do."""

    def __init__(self) -> None:
        self._clones = True
        self._ranges = True

    def content(self, source: int, target: int, found: os.stat_result) -> None:
        """`target` is empty. Holes stay holes."""
        if found.st_size <= SMALL_BYTES:
            _write(target, os.read(source, SMALL_BYTES + 1))
            return
        if self._clones:
            try:
                fcntl.ioctl(target, FICLONE, source)
            except OSError as error:
                if error.errno not in NOT_HERE | {errno.ENOTTY}:
                    raise
                self._clones = False
            else:
                return
        if found.st_blocks * BLOCK_BYTES >= found.st_size:
            self._range(source, target, 0, found.st_size)
        else:
            self._parts(source, target, found.st_size)
        os.ftruncate(target, found.st_size)

    def _parts(self, source: int, target: int, size: int) -> None:
        end = 0
        while end < size:
            try:
                start = os.lseek(source, end, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # nothing but a hole from here on
                    return
                raise
            end = os.lseek(source, start, os.SEEK_HOLE)
            self._range(source, target, start, end)

    def _range(self, source: int, target: int, start: int, end: int) -> None:
        os.lseek(source, start, os.SEEK_SET)
        os.lseek(target, start, os.SEEK_SET)
        while start < end:
            start += self._step(source, target, min(end - start, STEP_BYTES)) or end - start

    def _step(self, source: int, target: int, length: int) -> int:
        if self._ranges:
            try:
                return os.copy_file_range(source, target, length)
            except OSError as error:
                if error.errno not in NOT_HERE:
                    raise
                self._ranges = False
        return os.sendfile(target, source, None, length)


def settle(target: int, mode: int, mtime_ns: int, owner: Owner) -> None:
    """What a file has beside its content."""
    if owner is not None:
        os.fchown(target, owner, owner)
    # After the owner: a change of owner takes the setuid bit away.
    os.fchmod(target, mode)
    os.utime(target, ns=(mtime_ns, mtime_ns))


def _write(target: int, content: bytes) -> None:
    while content:
        content = content[os.write(target, content) :]
