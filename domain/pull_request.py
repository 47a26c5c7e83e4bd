"""A pull request: what a run asks for, what the forge has, and what stands in it."""

import re
from typing import Annotated, Literal

from pydantic import Field

from domain.approval import Plan
from domain.value import Value

PULL_REQUEST = "pull_request"
"""The name of the effect; its receipt is a PullRequestRef."""
TITLE_MOST = 256
BODY_MOST = 65_536
"""Characters, as GitHub counts them."""
PLAN_MOST = 12_000
CHECKS_MOST = 12_000
CUT = "\n\n[The rest is left out.]"

Label = Annotated[str, Field(min_length=1, max_length=50)]
Login = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-\[\]]*$")]


class PullRequestSpec(Value):
    """What a run asks of its pull request; without a title the task's first line is it."""

    title: str = Field(default="", max_length=TITLE_MOST)
    labels: tuple[Label, ...] = Field(default=(), max_length=20)
    reviewers: tuple[Login, ...] = Field(default=(), max_length=15)
    team_reviewers: tuple[Login, ...] = Field(default=(), max_length=15)
    base: str | None = Field(default=None, min_length=1, max_length=250)
    """The branch to merge into; None is the one that the run began at, else the repository's default branch."""


class PullRequestText(Value):
    title: str
    body: str


class NewPullRequest(Value):
    """`base` None is the repository's default branch."""

    head: str
    base: str | None
    draft: bool
    text: PullRequestText


class PullRequestRef(Value):
    """Where a run's pull request is. `notes` say what of it could not be had."""

    number: int
    url: str
    head: str
    base: str
    draft: bool
    state: Literal["open", "closed"] = "open"
    notes: tuple[str, ...] = ()


class PullRequest(Value):
    """As the forge has it; `id` is the forge's own."""

    id: str
    number: int
    url: str
    head: str
    base: str
    draft: bool
    state: Literal["open", "closed"]
    text: PullRequestText
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    team_reviewers: tuple[str, ...] = ()

    def is_of(self, run_id: str) -> bool:
        """Whether this run opened it: whoever opened it by hand keeps what they wrote."""
        return mark_of(run_id) in self.text.body.splitlines()

    def ref(self, notes: tuple[str, ...] = ()) -> PullRequestRef:
        kept = ("number", "url", "head", "base", "draft", "state")
        return PullRequestRef(**{name: getattr(self, name) for name in kept}, notes=notes)


class WorkStory(Value):
    """What a pull request tells of a run. `checks` are the verify commands, and whether each passed."""

    run_id: str
    task: str
    summary: str = ""
    plan: Plan | None = None
    checks: tuple[tuple[str, bool], ...] = ()
    link: str = ""
    """The run's address; empty where nobody else could follow it."""


def mark_of(run_id: str) -> str:
    return f"Perdure-Run: {run_id}"


def text_of(spec: PullRequestSpec, story: WorkStory) -> PullRequestText:
    """The model's words cannot ping anybody, refer to an issue or close one; a person's title may."""
    parts = [
        _plan(story.plan),
        _checks(story.checks),
        f"Run: {story.link}" if story.link else "",
        mark_of(story.run_id),
    ]
    rest = "\n\n".join(part for part in parts if part)
    summary = bounded(closed(harmless(story.summary.strip())), BODY_MOST - len(rest) - 2)
    return PullRequestText(title=title_of(spec, story.task), body="\n\n".join(part for part in (summary, rest) if part))


def title_of(spec: PullRequestSpec, task: str) -> str:
    first = spec.title.strip() or next((line for line in task.splitlines() if line.strip()), "Work")
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", first).split())[:TITLE_MOST]


def _plan(plan: Plan | None) -> str:
    if plan is None:
        return ""
    steps = "\n".join(f"{number}. {_one_line(step.title)}" for number, step in enumerate(plan.steps, 1))
    return "### Plan\n\n" + bounded(steps, PLAN_MOST)


def _checks(checks: tuple[tuple[str, bool], ...]) -> str:
    if not checks:
        return "### Checks\n\nNo verify command was given: nothing was checked."
    lines = (f"* {'passed' if passed else 'failed'}: {_as_code(command)}" for command, passed in checks)
    return "### Checks\n\n" + bounded("\n".join(lines), CHECKS_MOST)


def _one_line(text: str) -> str:
    return harmless(" ".join(text.split()))


def _as_code(text: str) -> str:
    """Fenced by more backticks than stand in it."""
    line = " ".join(text.split())
    fence = "`" * (max((len(run) for run in re.findall(r"`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


_BREAK = "\u200b"
"""Takes no room, and parts what GitHub would link."""
_LINKED = (
    # @name and @org/team, in code as well: what is code to one reader of Markdown is text to another.
    (re.compile(r"@(?=[A-Za-z0-9_])"), "@" + _BREAK),
    (re.compile(r"#(?=\d)"), "#" + _BREAK),
    (re.compile(r"\b(GH\\?-)(?=\d)", re.IGNORECASE), r"\1" + _BREAK),
    (re.compile(r"(/(?:issues|pull|pulls|discussions)\\?/)(?=\d)", re.IGNORECASE), r"\1" + _BREAK),
    # A comment that is never closed would swallow what stands below.
    (re.compile(r"<!--"), "<" + _BREAK + "!--"),
    # Bots take lines such as /approve for commands.
    (re.compile(r"^([ \t]*)/(?=[A-Za-z])", re.MULTILINE), r"\1" + _BREAK + "/"),
    # Nobody's text may pass for the mark of a run.
    (re.compile(r"^(\s*Perdure)(?=-Run:)", re.MULTILINE | re.IGNORECASE), r"\1" + _BREAK),
    # Entities are read before links are looked for.
    (re.compile(r"&(?=#|commat;|num;)", re.IGNORECASE), "&amp;"),
    (re.compile(r"(`{10})`+|(~{10})~+"), r"\1\2"),
)


def harmless(text: str) -> str:
    """Reads the same, and pings nobody, refers to no issue and closes none."""
    clean = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", text)
    for pattern, parted in _LINKED:
        clean = pattern.sub(parted, clean)
    return clean


def closed(text: str) -> str:
    """A code block that was left open is closed, so that what follows is no code."""
    fence = ""
    for line in text.splitlines():
        found = re.match(r" {0,3}(`{3,}|~{3,})(.*)", line)
        if found is None:
            continue
        if not fence:
            fence = found[1]
        elif found[1].startswith(fence) and not found[2].strip():
            fence = ""
    return f"{text}\n{fence}" if fence else text


def bounded(text: str, most: int) -> str:
    return text if len(text) <= most else closed(text[: most - len(CUT) - 12].rstrip()) + CUT
