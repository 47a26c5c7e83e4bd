"""Exactly one comment with a run's result, wherever an attempt dies."""

from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.comment import CommentActivities, PostCommentInput
from activities.dossiers import Dossiers
from adapters.forges import make_forges
from adapters.journal.postgres import PostgresJournal
from adapters.settings import load_settings
from domain.errors import RemoteUnavailable, RepositoryRefused
from domain.event import EffectDone, EffectFailed, RunEnded
from domain.ports import Submission
from domain.record import NewEvent
from domain.repository import RepositorySpec
from domain.run import RunResult, RunSpec
from domain.secrets import Mask
from tests.fixtures.forges.state import TOKEN, ForgedComment
from tests.fixtures.github import Fault, ForgeServer

REPO = "team/app"
SECRET = "ghp_" + "Zx9Yw8Vu7T" * 4


class Board:
    """A run that has ended, an issue that waits for its result, and the activities that post it."""

    def __init__(self, journal: PostgresJournal, forge: ForgeServer) -> None:
        self.run_id = str(uuid4())
        self.journal = journal
        self.forge = forge
        self.repository = forge.add(REPO)
        self.repository.issues.add(7)

    @property
    def comments(self) -> list[ForgedComment]:
        return self.repository.comments

    async def end(self, number: int = 7) -> None:
        spec = RunSpec(task="Mend", repository=RepositorySpec(url=self.forge.url(REPO)), comment_on=number)
        await self.journal.submit(Submission(run_id=self.run_id, spec=spec, model="a:b", owner="ada"))
        result = RunResult(status="failed", summary=f"@ada, the key was {SECRET}.")
        await self.journal.record(self.run_id, [NewEvent(key="ended", event=RunEnded(result=result))])

    async def post(self) -> None:
        """One attempt of a worker that knows nothing but the journal."""
        named = {"PERDURE_HOME": "/nowhere", "PERDURE_GITHUB_HOSTS": self.forge.host, "GITHUB_TOKEN": TOKEN}
        forges = make_forges(load_settings({**named, "GITHUB_API_URL": self.forge.api_url}))
        public = "https://perdure.example.com/"
        activities = CommentActivities(self.journal, Dossiers(self.journal), forges, Mask(), public)
        await ActivityEnvironment().run(activities.post_comment, PostCommentInput(run_id=self.run_id))


@pytest.fixture
def board(journal: PostgresJournal, forge: ForgeServer) -> Board:
    return Board(journal, forge)


async def test_the_result_stands_there_once_without_secrets_and_pings(board: Board) -> None:
    await board.end()
    await board.post()
    await board.post()
    (comment,) = board.comments
    assert "has failed" in comment.body
    assert f"https://perdure.example.com/v1/runs/{board.run_id}" in comment.body
    assert "@ada" not in comment.body
    assert SECRET not in comment.body
    (done,) = await board.journal.read(board.run_id, types=("effect_done",))
    assert isinstance(done.event, EffectDone)
    assert done.event.receipt["url"].endswith("issues/7#issuecomment-1")


async def test_a_comment_whose_answer_is_lost_is_found(board: Board) -> None:
    await board.end()
    board.forge.drops.append("/comments")
    with pytest.raises(RemoteUnavailable):
        await board.post()
    await board.post()
    assert len(board.comments) == 1
    (done,) = await board.journal.read(board.run_id, types=("effect_done",))
    assert isinstance(done.event, EffectDone)
    assert done.event.found


async def test_what_others_said_is_not_taken_for_it(board: Board) -> None:
    await board.end()
    board.comments.append(ForgedComment(1, 7, f"When is run {board.run_id} over?", "2999-01-01T00:00:00Z"))
    await board.post()
    assert len(board.comments) == 2


async def test_a_forge_that_is_away_is_asked_again(board: Board) -> None:
    await board.end()
    board.forge.faults.append(Fault("/comments", 503))
    with pytest.raises(RemoteUnavailable):
        await board.post()
    await board.post()
    assert len(board.comments) == 1


async def test_an_issue_that_is_not_there_is_said_in_the_journal(board: Board) -> None:
    await board.end(number=8)
    with pytest.raises(RepositoryRefused):
        await board.post()
    (failed,) = await board.journal.read(board.run_id, types=("effect_failed",))
    assert isinstance(failed.event, EffectFailed)
    assert (failed.event.target, "404" in failed.event.reason) == ("#8", True)
