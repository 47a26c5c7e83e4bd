"""One atomic step: a call is made once, or its effect is thrown away and it is made again (docs/architecture.md)."""

import asyncio
import re
from dataclasses import replace
from time import monotonic
from uuid import uuid4

from temporalio import activity

from activities.boundary import still_wanted
from activities.connections import Connections, way_out
from activities.handover import Handover
from activities.host import Host
from activities.jobs import Job, job_of
from activities.live import LiveStream
from activities.reach import reach_out
from activities.returns import CallToolResult, mistaken, report, returned_of
from activities.setups import Setups
from activities.tool_context import SandboxContext
from activities.tools.contract import ToolOutcome
from activities.waits import shown
from domain.dossier import Dossier
from domain.errors import Fenced, ModelMistake, NotFound, OutOfSpace
from domain.event import PlanProposed, ToolRedone, ToolReturned, ToolStarted
from domain.ports import CallCommit, Snapshots
from domain.record import NewEvent
from domain.sandbox import MIRROR_PATH, OUTPUTS_PATH, WORKSPACE_PATH, Mount, ReadOnlyMount
from domain.tool import DELEGATE, ToolResult
from domain.value import Value
from domain.workspace import AttemptLayers, WorkspaceLease, WorkspaceRef


class CallToolInput(Value):
    run_id: str
    call: str
    workspace: WorkspaceRef
    agent: str


