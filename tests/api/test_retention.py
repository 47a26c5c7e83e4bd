"""Runs are deleted, and what nobody refers to any more goes with them: no more and no less."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryFile

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from adapters.blobs import ObjectBlobs
from adapters.journal.postgres import PostgresJournal
from adapters.workspaces.packs import PackHeader, PackWriter
from adapters.workspaces.snapshots import PackSnapshots
from api.parts import ApiParts
from api.retention import Retention
from domain.approval import ApprovalCard
from domain.event import ApprovalRequested, RunEnded, ToolReturned
from domain.ports import RunFilter, Submission
from domain.record import NewEvent
from domain.run import RunResult, RunSpec
from domain.snapshot import FileEntry, SnapshotRef
from domain.tool import ToolResult
from tests.api.conftest import Api, Serve

LARGE = "x" * 20_000
AT_ONCE = timedelta(0)


@pytest_asyncio.fixture(loop_scope="session")
async def kept(parts: ApiParts, database_url: str, tmp_path: Path) -> AsyncIterator[ApiParts]:
    """Journal, snapshots and API on one blob store."""
    blobs = ObjectBlobs(f"file://{tmp_path / 'blobs'}")
    journal = await PostgresJournal.connect(database_url, blobs)
    yield replace(parts, journal=journal, blobs=blobs, snapshots=PackSnapshots(blobs), tokens=journal)
    await journal.close()


async def make_pack(parts: ApiParts, directory: Path, content: str, parent: SnapshotRef | None) -> SnapshotRef:
    """A pack that changes one file over `parent`."""
    with PackWriter(directory) as writer, TemporaryFile() as file:
        file.write(content.encode())
        file.seek(0)
        address, size, _ = writer.add(file.fileno(), len(content))
        entry = FileEntry(hash=address, size=size, mode=0o644, mtime_ns=0, pack="")
        header = PackHeader(
            snapshot=address, base="base", parent=parent, number=1, delta={f"workspace/{content}": entry}, before={}
        )
        pack, _ = writer.finish(header)
    assert isinstance(pack, bytes)
    return SnapshotRef(id=address, base="base", pack=await parts.blobs.put(pack))


async def submit(parts: ApiParts, run_id: str) -> None:
    spec = RunSpec(task=f"{run_id} {LARGE}")
    submission = Submission(
        run_id=run_id, spec=spec, model="scripted:demo", owner="ann", idempotency_key=f"key of {run_id}"
    )
    await parts.journal.submit(submission)


async def work(parts: ApiParts, run_id: str, snapshot: SnapshotRef, text: str) -> None:
    returned = ToolReturned(
        call="turn/1/call/0", name="bash", subject="", attempt=1, result=ToolResult(text=text), snapshot=snapshot
    )
    await parts.journal.record(run_id, [NewEvent(key="turn/1/call/0/returned", event=returned)])


async def end(parts: ApiParts, run_id: str) -> None:
    ended = RunEnded(result=RunResult(status="completed", summary="Done."))
    await parts.journal.record(run_id, [NewEvent(key="ended", event=ended)])


async def addresses(parts: ApiParts) -> set[str]:
    return {address async for address, _ in parts.blobs.listed()}


async def rows_of(database_url: str, run_id: str) -> list[str]:
    """Tables, other than the list of deletions, that have the run's id anywhere."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        listed = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        found: list[str] = []
        for (name,) in await listed.fetchall():
            table = sql.Identifier(str(name))
            query = sql.SQL("SELECT count(*) FROM {} AS t WHERE to_jsonb(t)::text LIKE %s").format(table)
            [count] = await (await connection.execute(query, (f"%{run_id}%",))).fetchone() or [0]
            found += [str(name)] if count and name != "deletions" else []
        return found


