"""Whose setup others may take over."""

from adapters.journal.postgres import PostgresJournal
from domain.event import ToolReturned
from domain.record import NewEvent
from domain.tool import ToolResult
from tests.adapters.journal.samples import submission


async def test_the_last_setup_that_was_kept_is_found_while_it_is_young(journal: PostgresJournal) -> None:
    assert await journal.find_setup("key", 60) is None
    for run_id in ("one", "two"):
        await journal.submit(submission(run_id))
        returned = ToolReturned(
            call="setup/call/0", name="bash", subject="", attempt=1, result=ToolResult(text=run_id * 9000)
        )
        await journal.record(run_id, [NewEvent(key="setup/call/0/returned", event=returned)])
        await journal.keep_setup("key", run_id)
        found = await journal.find_setup("key", 60)
        assert found is not None
        assert (found.run_id, found.event) == (run_id, returned)
    assert await journal.find_setup("key", 0) is None
    assert await journal.find_setup("another", 60) is None
