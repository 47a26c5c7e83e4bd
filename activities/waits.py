"""A wait for the world that is seen: Temporal tries again, and whoever looks at the run reads what it waits for."""

import contextlib
from collections.abc import AsyncGenerator

from temporalio import activity

from domain.errors import OutOfSpace, PerdureError, RemoteUnavailable, StorageUnavailable, WorldError
from domain.event import StatusChanged
from domain.ports import Journal
from domain.record import NewEvent
from domain.run import WaitingFor

WAITS: dict[type[PerdureError], WaitingFor] = {
    StorageUnavailable: "storage",
    OutOfSpace: "storage",
    RemoteUnavailable: "dependency",
}


@contextlib.asynccontextmanager
async def shown(journal: Journal, run_id: str) -> AsyncGenerator[None]:
    """Around an activity's work: records why an attempt came to nothing, and that a later one did not."""
    at = activity.info()
    place = f"status/{at.workflow_run_id}/{at.activity_id}"
    try:
        yield
    except (WorldError, OutOfSpace) as error:
        waiting = StatusChanged(
            status="waiting", waiting_for=WAITS.get(type(error), "host"), reason=error.message[:2000]
        )
        # Where the journal itself is away, the wait cannot be shown; the error that is told stays the first one.
        with contextlib.suppress(PerdureError):
            await journal.record(run_id, [NewEvent(key=f"{place}/{at.attempt}", event=waiting)])
        raise
    if at.attempt > 1 and await journal.find(run_id, f"{place}/{at.attempt - 1}") is not None:
        await journal.record(run_id, [NewEvent(key=f"{place}/over", event=StatusChanged(status="running"))])
