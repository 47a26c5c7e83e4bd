"""Exactly one pull request, wherever an attempt dies; and the rest of it, as far as the forge allows."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.dossiers import Dossiers
from activities.pull_request import OpenPullRequestInput, PullRequestActivities
from adapters.forges import make_forges
from adapters.journal.postgres import PostgresJournal
from adapters.settings import load_settings
from domain.errors import RemoteUnavailable, RepositoryRefused
from domain.event import EffectDone, RepositoryResolved, VerifyEnded, WorkCommitted
from domain.ports import Submission
from domain.pull_request import PullRequestRef, PullRequestSpec
from domain.record import NewEvent
from domain.repository import PublishedWork, RepositorySpec, ResolvedRepository
from domain.run import RunSpec
from domain.secrets import Mask
from tests.adapters.journal.samples import returned
from tests.fixtures.forges.state import TOKEN, ForgedPull
from tests.fixtures.git_server import git
from tests.fixtures.github import Fault, ForgeServer

REPO = "team/app"
HEAD = "perdure/mend-add-1"
SECRET = "ghp_" + "Zx9Yw8Vu7T" * 4
"""What a model may have read somewhere."""


class Shop:
    """A run whose work is pushed, and the activities that open its pull request."""

    def __init__(self, journal: PostgresJournal, forge: ForgeServer) -> None:
        self.run_id = str(uuid4())
        self.journal = journal
        self.forge = forge
        self.repository = forge.add(REPO)
        tree = git(self.repository.path, "rev-parse", "main^{tree}")
        self.commit = git(self.repository.path, "commit-tree", tree, "-p", "main", "-m", "More")
        git(self.repository.path, "update-ref", f"refs/heads/{HEAD}", self.commit)

    @property
    def pulls(self) -> list[ForgedPull]:
        return self.repository.pulls

    async def submit(self, verified: bool | None = True, **asked: Any) -> None:
        url, base = self.forge.url(REPO), git(self.repository.path, "rev-parse", "main")
        spec = RunSpec(
            task="Mend add",
            repository=RepositorySpec(url=url),
            publish="pull_request",
            pull_request=PullRequestSpec.model_validate(asked),
            verify=() if verified is None else ("pytest -q",),
        )
        await self.journal.submit(Submission(run_id=self.run_id, spec=spec, model="a:b", owner="ada"))
        resolved = ResolvedRepository(url=url, ref="main", commit=base, pack="p")
        work = {"branch": HEAD, "base": base, "commit": self.commit, "tree": "t", "pack": "p", "diff": "d"}
        committed = PublishedWork.model_validate({**work, "files": 1, "added": 1, "removed": 0})
        finish = returned(text=f"Mended for @ada, see #1 and {SECRET}.").event.model_copy(
            update={"name": "finish", "finished": True}
        )
        events = [
            NewEvent(key="repository", event=RepositoryResolved(repository=resolved)),
            NewEvent(key="turn/1/call/0/returned", event=finish),
            NewEvent(key="work/1", event=WorkCommitted(work=committed)),
        ]
        if verified is not None:
            failed = () if verified else ("verify/1/call/0",)
            ended = VerifyEnded(round=1, passed=verified, failed_commands=failed)
            events.append(NewEvent(key="verify/1", event=ended))
        await self.journal.record(self.run_id, events)

    def left_draft(self) -> None:
        """What an earlier attempt of this run opened before its words were the present ones."""
        self.pulls.append(ForgedPull(1, "Old", f"Old\n\nPerdure-Run: {self.run_id}", HEAD, "main", draft=True))

    async def open(self, environment: Mapping[str, str] | None = None) -> PullRequestRef:
        """One attempt of a worker that knows nothing but the journal."""
        named = {"PERDURE_HOME": "/nowhere", "PERDURE_GITHUB_HOSTS": self.forge.host, "GITHUB_TOKEN": TOKEN}
        settings = load_settings({**named, "GITHUB_API_URL": self.forge.api_url, **(environment or {})})
        forges, public = make_forges(settings), "https://perdure.example.com/"
        activities = PullRequestActivities(self.journal, Dossiers(self.journal), forges, Mask(), public)
        given = OpenPullRequestInput(run_id=self.run_id)
        return await ActivityEnvironment().run(activities.open_pull_request, given)

    async def effects(self) -> list[str]:
        kinds = ("effect_intended", "effect_done")
        return [one.key for one in await self.journal.read(self.run_id, types=kinds)]


@pytest.fixture
def shop(journal: PostgresJournal, forge: ForgeServer) -> Shop:
    return Shop(journal, forge)


async def test_verified_work_is_ready_with_its_labels_and_reviewers(shop: Shop) -> None:
    await shop.submit(labels=["agent"], reviewers=["ada"], team_reviewers=["web"], title="Mend it")
    ref = await shop.open()
    assert (ref.number, ref.head, ref.base, ref.draft, ref.notes) == (1, HEAD, "main", False, ())
    (pull,) = shop.pulls
    assert (pull.title, pull.labels, pull.reviewers, pull.teams) == ("Mend it", ["agent"], ["ada"], ["web"])
    assert "* passed: `pytest -q`" in pull.body
    assert f"Run: https://perdure.example.com/v1/runs/{shop.run_id}" in pull.body
    assert "@ada" not in pull.body
    assert SECRET not in pull.body
    assert await shop.effects() == ["effect/pull_request/intended/1", "effect/pull_request/done"]
    assert (await shop.journal.summary(shop.run_id)).pull_request == ref


@pytest.mark.parametrize("verified", [None, False])
async def test_what_is_not_verified_is_a_draft(shop: Shop, verified: bool | None) -> None:
    await shop.submit(verified=verified)
    assert (await shop.open()).draft is True


async def test_an_attempt_after_the_receipt_asks_nobody(shop: Shop) -> None:
    await shop.submit()
    first = await shop.open()
    shop.forge.asked.clear()
    assert await shop.open() == first
    assert shop.forge.asked == []


@pytest.mark.parametrize("lost", ["/pulls", "/labels", "/requested_reviewers", "/graphql"])
async def test_an_answer_that_is_lost_leads_to_one_pull_request_with_everything_once(shop: Shop, lost: str) -> None:
    await shop.submit(labels=["agent"], reviewers=["ada"])
    shop.forge.drops.append(lost)
    if lost == "/graphql":
        shop.left_draft()
    with pytest.raises(RemoteUnavailable):
        await shop.open()
    assert await shop.effects() == ["effect/pull_request/intended/1"]
    ref = await shop.open()
    (pull,) = shop.pulls
    assert (pull.draft, pull.labels, pull.reviewers) == (False, ["agent"], ["ada"])
    assert shop.forge.count("POST", "/pulls") == (0 if lost == "/graphql" else 1)
    assert shop.forge.count("POST", "/labels") == 1
    assert shop.forge.count("POST", "/requested_reviewers") == 1
    (done,) = await shop.journal.read(shop.run_id, types=("effect_done",))
    assert isinstance(done.event, EffectDone)
    assert done.event.found
    assert done.event.receipt == ref.model_dump(mode="json")


async def test_a_forge_that_is_away_or_tired_is_waited_for_where_people_see_it(shop: Shop) -> None:
    await shop.submit()
    limited = {"Retry-After": "7"}
    shop.forge.faults += [Fault("/pulls", 503), Fault("/pulls", 403, limited, {"message": "rate limit"})]
    with pytest.raises(RemoteUnavailable):
        await shop.open()
    with pytest.raises(RemoteUnavailable) as later:
        await shop.open()
    assert later.value.retry_after_seconds == 7
    run = await shop.journal.summary(shop.run_id)
    assert (run.status, run.waiting_for) == ("waiting", "dependency")
    await shop.open()
    assert len(shop.pulls) == 1


async def test_ours_is_brought_up_to_date_and_made_ready(shop: Shop) -> None:
    await shop.submit()
    shop.left_draft()
    ref = await shop.open()
    assert ref.draft is False
    (pull,) = shop.pulls
    assert (pull.title, pull.draft) == ("Mend add", False)
    assert "passed: `pytest -q`" in pull.body


async def test_what_a_person_opened_for_the_branch_is_adopted_as_it_is(shop: Shop) -> None:
    await shop.submit(labels=["agent"])
    shop.pulls.append(ForgedPull(1, "By hand", "My words", HEAD, "main", draft=True))
    ref = await shop.open()
    assert (ref.number, ref.draft) == (1, True)
    assert (shop.pulls[0].title, shop.pulls[0].body, shop.pulls[0].labels) == ("By hand", "My words", ["agent"])


async def test_ours_that_a_person_closed_meanwhile_stays_closed_and_is_the_only_one(shop: Shop) -> None:
    await shop.submit(labels=["agent"])
    shop.left_draft()
    shop.pulls[0].state = "closed"
    ref = await shop.open()
    assert (ref.state, len(shop.pulls), shop.pulls[0].labels) == ("closed", 1, [])
    assert "closed" in ref.notes[0]


async def test_what_others_closed_does_not_stand_in_for_ours(shop: Shop) -> None:
    await shop.submit()
    shop.pulls.append(ForgedPull(1, "By hand", "", HEAD, "main", draft=False, state="closed"))
    assert (await shop.open()).number == 2


async def test_where_there_are_no_drafts_it_is_ready_and_says_so(shop: Shop) -> None:
    await shop.submit(verified=None)
    shop.repository.drafts = False
    ref = await shop.open()
    assert ref.draft is False
    assert "has no drafts" in ref.notes[0]


async def test_what_the_forge_refuses_of_an_open_one_is_noted_and_fails_nothing(shop: Shop) -> None:
    await shop.submit(labels=["agent"], reviewers=["ada", "stranger"])
    shop.left_draft()
    denied = {"message": "Resource not accessible by integration"}
    shop.forge.faults += [Fault("/labels", 403, {}, denied), Fault("/graphql", 403, {}, denied)]
    ref = await shop.open()
    assert ref.draft is True
    assert len(ref.notes) == 3
    assert "stays a draft" in ref.notes[0]
    assert "labels" in ref.notes[1]
    assert "stranger" in ref.notes[2]
    assert shop.pulls[0].reviewers == ["ada"]


async def test_a_base_that_is_not_there_stops_the_run_with_what_to_do(shop: Shop) -> None:
    await shop.submit(base="absent")
    with pytest.raises(RepositoryRefused, match="base invalid") as refused:
        await shop.open()
    assert refused.value.next_step


async def test_a_worker_without_a_login_says_which_variable_is_missing(shop: Shop) -> None:
    await shop.submit()
    with pytest.raises(RepositoryRefused) as refused:
        await shop.open({"GITHUB_TOKEN": ""})
    assert "GITHUB_TOKEN" in refused.value.next_step
