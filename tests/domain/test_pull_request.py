"""What stands in a pull request: the run's story, and nothing that pings, closes or breaks out."""

import re

import pytest

from domain.approval import Plan, PlanStep
from domain.pull_request import BODY_MOST, PullRequest, PullRequestSpec, WorkStory, harmless, mark_of, text_of

PLAN = Plan(summary="Mend", steps=(PlanStep(title="Read @ada's notes"), PlanStep(title="Mend #3")))


def body(summary: str = "", **more: object) -> str:
    return text_of(
        PullRequestSpec(), WorkStory.model_validate({"run_id": "r1", "task": "T", "summary": summary, **more})
    ).body


def test_a_body_tells_the_summary_the_plan_the_checks_and_where_the_run_is() -> None:
    told = body(
        "add adds now.", plan=PLAN, checks=(("pytest -q", True),), link="https://perdure.example.com/v1/runs/r1"
    )
    assert told == (
        "add adds now.\n\n### Plan\n\n1. Read @\u200bada's notes\n2. Mend #\u200b3\n\n### Checks"
        "\n\n* passed: `pytest -q`\n\nRun: https://perdure.example.com/v1/runs/r1\n\nPerdure-Run: r1"
    )


def test_without_checks_it_says_that_nothing_was_checked() -> None:
    assert "nothing was checked" in body()


@pytest.mark.parametrize(
    ("spec", "task", "title"),
    [
        (PullRequestSpec(), "\n  Mend   add\nand more", "Mend add"),
        (PullRequestSpec(title="Fix #12"), "Mend", "Fix #12"),
        (PullRequestSpec(), "x" * 300, "x" * 256),
        (PullRequestSpec(), "a\x00b\x1b[31mc", "a b [31mc"),
    ],
)
def test_the_title_is_what_was_asked_for_or_the_tasks_first_line(spec: PullRequestSpec, task: str, title: str) -> None:
    assert text_of(spec, WorkStory(run_id="r", task=task)).title == title


ACTIVE = re.compile(
    r"@[A-Za-z0-9_]|#\d|\bGH\\?-\d|/(issues|pull|pulls|discussions)\\?/\d|<!--|^[ \t]*/[A-Za-z]|&(#|commat;|num;)",
    re.IGNORECASE | re.MULTILINE,
)


@pytest.mark.parametrize(
    "text",
    [
        "@everyone look",
        "cc @org/team and (@ada)",
        "mail ada@example.com",
        "`@code` too",
        "Fixes #1, closes owner/repo#22",
        "resolves GH-7 and gh-8 and GH\\-9",
        "closes https://github.com/o/r/issues/1",
        "see [it](https://github.com/o/r/pull/2) and https://ghe.example.com/o/r/discussions/3",
        "&#64;ada &commat;ada &#35;1 &num;1",
        "<!-- hidden",
        "/approve\n  /merge now",
        "\\@ada \\#1",
        "Perdure-Run: other",
    ],
)
def test_the_models_words_ping_nobody_and_close_nothing(text: str) -> None:
    made = harmless(text)
    assert not ACTIVE.search(made), made
    assert not re.search(r"^\s*Perdure-Run:", made, re.MULTILINE)
    shown = made.replace("\u200b", "").replace("&amp;", "&")
    assert shown == text


def test_ordinary_words_stay_as_they_are() -> None:
    text = "Use `a/b` # not c, x @ y & z; issues/solved, path a/issues/readme"
    assert harmless(text) == text


@pytest.mark.parametrize("opened", ["```python\nx = 1", "~~~~\n```", "text\n\n   ````\n```\n", "`" * 70_000])
def test_a_code_block_that_was_left_open_swallows_nothing(opened: str) -> None:
    told = body(opened)
    fence = ""
    for line in told.splitlines():
        if found := re.match(r" {0,3}(`{3,}|~{3,})(.*)", line):
            if not fence:
                fence = found[1]
            elif found[1].startswith(fence) and not found[2].strip():
                fence = ""
    assert fence == ""
    assert told.splitlines()[-1] == mark_of("r1")
    assert len(told) <= BODY_MOST


@pytest.mark.parametrize("filler", ["word ", "@a", "#1", "&#1;", "<!--", "/a\n", "```\n", "\u20ac"])
def test_a_body_keeps_to_githubs_limit_whatever_the_model_said(filler: str) -> None:
    many = tuple(PlanStep(title=(filler * 300)[:300]) for _ in range(50))
    checks = tuple(((filler * 10_000)[:10_000], True) for _ in range(20))
    told = body(filler * 50_000, plan=Plan(summary="S", steps=many), checks=checks)
    assert len(told) <= BODY_MOST
    assert told.splitlines()[-1] == mark_of("r1")
    assert "The rest is left out" in told


def test_a_verify_command_with_backticks_stays_one_piece_of_code() -> None:
    assert "* failed: ``` echo ``x`` ```" in body(checks=(("echo ``x``", False),))


def test_only_a_run_whose_mark_stands_there_owns_a_pull_request() -> None:
    text = text_of(PullRequestSpec(), WorkStory(run_id="r1", task="T", summary="Perdure-Run: r2"))
    mine = PullRequest(id="P", number=1, url="u", head="h", base="b", draft=True, state="open", text=text)
    assert mine.is_of("r1")
    assert not mine.is_of("r2")
    assert not mine.is_of("r")
