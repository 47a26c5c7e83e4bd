"""A change outside the workspace: what is wanted, and what the journal knows of it."""

import hashlib
import json
from datetime import datetime
from typing import Any

from domain.events.effect import EffectDone, EffectFailed, EffectIntended
from domain.record import RecordedEvent
from domain.value import Value

Receipt = dict[str, Any]
"""What the far side answered, as far as it is worth keeping; no secrets."""


class Effect(Value):
    """What is to be made, once. Nothing of it may be a secret: it is recorded and shown."""

    key: str
    """Deterministic within the run: `effect/push`, `effect/turn/12/call/0`."""
    kind: str
    """`push`, `pull_request`, `comment`, `notify`, `http`."""
    target: str
    about: str
    """What is sent, in a line for a person who must say whether it was made."""
    request: str
    """`request_hash` of exactly what is sent."""
    repeatable: bool = False
    """The receiver knows it again by its id (`effect_id`): made twice it counts once, so no attempt is in doubt."""


class EffectWord(Value):
    """What `edited` holds where a person says that an effect in doubt was made."""

    receipt: Receipt


class Ledger:
    """The effects of a run: a fold of their events."""

    def __init__(self) -> None:
        self.intents: dict[str, tuple[EffectIntended, datetime]] = {}
        """The newest intent of each effect, and when it was recorded."""
        self.done: dict[str, EffectDone] = {}
        self.failed: dict[str, EffectFailed] = {}
        """The newest attempt of each effect that certainly changed nothing."""

    def take(self, recorded: RecordedEvent) -> None:
        match recorded.event:
            case EffectIntended() as event:
                last = self.intents.get(event.key)
                if last is None or last[0].attempt < event.attempt:
                    self.intents[event.key] = (event, recorded.at)
            case EffectDone() as event:
                self.done[event.key] = event
            case EffectFailed() as event:
                before = self.failed.get(event.key)
                if before is None or before.attempt < event.attempt:
                    self.failed[event.key] = event
            case _:
                pass

    def newest(self, key: str) -> EffectIntended | None:
        found = self.intents.get(key)
        return found[0] if found else None

    def open_intent(self, key: str) -> EffectIntended | None:
        """An intent of which nobody has recorded what came of it."""
        newest, failed = self.newest(key), self.failed.get(key)
        if newest is None or key in self.done or (failed is not None and failed.attempt == newest.attempt):
            return None
        return newest

    def in_doubt(self, approval_id: str) -> tuple[EffectIntended, datetime] | None:
        """What an approval of kind `effect` is about."""
        key, _, attempt = approval_id.rpartition("/")
        found = self.intents.get(key)
        return found if found is not None and str(found[0].attempt) == attempt else None


def doubt_id(intent: EffectIntended) -> str:
    """The approval that asks about this attempt."""
    return f"{intent.key}/{intent.attempt}"


def effect_id(run_id: str, key: str) -> str:
    """Says the same to receivers each time it is sent: an `Idempotency-Key`, a delivery's id."""
    return hashlib.sha256(f"{run_id}/{key}".encode()).hexdigest()[:32]


def request_hash(*parts: object) -> str:
    """Of all that makes a request what it is: equal requests have equal hashes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
