"""What the Temporal Web UI shows and finds runs by."""

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

with workflow.unsafe.imports_passed_through():
    from domain.run import RunInput, RunStatus, WaitingFor

RUN_STATUS = SearchAttributeKey.for_keyword("RunStatus")
WAITING_FOR = SearchAttributeKey.for_keyword("WaitingFor")
AGENT = SearchAttributeKey.for_keyword("Agent")
REPOSITORY = SearchAttributeKey.for_keyword("Repository")
OWNER = SearchAttributeKey.for_keyword("Owner")
PARENT_RUN = SearchAttributeKey.for_keyword("ParentRun")


def show_status(status: RunStatus, waiting_for: WaitingFor | None) -> None:
    """Says nothing where that stands there already: each time is an event, and a row that Temporal writes anew."""
    shown = workflow.info().typed_search_attributes
    if (shown.get(RUN_STATUS), shown.get(WAITING_FOR)) == (status, waiting_for):
        return
    waiting = WAITING_FOR.value_set(waiting_for) if waiting_for else WAITING_FOR.value_unset()
    workflow.upsert_search_attributes([RUN_STATUS.value_set(status), waiting])


def first_attributes(run: RunInput) -> TypedSearchAttributes:
    """What a run is found by before it does anything."""
    of = run.fork or run.child
    wanted = {
        RUN_STATUS: "queued",
        AGENT: run.agent,
        REPOSITORY: run.repository,
        OWNER: run.owner,
        PARENT_RUN: of.parent if of else "",
    }
    return TypedSearchAttributes([SearchAttributePair(key, text) for key, text in wanted.items() if text])
