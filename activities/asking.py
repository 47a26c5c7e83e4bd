"""Asks a provider for one turn: what must hold before, the call, what is recorded after it."""

import re
from collections.abc import Callable, Sequence
from time import monotonic

from temporalio import activity

from activities.live import LiveStream
from activities.refusals import Refusals
from activities.turns import CallModelInput
from domain.errors import ProviderUnavailable
from domain.event import TurnAnswered
from domain.model import AssistantMessage, Block, ModelAnswer, ModelRequest, ToolCall, cost_usd
from domain.ports import Clock, Journal, Models
from domain.record import NewEvent, RecordedEvent
from domain.secrets import Mask


class Asking:
    def __init__(self, journal: Journal, models: Models, clock: Clock, mask: Mask) -> None:
        self._journal = journal
        self._models = models
        self._mask = mask
        self._refusals = Refusals(journal, clock)

    async def ask(
        self, input: CallModelInput, model: str, request: Callable[[str], ModelRequest]
    ) -> Sequence[RecordedEvent]:
        """What stands in the journal afterwards, the answer first; `request` is made for the model's own name.

        Raises ProviderUnavailable, its wait recorded, where the turn is to be asked again later.
        """
        provider, name = self._models.get(model)
        asked = request(name)
        # What must hold before the provider is asked is checked or reserved here.
        stream = await self._stream(input)
        began = monotonic()
        try:
            answer = await provider.answer(asked, stream.send)
        except ProviderUnavailable as error:
            # Nothing was answered: what was reserved is given back here.
            raise await self._refusals.note(input, error) from error
        # One transaction records the answer and what goes with it.
        events = [NewEvent(key=f"turn/{input.turn}", event=self._answered(input, model, answer, monotonic() - began))]
        return await self._journal.record(input.run_id, events)

    async def _stream(self, input: CallModelInput) -> LiveStream:
        attempt = activity.info().attempt
        stream = LiveStream(self._journal, input.run_id, input.turn, attempt, self._mask)
        if attempt > 1:
            await stream.reset()
        return stream

    def _answered(self, input: CallModelInput, model: str, answer: ModelAnswer, seconds: float) -> TurnAnswered:
        return TurnAnswered(
            turn=input.turn,
            phase=input.phase,
            message=AssistantMessage(blocks=_with_our_ids(answer.blocks, input.turn)),
            stop=answer.stop,
            model=answer.model,
            usage=answer.usage,
            cost_usd=cost_usd(self._models.price(model), answer.usage),
            seconds=round(seconds, 3),
        )


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
