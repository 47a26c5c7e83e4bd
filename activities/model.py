"""One turn: asks the model, settles what can be settled at once, says what is to be run."""

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from itertools import takewhile
from time import monotonic
from zlib import crc32

from temporalio import activity

from activities.dossiers import Dossiers
from activities.live import LiveStream
from activities.tools import TOOLS, schema
from activities.turns import CallModelResult, planned, settle
from domain.agents import AGENTS
from domain.dossier import Dossier
from domain.errors import ProviderRefused, ProviderUnavailable, ProviderUnreadable
from domain.event import MessageReceived, NoteAdded, TurnAnswered, TurnRefused
from domain.mailbox import SendMessage
from domain.model import AssistantMessage, Block, ModelAnswer, ModelRequest, ToolCall, ToolSchema, cost_usd
from domain.notes import Note, failed_check, note_text
from domain.policies import policy
from domain.ports import Clock, Journal, Models, Prompts
from domain.prompt import first_message, system_prompt
from domain.record import NewEvent
from domain.run import Phase
from domain.secrets import Mask
from domain.tool import ToolPolicy
from domain.value import Value

LONGEST_WAIT_SECONDS = 120.0
UNREADABLE_ANSWERS = 5
"""An outage passes; a model that answers nonsense so often in a row will go on doing so."""


class CallModelInput(Value):
    run_id: str
    turn: int
    phase: Phase
    agent: str
    model: str
    messages: tuple[SendMessage, ...] = ()
    notes: tuple[Note, ...] = ()


