"""Where runs tell each other what they heard from providers."""

from typing import Protocol

from domain.weather import Gust, Outlook, Place, WeatherRules


class SharedWeather(Protocol):
    """One statement each. Raises StorageUnavailable."""

    async def enter(self, place: Place, rules: WeatherRules) -> Outlook:
        """Whether a run may ask there now. After a wait one does, and the others wait for what it hears."""
        ...

    async def heard(self, gust: Gust, rules: WeatherRules, seed: str) -> float:
        """Tells the others of a refusal; answers with the seconds until the run may come back."""
        ...

    async def leave(self, place: Place, outlook: Outlook, rules: WeatherRules) -> None:
        """Who was let in has heard nothing and will not: another one may ask."""
        ...

    async def clear(self, place: Place, outlook: Outlook) -> None:
        """Somebody who was let in with this outlook was answered."""
        ...
