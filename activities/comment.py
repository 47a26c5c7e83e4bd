"""What a run says at the forge when it is over."""

from urllib.parse import urlsplit

from temporalio import activity

from activities.dossiers import Dossiers
from activities.effects import Effects
from activities.pull_request import LOOPBACK
from domain.comment import COMMENT, comment_text, mark_of_comment
from domain.effect import Effect, Receipt, request_hash
from domain.errors import NotFound, RepositoryRefused
from domain.event import RunEnded
from domain.ports import Forges, Journal
from domain.secrets import Mask
from domain.value import Value

EFFECT = f"effect/{COMMENT}"


class PostCommentInput(Value):
    run_id: str


class CommentActivities:
    """`public_url` is where people reach the API."""

    def __init__(self, journal: Journal, dossiers: Dossiers, forges: Forges, mask: Mask, public_url: str) -> None:
        self._journal = journal
        self._dossiers = dossiers
        self._effects = Effects(journal, dossiers)
        self._forges = forges
        self._mask = mask
        self._public_url = public_url.rstrip("/")

    @activity.defn
    async def post_comment(self, input: PostCommentInput) -> None:
        """One comment with the run's result, found by its mark where an attempt died after the act."""
        run_id = input.run_id
        dossier = await self._dossiers.of(run_id)
        number, repository = dossier.spec.comment_on, dossier.spec.repository
        ended = await self._journal.find(run_id, "ended")
        if number is None or repository is None or ended is None or not isinstance(ended.event, RunEnded):
            raise NotFound(f"run {run_id} has nothing to say on an issue")
        forge = self._forges.get(repository.url)
        if forge is None:
            raise RepositoryRefused(f"This worker has no login to comment at {repository.url}.")
        result = ended.event.result
        hidden = {"summary": self._mask.text(result.summary), "next_step": self._mask.text(result.next_step)}
        body = comment_text(run_id, EFFECT, result.model_copy(update=hidden), self._link(run_id))
        effect = Effect(
            key=EFFECT,
            kind=COMMENT,
            target=f"#{number}",
            about=f"the run's result on #{number} of {repository.url}",
            request=request_hash(repository.url, number, body),
        )

        async def probe() -> Receipt | None:
            found = await forge.find_comment(
                repository.url, number, mark_of_comment(run_id, EFFECT), dossier.submitted_at
            )
            return found.model_dump(mode="json") if found else None

        async def act() -> Receipt:
            return (await forge.comment(repository.url, number, body)).model_dump(mode="json")

        await self._effects.perform(run_id, effect, act, probe)

    def _link(self, run_id: str) -> str:
        """None that leads to the reader's own machine."""
        host = urlsplit(self._public_url).hostname
        return "" if host in LOOPBACK else f"{self._public_url}/v1/runs/{run_id}"
