"""Asks a provider for one turn: what must hold before, the call, what is recorded after it."""

import re
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from temporalio import activity

from activities.admission import LEAVES_SECONDS, Admissions, Answered, AskedTurn
from activities.live import LiveStream
from activities.turns import CallModelInput
from domain.dossier import Dossier
from domain.errors import KeyRefused, NotSent, PerdureError, ProviderUnavailable, RunStopped
from domain.event import TurnAnswered
from domain.model import AssistantMessage, Block, ModelAnswer, ModelRequest, ToolCall, cost_usd
from domain.ports import Journal, Model, Models, SharedWeather
from domain.record import RecordedEvent
from domain.secrets import Mask
from domain.weather import Outlook, Place, WeatherRules, gust, known_weather


class Asking:
    def __init__(
        self,
        journal: Journal,
        models: Models,
        mask: Mask,
        admissions: Admissions,
        weather: SharedWeather,
        rules: WeatherRules,
    ) -> None:
        self._journal = journal
        self._admissions = admissions
        self._models = models
        self._mask = mask
        self._weather = weather
        self._rules = rules

    async def ask(
        self,
        input: CallModelInput,
        model: str,
        dossier: Dossier,
        request: Callable[[str], ModelRequest],
        admitted: Callable[[], Awaitable[None]],
    ) -> Sequence[RecordedEvent]:
        """What stands in the journal afterwards, the answer first; `request` is made for the model's own name.

        Raises ProviderUnavailable with the wait, which is shared, where the turn is to be asked again later, and
        NotAdmitted where a limit is used up.
        """
        provider, name = self._models.get(model)
        asked = request(name)
        turn = self._admissions.turn(input, model, asked, dossier)
        try:
            asked = request(name) if await turn.reserve() else asked
            began = monotonic()
            answer = await self._answer(input, model, provider, asked, admitted, turn)
        except Answered as found:
            return [found.recorded]
        except PerdureError:
            await turn.release()
            raise
        return await turn.settle(self._answered(input, model, answer, monotonic() - began))

    async def _answer(
        self,
        input: CallModelInput,
        model: str,
        provider: Model,
        asked: ModelRequest,
        admitted: Callable[[], Awaitable[None]],
        turn: AskedTurn,
    ) -> ModelAnswer:
        """As the weather allows it, and the weather hears how it went."""
        place = self._models.place(model)
        outlook = await self._weather.enter(place, self._rules)
        if not outlook.may_ask:
            raise known_weather(outlook)
        await admitted()
        stream = Clearing(self._weather, place, outlook, await self._stream(input))
        try:
            answer = await self._in_time(provider, asked, stream, turn)
        except (ProviderUnavailable, KeyRefused) as error:
            await self._heard(input, place, outlook, error)
            raise
        except RunStopped:
            await stream.clear()
            raise
        except BaseException:
            if outlook.stands:
                await self._weather.leave(place, outlook, self._rules)
            raise
        await stream.clear()
        return answer

    async def _in_time(self, provider: Model, asked: ModelRequest, stream: "Clearing", turn: AskedTurn) -> ModelAnswer:
        """Where it took too long to get through to the provider, the next try has twice the time."""
        seconds = LEAVES_SECONDS
        while True:
            try:
                return await provider.answer(asked, stream.send, await turn.leaves_by(seconds))
            except NotSent:
                seconds *= 2

    async def _heard(
        self, input: CallModelInput, place: Place, outlook: Outlook, error: ProviderUnavailable | KeyRefused
    ) -> None:
        """Others on the same key are told, and the wait is theirs, too."""
        told = gust(error, place, input.run_id, outlook.asked_at, self._rules)
        seed = f"{input.run_id}/{input.turn}/{activity.info().attempt}"
        seconds = await self._weather.heard(told, self._rules, seed)
        if isinstance(error, ProviderUnavailable):
            error.retry_after_seconds = seconds

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


class Clearing:
    """Whoever is let in after a wait, and hears a first word, lets the others in."""

    def __init__(self, weather: SharedWeather, place: Place, outlook: Outlook, stream: LiveStream) -> None:
        self._weather = weather
        self._place = place
        self._outlook = outlook
        self._stream = stream
        self._is_clear = not outlook.stands

    async def send(self, kind: str, text: str) -> None:
        await self.clear()
        await self._stream.send(kind, text)

    async def clear(self) -> None:
        if not self._is_clear:
            self._is_clear = True
            await self._weather.clear(self._place, self._outlook)


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
