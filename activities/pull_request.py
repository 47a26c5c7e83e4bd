"""The pull request of a run's branch: found or opened, then given what was asked for."""

from collections.abc import Awaitable
from urllib.parse import urlsplit

from temporalio import activity

from activities.dossiers import Dossiers
from activities.effects import Effects
from activities.waits import shown
from domain.approval import Plan
from domain.dossier import Dossier
from domain.effect import Effect, Receipt, request_hash
from domain.errors import NotFound, RepositoryRefused
from domain.event import WorkCommitted
from domain.ports import Forge, Forges, Journal
from domain.pull_request import (
    PULL_REQUEST,
    NewPullRequest,
    PullRequest,
    PullRequestRef,
    WorkStory,
    text_of,
)
from domain.repository import branch_to_merge_into
from domain.secrets import Mask
from domain.value import Value

EFFECT = f"effect/{PULL_REQUEST}"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class OpenPullRequestInput(Value):
    run_id: str


class PullRequestActivities:
    """`public_url` is where people reach the API."""

    def __init__(self, journal: Journal, dossiers: Dossiers, forges: Forges, mask: Mask, public_url: str) -> None:
        self._journal = journal
        self._dossiers = dossiers
        self._effects = Effects(journal, dossiers)
        self._forges = forges
        self._mask = mask
        self._public_url = public_url.rstrip("/")

    @activity.defn
    async def open_pull_request(self, input: OpenPullRequestInput) -> PullRequestRef:
        """Intent, probe, act, receipt: an attempt that died after the act is found by the probe."""
        async with shown(self._journal, input.run_id):
            return await self._open(input.run_id)

    async def _open(self, run_id: str) -> PullRequestRef:
        dossier = await self._dossiers.of(run_id)
        if (made := dossier.ledger.done.get(EFFECT)) is not None:
            return PullRequestRef.model_validate(made.receipt)
        url, wanted = await self._wanted(run_id, dossier)
        forge = self._forges.get(url)
        if forge is None:
            raise RepositoryRefused(
                f"This worker has no login for pull requests of {url}.",
                "Set GITHUB_TOKEN, or GITHUB_APP_ID and GITHUB_APP_KEY_PATH, and PERDURE_GITHUB_HOSTS for the worker.",
            )
        about = f"{wanted.text.title} ({url})"
        request = request_hash(url, wanted.model_dump(mode="json"))
        effect = Effect(key=EFFECT, kind=PULL_REQUEST, target=wanted.head, about=about, request=request)

        async def settled(opened: PullRequest) -> Receipt:
            return (await self._settle(forge, url, dossier, wanted, opened)).model_dump(mode="json")

        async def probe() -> Receipt | None:
            found = await forge.find(url, wanted.head)
            if found is None or (found.state == "closed" and not found.is_of(run_id)):
                return None
            return await settled(found)

        async def act() -> Receipt:
            return await settled(await forge.open(url, wanted))

        done = await self._effects.perform(run_id, effect, act, probe)
        return PullRequestRef.model_validate(done.receipt)

    async def _wanted(self, run_id: str, dossier: Dossier) -> tuple[str, NewPullRequest]:
        (committed,) = (await self._journal.read(run_id, types=("work_committed",)))[-1:] or (None,)
        if dossier.repository is None or committed is None or not isinstance(committed.event, WorkCommitted):
            raise NotFound(f"run {run_id} has no work in a repository")
        story = story_of(dossier, self._mask, self._link(run_id))
        wanted = proposal_of(dossier, committed.event.work.branch, story)
        return dossier.repository.url, wanted

    def _link(self, run_id: str) -> str:
        """None that leads to the reader's own machine."""
        host = urlsplit(self._public_url).hostname
        return "" if host in LOOPBACK else f"{self._public_url}/v1/runs/{run_id}"

    async def _settle(
        self, forge: Forge, url: str, dossier: Dossier, wanted: NewPullRequest, opened: PullRequest
    ) -> PullRequestRef:
        """What is there already is not done again. What the forge refuses is noted: the work is out all the same."""
        notes: list[str] = []
        mine = opened.is_of(dossier.run_id)
        if opened.state == "closed":
            return opened.ref(("It was closed meanwhile, and is left so.",))
        if mine and opened.text != wanted.text:
            opened = await forge.update(url, opened.number, wanted.text)
        if mine and opened.draft and not wanted.draft:
            done = await _noted(notes, "It stays a draft", forge.mark_ready(url, opened))
            opened = opened.model_copy(update={"draft": not done})
        elif mine and wanted.draft and not opened.draft:
            notes.append("It is no draft, though its work is not verified: the repository has no drafts.")
        await self._ask(forge, url, dossier, opened, notes)
        return opened.ref(tuple(self._mask.text(note) for note in notes))

    async def _ask(self, forge: Forge, url: str, dossier: Dossier, opened: PullRequest, notes: list[str]) -> None:
        spec, number = dossier.spec.pull_request, opened.number
        known = {label.lower() for label in opened.labels}
        if labels := tuple(one for one in spec.labels if one.lower() not in known):
            await _noted(notes, "It has not all its labels", forge.add_labels(url, number, labels))
        asked = {one.lower() for one in (*opened.reviewers, *opened.team_reviewers)}
        reviewers = tuple(one for one in spec.reviewers if one.lower() not in asked)
        teams = tuple(one for one in spec.team_reviewers if one.lower() not in asked)
        if reviewers or teams:
            await _noted(notes, "Reviews", forge.request_reviewers(url, number, reviewers, teams))


async def _noted(notes: list[str], what: str, doing: Awaitable[tuple[str, ...] | None]) -> bool:
    """Whether all of it could be done."""
    try:
        refused = await doing
    except RepositoryRefused as error:
        notes.append(f"{what}: {error.message} {error.next_step}".strip())
        return False
    notes.extend(f"{what}: {one}" for one in refused or ())
    return not refused


def proposal_of(dossier: Dossier, branch: str, story: WorkStory) -> NewPullRequest:
    """A draft, but where verify commands were given and passed."""
    spec = dossier.spec.pull_request
    begun = branch_to_merge_into(dossier.repository) if dossier.repository else None
    ready = dossier.verified is not None and dossier.verified.passed
    return NewPullRequest(head=branch, base=spec.base or begun, draft=not ready, text=text_of(spec, story))


def story_of(dossier: Dossier, mask: Mask, link: str = "") -> WorkStory:
    """Without what looks like a secret: it is read outside."""
    finished = [one for one in dossier.returned.values() if one.finished and one.name == "finish"]
    plan = dossier.plan
    if plan is not None:
        steps = tuple(one.model_copy(update={"title": mask.text(one.title)}) for one in plan.steps)
        plan = Plan(summary=plan.summary, steps=steps)
    return WorkStory(
        run_id=dossier.run_id,
        task=mask.text(dossier.spec.task),
        summary=mask.text(finished[-1].result.text) if finished else "",
        plan=plan,
        checks=_checks(dossier, mask),
        link=link,
    )


def _checks(dossier: Dossier, mask: Mask) -> tuple[tuple[str, bool], ...]:
    ended = dossier.verified
    if ended is None:
        return ()
    calls = (f"verify/{ended.round}/call/{index}" for index in range(len(dossier.spec.verify)))
    pairs = zip(dossier.spec.verify, calls, strict=True)
    return tuple((mask.text(command), call not in ended.failed_commands) for command, call in pairs)
