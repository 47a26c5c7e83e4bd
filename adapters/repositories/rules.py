"""What may be published: checked on the host, over what a pack would add to its base."""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.errors import WorkRefused
from domain.value import Value

MAX_LINK_BYTES = 4096
NO_OBJECT = re.compile(r"0+")
PLAIN_MODES = ("100644", "100755", "120000", "000000")
HFS_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
GIT_NAME = re.compile(r"(\.git|git~\d+)[ .]*(:.*)?", re.IGNORECASE | re.DOTALL)
MODULES_NAME = re.compile(r"(\.gitmodules|gitmod~\d+|gi7eba~\d+)[ .]*(:.*)?", re.IGNORECASE | re.DOTALL)


class WorkRules(Value):
    """How much one commit may be, in bytes and files."""

    pack_bytes: int = 100 * 1024**2
    file_bytes: int = 50 * 1024**2
    total_bytes: int = 500 * 1024**2
    files: int = 20_000


@dataclass(frozen=True)
class Change:
    """One line of `git diff-tree --raw`: modes and objects before and after. `path` may hold surrogates."""

    old_mode: str
    new_mode: str
    old: str
    new: str
    path: str

    @property
    def adds(self) -> bool:
        return not NO_OBJECT.fullmatch(self.new)


def parse_changes(raw: bytes) -> list[Change]:
    """The output of `git diff-tree -r -z --raw --no-renames --full-index`."""
    fields = raw.decode(errors="surrogateescape").split("\0")
    return list(_pairs(fields))


def _pairs(fields: Sequence[str]) -> Iterator[Change]:
    for head, path in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, new_mode, old, new, _ = head.removeprefix(":").split(" ")
        yield Change(old_mode, new_mode, old, new, path)


def check_changes(changes: Sequence[Change], rules: WorkRules) -> None:
    """Names and kinds, before any content is looked at. Raises WorkRefused."""
    if len(changes) > rules.files:
        raise WorkRefused(
            f"The work changes {len(changes)} files; at most {rules.files} are published at once.",
            "Add what is generated to .gitignore, or split the task.",
        )
    for change in changes:
        _check_kind(change)
        _check_name(change)


def check_sizes(changes: Sequence[Change], sizes: Mapping[str, int], rules: WorkRules) -> None:
    """`sizes` is by object. Raises WorkRefused."""
    added = [change for change in changes if change.adds]
    for change in added:
        if sizes[change.new] > rules.file_bytes:
            raise WorkRefused(
                f"{shown(change.path)} has {sizes[change.new] / 1024**2:.1f} MiB; "
                f"at most {rules.file_bytes / 1024**2:.0f} MiB a file are published.",
                "Remove it or add it to .gitignore.",
            )
    total = sum(sizes[change.new] for change in added)
    if total > rules.total_bytes:
        raise WorkRefused(
            f"The changed files have {total / 1024**2:.0f} MiB; the most is {rules.total_bytes / 1024**2:.0f}.",
            "Remove what is generated or add it to .gitignore.",
        )


def check_link(path: str, target: bytes) -> None:
    """A symbolic link must stay within the tree and out of any .git. Raises WorkRefused."""
    to = target.decode(errors="surrogateescape")
    landing = posixpath.normpath(posixpath.join(posixpath.dirname(path), to))
    leaves = to.startswith("/") or landing == ".." or landing.startswith("../") or "\0" in to
    if leaves or any(_is_git_name(part) for part in landing.split("/")):
        raise WorkRefused(
            f"The symbolic link {shown(path)} leads out of the repository, to {shown(to)[:200]}.",
            "Make it relative and let it point inside, or remove it.",
        )


def shown(path: str) -> str:
    """Printable, whatever bytes it is made of."""
    text = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def _check_kind(change: Change) -> None:
    if "160000" in (change.old_mode, change.new_mode):
        raise WorkRefused(
            f"{shown(change.path)} is a submodule; its link cannot be changed by a run.",
            "Change submodules by hand.",
        )
    if change.new_mode not in PLAIN_MODES:
        raise WorkRefused(
            f"{shown(change.path)} has the mode {change.new_mode}.", "Only files and links are published."
        )


def _check_name(change: Change) -> None:
    parts = change.path.split("/")
    if any(part in ("", ".", "..") or _is_git_name(part) for part in parts):
        raise WorkRefused(f"{shown(change.path)} is a name that git itself uses.", "Rename or remove it.")
    if MODULES_NAME.fullmatch(HFS_IGNORED.sub("", parts[-1])):
        raise WorkRefused(
            f"{shown(change.path)} says where submodules come from; a run may not change it.",
            "Change submodules by hand.",
        )


def _is_git_name(part: str) -> bool:
    return GIT_NAME.fullmatch(HFS_IGNORED.sub("", part)) is not None
