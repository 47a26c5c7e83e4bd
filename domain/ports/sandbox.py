"""Where commands run."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from domain.sandbox import Check, Command, CommandResult, Enforcement


class Sandbox(Protocol):
    async def run(self, command: Command, on_output: Callable[[bytes], Awaitable[None]] | None = None) -> CommandResult:
        """Runs one command; no process of it is left afterwards, also when this call is cancelled."""
        ...

    async def kill(self, name_prefix: str) -> None:
        """Kills whatever is left of commands whose name starts so (in-doubt attempts)."""
        ...

    async def release(self, run_id: str) -> None:
        """The run is over here: what is kept warm for it goes."""
        ...

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs at least: PATH with the toolchain first, HOME, a locale."""
        ...

    def enforcement(self) -> Enforcement: ...

    async def doctor(self) -> Sequence[Check]:
        """Tries each mechanism for real."""
        ...
