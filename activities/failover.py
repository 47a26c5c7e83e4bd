"""Who is asked: the model that a run stands on, or the next of its chain; and the wait where nobody answers."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from itertools import takewhile

from temporalio import activity

from activities.asking import Asking
from activities.sights import show_wait, show_wait_over
from activities.turns import CallModelInput
from domain.chain import Chain
from domain.dossier import Dossier
from domain.errors import ProviderRefused, ProviderUnavailable, ProviderUnreadable
from domain.event import ModelChanged, TurnRefused
from domain.model import ModelRequest
from domain.ports import Clock, Journal
from domain.record import NewEvent, RecordedEvent
from domain.weather import KINDS, WeatherRules, is_impatient

UNREADABLE_ANSWERS = 5
"""An outage passes; a model that answers nonsense so often in a row will go on doing so."""
SHOWN_SECONDS = 5.0
"""Shorter waits are over before anybody could look."""


class Failover:
    def __init__(self, journal: Journal, asking: Asking, clock: Clock, rules: WeatherRules) -> None:
        self._journal = journal
        self._asking = asking
        self._clock = clock
        self._rules = rules

    async def ask(
        self, input: CallModelInput, dossier: Dossier, request: Callable[[str], ModelRequest]
    ) -> Sequence[RecordedEvent]:
        """The first answer along the chain. Where there is none, raises what the run waits for or ends with."""
        steps = _Steps(self._journal, input, dossier.chain)
        for model in dossier.chain.order(input.model):
            try:
                admitted = partial(steps.take, model)
                return await self._asking.ask(input, model, dossier, request, admitted)
            except (ProviderUnavailable, ProviderRefused) as error:
                steps.met.append((model, _not_for_ever(dossier.chain, input.turn, error)))
                if not self._goes_on(input, dossier.chain, *steps.met[-1]):
                    break
        raise await self._outcome(input, dossier.chain, steps.met)

    async def over(self, input: CallModelInput, dossier: Dossier) -> float:
        """The turn is answered: whoever looks at Temporal is told. The seconds that it had waited."""
        waited = dossier.chain.waited.get(input.turn)
        if waited is not None and waited.shown:
            await show_wait_over(input.run_id)
        return waited.seconds if waited else 0.0

    def _goes_on(
        self, input: CallModelInput, chain: Chain, model: str, error: ProviderUnavailable | ProviderRefused
    ) -> bool:
        """Whether the next model is tried at once. On the way back to a better one nothing is lost by it."""
        if isinstance(error, ProviderRefused):
            return error.elsewhere
        if model != chain.standing(input.model):
            return True
        refused = chain.refused(input.turn, model)
        waited = (self._clock.now() - refused[0][1]).total_seconds() if refused else 0.0
        asked = sum(one.asked for one, _ in refused) + error.was_asked
        return is_impatient(waited, asked, error, self._rules)

    async def _outcome(
        self, input: CallModelInput, chain: Chain, met: Sequence[tuple[str, ProviderUnavailable | ProviderRefused]]
    ) -> ProviderUnavailable | ProviderRefused:
        """The shortest of the waits, where there is one."""
        waits = [(model, error) for model, error in met if isinstance(error, ProviderUnavailable)]
        last = met[-1][1]
        if isinstance(last, ProviderRefused) and not last.elsewhere:
            return last
        if not waits:
            return met[0][1]
        return await self._wait(input, chain, *min(waits, key=lambda pair: pair[1].retry_after_seconds or 0.0))

    async def _wait(
        self, input: CallModelInput, chain: Chain, model: str, error: ProviderUnavailable
    ) -> ProviderUnavailable:
        """Recorded and shown before the activity ends: nothing is held while the run waits."""
        seconds = error.retry_after_seconds or 0.0
        until = self._clock.now() + timedelta(seconds=seconds)
        reason = f"{error.message} {error.next_step}".strip()[:2000]
        shown = any(one.shown for one, _ in chain.refused(input.turn))
        if not shown and seconds >= SHOWN_SECONDS:
            shown = await show_wait(input.run_id, until, reason)
        refused = TurnRefused(
            turn=input.turn,
            reason=reason,
            until=until,
            unreadable=isinstance(error, ProviderUnreadable),
            model=model,
            kind=KINDS.get(type(error), "broken"),
            asked=error.was_asked,
            shown=shown,
        )
        key = f"turn/{input.turn}/refused/{activity.info().attempt}"
        await self._journal.record(input.run_id, [NewEvent(key=key, event=refused)])
        return error


class _Steps:
    """How far one attempt has come along the chain."""

    def __init__(self, journal: Journal, input: CallModelInput, chain: Chain) -> None:
        self.met: list[tuple[str, ProviderUnavailable | ProviderRefused]] = []
        self._journal = journal
        self._input = input
        self._changed = chain.changed
        self._model = chain.standing(input.model)
        self._tokens = chain.conversation_tokens(input.phase)

    async def take(self, model: str) -> None:
        """The next model may be asked: from now on the run stands on it."""
        if model == self._model:
            return
        before = self._changed
        left = [error.message for met, error in self.met if met == self._model]
        changed = ModelChanged(
            turn=self._input.turn,
            phase=self._input.phase,
            before=self._model,
            model=model,
            reason=left[-1][:2000] if left else "A phase begins, and it can be asked again.",
            resent_tokens=self._tokens,
            number=1 + (before.number if before else 0),
            resent_tokens_in_all=self._tokens + (before.resent_tokens_in_all if before else 0),
        )
        await self._journal.record(self._input.run_id, [NewEvent(key=f"model/{changed.number}", event=changed)])
        self._changed, self._model = changed, model


def _not_for_ever(
    chain: Chain, turn: int, error: ProviderUnavailable | ProviderRefused
) -> ProviderUnavailable | ProviderRefused:
    """A row of answers that nobody can use ends like a refusal."""
    refused = [one for one, _ in chain.refused(turn)]
    before = sum(1 for _ in takewhile(lambda one: one.unreadable, reversed(refused)))
    if isinstance(error, ProviderUnreadable) and before >= UNREADABLE_ANSWERS - 1:
        return ProviderRefused(f"{error.message} ({UNREADABLE_ANSWERS} times in a row)", error.next_step)
    return error
