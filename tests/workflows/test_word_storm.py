"""Dozens of words at once, while phases and the run continue as new again and again, and Temporal and worker die."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from adapters.embedded.temporal import EmbeddedTemporal
from adapters.journal.postgres import PostgresJournal
from adapters.models.scripted import ScriptedServer
from domain.approval import DecideApproval
from domain.conversation import conversation
from domain.event import ApprovalDecided, ApprovalRequested, MessageReceived, ToolStarted
from domain.limits import Limits
from domain.mailbox import PauseRun, ResumeRun, SendMessage
from domain.model import UserMessage
from domain.record import RecordedEvent
from domain.run import Pace, Phase, RunSpec
from tests.fixtures.stack import Stack, make_stack
from tests.workflows import paced
from tests.workflows.chains import histories
from tests.workflows.sayings import bash, call, says, script

SECONDS = 500.0
TURNS = 14
WORDS_A_TURN = 4
PACE = Pace(turns_per_execution=2, events_per_execution=150, release_after_seconds=0.3)
SEED = 7


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def temporal(open_directory: Path) -> AsyncIterator[EmbeddedTemporal]:
    """One of the module's own, since it is killed."""
    server = EmbeddedTemporal(open_directory / "storm")
    await server.start()
    yield server
    server.kill()
    await server.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_stack(
    open_directory: Path, module_database_url: str, temporal: EmbeddedTemporal, _scripted_server: ScriptedServer
) -> AsyncIterator[Stack]:
    made = make_stack(open_directory, module_database_url, temporal.address, _scripted_server)
    await made.api.start()
    await made.worker.start()
    await made.up()
    yield made
    await made.http.aclose()
    await made.worker.end()
    await made.api.end()
    made.remote.stop()


@dataclass
class Storm:
    """What was said so far, and to whom; every speaker goes on until the run has turned often enough."""

    stack: Stack
    run_id: str
    handle: WorkflowHandle[Any, Any]
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    told: list[str] = field(default_factory=list)
    acknowledged: dict[str, str] = field(default_factory=dict)
    words: int = 0
    turn: int = 0
    phase: str = "open"
    quiet: bool = False
    over: bool = False

    async def post(self, path: str, **body: Any) -> httpx2.Response | None:
        """None where Temporal was down: whoever must be heard says it again."""
        try:
            answer = await self.stack.http.post(f"/v1/runs/{self.run_id}/{path}", json=body)
        except httpx2.TransportError:
            return None
        return None if answer.status_code >= 500 else answer

    async def signal(self, name: str, word: object) -> bool:
        try:
            await self.handle.signal(name, word)
        except RPCError:
            return False
        return True

    async def rest(self, speaks: bool) -> None:
        """A moment, and longer where much was said in few turns: on a slow machine no more words fall on a turn."""
        self.words += 1
        while not self.quiet:
            await asyncio.sleep(self.chance.uniform(0.1, 0.8))
            # An agent that hears something new each turn never ends its planning.
            planning = speaks and self.turn > 0 and self.phase == "plan"
            if self.words < WORDS_A_TURN * (self.turn + 2) and not planning:
                return

    async def talk(self, name: str, by_signal: bool) -> None:
        number = 0
        while not self.quiet:
            number += 1
            message_id = f"{name}-{number}"
            self.told.append(message_id)
            while not await self._said(message_id, by_signal):
                await self.blink()
            await self.rest(speaks=True)

    async def _said(self, message_id: str, by_signal: bool) -> bool:
        text = f"<{message_id}>"
        if by_signal:
            return await self.signal("send_message", SendMessage(message_id=message_id, text=text))
        answer = await self.post("messages", message_id=message_id, text=text)
        if answer is not None and answer.status_code == 409 and "told so much" in answer.text:
            return False
        assert answer is None or answer.status_code == 202, answer.text
        return answer is not None

    async def halt(self, by_signal: bool) -> None:
        while not self.quiet:
            for name, word in (("pause", PauseRun()), ("resume", ResumeRun())):
                while not await (self.signal(name, word) if by_signal else self.post(name)):
                    await self.blink()
                await self.blink()
            await self.rest(speaks=False)

    async def blink(self) -> None:
        await asyncio.sleep(self.chance.uniform(0.1, 0.5))

    async def decide(self) -> None:
        """Two people at once, of whom one says yes by the API and the other no by signal."""
        while not self.over:
            run = await self.stack.get(f"/v1/runs/{self.run_id}")
            self.turn, self.phase = run["turn"], run["phase"] or "open"
            pending = await self.stack.http.get(f"/v1/runs/{self.run_id}/approvals?status=pending")
            for one in pending.json()["items"] if pending.status_code == 200 else ():
                asked = one["approval_id"]
                no = DecideApproval(approval_id=asked, decision="reject", reason="Rather not.", by="somebody")
                yes = self.post(f"approvals/{asked}", decision="approve")
                words = [yes, self.signal("decide_approval", no)] if one["kind"] == "tool_call" else [yes]
                self.chance.shuffle(words)
                for answer in await asyncio.gather(*words):
                    if isinstance(answer, httpx2.Response) and answer.status_code == 200:
                        self.acknowledged[asked] = answer.json()["decision"]["decision"]
            await self.blink()

    async def until_turn(self, number: int) -> None:
        await self.stack.until_event(self.run_id, f"turn/{number}", seconds=SECONDS)

    async def until_the_end(self) -> None:
        """Whatever was said last, the run goes on."""
        while (run := await self.stack.get(f"/v1/runs/{self.run_id}"))["status"] not in ("completed", "failed"):
            if run["status"] == "paused":
                await self.post("resume")
            await asyncio.sleep(0.3)


