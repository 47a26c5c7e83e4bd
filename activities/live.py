"""Tokens and output on their way to whoever is looking."""

from time import monotonic

from domain.ports import Journal
from domain.record import LiveDelta
from domain.secrets import Mask

COALESCE_SECONDS = 0.1


class LiveStream:
    """Sends what came in the last tenth of a second at once; an answer faster than that sends nothing.

    Output is shown line by line, masked. Of what a model says only what may be the beginning of a known secret waits.
    """

    def __init__(self, journal: Journal, run_id: str, turn: int, attempt: int, mask: Mask) -> None:
        self._journal = journal
        self._run_id = run_id
        self._turn = turn
        self._attempt = attempt
        self._mask = mask
        self._output = mask.stream()
        self._held: dict[str, str] = {}
        self._waiting: dict[str, list[str]] = {}
        self._sent_at = monotonic()

    async def send(self, kind: str, text: str) -> None:
        self._waiting.setdefault(kind, []).append(text)
        if monotonic() - self._sent_at >= COALESCE_SECONDS:
            await self._flush()

    async def reset(self) -> None:
        """What an earlier attempt said does not count any more."""
        self._held = {}
        await self._journal.send_live(
            LiveDelta(run_id=self._run_id, turn=self._turn, attempt=self._attempt, kind="reset")
        )

    async def _flush(self) -> None:
        waiting, self._waiting, self._sent_at = self._waiting, {}, monotonic()
        for kind, texts in waiting.items():
            text = self._hidden(kind, "".join(texts))
            if not text:
                continue
            delta = {"run_id": self._run_id, "turn": self._turn, "attempt": self._attempt, "kind": kind}
            await self._journal.send_live(LiveDelta.model_validate(delta | {"text": text}))

    def _hidden(self, kind: str, text: str) -> str:
        if kind == "output":
            return self._output.feed(text.encode(errors="replace")).decode(errors="replace")
        known = self._mask.known(self._held.pop(kind, "") + text)
        begun = self._mask.begun(known)
        self._held[kind] = known[begun:]
        return known[:begun]
