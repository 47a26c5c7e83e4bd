"""Asks a provider for one turn: what must hold before, the call, what is recorded after it."""

import re
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from temporalio import activity

from activities.admission import Admissions
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

FRESH_SECONDS = 2.0
"""So long after a look at the journal a question may leave: less than what a silent attempt is replaced after."""


class Answered(Exception):
    """Another attempt had the turn's answer first: `recorded`."""

    def __init__(self, recorded: RecordedEvent) -> None:
        super().__init__("the turn has an answer already")
        self.recorded = recorded


class Unanswered:
    """That the journal has no answer to a turn, and when that was last known.

    A process that is stopped here and comes back would else ask for what the attempt that followed it has paid for."""

    def __init__(self, journal: Journal, run_id: str, turn: int, known_at: float) -> None:
        self._journal = journal
        self._run_id = run_id
        self._key = f"turn/{turn}"
        self._known_at = known_at

    async def until(self, fresh_seconds: float) -> float:
        """The time of the monotonic clock up to which it may be believed; raises Answered where it is so no longer."""
        if monotonic() > self._known_at + fresh_seconds / 2:
            self._known_at = monotonic()
            recorded = await self._journal.find(self._run_id, self._key)
            if recorded is not None:
                raise Answered(recorded)
        return self._known_at + fresh_seconds


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
        unanswered: Unanswered,
    ) -> Sequence[RecordedEvent]:
        """What stands in the journal afterwards, the answer first; `request` is made for the model's own name.

        Raises ProviderUnavailable with the wait, which is shared, where the turn is to be asked again later, and
        NotAdmitted where a limit is used up.
        """
        provider, name = self._models.get(model)
        asked = request(name)
        reserved, warned = await self._admissions.reserve(input, model, asked, dossier)
        began = monotonic()
        try:
            asked = request(name) if warned else asked
            answer = await self._answer(input, model, provider, asked, admitted, unanswered)
        except Answered as found:
            await self._admissions.release(reserved)
            return [found.recorded]
        except PerdureError:
            await self._admissions.release(reserved)
            raise
        return await self._admissions.settle(reserved, self._answered(input, model, answer, monotonic() - began))

    async def _answer(
        self,
        input: CallModelInput,
        model: str,
        provider: Model,
        asked: ModelRequest,
        admitted: Callable[[], Awaitable[None]],
        unanswered: Unanswered,
    ) -> ModelAnswer:
        """As the weather allows it, and the weather hears how it went."""
        place = self._models.place(model)
        outlook = await self._weather.enter(place, self._rules)
        if not outlook.may_ask:
            raise known_weather(outlook)
        await admitted()
        stream = Clearing(self._weather, place, outlook, await self._stream(input))
        try:
            answer = await self._in_time(provider, asked, stream, unanswered)
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

    async def _in_time(
        self, provider: Model, asked: ModelRequest, stream: "Clearing", unanswered: Unanswered
    ) -> ModelAnswer:
        """Where it took too long to get through to the provider, the next try has twice the time."""
        fresh = FRESH_SECONDS
        while True:
            try:
                return await provider.answer(asked, stream.send, await unanswered.until(fresh))
            except NotSent:
                fresh *= 2

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
