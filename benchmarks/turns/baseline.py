"""A bare Temporal loop: two activities a turn that pass references only. The first asks the model over HTTP."""

from datetime import timedelta

import httpx2
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from domain.value import Value

QUEUE = "baseline"


class LoopInput(Value):
    turns: int


class StepInput(Value):
    run: str
    turn: int


class StepResult(Value):
    ref: str


class BareActivities:
    """`model_url` answers over HTTP what the scripted model says; nothing is kept anywhere."""

    def __init__(self, model_url: str) -> None:
        self._http = httpx2.AsyncClient(base_url=model_url, headers={"Authorization": "Bearer scripted"})

    @activity.defn
    async def ask(self, input: StepInput) -> StepResult:
        question = {
            "model": "echo@1",
            "messages": [{"role": "user", "content": f"turn {input.turn}"}],
            "tools": [{"type": "function", "function": {"name": "bash", "description": "", "parameters": TOOL}}],
        }
        answer = await self._http.post("/v1/chat/completions", json=question)
        return StepResult(ref=answer.raise_for_status().json()["id"])

    @activity.defn
    async def act(self, input: StepInput) -> StepResult:
        return StepResult(ref=f"turn {input.turn}")


TOOL = {"type": "object", "properties": {"command": {"type": "string"}}}


@workflow.defn
class BareLoop:
    @workflow.run
    async def run(self, input: LoopInput) -> StepResult:
        run = workflow.info().workflow_id
        result = StepResult(ref="")
        for turn in range(input.turns):
            step = StepInput(run=run, turn=turn)
            for method in (BareActivities.ask, BareActivities.act):
                result = await workflow.execute_activity_method(
                    method,
                    step,
                    start_to_close_timeout=timedelta(minutes=1),
                    heartbeat_timeout=timedelta(seconds=10),
                    retry_policy=RetryPolicy(maximum_attempts=3),
                )
        return result
