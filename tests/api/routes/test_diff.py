from domain.event import RunEnded, WorkCommitted
from domain.repository import PublishedWork
from domain.run import RunResult
from tests.api.conftest import Api

DIFF = """\
diff --git a/slug.py b/slug.py
index 3367afd..3e75765 100644
--- a/slug.py
+++ b/slug.py
@@ -1 +1 @@
-old
+new
"""


async def test_the_diff_of_committed_work_is_exactly_what_is_published(api: Api) -> None:
    run_id = await api.start()
    work = PublishedWork(
        branch="perdure/mend-it",
        base="b" * 40,
        commit="c" * 40,
        tree="d" * 40,
        pack="e" * 64,
        diff=await api.parts.blobs.put(DIFF.encode()),
        files=1,
        added=1,
        removed=1,
    )
    await api.record(run_id, ("work/1", WorkCommitted(work=work)))
    assert (await api.get(f"/v1/runs/{run_id}/diff")).text == DIFF
    result = RunResult(status="completed", summary="done", work=work, pushed=True, verified=True)
    await api.record(run_id, ("ended", RunEnded(result=result)))
    assert (await api.get(f"/v1/runs/{run_id}/diff", headers={"Accept": "*/*"})).text == DIFF
    view = (await api.get(f"/v1/runs/{run_id}/diff", headers={"Accept": "application/json"})).json()
    assert (view["of"], view["commit"], view["base"]) == ("committed", "c" * 40, "b" * 40)
    assert view["files"] == [
        {"path": "slug.py", "change": "modified", "added": 1, "removed": 1, "binary": False, "diff": DIFF}
    ]
    run = (await api.get(f"/v1/runs/{run_id}")).json()
    assert run["result"]["work"]["branch"] == run["branch"] == "perdure/mend-it"
    assert run["result"]["pushed"] is True
    assert "pack" not in run["result"]["work"]