async def begin(stack: Stack, client: Client, journal: PostgresJournal) -> str:
    plan = says(call("propose_plan", {"summary": "Count.", "steps": [{"title": "Count"}]}), repeat={"turns": 50})
    done = says(call("finish", {"summary": "Counted."}), repeat={"turns": 100})
    counting = says(bash("echo turn {n}"), repeat={"turns": TURNS})
    model = script(stack, "storm", counting, done, planning=(plan,))
    limits = Limits(turns=1000, cost_usd=None)
    spec = RunSpec(
        task="Count.", plan=True, plan_approval=True, publish="none", tool_policy="ask_writes", limits=limits
    )
    return await paced.begin(stack, client, journal, spec, model, PACE)


@pytest.mark.timeout(SECONDS + 60)
async def test_no_word_is_lost_and_none_is_heard_twice(stack: Stack, temporal: EmbeddedTemporal) -> None:
    client = await Client.connect(temporal.address, data_converter=pydantic_data_converter)
    async with paced.journal_of(stack) as journal:
        run_id = await begin(stack, client, journal)
        storm = Storm(stack, run_id, client.get_workflow_handle(f"run/{run_id}"))
        await rage(storm, temporal)
        await nothing_but_words_in_between(client, run_id)
        executions = Counter(one.workflow_id for one in await histories(client, run_id))
        assert executions[f"run/{run_id}/work/1"] >= 5
        assert executions[f"run/{run_id}"] >= 3
        events = await journal.read(run_id, limit=10_000)
    assert len(storm.told) >= 12
    heard_once(storm, events)
    decided_once(storm, events)


async def nothing_but_words_in_between(client: Client, run_id: str) -> None:
    """A word that comes while a phase ends or continues as new makes it decide again; no decision fails otherwise."""
    for history in await histories(client, run_id):
        for event in history.events:
            cause = event.workflow_task_failed_event_attributes.cause
            assert cause in (0, WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND), event


async def rage(storm: Storm, temporal: EmbeddedTemporal) -> None:
    stack = storm.stack
    said = (storm.talk("api", False), storm.talk("signal", True), storm.halt(False), storm.halt(True))
    deciding, speaking = asyncio.create_task(storm.decide()), [asyncio.create_task(one) for one in said]
    try:
        await storm.until_turn(4)
        await stack.worker.kill()
        await asyncio.sleep(1)
        await stack.worker.start()
        await storm.until_turn(7)
        temporal.kill()
        await temporal.wait()
        await asyncio.sleep(1)
        await temporal.start()
        await storm.until_turn(11)
        storm.quiet = True
        await asyncio.gather(*speaking)
        await storm.until_the_end()
    finally:
        storm.quiet = storm.over = True
        await asyncio.gather(deciding, *speaking)


def heard_once(storm: Storm, events: Sequence[RecordedEvent]) -> None:
    """In the journal, and in what the model was shown."""
    phases: tuple[Phase, ...] = ("plan", "work")
    shown = [one.text for phase in phases for one in conversation(events, phase, "") if isinstance(one, UserMessage)]
    received = [one.event.text for one in events if isinstance(one.event, MessageReceived)]
    for texts in (received, shown):
        counts = Counter(text for text in texts if text.startswith("<"))
        assert counts == dict.fromkeys((f"<{one}>" for one in storm.told), 1)


def decided_once(storm: Storm, events: Sequence[RecordedEvent]) -> None:
    """And who was told that their word counts was told the truth; a refused call was never begun."""
    asked = [one.event.card.approval_id for one in events if isinstance(one.event, ApprovalRequested)]
    decided = {
        one.event.decision.approval_id: one.event.decision.decision
        for one in events
        if isinstance(one.event, ApprovalDecided)
    }
    assert len(asked) == len(set(asked)) >= 10
    assert set(decided) == set(asked)
    assert {one: decided[one] for one in storm.acknowledged} == storm.acknowledged
    started = {one.event.call for one in events if isinstance(one.event, ToolStarted)}
    assert started.isdisjoint(one for one, decision in decided.items() if decision == "reject")
    assert started.issuperset(
        one for one, decision in decided.items() if decision == "approve" and one.startswith("turn")
    )
