"""`perdure deploy`: which version of the worker runs go to."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer

from cli.access import AsJson
from cli.doctor import HomeOption
from domain.errors import Conflict, InvalidRequest

if TYPE_CHECKING:
    from adapters.settings import Settings
    from cli.versions import Standing

BuildId = Annotated[str | None, typer.Argument(metavar="[BUILD_ID]", help="The version that runs should go to.")]
Ramp = Annotated[float | None, typer.Option(help="Only this share of runs, in percent; 0 ends it.", min=0, max=100)]
Unversioned = Annotated[bool, typer.Option("--unversioned", help="Runs go to workers without versions.")]


def deploy(
    build_id: BuildId = None,
    ramp: Ramp = None,
    unversioned: Unversioned = False,
    home: HomeOption = None,
    json_output: AsJson = False,
) -> None:
    """Show the versions of the worker, or choose the one that runs go to: each moves with its next step."""
    from adapters.settings import load_settings
    from cli.render import make_console, print_json

    if (build_id is not None and unversioned) or (ramp is not None and build_id is None):
        raise InvalidRequest(
            "That cannot be meant", "perdure deploy BUILD_ID [--ramp 10], or perdure deploy --unversioned"
        )
    settings = load_settings({**os.environ, "PERDURE_HOME": home} if home else os.environ)
    wanted = "" if unversioned else build_id
    standing = asyncio.run(choose(settings, wanted, ramp))
    if json_output:
        print_json(standing.model_dump())
        return
    console = make_console()
    console.print(standing.summary, markup=False, soft_wrap=True)
    for one in standing.versions:
        line = (
            f"  {one.build_id:<24} {one.state:<9} {one.workers} workers, {one.runs} open workflows, since {one.since}"
        )
        console.print(line, markup=False, soft_wrap=True)
    for problem in standing.problems:
        console.print(f"✗ {problem.found} {problem.remedy}", markup=False, soft_wrap=True)


async def choose(settings: "Settings", build_id: str | None, ramp: float | None) -> "Standing":
    """How it stands afterwards. Conflict where no worker of the chosen version asks for work."""
    from adapters.deployments.known import Deployments
    from cli.versions import NO_VERSIONS, connected, look, temporal_address

    client = await connected(settings, temporal_address(settings))
    deployments = Deployments(client, settings.task_queue)
    if build_id is not None:
        if ramp != 0 and not (await deployments.served()).get(build_id):
            raise Conflict(
                f"No worker of {build_id or NO_VERSIONS} asks for work", "Start one first; runs would wait for it."
            )
        if ramp is None:
            await deployments.make_current(build_id)
        else:
            await deployments.ramp(build_id, ramp)
    return await look(client, settings.task_queue)
