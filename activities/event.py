"""Facts decided inside workflows, recorded before the wait that they announce begins."""

from typing import Literal

from temporalio import activity

from domain.event import EVENT, EffectDone, RunEnded, ToolReturned, WorkCommitted
from domain.ports import Journal, Snapshots
from domain.pull_request import PULL_REQUEST, PullRequestRef
from domain.record import NewEvent
from domain.run import RunResult
from domain.snapshot import content_id
from domain.value import Value

GIST_CHARACTERS = 300


class RecordEventsInput(Value):
    run_id: str
    events: tuple[NewEvent, ...]


class EndRunInput(Value):
    """`summary` is empty where the agent's own last words say it."""

    run_id: str
    status: Literal["completed", "failed", "cancelled"]
    summary: str = ""
    next_step: str = ""
    pushed: bool = False
    verified: bool | None = None
    by: str = ""


class EventActivities:
    def __init__(self, journal: Journal, snapshots: Snapshots) -> None:
        self._journal = journal
        self._snapshots = snapshots

    @activity.defn
    async def record_events(self, input: RecordEventsInput) -> None:
        await self._journal.record(input.run_id, input.events)

    @activity.defn
    async def end_run(self, input: EndRunInput) -> RunResult:
        """Records how the run ended, with the address of what it left; answers with what stands."""
        lease = await self._journal.lease(input.run_id)
        snapshot = lease.snapshot if lease else None
        contents = content_id(snapshot.base, await self._snapshots.manifest(snapshot)) if snapshot else None
        committed = await self._journal.read(input.run_id, types=("work_committed",))
        work = committed[-1].event.work if committed and isinstance(committed[-1].event, WorkCommitted) else None
        done = await self._effects(input.run_id)
        result = RunResult(
            status=input.status,
            summary=input.summary or await self._last_words(input.run_id),
            next_step=input.next_step,
            snapshot_id=snapshot.id if snapshot else None,
            content_id=contents,
            work=work,
            pushed=input.pushed or "push" in done,
            pull_request=PullRequestRef.model_validate(done[PULL_REQUEST].receipt) if PULL_REQUEST in done else None,
            verified=input.verified,
        )
        ended = NewEvent(key="ended", event=EVENT.validate_python(RunEnded(result=result, by=input.by)))
        (recorded,) = await self._journal.record(input.run_id, [ended])
        stands = recorded.event.result if isinstance(recorded.event, RunEnded) else result
        # The journal has all of it; Temporal's history gets the gist.
        return stands.model_copy(update={"summary": stands.summary[:GIST_CHARACTERS]})

    async def _effects(self, run_id: str) -> dict[str, EffectDone]:
        """What left the house, by name: also of a run that failed after it."""
        recorded = await self._journal.read(run_id, types=("effect_done",))
        return {one.event.effect: one.event for one in recorded if isinstance(one.event, EffectDone)}

    async def _last_words(self, run_id: str) -> str:
        returned = await self._journal.read(run_id, types=("tool_returned",), limit=100_000)
        finishes = [one.event for one in returned if isinstance(one.event, ToolReturned) and one.event.finished]
        return finishes[-1].result.text if finishes else "Done."
