"""How long a run waits for a person before it gives back what it holds."""

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow


async def met_within(seconds: float, condition: Callable[[], bool]) -> bool:
    """False where it did not come to that in time; one timer, whatever happens."""
    patience = timedelta(seconds=seconds)
    try:
        await workflow.wait_condition(condition, timeout=patience, timeout_summary="nothing is held any longer")
    except TimeoutError:
        return False
    return True
