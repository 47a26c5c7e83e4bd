from dataclasses import dataclass

import pytest
import pytest_asyncio

from domain.snapshot import SnapshotRef
from tests.api.conftest import Api
from tests.api.snapshots import BASE, Host
from tests.api.test_app import check_problem


@dataclass
class Work:
    """A run whose workspace stood at three snapshots."""

    run_id: str
    first: SnapshotRef
    last: SnapshotRef

    @property
    def url(self) -> str:
        return f"/v1/runs/{self.run_id}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def work(shared_api: Api, tmp_path_factory: pytest.TempPathFactory) -> Work:
    run_id = await shared_api.start()
    host = Host(shared_api.parts.journal, shared_api.parts.blobs, tmp_path_factory.mktemp("host"))
    await host.open(run_id, {"slug.py": b"old\n", "gone.py": b"x\n", "README.md": b"# Slug\n"})
    left = {"/workspace/slug.py": b"new\n", "/workspace/odd \udcff": b"\x00\xff", "/tmp/log": b"noise\n"}
    first = await host.call(run_id, "turn/1/call/0", "make", left)
    await host.call(run_id, "turn/2/call/0", "ls", {})
    left = {"/workspace/slug.py": b"newer\n", "/workspace/gone.py": None, "/workspace/link": "slug.py"}
    last = await host.call(run_id, "turn/2/call/1", "make more", left)
    return Work(run_id, first, last)


async def test_files_are_listed_as_committed_last(shared_api: Api, work: Work) -> None:
    answer = await shared_api.get(f"{work.url}/files")
    assert answer.headers["x-perdure-snapshot"] == work.last.id
    listed = answer.json()
    assert (listed["snapshot_id"], listed["base"]) == (work.last.id, BASE)
    assert {one["path"]: one["type"] for one in listed["items"]} == {
        "/tmp/log": "file",
        "/workspace/gone.py": "deleted",
        "/workspace/link": "link",
        "/workspace/odd \\xff": "file",
        "/workspace/slug.py": "file",
    }
    below = (await shared_api.get(f"{work.url}/files?path=/tmp")).json()
    assert [one["path"] for one in below["items"]] == ["/tmp/log"]


async def test_each_listed_file_is_behind_its_url(shared_api: Api, work: Work) -> None:
    listed = (await shared_api.get(f"{work.url}/files")).json()["items"]
    urls = {one["path"]: one["url"].removeprefix(shared_api.parts.settings.public_url) for one in listed}
    text = await shared_api.get(urls["/workspace/slug.py"])
    assert (text.content, text.headers["content-type"]) == (b"newer\n", "text/plain; charset=utf-8")
    assert "sandbox" in text.headers["content-security-policy"]
    odd = await shared_api.get(urls["/workspace/odd \\xff"])
    assert (odd.content, odd.headers["content-type"]) == (b"\x00\xff", "application/octet-stream")
    assert (await shared_api.get(urls["/workspace/link"])).content == b"slug.py"
    check_problem(await shared_api.get(urls["/workspace/gone.py"]), 404)


@pytest.mark.parametrize(
    ("at", "content"),
    [("turn/1/call/0", b"new\n"), ("turn/1", b"new\n"), ("turn/2/call/0", b"new\n"), ("turn/2", b"newer\n")],
)
async def test_a_file_is_read_as_it_was(shared_api: Api, work: Work, at: str, content: bytes) -> None:
    assert (await shared_api.get(f"{work.url}/files?path=slug.py&at={at}")).content == content
    assert (await shared_api.get(f"{work.url}/files?path=slug.py&at={work.first.id}")).content == b"new\n"


async def test_a_file_that_the_run_left_alone_is_said_to_be_as_in_the_repository(shared_api: Api, work: Work) -> None:
    problem = check_problem(await shared_api.get(f"{work.url}/files?path=README.md"), 404)
    assert BASE in problem["next_step"]


@pytest.mark.parametrize("query", ["at=turn/9", "at=nothing", "at=turn"])
async def test_a_moment_that_there_was_not_is_a_404(shared_api: Api, work: Work, query: str) -> None:
    check_problem(await shared_api.get(f"{work.url}/files?{query}"), 404)


async def test_a_path_outside_is_refused(shared_api: Api, work: Work) -> None:
    check_problem(await shared_api.get(f"{work.url}/files?path=/etc/passwd"), 422)
    check_problem(await shared_api.get(f"{work.url}/files?path=../x"), 422)


async def test_a_run_that_opened_no_workspace_has_no_files_yet(shared_api: Api) -> None:
    run_id = await shared_api.start()
    for path in ("files", "diff"):
        check_problem(await shared_api.get(f"/v1/runs/{run_id}/{path}"), 404)
    assert (await shared_api.get(f"/v1/runs/{run_id}/snapshots")).json()["items"] == []


async def test_snapshots_name_the_calls_that_made_them(shared_api: Api, work: Work) -> None:
    items = (await shared_api.get(f"{work.url}/snapshots")).json()["items"]
    assert [(one["key"], one["name"], one["subject"]) for one in items] == [
        ("workspace/1", "open_workspace", ""),
        ("turn/1/call/0", "bash", "make"),
        ("turn/2/call/1", "bash", "make more"),
    ]
    url = items[1]["files"].removeprefix(shared_api.parts.settings.public_url)
    assert (await shared_api.get(url)).json()["snapshot_id"] == work.first.id


async def test_before_anything_is_committed_the_diff_is_that_of_the_workspace(shared_api: Api, work: Work) -> None:
    answer = await shared_api.get(f"{work.url}/diff")
    assert answer.headers["content-type"] == "text/x-diff; charset=utf-8"
    assert "-old\n+newer\n" in answer.text
    assert "/tmp/log" not in answer.text
    view = (await shared_api.get(f"{work.url}/diff", headers={"Accept": "application/json"})).json()
    assert (view["of"], view["snapshot_id"], view["base"]) == ("live", work.last.id, BASE)
    assert {one["path"]: one["change"] for one in view["files"]} == {
        "gone.py": "deleted",
        "odd \\xff": "added",
        "slug.py": "modified",
    }
