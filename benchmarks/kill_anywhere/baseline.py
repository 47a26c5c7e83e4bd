"""A plain Temporal agent: two activities a turn with Temporal's own retries, commands in a plain directory.

What one writes first, and writes well: the conversation is in the workflow, so an answer that was recorded is never
asked for again; a directory that is gone is cloned anew; commit, push and pull request are steps that can be repeated.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    import httpx2

    from domain.value import Value

QUEUE = "plain"
Json = dict[str, Any]
COMMAND = {"type": "object", "properties": {"command": {"type": "string"}, "path": {"type": "string"}}}
TOOLS = [
    {"type": "function", "function": {"name": name, "description": "", "parameters": COMMAND}}
    for name in ("bash", "read", "finish")
]


class PlainInput(Value):
    """`attempts` of 0 is Temporal's default: without end. `seconds` is each activity's start-to-close timeout."""

    run: str
    work: str
    repository: str = ""
    push: bool = False
    pull_request: bool = False
    attempts: int = 0
    seconds: float = 30.0


class AskInput(Value):
    run: str
    work: str
    messages: list[Json]


class ActInput(Value):
    run: str
    repository: str
    step: str
    name: str
    arguments: Json


class EndInput(Value):
    run: str
    repository: str
    push: bool


class PlainActivities:
    """`reach` is told of the boundaries, by the names that Perdure's have."""

    def __init__(
        self, directory: Path, ledger: Path, model_url: str, forge_url: str, token: str, reach: Callable[[str], None]
    ) -> None:
        self._directory, self._ledger, self._forge_url = directory, ledger, forge_url
        self._reach = reach
        self._model = httpx2.AsyncClient(base_url=model_url, headers={"Authorization": "Bearer plain"}, timeout=20)
        self._forge = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=20)

    @activity.defn
    async def ask(self, input: AskInput) -> Json:
        body = {"model": input.work, "messages": input.messages, "tools": TOOLS}
        self._reach("model answer, before")
        answer = await self._model.post("/v1/chat/completions", json=body)
        self._reach("model answer, after")
        said: Json = answer.raise_for_status().json()["choices"][0]["message"]
        self._note(input.run, "asked", "")
        return {"role": "assistant", "content": said.get("content"), "tool_calls": said.get("tool_calls")}

    @activity.defn
    async def act(self, input: ActInput) -> str:
        where = await self._place(input.run, input.repository)
        self._note(input.run, "begun", input.step)
        command = input.arguments.get("command") or f"cat {input.arguments.get('path')}"
        self._reach("sandbox run, before")
        said = await _shell(where, str(command))
        self._reach("sandbox run, after")
        self._note(input.run, "acted", input.step)
        return said

    @activity.defn
    async def end(self, input: EndInput) -> str:
        """The tree of the final files, pushed where that is asked for."""
        where = await self._place(input.run, input.repository)
        await _shell(where, "git add -A && (git diff --cached --quiet || git commit --quiet -m 'All is done.')", True)
        if input.push:
            self._reach("repository push, before")
            await _shell(where, f"git push --quiet origin HEAD:refs/heads/{input.run}", True)
            self._reach("repository push, after")
        self._note(input.run, "ended", "")
        return (await _shell(where, "git rev-parse HEAD^{tree}", True)).strip()

    @activity.defn
    async def open_pull_request(self, run: str) -> None:
        body = {"title": run, "head": run, "base": "main"}
        self._reach("forge open, before")
        answer = await self._forge.post(self._forge_url, json=body)
        answer.raise_for_status()
        self._reach("forge open, after")
        self._note(run, "opened", "")

    async def _place(self, run: str, repository: str) -> Path:
        where = self._directory / run
        if not (where / ".git").exists():
            where.mkdir(parents=True, exist_ok=True)
            start = f"git clone --quiet {repository} ." if repository else "git init --quiet"
            await _shell(where, start, True)
        return where

    def _note(self, run: str, what: str, step: str) -> None:
        with self._ledger.open("a") as ledger:
            ledger.write(json.dumps({"run": run, "what": what, "step": step, "at": time.time()}) + "\n")


async def _shell(where: Path, command: str, must_succeed: bool = False) -> str:
    named = {f"GIT_{who}_{what}": "plain@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", command),
        cwd=where,
        env={**os.environ, **named},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if must_succeed and process.returncode:
        raise RuntimeError(said.decode(errors="replace")[-500:])
    return said.decode(errors="replace") or "done"


@workflow.defn
class PlainAgent:
    @workflow.run
    async def run(self, input: PlainInput) -> str:
        self._options: Json = {
            "start_to_close_timeout": timedelta(seconds=input.seconds),
            "retry_policy": RetryPolicy(maximum_attempts=input.attempts),
        }
        messages: list[Json] = [{"role": "user", "content": f"Do {input.run} now"}]
        while not await self._turn(input, messages):
            pass
        tree: str = await workflow.execute_activity_method(
            PlainActivities.end,
            EndInput(run=input.run, repository=input.repository, push=input.push),
            **self._options,
        )
        if input.pull_request:
            await workflow.execute_activity_method(PlainActivities.open_pull_request, input.run, **self._options)
        return tree

    async def _turn(self, input: PlainInput, messages: list[Json]) -> bool:
        """Whether the model calls it finished."""
        asked = AskInput(run=input.run, work=input.work, messages=messages)
        answer = await workflow.execute_activity_method(PlainActivities.ask, asked, **self._options)
        messages.append(answer)
        calls: list[Json] = answer["tool_calls"] or []
        if any(call["function"]["name"] == "finish" for call in calls):
            return True
        acts = [
            ActInput(
                run=input.run,
                repository=input.repository,
                step=f"{len(messages)}/{at}",
                name=call["function"]["name"],
                arguments=json.loads(call["function"]["arguments"]),
            )
            for at, call in enumerate(calls)
        ]
        said = await asyncio.gather(
            *(workflow.execute_activity_method(PlainActivities.act, one, **self._options) for one in acts)
        )
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": text}
            for call, text in zip(calls, said, strict=True)
        ]
        return False
