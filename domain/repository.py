"""A git repository: where work comes from and where it goes."""

import re
from typing import Literal

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


Verdict = Literal["ask", "refuse", "allow"]
FindingRule = Literal["ci", "secret", "bandit", "deleted_tests", "large"]
MOST_FINDINGS = 50


class Finding(Value):
    """Something in the work that a rule speaks of. `ask` holds the push for a person; `allow` is only shown."""

    rule: FindingRule
    path: str
    """Printable; empty where it is about the work as a whole."""
    line: int | None = None
    message: str
    verdict: Verdict = "ask"


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
    findings: tuple[Finding, ...] = ()
    """At most MOST_FINDINGS, those that ask first."""
    findings_count: int = 0
    """Of all that were found."""

    @property
    def asks(self) -> bool:
        """Whether a person must say yes before it leaves."""
        return any(finding.verdict == "ask" for finding in self.findings)


def branch_name(task: str, run_id: str) -> str:
    """`perdure/<slug>-<id>`: at most five words of the task, and the id's last twelve characters."""
    words = re.findall(r"[a-z0-9]+", task.lower())[:5]
    slug = "-".join(words)[:40].strip("-") or "work"
    return f"perdure/{slug}-{re.sub('[^a-z0-9]', '', run_id.lower())[-12:]}"


def branch_to_merge_into(repository: ResolvedRepository) -> str | None:
    """The branch that a run began at; None where it began at a tag or a commit."""
    detached = repository.ref == repository.commit or repository.ref.startswith(("tags/", "refs/"))
    return None if detached or repository.commit.startswith(repository.ref) else repository.ref
