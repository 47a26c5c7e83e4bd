"""Children: whether a call may start one, what it begins with, and its entry in the journal."""

from temporalio import activity

from activities.dossiers import Dossiers
from activities.jobs import Job, job_of
from activities.returns import mistaken
from activities.tools.delegate import DelegateArguments
from domain.agents import AGENTS
from domain.child import ChildOf, child_id
from domain.dossier import Dossier
from domain.errors import ModelMistake, NotFound
from domain.event import RunDelegated
from domain.limits import Limits, Spent
from domain.notify import Listener
from domain.ports import Forking, Journal, Submission
from domain.record import NewEvent
from domain.run import Fork, Pace, RunInput, RunSpec, title_of
from domain.value import Value

TAKEN_OVER = ("repository_resolved", "rules_read")
"""What a child need not find out again."""
LATEST = 2**62


class PlanChildInput(Value):
    run_id: str
    call: str
    seconds: int | None = None
    """What is left of the parent's own time; None does not bind."""
    pace: Pace = Pace()
    listeners: tuple[Listener, ...] = ()
    signal_decisions: bool = True


class PlanChildResult(Value):
    """None where the call has its result already: of an earlier attempt, or why no child may be started."""

    child: RunInput | None = None


class SubmitChildInput(Value):
    child: RunInput


class ChildActivities:
    def __init__(self, journal: Journal, dossiers: Dossiers) -> None:
        self._journal = journal
        self._dossiers = dossiers

    @activity.defn
    async def plan_child(self, input: PlanChildInput) -> PlanChildResult:
        """The same child each time it is asked for the same call."""
        dossier = await self._dossiers.of(input.run_id)
        if input.call in dossier.returned:
            return PlanChildResult()
        try:
            return PlanChildResult(child=_child(input, dossier))
        except ModelMistake as mistake:
            returned = NewEvent(key=f"{input.call}/returned", event=mistaken(input.call, dossier, mistake))
            await self._journal.record(input.run_id, [returned])
            return PlanChildResult()

    @activity.defn
    async def submit_child(self, input: SubmitChildInput) -> None:
        """By the child itself, so that none stands in the journal that Temporal does not know."""
        child = input.child
        of = child.child
        if of is None:
            raise NotFound(f"run {child.run_id} is no child")
        parent = await self._dossiers.of(of.parent)
        model, fallback_models = parent.model
        job = job_of(of.call, parent)
        fork = Fork(
            parent=of.parent,
            at=of.call,
            root=of.root,
            turn=0,
            phase="work",
            finished=False,
            spent=Spent(),
            snapshot_id=of.snapshot.id,
        )
        await self._journal.submit(
            Submission(
                run_id=child.run_id,
                spec=_spec(child, _arguments(job), parent),
                model=child.model,
                fallback_models=tuple(name for name in (model, *fallback_models) if name != child.model),
                owner=child.owner,
                account=of.parent,
                forking=Forking(
                    fork=fork,
                    upto=LATEST,
                    answered=0,
                    snapshot=of.snapshot,
                    marks={"repository": "repository"},
                    carried=TAKEN_OVER,
                    events=(NewEvent(key="delegated", event=RunDelegated(child=of)),),
                ),
            )
        )


def _child(input: PlanChildInput, dossier: Dossier) -> RunInput:
    job = job_of(input.call, dossier)
    wanted = _arguments(job)
    limits = _checked(job, wanted, dossier)
    if dossier.snapshot is None:
        raise NotFound(f"run {input.run_id} has no open workspace")
    spec = dossier.spec
    return RunInput(
        run_id=child_id(input.run_id, input.call),
        agent=wanted.agent,
        model=AGENTS[wanted.agent].model or dossier.model[0],
        title=title_of(wanted.task),
        plan=False,
        plan_approval=False,
        publish="none",
        publish_approval=False,
        has_repository=spec.repository is not None,
        has_setup=False,
        verify_commands=0,
        limits=limits.model_copy(update={"seconds": input.seconds}),
        priority=spec.priority,
        owner=dossier.owner,
        repository=spec.repository.url if spec.repository else "",
        listeners=input.listeners,
        signal_decisions=input.signal_decisions,
        pace=input.pace,
        child=ChildOf(
            parent=input.run_id,
            call=input.call,
            root=dossier.child.root if dossier.child else input.run_id,
            depth=dossier.depth + 1,
            snapshot=dossier.snapshot,
        ),
    )


def _arguments(job: Job) -> DelegateArguments:
    if not isinstance(job.arguments, DelegateArguments):
        raise NotFound(f"{job.call} starts no child")
    return job.arguments


def _checked(job: Job, wanted: DelegateArguments, dossier: Dossier) -> Limits:
    """The run's limits, where it may have this child. Raises ModelMistake."""
    limits = dossier.spec.limits
    working = [name for name, agent in AGENTS.items() if "finish" in agent.tools]
    if not job.keeps:
        raise ModelMistake("While a plan is made nothing is given to others.")
    if not limits.children or dossier.depth >= limits.depth:
        raise ModelMistake("This run may start no others. Do it yourself.")
    if wanted.agent not in working:
        raise ModelMistake(f"There is no agent {wanted.agent!r} that could do it. Choose one of: {', '.join(working)}.")
    if not wanted.task.strip():
        raise ModelMistake("The task is blank. Say what is to be done.")
    return limits


def _spec(child: RunInput, wanted: DelegateArguments, parent: Dossier) -> RunSpec:
    """As its parent's, without what is done once for all of the work: checks, publishing, and what others are told."""
    spec = parent.spec
    return RunSpec(
        task=wanted.task,
        repository=spec.repository,
        agent=child.agent,
        plan=False,
        tool_policy=spec.tool_policy,
        publish="none",
        limits=child.limits,
        sandbox_limits=spec.sandbox_limits,
        priority=spec.priority,
        labels=spec.labels,
    )
