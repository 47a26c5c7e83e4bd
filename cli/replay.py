"""`perdure replay`: whether this code can take over the runs of a live server."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated

import typer

from cli.access import AsJson
from cli.doctor import HomeOption
from cli.outcome import Outcome
from domain.errors import NotFound
from domain.value import Value

if TYPE_CHECKING:
    from temporalio.client import Client

Sample = Annotated[int, typer.Option(help="How many of each kind of workflow, open and closed each.", min=1)]
OpenOnly = Annotated[bool, typer.Option("--open-only", help="Leave out what has ended.")]
IfUp = Annotated[bool, typer.Option("--if-up", help="Succeed where no server is named and no stack is up.")]
LOOKED_AT = 2000
"""The newest of each kind, of which a sample is drawn."""


class Replayed(Value):
    """One execution; `diverged` says which command is another one now, and is empty where none is."""

    workflow_id: str
    run_id: str
    kind: str
    is_open: bool
    diverged: str = ""


def replay(
    sample: Sample = 20,
    open_only: OpenOnly = False,
    if_up: IfUp = False,
    home: HomeOption = None,
    json_output: AsJson = False,
) -> None:
    """Replay a sample of the runs of a live server with this code. Exit status 1: some of them would not go on."""
    from adapters.settings import load_settings
    from cli.render import print_json
    from cli.versions import connected, temporal_address

    settings = load_settings({**os.environ, "PERDURE_HOME": home} if home else os.environ)
    try:
        address = temporal_address(settings)
    except NotFound as error:
        if not if_up:
            raise
        print(f"{error.message}: nothing live was replayed.")
        return

    async def replay_all() -> list[Replayed]:
        client = await connected(settings, address)
        return [one async for one in replayed(client, settings.task_queue, sample, open_only)]

    found = asyncio.run(replay_all())
    diverged = [one for one in found if one.diverged]
    if json_output:
        print_json([one.model_dump() for one in found])
    else:
        for one in diverged:
            print(f"✗ {one.workflow_id} ({'open' if one.is_open else 'closed'} {one.kind}): {one.diverged}")
        opened = sum(one.is_open for one in found)
        print(
            f"{len(found)} executions replayed, {opened} of them open; {len(diverged)} would not go on with this code."
        )
    raise typer.Exit(Outcome.FAILED if diverged else Outcome.DONE)


async def replayed(client: "Client", task_queue: str, sample: int, open_only: bool) -> AsyncIterator[Replayed]:
    """Nothing of a history is written anywhere."""
    from temporalio.worker import Replayer

    from adapters.temporal import workflow_runner
    from worker import WORKFLOWS

    replayer = Replayer(
        workflows=WORKFLOWS,
        workflow_runner=workflow_runner(),
        data_converter=client.data_converter,
        build_id="replay",
    )
    for kind in (one.__name__ for one in WORKFLOWS):
        for is_open in (True,) if open_only else (True, False):
            equals = "=" if is_open else "!="
            query = f"WorkflowType = '{kind}' AND TaskQueue = '{task_queue}' AND ExecutionStatus {equals} 'Running'"
            pool = [(one.id, one.run_id) async for one in client.list_workflows(query, limit=LOOKED_AT)]
            drawn = random.sample(pool, min(sample, len(pool)))
            for workflow_id, run_id in drawn:
                history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
                result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
                said = str(result.replay_failure) if result.replay_failure is not None else ""
                yield Replayed(workflow_id=workflow_id, run_id=run_id, kind=kind, is_open=is_open, diverged=said)
