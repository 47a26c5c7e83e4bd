"""The one opener for what an agent may have written: beneath a directory, through no link, and never waiting.

openat2 (Linux 5.6) refuses links, links of /proc and ways out of the directory inside the kernel, so that nothing can
be exchanged between a check and the opening. There is no fallback: where openat2 is missing, nothing is opened.
"""

import ctypes
import errno
import os
import secrets
import stat
from contextlib import suppress

OPENAT2 = 437
"""The same number on all architectures."""
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
NARROW = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
PLACE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
"""The inode alone: it cannot be read, only be asked about and named as the directory of something."""
TRIES = 64
"""A rename elsewhere on the path makes the kernel ask again."""
CHUNK_BYTES = 1024**2


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)
_ASKED = {flags: _How(flags, 0o600 if flags & os.O_CREAT else 0, NARROW) for flags in (READ, CREATE, FOLDER, PLACE)}
_ADDRESSES = {flags: ctypes.addressof(how) for flags, how in _ASKED.items()}
_SIZE = ctypes.sizeof(_How)


def open_beneath(folder: int, path: str, flags: int) -> int:
    """`flags` is READ, CREATE, FOLDER or PLACE. Raises OSError: ELOOP for a link, EXDEV for a way out, and ENOSYS
    where the kernel has no openat2."""
    name = os.fsencode(path)
    if b"\0" in name:
        raise OSError(errno.EINVAL, "the name has a zero byte", path)
    for _ in range(TRIES):
        descriptor = int(_syscall(OPENAT2, folder, name, _ADDRESSES[flags], _SIZE))
        if descriptor >= 0:
            return descriptor
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(number, os.strerror(number), path)


def open_folder(folder: int, path: str) -> int:
    """A directory; a link to one is none. Raises NotADirectoryError for it."""
    try:
        return open_beneath(folder, path, FOLDER)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(error.errno, error.strerror, path) from error
        raise


def open_plain(folder: int, path: str, limit_bytes: int | None = None) -> tuple[int, os.stat_result]:
    """A regular file of at most that size, open for reading, and what it is. Raises OSError, EINVAL for what is no
    regular file and EFBIG for one that is too large."""
    descriptor = open_beneath(folder, path, READ)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "no regular file", path)
        if limit_bytes is not None and found.st_size > limit_bytes:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, found


def read_file(folder: int, path: str, limit_bytes: int) -> bytes:
    """Like `open_plain`, the whole of it; a file that grows meanwhile is too large, too."""
    descriptor, found = open_plain(folder, path, limit_bytes)
    try:
        content = os.read(descriptor, found.st_size + 1)
        while (len(content) != found.st_size) and (more := os.read(descriptor, CHUNK_BYTES)):
            content += more
            if len(content) > limit_bytes:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        return content
    finally:
        os.close(descriptor)


def write_file(folder: int, path: str, content: bytes, mode: int = 0o644) -> None:
    """Puts a new file in the place of whatever has that name, whole or not at all; what it was is never written to."""
    above, _, name = path.rpartition("/")
    place = open_beneath(folder, above or ".", PLACE)
    part = f".{secrets.token_hex(8)}.part"
    try:
        descriptor = open_beneath(place, part, CREATE)
        try:
            while content:
                content = content[os.write(descriptor, content) :]
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        os.rename(part, name, src_dir_fd=place, dst_dir_fd=place)
    except OSError:
        with suppress(OSError):
            os.unlink(part, dir_fd=place)
        raise
    finally:
        os.close(place)
