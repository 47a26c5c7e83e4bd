"""Refs: what a caller's word for a commit means at a remote."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.errors import RepositoryRefused

OBJECT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
SHORT_ID = re.compile(r"[0-9a-f]{7,63}")
BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|/\.|\.lock(/|$)|[/.]$|^@$")
NAMED = 8


@dataclass(frozen=True)
class Found:
    """`name` is how the run calls it, `asked` what to fetch, `tip` its object; `tip` is short for a short id."""

    name: str
    asked: str
    tip: str


def check_name(ref: str) -> None:
    if BAD_REF.search(ref):
        raise RepositoryRefused(f"{ref!r} cannot be the name of a branch, tag or commit.", "Give one, or leave it out.")


def patterns(ref: str | None) -> list[str]:
    """What to ask a remote for, so that it need not list everything."""
    return ["HEAD"] if ref is None else ["HEAD", *_candidates(ref)]


def parse(listing: bytes) -> tuple[dict[str, str], str | None]:
    """The refs of `git ls-remote --symref`, and the branch that HEAD stands for."""
    refs: dict[str, str] = {}
    head = None
    for line in listing.decode(errors="surrogateescape").splitlines():
        left, _, name = line.partition("\t")
        if left.startswith("ref: ") and name == "HEAD":
            head = left.removeprefix("ref: ")
        elif OBJECT_ID.fullmatch(left):
            refs[name] = left
    return refs, head


def choose(ref: str | None, refs: dict[str, str], head: str | None) -> Found | None:
    """None where the remote names nothing of that kind."""
    if ref is None:
        if head in refs:
            return Found(head.removeprefix("refs/heads/"), head, refs[head])
        if (tip := refs.get("HEAD")) is None:
            return None
        return Found(head.removeprefix("refs/heads/") if head else tip, "HEAD", tip)
    for candidate in _candidates(ref):
        if candidate in refs:
            return Found(_shown(candidate), candidate, refs[candidate])
    if OBJECT_ID.fullmatch(ref) or SHORT_ID.fullmatch(ref):
        return Found(ref, ref, ref)
    return None


def branch_of(name: str, commit: str) -> str:
    """The local branch for a run's ref; empty where HEAD is to be detached: tags, commits."""
    detached = name == commit or name.startswith(("tags/", "refs/"))
    return "" if detached else name


def no_such_ref(url: str, ref: str | None, names: Iterable[str]) -> RepositoryRefused:
    shown = [_shown(name) for name in names if name.startswith(("refs/heads/", "refs/tags/")) and name[-3:] != "^{}"]
    if not shown:
        return RepositoryRefused(f"{url} has no commit yet.", "Commit something there first.")
    if ref is None:
        return RepositoryRefused(f"{url} has no default branch.", f"Name a ref: {_some(shown)}.")
    near = difflib.get_close_matches(ref.removeprefix("origin/"), shown, n=NAMED, cutoff=0.5)
    hint = f"Did you mean {_some(near)}?" if near else f"It has {_some(shown)}."
    return RepositoryRefused(f"{url} has no branch, tag or commit {ref!r}.", hint)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _candidates(ref: str) -> list[str]:
    """Most likely first; a branch goes before a tag of the same name."""
    return [ref] if ref.startswith("refs/") else [f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/{ref}"]


def _shown(name: str) -> str:
    if name.startswith("refs/heads/"):
        return name.removeprefix("refs/heads/")
    return "tags/" + name.removeprefix("refs/tags/") if name.startswith("refs/tags/") else name
