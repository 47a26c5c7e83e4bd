"""The table of weather: waits that all runs on one key share."""

from adapters.journal.connections import Connections
from adapters.journal.statements import statements
from domain.secrets import Mask
from domain.weather import Gust, Outlook, Place, WeatherRules, jitter, slot_seconds

_SQL = statements("weather")
PROBE_WAIT_SECONDS = 5.0
"""While another run asks whether the weather is over, the rest looks again after this."""


class WeatherTable:
    """`domain.ports.SharedWeather`."""

    def __init__(self, connections: Connections, mask: Mask) -> None:
        self._connections = connections
        self._mask = mask

    async def enter(self, place: Place, rules: WeatherRules) -> Outlook:
        parameters = {**place.model_dump(), "probe_seconds": rules.probe_seconds}
        [row] = await self._connections.rows(_SQL["enter"], parameters)
        asked_at, may_ask, seconds, queue, stands, kind, reason, next_step = row
        if not may_ask:
            seconds = (seconds or min(PROBE_WAIT_SECONDS, rules.probe_seconds)) + slot_seconds(queue, rules)
        told = {"kind": kind, "reason": reason, "next_step": next_step}
        return Outlook.model_validate(
            {"asked_at": asked_at, "may_ask": may_ask, "seconds": seconds, "stands": stands, **told}
        )

    async def heard(self, gust: Gust, rules: WeatherRules, seed: str) -> float:
        told = {"reason": self._mask.text(gust.reason), "next_step": gust.next_step, "jitter": jitter(seed)}
        [(seconds, queue, _)] = await self._connections.rows(
            _SQL["raise"], {**gust.model_dump(exclude={"place"}), **gust.place.model_dump(), **told}
        )
        return float(seconds) + slot_seconds(queue, rules)

    async def leave(self, place: Place, outlook: Outlook, rules: WeatherRules) -> None:
        parameters = {**place.model_dump(), "asked_at": outlook.asked_at, "probe_seconds": rules.probe_seconds}
        await self._connections.rows(_SQL["leave"], parameters)

    async def clear(self, place: Place, outlook: Outlook) -> None:
        await self._connections.rows(_SQL["clear"], {**place.model_dump(), "asked_at": outlook.asked_at})
