"""What can be made to go wrong, for tests."""

import threading
from typing import Literal

from domain.value import Value


class Fault(Value):
    """What the next `times` requests get instead of an answer, after `skip` that pass."""

    kind: Literal["status", "drop_before", "drop_midway", "delay", "hang", "stall", "nonsense"]
    """`delay` answers late, `hang` never begins, `stall` begins and stops."""
    status: int = 500
    code: str | None = None
    """The kind of error that the body names, such as `insufficient_quota`; None: what goes with the status."""
    retry_after_seconds: float | None = None
    seconds: float = 60.0
    """How long a delay, a hang or a stall takes."""
    times: int = 1
    skip: int = 0
    model: str | None = None
    """Only requests for this model."""


class FaultPlan:
    """Faults are used up in the order in which they were set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: list[Fault] = []

    def set(self, fault: Fault) -> None:
        with self._lock:
            self._left.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._left.clear()

    def take(self, model: str) -> Fault | None:
        with self._lock:
            for at, fault in enumerate(self._left):
                if fault.model not in (None, model):
                    continue
                if fault.skip > 0:
                    self._left[at] = fault.model_copy(update={"skip": fault.skip - 1})
                    return None
                if fault.times > 1:
                    self._left[at] = fault.model_copy(update={"times": fault.times - 1})
                else:
                    del self._left[at]
                return fault
        return None
