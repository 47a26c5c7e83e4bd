"""Tokens and output on their way to whoever is looking."""

from time import monotonic

from domain.ports import Journal
from domain.record import LiveDelta

COALESCE_SECONDS = 0.1


class LiveStream:
    """Sends what came in the last tenth of a second at once; an answer faster than that sends nothing."""

    def __init__(self, journal: Journal, run_id: str, turn: int, attempt: int) -> None:
        self._journal = journal
        self._run_id = run_id
        self._turn = turn
        self._attempt = attempt
        self._waiting: dict[str, list[str]] = {}
        self._sent_at = monotonic()

    async def send(self, kind: str, text: str) -> None:
        self._waiting.setdefault(kind, []).append(text)
        if monotonic() - self._sent_at >= COALESCE_SECONDS:
            await self._flush()

    async def reset(self) -> None:
        """What an earlier attempt said does not count any more."""
        await self._journal.send_live(
            LiveDelta(run_id=self._run_id, turn=self._turn, attempt=self._attempt, kind="reset")
        )

    async def _flush(self) -> None:
        waiting, self._waiting, self._sent_at = self._waiting, {}, monotonic()
        for kind, texts in waiting.items():
            delta = {"run_id": self._run_id, "turn": self._turn, "attempt": self._attempt, "kind": kind}
            await self._journal.send_live(LiveDelta.model_validate(delta | {"text": "".join(texts)}))
