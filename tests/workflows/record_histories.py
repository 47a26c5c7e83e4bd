"""Records the histories that test_replay.py replays: run it by hand after workflows were changed on purpose.

    .venv/bin/python -m tests.workflows.record_histories

starts a stack of its own in a temporary directory, drives four runs over the API, and writes what Temporal kept of
each execution to tests/workflows/histories/, without names of this machine. A change that breaks a replay of the old
records breaks runs that are under way: it is guarded by `workflow.patched`, or such runs are ended first.
"""

import asyncio
import base64
import gzip
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from adapters.embedded.postgres import EmbeddedPostgres
from adapters.embedded.temporal import EmbeddedTemporal
from adapters.journal.migrate import migrate
from adapters.models.scripted import ScriptedServer
from tests.fixtures.github import ForgeServer, forge_server
from tests.fixtures.stack import Stack, make_stack
from tests.workflows.chains import histories
from tests.workflows.scripts import ASK, BROKEN, CHECK, FAMILY, MEND

RECORDS = Path(__file__).parent / "histories"
SECONDS = 180.0
UNKEPT = ("identity", "stackTrace")
FLAKY_CHECK = f"{CHECK} && grep -q 'gently' adder.py"
TWICE = MEND.replace(
    "      - calls:\n          - {name: finish, arguments: {summary: add adds now.}}\n",
    "      - calls:\n          - {name: finish, arguments: {summary: add adds now.}}\n"
    "      - calls:\n          - {name: bash, arguments: {command: \"echo '# gently' >>adder.py\"}}\n"
    "      - calls:\n          - {name: finish, arguments: {summary: add adds gently.}}\n"
    "      - calls:\n          - {name: finish, arguments: {summary: add adds gently.}}\n",
)
"""Mends add, and once more after the verify commands failed."""


async def plain(stack: Stack) -> str:
    """A plan, a person's word, work, a failed check, work again, publication."""
    stack.scripted.add("twice", TWICE)
    run_id = await stack.submit(
        task="Mend add",
        repository={"url": stack.repository("adder", BROKEN)},
        model="scripted:twice",
        plan_approval=True,
        verify=[CHECK, FLAKY_CHECK],
        limits={"verify_rounds": 3},
    )
    await stack.until(run_id, "plan_approval", seconds=SECONDS)
    cards = (await stack.get("/v1/approvals?status=pending"))["items"]
    await tell(stack, run_id, f"approvals/{cards[0]['approval_id']}", decision="approve")
    await stack.until(run_id, "completed", seconds=SECONDS)
    return run_id


async def people(stack: Stack) -> str:
    """A pause, a question and its answer by message, a cancel."""
    asking = ASK.replace(FINISH, SLEEP + FINISH, 1)
    stack.scripted.add("ask", asking)
    run_id = await stack.submit(task="Paint", model="scripted:ask", plan=False)
    await stack.until(run_id, "human_answer", seconds=SECONDS)
    await tell(stack, run_id, "pause")
    await stack.until(run_id, "paused", seconds=SECONDS)
    await tell(stack, run_id, "messages", text="blue, please")
    await tell(stack, run_id, "resume")
    await stack.until_event(run_id, "turn/3/call/0/started/1", seconds=SECONDS)
    await tell(stack, run_id, "cancel", reason="enough")
    await stack.until(run_id, "cancelled", seconds=SECONDS)
    return run_id


FINISH = "      - calls:\n          - {name: finish"
SLEEP = '      - calls:\n          - {name: bash, arguments: {command: "sleep 300"}}\n'


async def long(stack: Stack) -> str:
    """A phase that continues as new."""
    run_id = await stack.submit(task="Count", model="scripted:echo@104", plan=False, limits={"turns": 500})
    await stack.until(run_id, "completed", seconds=SECONDS)
    return run_id


async def pull(stack: Stack, forge: ForgeServer) -> str:
    """A person's word for the push and the pull request, then both, and a comment with the result."""
    stack.scripted.add("mend", MEND)
    forge.add("team/adder", BROKEN).issues.add(7)
    run_id = await stack.submit(
        task="Mend add",
        repository={"url": forge.url("team/adder")},
        model="scripted:mend",
        plan=False,
        publish_approval=True,
        pull_request={"labels": ["agent"]},
        comment_on=7,
    )
    await stack.until(run_id, "publish_approval", seconds=SECONDS)
    await tell(stack, run_id, "approvals/publish/1", decision="approve")
    await stack.until(run_id, "completed", seconds=SECONDS)
    await stack.until_event(run_id, "effect/comment/done", seconds=SECONDS)
    return run_id


async def family(stack: Stack) -> dict[str, str]:
    """Two children side by side, a pause of their parent, then a third one that is cancelled with it."""
    stack.scripted.add("family", FAMILY)
    run_id = await stack.submit(task="Do it all", model="scripted:family", plan=False)
    await stack.until(run_id, "child", seconds=SECONDS)
    while not (found := (await stack.get(f"/v1/runs?parent={run_id}"))["items"]):  # noqa: ASYNC110  no event over HTTP
        await asyncio.sleep(0.1)
    first = found[-1]["id"]
    await stack.until_event(first, "turn/1/call/0/started/1", seconds=SECONDS)
    await tell(stack, run_id, "pause")
    await stack.until(first, "paused", seconds=SECONDS)
    await tell(stack, run_id, "resume")
    await stack.until_event(run_id, "turn/2", seconds=SECONDS)
    await stack.until(run_id, "child", seconds=SECONDS)
    await tell(stack, run_id, "cancel", reason="enough")
    await stack.until(run_id, "cancelled", seconds=SECONDS)
    return {"family": run_id, "child": first}


