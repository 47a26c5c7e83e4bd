"""What a crowd of waiting runs holds, and how soon one of them goes on."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Any

import psutil

from benchmarks.turns.processes import Watched, cpu_of
from benchmarks.waiting.crowd import Crowd

MEGABYTE = 1024 * 1024
DESCRIBED = 100
"""So many runs are asked of Temporal one by one; what the others hold shows in the worker."""

PAGE = 200

Figures = dict[str, Any]


def memory_of(watched: Sequence[Watched]) -> dict[str, float]:
    """Megabytes of each part with its children; memory that processes share is counted once."""
    return {one.name: round(sum(map(_own, _family(one.pid))) / MEGABYTE, 1) for one in watched}


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _own(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


async def idle_cpu(crowd: Crowd, seconds: float) -> dict[str, float]:
    """Thousandths of a core that each part takes while nobody says anything."""
    before, began = cpu_of(crowd.watched), time.monotonic()
    await asyncio.sleep(seconds)
    after, took = cpu_of(crowd.watched), time.monotonic() - began
    return {name: round(1000 * (after[name] - before[name]) / took, 1) for name in before}


async def held(crowd: Crowd, ids: Sequence[str]) -> Figures:
    """What the host and Temporal hold for the runs: nothing, where all is well."""
    worker = crowd.stack.worker.running
    assert worker is not None
    step = max(1, len(ids) // DESCRIBED)
    pending = [await _pending(crowd, run_id) for run_id in ids[::step]]
    return {
        "activity slots in use": crowd.activities(),
        "pending activities of a sample": sum(pending),
        "sandboxes (bwrap under the worker)": sum(_is_sandbox(process) for process in _family(worker.pid)),
        "open workspaces": crowd.directories(),
    }


async def _pending(crowd: Crowd, run_id: str) -> int:
    described = await crowd.client.get_workflow_handle(f"run/{run_id}").describe()
    return len(described.raw_description.pending_activities)


async def listing(crowd: Crowd) -> Figures:
    """Seconds until a person sees what waits: one page, and all of them in turn."""
    return {
        "runs that wait": await _pages(crowd, "/v1/runs?waiting_for=plan_approval"),
        "pending approvals": await _pages(crowd, "/v1/approvals?status=pending"),
        "counts": {"first page": (await _timed(crowd, "/v1/stats"))[0]},
    }


async def _pages(crowd: Crowd, path: str) -> Figures:
    taken: list[float] = []
    seen, cursor = 0, ""
    while cursor is not None:
        seconds, page = await _timed(crowd, f"{path}&limit={PAGE}" + (f"&cursor={cursor}" if cursor else ""))
        taken.append(seconds)
        seen, cursor = seen + len(page["items"]), page["next_cursor"]
    return {"first page": taken[0], "last page": taken[-1], "all": round(sum(taken), 3), "seen": seen}


async def _timed(crowd: Crowd, path: str) -> tuple[float, Any]:
    began = time.monotonic()
    page = await crowd.stack.get(path)
    return round(time.monotonic() - began, 3), page


def room(crowd: Crowd) -> Figures:
    """What lies on the disks, and what each part holds open."""
    home = crowd.stack.home
    places = {
        "worker's home": crowd.home,
        "blobs": home / "stack",
        "Temporal": home.parent / "temporal",
        "Postgres": home.parent / "postgres",
    }
    disks: Figures = {}
    for name, place in places.items():
        files = [one for one in place.rglob("*") if one.is_file() and not one.is_symlink()]
        disks[name] = {"files": len(files), "MB": round(sum(one.stat().st_size for one in files) / MEGABYTE, 1)}
    opened = {one.name: sum(_opened(process) for process in _family(one.pid)) for one in crowd.watched}
    return {"disk": disks, "open files": opened}


def _is_sandbox(process: psutil.Process) -> bool:
    try:
        return str(process.name()) == "bwrap"
    except psutil.NoSuchProcess:
        return False


def _opened(process: psutil.Process) -> int:
    try:
        return int(process.num_fds())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


async def decisions(crowd: Crowd, ids: Sequence[str]) -> Figures:
    """Seconds from a yes to the model's next answer, and to the next call in a sandbox; one run after the other."""
    answered: list[float] = []
    called: list[float] = []
    for run_id in ids:
        (approval,) = (await crowd.stack.get(f"/v1/runs/{run_id}/approvals?status=pending"))["items"]
        began = time.time()
        answer = await crowd.stack.http.post(
            f"/v1/runs/{run_id}/approvals/{approval['approval_id']}", json={"decision": "approve"}
        )
        assert answer.status_code in (200, 202), answer.text
        await crowd.stack.until(run_id, "completed", seconds=300)
        at = {one.key: one.at.timestamp() for one in await crowd.journal.read(run_id)}
        answered.append(at["turn/2"] - began)
        called.append(at["turn/2/call/0/started/1"] - began)
    return {"runs": len(ids), "to the next answer": spread(answered), "to the next call": spread(called)}


def spread(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return {"p50": round(statistics.median(ordered), 3), "p95": round(p95, 3), "max": round(ordered[-1], 3)}
