"""Facts that workflows decide, recorded before what they announce."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.event import EventActivities, RecordEventsInput
    from domain.event import Event
    from domain.record import NewEvent
    from workflows.options import RECORD_LOCAL


async def record(run_id: str, *events: tuple[str, Event]) -> None:
    """Records pairs of key and event by one local activity."""
    new = tuple(NewEvent(key=key, event=event) for key, event in events)
    await workflow.execute_local_activity_method(
        EventActivities.record_events, RecordEventsInput(run_id=run_id, events=new), **RECORD_LOCAL
    )
