"""Directories by descriptor: no link is followed, no path is too long and no tree too deep."""

import errno
import os
import secrets
import stat
from collections import OrderedDict
from pathlib import Path
from types import TracebackType
from typing import Self

from adapters.beneath import FOLDER, PLACE, open_beneath, open_folder

OPAQUE = "user.overlay.opaque"
KEPT_OPEN = 64
OWNER = 0o700


class Tree:
    """A directory addressed by paths relative to it ("" is itself), as text with surrogate escapes.

    A descriptor that it answers with is valid until the next question. Where `unlock` is set, directories that do not
    give their owner `rights` are made to give all; `unlocked` has the modes that they had.
    """

    def __init__(self, root: Path, *, unlock: bool = False, rights: int = OWNER) -> None:
        self.unlocked: dict[str, int] = {}
        self._unlock = unlock
        self._rights = rights
        self._open: OrderedDict[str, int] = OrderedDict()
        self._root = self._enter(os.fspath(root), None, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for descriptor in (*self._open.values(), self._root):
            os.close(descriptor)
        self._open.clear()

    def directory(self, path: str) -> int:
        """Raises FileNotFoundError or NotADirectoryError, the second for links, too."""
        known, descriptor = path, self._root
        while known:
            found = self._open.get(known)
            if found is not None:
                self._open.move_to_end(known)
                descriptor = found
                break
            known = known.rpartition("/")[0]
        rest = path[len(known) :].strip("/")
        for name in rest.split("/") if rest else ():
            known = f"{known}/{name}" if known else name
            descriptor = self._enter(name, descriptor, known)
            self._open[known] = descriptor
            if len(self._open) > KEPT_OPEN:
                os.close(self._open.popitem(last=False)[1])
        return descriptor

    def parent(self, path: str) -> tuple[int, str]:
        above, _, name = path.rpartition("/")
        return self.directory(above), name

    def lstat(self, path: str) -> os.stat_result | None:
        try:
            above, name = self.parent(path)
            return os.stat(name, dir_fd=above, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def mode(self, path: str) -> int:
        """Of a directory, as it was before it was unlocked."""
        mode = stat.S_IMODE(os.fstat(self.directory(path)).st_mode)
        return self.unlocked.get(path, mode)

    def forget(self, path: str) -> None:
        """To be called when a directory was moved away or replaced."""
        for known in [known for known in self._open if known == path or known.startswith(path + "/")]:
            os.close(self._open.pop(known))

    def unlock(self, path: str) -> None:
        above, name = self.parent(path)
        self.unlocked.setdefault(path, unlock(above, name))

    def lock_again(self) -> None:
        for path in sorted(self.unlocked, reverse=True):
            os.fchmod(self.directory(path), self.unlocked[path])
        self.unlocked.clear()

    def _enter(self, name: str, above: int | None, path: str) -> int:
        try:
            descriptor = _open(above, name)
        except PermissionError:
            if not self._unlock:
                raise
            self.unlocked[path] = unlock(above, name)
            return _open(above, name)
        if self._unlock:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            if mode & self._rights != self._rights:
                self.unlocked.setdefault(path, mode)
                os.fchmod(descriptor, mode | OWNER)
        return descriptor


def _open(above: int | None, name: str) -> int:
    """Without `above` it is a directory of ours, whose path no agent can change."""
    if above is not None:
        return open_folder(above, name)
    try:
        return os.open(name, FOLDER)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(error.errno, error.strerror, name) from error
        raise


def unlock(above: int | None, name: str) -> int:
    """Gives the owner all rights; answers with the mode before. Never through a link."""
    descriptor = os.open(name, PLACE) if above is None else open_beneath(above, name, PLACE)
    try:
        found = os.fstat(descriptor)
        mode = stat.S_IMODE(found.st_mode)
        if not stat.S_ISLNK(found.st_mode):
            # fchmod refuses such a descriptor; its name under /proc is never a link to anything else.
            Path(f"/proc/self/fd/{descriptor}").chmod(mode | OWNER)
        return mode
    finally:
        os.close(descriptor)


def is_whiteout(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def make_whiteout(above: int, name: str) -> None:
    os.mknod(name, stat.S_IFCHR, 0, dir_fd=above)


def is_opaque(directory: int) -> bool:
    try:
        return os.getxattr(directory, OPAQUE) == b"y"
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.ENOTSUP}:
            return False
        raise


def strip_marks(descriptor: int, mode: int) -> None:
    """Removes what overlayfs noted on an inode; it means nothing in a lower layer. Opaque marks stay."""
    try:
        names = os.listxattr(descriptor)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return
        raise
    marks = [name for name in names if name.startswith("user.overlay.") and name != OPAQUE]
    if not marks:
        return
    locked = not mode & stat.S_IWUSR
    if locked:
        os.fchmod(descriptor, mode | stat.S_IWUSR)
    for name in marks:
        os.removexattr(descriptor, name)
    if locked:
        os.fchmod(descriptor, mode)


def remove(above: int, name: str) -> None:
    """Removes a file or a whole tree, however deep and whatever its modes; what is not there is removed already.

    Directories found inside are moved up to the top one by one: no recursion, three open descriptors.
    """
    try:
        top = _open_any(above, name)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(name, dir_fd=above)
        return
    try:
        # A name that nobody inside can have chosen; unguessable, since all names may be hostile.
        prefix = secrets.token_hex(8)
        waiting = _empty(top, top, prefix)
        number = 0
        while waiting:
            inner = waiting.pop()
            number += 1
            folder = _open_any(top, inner)
            try:
                waiting += _empty(folder, top, f"{prefix}.{number}")
            finally:
                os.close(folder)
            os.rmdir(inner, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=above)


def remove_path(path: Path) -> None:
    if path.parent.is_dir():
        with Tree(path.parent) as tree:
            remove(tree.directory(""), path.name)


def _open_any(above: int, name: str) -> int:
    try:
        descriptor = open_folder(above, name)
    except PermissionError:
        unlock(above, name)
        return open_folder(above, name)
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode & OWNER != OWNER:
        os.fchmod(descriptor, mode | OWNER)
    return descriptor


def _empty(folder: int, top: int, prefix: str) -> list[str]:
    """Unlinks the files of `folder` and moves its directories up; answers with their names there."""
    with os.scandir(folder) as found:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
    up: list[str] = []
    for name, is_folder in entries:
        if not is_folder:
            os.unlink(name, dir_fd=folder)
            continue
        target = name if folder == top else f"{prefix}.{len(up)}"
        if folder != top:
            move(folder, name, top, target)
        up.append(target)
    return up


def move(source: int, name: str, target: int, new_name: str) -> None:
    """A rename; a directory that its owner may not change is unlocked first, since its `..` changes."""
    try:
        os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
    except PermissionError:
        unlock(source, name)
        os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
