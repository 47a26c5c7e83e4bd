"""What Temporal shows of a wait for a provider: told to `run/<id>` when it begins and when it is over."""

import logging
from datetime import datetime

from temporalio import activity

from domain.errors import WorldError
from domain.mailbox import ShowWait

LOG = logging.getLogger("perdure.weather")


async def show_wait(run_id: str, until: datetime, reason: str) -> bool:
    """False where it could not be told: the next refusal of the turn tells it."""
    try:
        await _tell(run_id, ShowWait(until=until, reason=reason[:300]))
    except Exception as error:
        LOG.warning("Temporal was not told that run %s waits: %s", run_id, error)
        return False
    return True


async def show_wait_over(run_id: str) -> None:
    """Raises WorldError: the answer is recorded, so that trying again costs nothing."""
    try:
        await _tell(run_id, ShowWait())
    except Exception as error:
        raise WorldError(f"Temporal was not told that the wait is over: {error}", retry_after_seconds=1.0) from error


async def _tell(run_id: str, wait: ShowWait) -> None:
    await activity.client().get_workflow_handle(f"run/{run_id}").signal("show_wait", wait)