async def race(stack: Stack, run_id: str) -> dict[str, str]:
    """Two forks of which one is kept, and a rewind of that one. `run_id` is of the run `plain`, which has ended."""
    body = {"at": "turn/3", "keep": "first_verified", "count": 2}
    made = await stack.http.post(f"/v1/runs/{run_id}/fork", json=body)
    assert made.status_code == 202, made.text
    ended = [await stack.until(one["id"], "completed", "cancelled", seconds=SECONDS) for one in made.json()["runs"]]
    kept, beaten = sorted(ended, key=lambda one: not one["kept"])
    again = await stack.http.post(f"/v1/runs/{kept['id']}/rewind", json={"at": "turn/4", "message": "Go on."})
    (rewound,) = again.json()["runs"]
    await tell(stack, rewound["id"], "cancel", reason="enough")
    await stack.until(rewound["id"], "cancelled", seconds=SECONDS)
    return {"kept": kept["id"], "beaten": beaten["id"], "rewound": rewound["id"]}


async def tell(stack: Stack, run_id: str, path: str, **body: Any) -> None:
    answer = await stack.http.post(f"/v1/runs/{run_id}/{path}", json=body)
    assert answer.status_code in (200, 202), answer.text


def write(name: str, run_id: str, found: list[WorkflowHistory], secret: dict[str, str]) -> None:
    """One file an execution: {"workflow_id", "history"}."""
    for number, history in enumerate(found):
        phase = history.workflow_id.removeprefix(f"run/{run_id}").strip("/").replace("/", "-") or "run"
        record = {"workflow_id": history.workflow_id, "history": history.to_json_dict()}
        content = json.dumps(scrubbed(record, secret), separators=(",", ":")).encode()
        path = RECORDS / f"{name}-{number:02}-{phase}.json.gz"
        path.write_bytes(gzip.compress(content, mtime=0))


def scrubbed(value: Any, secret: dict[str, str], key: str = "") -> Any:
    """Without who ran it and where, inside payloads too."""
    if isinstance(value, dict):
        return {name: scrubbed(one, secret, name) for name, one in value.items() if name not in UNKEPT}
    if isinstance(value, list):
        return [scrubbed(one, secret) for one in value]
    if not isinstance(value, str):
        return value
    if key == "data":
        return base64.b64encode(replaced(base64.b64decode(value).decode(), secret).encode()).decode()
    return replaced(value, secret)


def replaced(text: str, secret: dict[str, str]) -> str:
    for old, new in secret.items():
        text = text.replace(old, new)
    return text


@asynccontextmanager
async def everything(place: Path, forge: ForgeServer) -> AsyncGenerator[Stack]:
    temporal, postgres = EmbeddedTemporal(place / "temporal"), EmbeddedPostgres(place / "postgres")
    address, dsn = await temporal.start(), await postgres.start()
    scripted = await ScriptedServer().start()
    await migrate(dsn)
    stack = make_stack(place, dsn, address, scripted)
    (token,) = forge.state.tokens
    named = {"PERDURE_GITHUB_HOSTS": forge.host, "GITHUB_API_URL": forge.api_url, "GITHUB_TOKEN": token}
    stack.environment |= named
    try:
        await stack.api.start()
        await stack.worker.start()
        await stack.up()
        yield stack
    finally:
        await stack.http.aclose()
        await stack.worker.end()
        await stack.api.end()
        stack.remote.stop()
        await scripted.stop()
        await postgres.stop()
        await temporal.stop()


async def record(place: Path) -> None:
    with forge_server(place / "forge") as forge:
        await record_at(place, forge)


async def record_at(place: Path, forge: ForgeServer) -> None:
    async with everything(place, forge) as stack:
        address = stack.environment["TEMPORAL_ADDRESS"]
        client = await Client.connect(address, data_converter=pydantic_data_converter)
        secret = {
            str(stack.home): "home",
            stack.home.name: "perdure",
            stack.remote.origin: "http://git.example.com",
            forge.origin: "http://forge.example.com",
            stack.scripted.base_url: "http://model.example.com",
            socket.gethostname(): "host",
            socket.gethostname().split(".")[0]: "host",
        }
        runs = {"plain": await plain(stack), "people": await people(stack), "long": await long(stack)}
        runs |= await race(stack, runs["plain"])
        runs["pull"] = await pull(stack, forge)
        runs |= await family(stack)
        kept: dict[str, list[WorkflowHistory]] = {}
        for name, run_id in runs.items():
            await client.get_workflow_handle(f"run/{run_id}").result()
            kept[name] = await histories(client, run_id)
        shutil.rmtree(RECORDS, ignore_errors=True)
        RECORDS.mkdir()
        for name, run_id in runs.items():
            write(name, run_id, kept[name], secret)


def main() -> None:
    place = Path(tempfile.mkdtemp(prefix="perdure-record-"))
    place.chmod(0o711)
    try:
        asyncio.run(record(place))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    # Temporal's bridge may crash an interpreter that shuts down.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
