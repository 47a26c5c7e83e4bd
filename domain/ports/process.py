"""The process itself."""

from datetime import datetime
from typing import Protocol


class LiveTasks(Protocol):
    """Task tokens of running activities, kept where the next start of the worker finds them."""

    def hold(self, token: bytes, attempt: int) -> None: ...

    def release(self, token: bytes) -> None: ...


class Prompts(Protocol):
    def instructions(self, name: str) -> str: ...


class Clock(Protocol):
    def now(self) -> datetime: ...
