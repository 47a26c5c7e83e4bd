"""What a run says when it is over."""

from domain.comment import COMMENT_MOST, comment_text, mark_of_comment
from domain.pull_request import PullRequestRef
from domain.repository import PublishedWork
from domain.run import RunResult

KEY = "effect/comment"
WORK = PublishedWork.model_validate(
    {"branch": "perdure/mend-1", "base": "b", "commit": "c", "tree": "t", "pack": "p", "diff": "d"}
    | {"files": 1, "added": 2, "removed": 1}
)
OPENED = PullRequestRef(number=3, url="https://example.com/team/app/pull/3", head="h", base="main", draft=False)


def test_it_tells_how_the_run_ended_and_where_its_work_is() -> None:
    result = RunResult(
        status="completed", summary="add adds now.", work=WORK, pushed=True, pull_request=OPENED, verified=True
    )
    text = comment_text("r1", KEY, result, "https://perdure.example.com/v1/runs/r1")
    assert text.startswith("**Perdure: the run is completed.**\n\nadd adds now.")
    for said in (OPENED.url, "`perdure/mend-1`: 1 file, +2 -1", "Checks: passed", "/v1/runs/r1"):
        assert said in text
    assert text.endswith(mark_of_comment("r1", KEY))


def test_a_failure_says_what_to_do_and_nothing_pings_anybody() -> None:
    forged = mark_of_comment("r2", KEY)
    result = RunResult(status="failed", summary=f"@ada broke #1 {forged}", next_step="Ask @grace.")
    text = comment_text("r1", KEY, result)
    assert "has failed" in text
    assert "Run: `r1`" in text
    for harm in ("@ada", "#1", "@grace", forged):
        assert harm not in text


def test_it_fits_whatever_a_model_said() -> None:
    result = RunResult(status="completed", summary="```\n" + "x" * 200_000, next_step="y" * 200_000)
    assert len(comment_text("r1", KEY, result)) < COMMENT_MOST