async def test_nothing_of_a_deleted_run_is_left_in_the_journal(
    kept: ApiParts, serve: Serve, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = "019a3f6e-7c1f-7d00-8000-2b1c5c9f0a11"
    await submit(kept, run_id)
    await kept.journal.take_workspace(run_id, "host")
    asked = ApprovalRequested(card=ApprovalCard(approval_id="plan/1", kind="plan", title="A plan", subject={}))
    await kept.journal.record(run_id, [NewEvent(key="approval/plan/1/requested", event=asked)])
    await end(kept, run_id)
    assert len(await rows_of(database_url, run_id)) >= 5
    async with serve(kept) as api:
        with caplog.at_level(logging.INFO, "perdure.api"):
            assert (await api.client.delete(f"/v1/runs/{run_id}")).status_code == 204
        assert (await api.get(f"/v1/runs/{run_id}")).status_code == 404
        assert (await api.client.delete(f"/v1/runs/{run_id}")).status_code == 404
    assert await rows_of(database_url, run_id) == []
    assert [one for one in caplog.messages if "audit" in one] == [f"audit: run {run_id} was deleted by admin"]


async def test_a_run_that_goes_on_is_not_deleted(api: Api) -> None:
    run_id = await api.start()
    answer = await api.client.delete(f"/v1/runs/{run_id}")
    assert answer.status_code == 409
    assert "Cancel it first" in answer.json()["next_step"]
    assert (await api.get(f"/v1/runs/{run_id}")).status_code == 200


async def test_who_may_not_steer_a_run_may_not_delete_it(parts: ApiParts, journal: PostgresJournal, api: Api) -> None:
    await journal.add_token("eve's", "eve", "submitter", "")
    await journal.add_token("vic's", "vic", "viewer", "")
    run_id = await api.start()
    await end(parts, run_id)
    for token, status in (("eve's", 404), ("vic's", 403)):
        answer = await api.client.delete(f"/v1/runs/{run_id}", headers=api.as_owner(token))
        assert answer.status_code == status, answer.text


async def test_what_a_run_that_stays_refers_to_is_kept_and_the_rest_is_removed(kept: ApiParts, tmp_path: Path) -> None:
    first = await make_pack(kept, tmp_path, "first", None)
    second = await make_pack(kept, tmp_path, "second", first)
    only = await make_pack(kept, tmp_path, "only", first)
    for run_id, snapshot in (("parent", second), ("fork", second), ("alone", only)):
        await submit(kept, run_id)
        await work(kept, run_id, snapshot, f"{LARGE} {run_id}")
        await end(kept, run_id)
    before = await addresses(kept)
    assert len(before) == 9  # three packs, and two large bodies of each run
    for run_id in ("parent", "alone"):
        await kept.journal.delete(run_id, "ann")
    retention = Retention(kept, AT_ONCE)
    assert await retention.collect() == 0
    assert await addresses(kept) == before
    assert await retention.collect() == 5
    left = await addresses(kept)
    assert {first.pack, second.pack} <= left
    assert only.pack not in left
    assert await kept.journal.read("fork")
    # Nothing waits any more, and nobody needs to look again.
    await retention.collect()
    assert await kept.journal.uncollected() == 0
    assert await kept.blobs.condemned() == {}


async def test_what_is_young_or_put_again_or_referred_to_again_is_spared(kept: ApiParts) -> None:
    for content in (b"young", b"again", b"wanted"):
        await kept.blobs.put(content)
    assert await Retention(kept, timedelta(hours=1)).collect() == 0
    assert await kept.blobs.condemned() == {}
    await Retention(kept, AT_ONCE).collect()
    condemned = set(await kept.blobs.condemned())
    assert len(condemned) == 3
    assert not any([await kept.blobs.keeps(address) for address in condemned])
    again = await kept.blobs.put(b"again")
    await submit(kept, "late")
    [wanted] = [address for address in condemned if await kept.blobs.get(address) == b"wanted"]
    await work(kept, "late", SnapshotRef(id="a", base="b", pack=wanted), "")
    await Retention(kept, AT_ONCE).collect()
    assert {again, wanted} <= await addresses(kept)
    assert await kept.blobs.keeps(again)
    assert await kept.blobs.keeps(wanted)
    assert len(condemned & await addresses(kept)) == 2


async def test_old_runs_are_deleted_where_the_operator_says_so(kept: ApiParts) -> None:
    for run_id in ("old", "running"):
        await submit(kept, run_id)
    await end(kept, "old")
    await Retention(kept, AT_ONCE).sweep()
    assert await kept.journal.uncollected() == 0
    await asyncio.sleep(0.2)
    for days, left in ((1.0, ["running", "old"]), (0.1 / 86400, ["running"])):
        settings = replace(kept.settings, retention_days=days)
        await Retention(replace(kept, settings=settings), timedelta(hours=1)).sweep()
        runs = (await kept.journal.summaries(RunFilter(), 10, None))[0]
        assert sorted(one.run_id for one in runs) == sorted(left)
    assert await kept.journal.uncollected() == 1
