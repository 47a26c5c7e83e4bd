"""Comments at a forge that is judged by GitHub's own description."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.comment import COMMENT_MOST, mark_of_comment
from domain.errors import RepositoryRefused
from tests.adapters.forges.test_github import REPO, Settle, at, by_app, by_token
from tests.fixtures.forges.state import ForgedComment
from tests.fixtures.github import ForgeServer

MARK = mark_of_comment("r1", "effect/comment")
BEFORE = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def board(forge: ForgeServer) -> ForgeServer:
    """With an issue, number 7."""
    forge.add(REPO).issues.add(7)
    return forge


@pytest.mark.parametrize("settle", [by_token, by_app])
async def test_a_comment_is_made_and_found_by_its_mark(board: ForgeServer, settle: Settle) -> None:
    github, url = at(board, settle), board.url(REPO)
    assert await github.find_comment(url, 7, MARK, BEFORE) is None
    made = await github.comment(url, 7, f"Done.\n\n{MARK}")
    assert made.url.endswith("/issues/7#issuecomment-1")
    assert await github.find_comment(url, 7, MARK, BEFORE) == made
    assert await github.find_comment(url, 7, mark_of_comment("r2", "effect/comment"), BEFORE) is None


async def test_it_is_found_among_hundreds_and_not_before_the_run_began(board: ForgeServer) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    comments = board.state.repositories[REPO].comments
    comments += [ForgedComment(number, 7, "Me too.", now) for number in range(1, 251)]
    comments.append(ForgedComment(251, 7, MARK, now))
    github, url = at(board), board.url(REPO)
    found = await github.find_comment(url, 7, MARK, BEFORE)
    assert found is not None
    assert found.url.endswith("-251")
    assert await github.find_comment(url, 7, MARK, datetime.now(UTC) + timedelta(hours=1)) is None


async def test_an_app_without_the_right_to_issues_comments_all_the_same(board: ForgeServer) -> None:
    board.state.app.rights.remove("issues")
    github = at(board, by_app)
    await github.comment(board.url(REPO), 7, "Done.")
    assert len(board.state.repositories[REPO].comments) == 1


@pytest.mark.parametrize(("number", "body"), [(8, "Done."), (7, "x" * (COMMENT_MOST + 1))])
async def test_what_cannot_be_commented_on_is_said(board: ForgeServer, number: int, body: str) -> None:
    with pytest.raises(RepositoryRefused):
        await at(board).comment(board.url(REPO), number, body)
