from tests.activities.tools.conftest import Bench


async def test_the_list_is_kept_and_counted(bench: Bench) -> None:
    items = [{"text": "look", "status": "done"}, {"text": "change", "status": "in_progress"}, {"text": "test"}]
    outcome = await bench.do("todo", items=items)
    assert outcome.result.text == "1 of 3 done.\n[x] look\n[>] change\n[ ] test"
    assert outcome.todo == (*items[:2], {"text": "test", "status": "pending"})
