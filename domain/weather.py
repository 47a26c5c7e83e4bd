"""Weather of providers: what keeps a model from being asked, until when, and for whom."""

from datetime import datetime
from typing import Literal
from zlib import crc32

from pydantic import Field

from domain.errors import (
    KeyRefused,
    PerdureError,
    ProviderBusy,
    ProviderUnavailable,
    ProviderUnreachable,
    ProviderUnreadable,
    QuotaUsedUp,
)
from domain.value import Value

WeatherKind = Literal["busy", "broken", "unreachable", "quota", "key"]
"""`busy`: 429, 503, 529. `broken`: other 5xx, timeouts, answers cut off. `quota`: no credit. `key`: it is refused."""
LONGEST_ASKED_SECONDS = 86_400.0
"""No Retry-After is believed beyond a day."""


class Place(Value):
    """Who is asked. All runs on the same endpoint and key share what is heard there."""

    endpoint: str
    """Provider, host, and a fingerprint of address and key; never the key."""
    model: str
    """The provider's own name of it; empty means every model there."""


class WeatherRules(Value):
    """How long is waited, and when the next model of a chain takes over."""

    first_wait_seconds: float = Field(default=1.0, gt=0)
    """Where the provider does not say how long; doubled with each refusal that follows."""
    longest_wait_seconds: float = Field(default=300.0, gt=0)
    quota_first_wait_seconds: float = Field(default=120.0, gt=0)
    quota_longest_wait_seconds: float = Field(default=900.0, gt=0)
    key_seconds: float = Field(default=60.0, gt=0)
    """So long no other run tries a key that was refused."""
    trickle_per_second: float = Field(default=4.0, gt=0)
    """How many of the runs that waited come back in a second."""
    probe_seconds: float = Field(default=30.0, gt=0)
    """So long the others wait for what one run hears that asks after a wait."""
    patience_seconds: float = Field(default=60.0, ge=0)
    """Who has waited longer, or is told to, goes on with the next model of the chain."""
    patience_refusals: int = Field(default=3, ge=1)
    """And who was refused so often in one turn."""


class Gust(Value):
    """A refusal as one run heard it, for all that ask there. Waits are seconds."""

    place: Place
    kind: WeatherKind
    reason: str
    next_step: str = ""
    heard_by: str
    """The run."""
    asked_at: datetime
    """When it was let in: what others heard since then may be the same gust."""
    asked_seconds: float | None = None
    """What the provider asked for."""
    first_seconds: float
    longest_seconds: float
    wide: bool
    """Others are kept from asking at once; otherwise only when a second run hears the like."""


class Outlook(Value):
    """Whether a run may ask now. `asked_at` is the journal's clock."""

    asked_at: datetime
    may_ask: bool = True
    seconds: float = 0.0
    """Until it may come back."""
    stands: bool = False
    """Something is noted of this place: whoever is answered clears it."""
    kind: WeatherKind = "broken"
    reason: str = ""
    next_step: str = ""


KINDS: dict[type[PerdureError], WeatherKind] = {
    KeyRefused: "key",
    QuotaUsedUp: "quota",
    ProviderBusy: "busy",
    ProviderUnreachable: "unreachable",
}
ERRORS: dict[WeatherKind, type[ProviderUnavailable]] = {
    "busy": ProviderBusy,
    "unreachable": ProviderUnreachable,
    "quota": QuotaUsedUp,
    "broken": ProviderUnavailable,
}


def gust(
    error: ProviderUnavailable | KeyRefused, place: Place, heard_by: str, asked_at: datetime, rules: WeatherRules
) -> Gust:
    """A connection, an account and a key are the same for every model of an endpoint; what is busy is one model."""
    kind = KINDS.get(type(error), "broken")
    first, longest = rules.first_wait_seconds, rules.longest_wait_seconds
    if kind == "quota":
        first, longest = rules.quota_first_wait_seconds, rules.quota_longest_wait_seconds
    elif kind == "key":
        first = longest = rules.key_seconds
    asked = error.retry_after_seconds if isinstance(error, ProviderUnavailable) else None
    if kind == "quota" and asked is not None:
        asked = max(asked, first)
    everywhere = kind in ("unreachable", "quota") or (isinstance(error, KeyRefused) and error.for_every_model)
    return Gust(
        place=Place(endpoint=place.endpoint, model="" if everywhere else place.model),
        kind=kind,
        reason=error.message[:2000],
        next_step=error.next_step[:2000],
        heard_by=heard_by,
        asked_at=asked_at,
        asked_seconds=None if asked is None else min(asked, LONGEST_ASKED_SECONDS),
        first_seconds=first,
        longest_seconds=longest,
        wide=kind != "broken",
    )


def known_weather(outlook: Outlook) -> ProviderUnavailable | KeyRefused:
    """The error of a run that did not need to ask."""
    if outlook.kind == "key":
        return KeyRefused(f"{outlook.reason} (heard by another run)", outlook.next_step)
    error = ERRORS[outlook.kind](outlook.reason, outlook.next_step, retry_after_seconds=outlook.seconds)
    error.was_asked = False
    return error


def slot_seconds(slot: int, rules: WeatherRules) -> float:
    """How much later than the first the n-th of those that wait comes back; beyond a minute they double up."""
    return (slot / rules.trickle_per_second) % 60.0


def jitter(seed: str) -> float:
    """Between 0.75 and 1.25, the same for the same seed."""
    return 0.75 + crc32(seed.encode()) % 1000 / 2000


def is_impatient(waited_seconds: float, refusals: int, error: ProviderUnavailable, rules: WeatherRules) -> bool:
    """Whether the next model takes over. `refusals` are those that the provider itself gave to this turn."""
    if isinstance(error, ProviderUnreadable):
        return refusals >= rules.patience_refusals
    ahead = waited_seconds + (error.retry_after_seconds or 0.0)
    return refusals >= rules.patience_refusals or ahead > rules.patience_seconds
