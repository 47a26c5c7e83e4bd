"""Versions of the worker as an operator sees them: which serves, who asks for work, what is amiss."""

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta

from temporalio.client import Client

from adapters.deployments.known import HEARD_WITHIN, UNVERSIONED, Deployment, Deployments
from adapters.settings import Settings
from adapters.temporal import connect
from cli.home import Home
from cli.stack import temporal_elsewhere
from domain.errors import NotFound
from domain.value import Value

NO_VERSIONS = "workers without versions"
FAILING = "TemporalReportedProblems IS NOT NULL"


class Problem(Value):
    found: str
    remedy: str


class VersionLine(Value):
    """`runs`: open workflows that this version ran last; they go to the one that serves with their next step."""

    build_id: str
    state: str
    workers: int
    runs: int
    since: str


class Standing(Value):
    deployment: str
    current: str
    ramping: str | None
    percentage: float
    versions: tuple[VersionLine, ...]
    summary: str
    problems: tuple[Problem, ...]


def temporal_address(settings: Settings) -> str | None:
    """That of the stack that is up; None: as Temporal's own configuration says. NotFound where there is neither."""
    if temporal_elsewhere(os.environ):
        return None
    address = Home(settings.home).announced().get("temporal")
    if not address:
        raise NotFound("No Temporal server is named, and no stack is up here", "Set TEMPORAL_ADDRESS, or PERDURE_HOME.")
    return address


async def connected(settings: Settings, address: str | None) -> Client:
    """A stack's own server wants neither the keys nor the profile of another one."""
    return await connect(settings, None if temporal_elsewhere(os.environ) else address)


async def look(client: Client, task_queue: str, heard_within: timedelta = HEARD_WITHIN) -> Standing:
    deployments = Deployments(client, task_queue, heard_within)
    known = await deployments.describe() or Deployment(name=deployments.name)
    served = await deployments.served()
    ids = [one.build_id for one in known.versions]
    runs = {build_id: await deployments.count(_last_on(known.name, build_id)) for build_id in ids}
    lines = [
        VersionLine(
            build_id=one.build_id,
            state=one.state,
            workers=served.get(one.build_id, 0),
            runs=runs[one.build_id],
            since=one.created_at.strftime("%Y-%m-%d %H:%M"),
        )
        for one in known.versions
    ]
    return Standing(
        deployment=known.name,
        current=known.current,
        ramping=known.ramping,
        percentage=known.percentage,
        versions=tuple(lines),
        summary=_summary(known, served),
        problems=(*_unserved(known, served), *await _pinned(deployments, ids, served), *await _failing(deployments)),
    )


def _last_on(deployment: str, build_id: str) -> str:
    return f"TemporalWorkerDeploymentVersion = '{deployment}:{build_id}'"


def _summary(known: Deployment, served: Mapping[str, int]) -> str:
    text = f"{known.name}: runs go to {known.current or NO_VERSIONS} ({served.get(known.current, 0)} ask for work)"
    if known.ramping is not None:
        text += f", {known.percentage:g} % of them to {known.ramping} ({served.get(known.ramping, 0)})"
    others = [build_id for build_id in served if build_id not in (known.current, known.ramping)]
    return text + (f"; waiting: {', '.join(one or NO_VERSIONS for one in others)}" if others else "")


def _unserved(known: Deployment, served: Mapping[str, int]) -> Sequence[Problem]:
    wanted = [known.current, *([known.ramping] if known.ramping is not None else [])]
    others = [one for one in served if one not in wanted]
    problems = []
    for build_id in wanted:
        if not served.get(build_id):
            flag = f"perdure deploy {others[0] or '--unversioned'}" if others else "Start a worker: python worker.py"
            problems.append(Problem(found=f"No worker of {build_id or NO_VERSIONS} asks for work.", remedy=flag))
    return problems


async def _pinned(deployments: Deployments, ids: Sequence[str], served: Mapping[str, int]) -> Sequence[Problem]:
    """Perdure pins no run; an operator may have."""
    problems = []
    for build_id in ids:
        pinned = f"TemporalWorkflowVersioningBehavior = 'Pinned' AND {_last_on(deployments.name, build_id)}"
        if build_id == UNVERSIONED or served.get(build_id) or not (count := await deployments.count(pinned)):
            continue
        free = f'temporal workflow update-options --query "{pinned}" --versioning-override-behavior auto_upgrade'
        problems.append(Problem(found=f"{count} workflows are pinned to {build_id}, which nobody serves.", remedy=free))
    return problems


async def _failing(deployments: Deployments) -> Sequence[Problem]:
    if not (count := await deployments.count(FAILING)):
        return ()
    remedy = "Go back to the version before, or bring one that mends it: perdure deploy"
    return [Problem(found=f"{count} workflows fail on the code that serves, and are tried again.", remedy=remedy)]
