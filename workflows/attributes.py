"""What the Temporal Web UI shows and finds runs by."""

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from domain.run import RunStatus, WaitingFor

RUN_STATUS = SearchAttributeKey.for_keyword("RunStatus")
WAITING_FOR = SearchAttributeKey.for_keyword("WaitingFor")
AGENT = SearchAttributeKey.for_keyword("Agent")
REPOSITORY = SearchAttributeKey.for_keyword("Repository")
OWNER = SearchAttributeKey.for_keyword("Owner")


def show_status(status: RunStatus, waiting_for: WaitingFor | None) -> None:
    waiting = WAITING_FOR.value_set(waiting_for) if waiting_for else WAITING_FOR.value_unset()
    workflow.upsert_search_attributes([RUN_STATUS.value_set(status), waiting])
