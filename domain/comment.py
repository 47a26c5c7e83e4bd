"""What a run says on an issue or a pull request when it is over."""

from domain.pull_request import bounded, closed, harmless
from domain.run import RunResult
from domain.value import Value

COMMENT = "comment"
"""The name of the effect; its receipt is a CommentRef."""
COMMENT_MOST = 65_536
"""Characters, as GitHub counts them."""
SUMMARY_MOST = 20_000


class CommentRef(Value):
    number: int
    """Of the issue or pull request."""
    url: str


def mark_of_comment(run_id: str, key: str) -> str:
    """Hidden in the comment, so that a later attempt finds it; `harmless` keeps it out of what models wrote."""
    return f"<!-- Perdure-Run: {run_id} {key} -->"


def comment_text(run_id: str, key: str, result: RunResult, link: str = "") -> str:
    """The model's words ping nobody; `link` is the run's address, empty where nobody else could follow it."""
    parts = [
        f"**Perdure: the run {_ended(result)}.**",
        closed(harmless(bounded(result.summary.strip(), SUMMARY_MOST))),
        "\n".join(_facts(result)),
        closed(harmless(bounded(result.next_step.strip(), SUMMARY_MOST))),
        f"Run: {link}" if link else f"Run: `{run_id}`",
        mark_of_comment(run_id, key),
    ]
    return "\n\n".join(part for part in parts if part)


def _ended(result: RunResult) -> str:
    return {"completed": "is completed", "failed": "has failed", "cancelled": "was cancelled"}[result.status]


def _facts(result: RunResult) -> list[str]:
    facts: list[str] = []
    if result.pull_request is not None:
        facts.append(f"* Pull request: {result.pull_request.url}")
    if result.work is not None:
        pushed = "" if result.pushed else " (not pushed)"
        size = f"{result.work.files} file{'s' * (result.work.files != 1)}, +{result.work.added} -{result.work.removed}"
        facts.append(f"* Branch: `{result.work.branch}`{pushed}: {size}")
    if result.verified is not None:
        facts.append(f"* Checks: {'passed' if result.verified else 'failed'}")
    return facts
