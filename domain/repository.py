"""A git repository: where work comes from and where it goes."""

import re

from pydantic import Field

from domain.value import Value


class RepositorySpec(Value):
    """`url` is https://, http:// or an absolute local path that the server allows."""

    url: str = Field(min_length=1, max_length=2000)
    ref: str | None = Field(default=None, max_length=250)
    """A branch, tag or commit; None is the remote's default branch."""


class ResolvedRepository(Value):
    """What a spec meant when the run began; a run never resolves it twice."""

    url: str
    ref: str
    commit: str
    pack: str
    """Address in the blob store of a git pack with the commit and all it needs: the origin may vanish."""


class CommitSpec(Value):
    """Everything a commit is made of besides its tree, fixed, so that a retry makes the same commit."""

    message: str
    author_name: str = "Perdure"
    author_email: str = "perdure@localhost"
    unix_time: int
    branch: str


class PublishedWork(Value):
    """`commit` has `base` as its only parent; `pack` is the blob with what `base` lacks. Sizes in files and lines."""

    branch: str
    base: str
    commit: str
    tree: str
    pack: str
    diff: str
    """Address in the blob store of the unified diff, as UTF-8 with replacements."""
    files: int
    added: int
    removed: int


def branch_name(task: str, run_id: str) -> str:
    """`perdure/<slug>-<id>`: at most five words of the task, and the id's last twelve characters."""
    words = re.findall(r"[a-z0-9]+", task.lower())[:5]
    slug = "-".join(words)[:40].strip("-") or "work"
    return f"perdure/{slug}-{re.sub('[^a-z0-9]', '', run_id.lower())[-12:]}"