class ModelActivities:
    def __init__(
        self, journal: Journal, dossiers: Dossiers, models: Models, prompts: Prompts, clock: Clock, mask: Mask
    ) -> None:
        self._mask = mask
        self._journal = journal
        self._dossiers = dossiers
        self._models = models
        self._prompts = prompts
        self._clock = clock

    @activity.defn
    async def call_model(self, input: CallModelInput) -> CallModelResult:
        """Answers from the journal where the turn is recorded; otherwise the model is asked, and then it is."""
        dossier = await self._dossiers.of(input.run_id)
        if input.messages or input.notes:
            await self._deliver(input, dossier)
            dossier = await self._dossiers.of(input.run_id)
        answered = dossier.answer(input.turn)
        if answered is None:
            answered = await self._ask(input, dossier)
        rules = (AGENTS[input.agent].tools, self._policy(input.agent, dossier), dossier.granted)
        # Only for the answer that stands: of two attempts that both asked, one comes too late with another answer.
        settled = [one for one in settle(answered, *rules) if one.call not in dossier.returned]
        if settled:
            events = [NewEvent(key=f"{one.call}/returned", event=one) for one in settled]
            for recorded in await self._journal.record(input.run_id, events):
                self._dossiers.add(input.run_id, recorded)
        return planned(answered, *rules)

    async def _deliver(self, input: CallModelInput, dossier: Dossier) -> None:
        events = [
            NewEvent(
                key=f"message/{message.message_id}",
                event=MessageReceived(
                    message_id=message.message_id,
                    turn=input.turn,
                    phase=input.phase,
                    text=message.text,
                    by=message.by,
                ),
            )
            for message in input.messages
        ]
        for number, note in enumerate(input.notes):
            failed = [one for one in dossier.checks(note.round) if failed_check(one)]
            told = NoteAdded(turn=input.turn, phase=input.phase, text=note_text(note, failed))
            events.append(NewEvent(key=f"turn/{input.turn}/note/{number}", event=told))
        await self._journal.record(input.run_id, events)

    async def _ask(self, input: CallModelInput, dossier: Dossier) -> TurnAnswered:
        attempt = activity.info().attempt
        stream = LiveStream(self._journal, input.run_id, input.turn, attempt, self._mask)
        if attempt > 1:
            await stream.reset()
        model, name = self._models.get(input.model)
        began = monotonic()
        try:
            answer = await model.answer(self._request(input, name, dossier), stream.send)
        except ProviderUnavailable as error:
            raise await self._refused(input, error, attempt) from error
        return await self._record(input, answer, monotonic() - began)

    def _request(self, input: CallModelInput, name: str, dossier: Dossier) -> ModelRequest:
        definition = AGENTS[input.agent]
        instructions = self._prompts.instructions(definition.instructions)
        plan = None if input.phase == "plan" else dossier.plan
        opening = first_message(dossier.spec, input.phase, plan)
        return ModelRequest(
            model=name,
            system=system_prompt(instructions, definition, dossier.spec, dossier.rules, plan, dossier.terms.network),
            tools=_offered(input.agent),
            messages=tuple(dossier.conversation.messages(input.phase, opening)),
            max_output_tokens=definition.max_output_tokens,
        )

    async def _record(self, input: CallModelInput, answer: ModelAnswer, seconds: float) -> TurnAnswered:
        answered = TurnAnswered(
            turn=input.turn,
            phase=input.phase,
            message=AssistantMessage(blocks=_with_our_ids(answer.blocks, input.turn)),
            stop=answer.stop,
            model=answer.model,
            usage=answer.usage,
            cost_usd=cost_usd(self._models.price(input.model), answer.usage),
            seconds=round(seconds, 3),
        )
        (recorded,) = await self._journal.record(input.run_id, [NewEvent(key=f"turn/{input.turn}", event=answered)])
        self._dossiers.add(input.run_id, recorded)
        return recorded.event if isinstance(recorded.event, TurnAnswered) else answered

    async def _refused(
        self, input: CallModelInput, error: ProviderUnavailable, attempt: int
    ) -> ProviderUnavailable | ProviderRefused:
        """Records until when the run waits, so that the wait can be seen; or says that waiting is of no use."""
        unreadable = isinstance(error, ProviderUnreadable)
        if unreadable and await self._unreadable(input) >= UNREADABLE_ANSWERS - 1:
            return ProviderRefused(f"{error.message} ({UNREADABLE_ANSWERS} times in a row)", error.next_step)
        wait = error.retry_after_seconds
        if wait is None:
            jitter = 0.75 + crc32(f"{input.run_id}/{attempt}".encode()) % 1000 / 2000
            wait = min(LONGEST_WAIT_SECONDS, 2.0 ** min(attempt - 1, 10)) * jitter
        until = self._clock.now() + timedelta(seconds=wait)
        refused = TurnRefused(turn=input.turn, reason=error.message[:2000], until=until, unreadable=unreadable)
        key = f"turn/{input.turn}/refused/{attempt}"
        await self._journal.record(input.run_id, [NewEvent(key=key, event=refused)])
        return ProviderUnavailable(error.message, error.next_step, retry_after_seconds=wait)

    async def _unreadable(self, input: CallModelInput) -> int:
        """How many answers to this turn, up to the last, could not be used."""
        refused = await self._journal.read(input.run_id, types=("turn_refused",), limit=10_000)
        events = [one.event for one in refused]
        turn = [one for one in events if isinstance(one, TurnRefused) and one.turn == input.turn]
        return sum(1 for _ in takewhile(lambda one: one.unreadable, reversed(turn)))

    def _policy(self, agent: str, dossier: Dossier) -> ToolPolicy:
        named = dossier.spec.tool_policy
        return AGENTS[agent].tool_policy if named == "default" else policy(named)


@cache
def _offered(agent: str) -> tuple[ToolSchema, ...]:
    """The same objects each turn: adapters keep their serialised form."""
    return tuple(schema(TOOLS[tool]) for tool in AGENTS[agent].tools)


def _with_our_ids(blocks: Sequence[Block], turn: int) -> tuple[Block, ...]:
    """Ids by turn and place, so that the same journal always makes the same request; names that can be sent."""
    renamed: list[Block] = []
    for block in blocks:
        if isinstance(block, ToolCall):
            count = sum(isinstance(one, ToolCall) for one in renamed)
            renamed.append(block.model_copy(update={"id": f"call_{turn}_{count}", "name": _sendable(block.name)}))
        else:
            renamed.append(block)
    return tuple(renamed)


def _sendable(name: str) -> str:
    """As providers take it: a name that a model made up is sent back with every request to come."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "unnamed"