class ToolActivities:
    def __init__(self, host: Host, snapshots: Snapshots, at_once: int) -> None:
        self._host = host
        self._handover = Handover(host, snapshots)
        self._setups = Setups(host)
        self._permits = asyncio.Semaphore(at_once)

    @activity.defn
    async def call_tool(self, input: CallToolInput) -> CallToolResult:
        """Answers from the journal where the call has returned; a call in doubt is discarded and redone."""
        async with shown(self._host.journal, input.run_id):
            dossier = await self._host.dossiers.of(input.run_id)
            returned = dossier.returned.get(input.call)
            if returned is None:
                returned = await self._make(input, dossier)
            return report(returned, dossier)

    async def _make(self, input: CallToolInput, dossier: Dossier) -> ToolReturned:
        lease = _lease(input, dossier)
        try:
            job = job_of(input.call, dossier)
        except ModelMistake as mistake:
            return await self._record(input, mistaken(input.call, dossier, mistake))
        if job.tool.reach_out is not None:
            return await self._reach(input, dossier, job)
        async with self._permits:
            if job.tool.definition.tool_class == "read":
                return await self._read(input, dossier, lease, job)
            return await self._write(input, dossier, lease, job)

    async def _read(self, input: CallToolInput, dossier: Dossier, lease: WorkspaceLease, job: Job) -> ToolReturned:
        async with self._host.workspaces.reading(lease) as layers:
            outcome = await self._run(input, dossier, job, layers)
        returned = returned_of(job, 0, outcome).model_copy(update={"snapshot": lease.snapshot})
        if outcome.plan is not None:
            await self._propose(input.run_id, job, outcome)
        return await self._record(input, returned)

    async def _reach(self, input: CallToolInput, dossier: Dossier, job: Job) -> ToolReturned:
        """Neither a workspace nor an attempt of its own: the ledger of effects has the attempts."""
        began = monotonic()
        outcome = await reach_out(self._host, job, dossier)
        timed = outcome.result.model_copy(update={"seconds": round(monotonic() - began, 3)})
        return await self._record(input, returned_of(job, 0, ToolOutcome(timed)))

    async def _write(self, input: CallToolInput, dossier: Dossier, lease: WorkspaceLease, job: Job) -> ToolReturned:
        known: Job | ToolReturned | None = job
        if job.tool.definition.name == DELEGATE:
            known = await self._handover.of(job, dossier, lease)
        attempt = await self._start(input, dossier, lease, job)
        if attempt > 1 and (stands := (await self._host.dossiers.of(input.run_id)).returned.get(job.call)) is not None:
            return stands  # the attempt in doubt came back from where it hung, just before it was shut out
        if isinstance(known, Job):
            job, known = known, await self._setups.known(known, dossier, lease)
        if known is not None:
            after = lease.model_copy(update={"snapshot": known.snapshot})
            return await self._commit(input, lease, attempt, known.model_copy(update={"attempt": attempt}), after)
        layers = await self._host.workspaces.begin(lease, job.call, attempt)
        outcome = await self._run(input, dossier, job, layers, attempt)
        if outcome.plan is not None:
            await self._propose(input.run_id, job, outcome)
        if outcome.void or not job.keeps:
            await self._host.workspaces.discard(lease.workspace_id, job.call, attempt + 1)
            return await self._commit(input, lease, attempt, returned_of(job, attempt, outcome), lease)
        try:
            sealed = await self._host.workspaces.seal(lease, layers)
        except OutOfSpace as full:
            await self._host.workspaces.discard(lease.workspace_id, job.call, attempt + 1)
            text = f"{full.message} Everything that this call changed was discarded. {full.next_step}".strip()
            refused = ToolOutcome(ToolResult(text=text, is_error=True))
            return await self._commit(input, lease, attempt, returned_of(job, attempt, refused), lease)
        returned = returned_of(job, attempt, outcome).model_copy(update={"changed": sealed.changed})
        after = lease.model_copy(update={"snapshot": sealed.snapshot})
        committed = await self._commit(input, lease, attempt, returned, after)
        await self._host.workspaces.apply(lease, sealed)
        await self._setups.keep(job, dossier, committed)
        return committed

    async def _start(self, input: CallToolInput, dossier: Dossier, lease: WorkspaceLease, job: Job) -> int:
        """Records the attempt, which shuts an earlier one out, and only then ends what is left of that."""
        last = dossier.attempts.get(job.call, 0)
        events: list[NewEvent] = []
        if last:
            await still_wanted()
            events.append(NewEvent(key=f"{job.call}/redone/{last}", event=ToolRedone(call=job.call, attempt=last)))
        started = ToolStarted(
            call=job.call,
            name=job.tool.definition.name,
            tool_class=job.tool.definition.tool_class,
            subject=job.subject,
            attempt=last + 1,
            snapshot_id=lease.snapshot.id if lease.snapshot else "",
            generation=lease.generation,
            by=uuid4().hex,
        )
        events.append(NewEvent(key=f"{job.call}/started/{last + 1}", event=started))
        for recorded in await self._host.journal.start_call(input.run_id, lease.generation, events):
            self._host.dossiers.add(input.run_id, recorded)
            if isinstance(stands := recorded.event, ToolStarted) and stands.by != started.by:
                raise Fenced(f"attempt {last + 1} of {job.call} is another's")
        if last:
            await self._host.sandbox.kill(_command_name(input.run_id, job.call, None))
            await self._host.workspaces.discard(lease.workspace_id, job.call, last + 1)
        return last + 1

    async def _run(
        self, input: CallToolInput, dossier: Dossier, job: Job, layers: AttemptLayers, attempt: int = 0
    ) -> ToolOutcome:
        connections = Connections(self._host.journal, input.run_id, job.call, attempt)
        hosts = dossier.terms.network if job.tool.networked else ()
        async with way_out(self._host.egress, hosts, connections) as proxy:
            context = self._context(input, dossier, job, layers, proxy)
            began = monotonic()
            try:
                outcome = await job.tool.run(job.arguments, context)
            except ModelMistake as mistake:
                return ToolOutcome(ToolResult(text=mistake.message, is_error=True))
            seconds = round(monotonic() - began, 3)
        timed = outcome.result.model_copy(update={"seconds": seconds})
        if not job.keeps:
            return ToolOutcome(timed, plan=outcome.plan, finished=outcome.finished)
        return replace(outcome, result=timed)

    def _context(
        self, input: CallToolInput, dossier: Dossier, job: Job, layers: AttemptLayers, proxy: str | None
    ) -> SandboxContext:
        phase = answered.phase if (answered := dossier.answer(job.turn)) else "verify"
        return SandboxContext(
            self._host.sandbox,
            self._host.outputs,
            run_id=input.run_id,
            place=job.place,
            name=_command_name(input.run_id, job.call, activity.info().attempt),
            mounts=(*layers.mounts, *self._own_mounts(input.run_id, dossier)),
            terms=dossier.terms,
            cwd=(dossier.cwd if job.keeps else None) or WORKSPACE_PATH,
            environment=dossier.environment,
            first_finish=dossier.finishes(phase) == 0,
            base_commit=dossier.repository.commit if dossier.repository else "empty",
            mask=self._host.mask,
            proxy=proxy,
            live=LiveStream(self._host.journal, input.run_id, job.turn, activity.info().attempt, self._host.mask),
        )

    def _own_mounts(self, run_id: str, dossier: Dossier) -> tuple[Mount, ...]:
        outputs = ReadOnlyMount(source=str(self._host.outputs.directory(run_id)), target=OUTPUTS_PATH)
        if dossier.repository is None:
            return (outputs,)
        mirror = str(self._host.repositories.mirror(dossier.repository))
        return (outputs, ReadOnlyMount(source=mirror, target=MIRROR_PATH))

    async def _propose(self, run_id: str, job: Job, outcome: ToolOutcome) -> None:
        assert outcome.plan is not None
        proposed = NewEvent(key=f"plan/{job.turn}", event=PlanProposed(plan=outcome.plan))
        await self._host.journal.record(run_id, [proposed])

    async def _commit(
        self,
        input: CallToolInput,
        lease: WorkspaceLease,
        attempt: int,
        returned: ToolReturned,
        after: WorkspaceLease,
    ) -> ToolReturned:
        event = returned.model_copy(update={"snapshot": after.snapshot})
        commit = CallCommit(
            call=input.call,
            attempt=attempt,
            generation=lease.generation,
            started_from=lease.snapshot.id if lease.snapshot else "",
            returned=NewEvent(key=f"{input.call}/returned", event=event),
        )
        recorded = await self._host.journal.commit_call(input.run_id, commit)
        self._host.dossiers.add(input.run_id, recorded)
        stands = recorded.event
        if isinstance(stands, ToolReturned) and stands.attempt == attempt:
            return stands
        raise Fenced(f"another attempt of {input.call} has returned", "Its result stands; this one is void.")

    async def _record(self, input: CallToolInput, returned: ToolReturned) -> ToolReturned:
        (recorded,) = await self._host.journal.record(
            input.run_id, [NewEvent(key=f"{input.call}/returned", event=returned)]
        )
        self._host.dossiers.add(input.run_id, recorded)
        return recorded.event if isinstance(recorded.event, ToolReturned) else returned


def _lease(input: CallToolInput, dossier: Dossier) -> WorkspaceLease:
    if dossier.snapshot is None:
        raise NotFound(f"run {input.run_id} has no open workspace")
    return WorkspaceLease(**input.workspace.model_dump(exclude={"released"}), snapshot=dossier.snapshot)


def _command_name(run_id: str, call: str, attempt: int | None) -> str:
    """Unique on the host while it runs; without `attempt`, the prefix of all attempts of the call."""
    place = re.sub(r"[^A-Za-z0-9]+", "-", call)
    return f"{run_id}-{place}-" + ("" if attempt is None else str(attempt))
