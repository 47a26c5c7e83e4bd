"""The named boundaries of a worker: before and after whatever leaves a trace outside of it.

A worker whose parts are wrapped here notes each boundary that it passes for the first time, and for which run. Where
one that is armed is passed it ends by SIGKILL, right there.
"""

import asyncio
import inspect
import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from temporalio import activity

DIRECTORY = "KILL_BOUNDARIES"
"""The variable that names the directory in which the benchmark and its workers meet."""
PASSED, ARMED, STRUCK = "passed.jsonl", "armed", "struck"
"""ARMED holds a file for each boundary to be killed at, with the number of the passing; then it lies in STRUCK."""
REPORTED_SECONDS = 0.03
"""How long it takes, about, until Temporal has heard of an activity's result."""
READING = {
    "find",
    "find_setup",
    "read",
    "lease",
    "attempts",
    "summary",
    "summaries",
    "approvals",
    "check",
    "close",
    "unstarted",
    "account",
    "months",
    "waiting_beside",
}
READS = {
    "journal": READING | {"send_live", "run_counts", "owner_of"},
    "API's journal": READING | {"send_live", "run_counts", "owner_of"},
    "blobs": {"keeps", "get", "get_range", "get_file", "has"},
    "workspace": {"sweep"},
    "sandbox": {"prepare", "close", "kill", "doctor"},
    "repository": {"checkout", "empty"},
    "model": {"close"},
    "API's words to Temporal:": {"check", "workers", "hindrances"},
}
"""What is no boundary: nothing is lost or done twice by a death there."""


class Boundaries:
    """`reach` is called at each boundary."""

    def __init__(self, directory: Path) -> None:
        self._armed, self._struck = directory / ARMED, directory / STRUCK
        self._passed = os.open(directory / PASSED, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._noted: set[tuple[str, str]] = set()
        self._count: Counter[tuple[str, int]] = Counter()
        """Passings since it was armed; by boundary and when that was."""

    def reach(self, name: str, run: str = "") -> None:
        run = _run() or run
        if (name, run) not in self._noted:
            self._noted.add((name, run))
            os.write(self._passed, json.dumps({"name": name, "run": run}).encode() + b"\n")
        armed = self._armed / file_name(name)
        try:
            wanted, since = int(armed.read_text()), armed.stat().st_mtime_ns
            self._count[name, since] += 1
            if self._count[name, since] >= wanted:
                armed.rename(self._struck / armed.name)
                os.kill(os.getpid(), signal.SIGKILL)
        except FileNotFoundError:
            return  # nobody waits for it, or another worker was first


def file_name(boundary: str) -> str:
    return boundary.replace(",", "").replace(" ", "-")


def _run() -> str:
    """The run that an activity works for just now."""
    if not activity.in_activity():
        return ""
    return (activity.info().workflow_id or "").removeprefix("run/").split("/")[0]


class Bounded:
    """A part with a boundary before and after each of its methods that does something."""

    def __init__(self, part: object, group: str, boundaries: Boundaries) -> None:
        self._part, self._group, self._boundaries = part, group, boundaries

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if inspect.iscoroutinefunction(found) and name not in READS.get(self._group, ()):
            return self._around(name, found)
        if name == "get" and callable(found):
            return lambda *asked: self._inner(found(*asked))
        return found

    def _around(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*given: Any, **named: Any) -> Any:
            what, run = f"{self._group} {_written(given) if name == 'record' else name}", _about(given)
            self._boundaries.reach(f"{what}, before", run)
            answer = await method(*given, **named)
            self._boundaries.reach(f"{what}, after", run)
            return answer

        return call

    def _inner(self, found: Any) -> Any:
        """Forges and models are asked for one: that one has the boundaries."""
        if isinstance(found, tuple):
            return (self._inner(found[0]), *found[1:])
        return found and Bounded(found, self._group, self._boundaries)


def _written(given: tuple[Any, ...]) -> str:
    """The type of the last event that is recorded: what comes before it is there because of it."""
    events = given[1]
    return str(events[-1].event.type) if events else "nothing"


def _about(given: tuple[Any, ...]) -> str:
    """The run, where it is said first: outside of activities it is."""
    first = given[0] if given else ""
    return first if isinstance(first, str) else str(getattr(first, "run_id", ""))


class BoundedTasks:
    """LiveTasks: begins and ends of activities. Whatever else an instance is asked goes through."""

    def __init__(self, instance: object, boundaries: Boundaries) -> None:
        self._instance, self._boundaries = instance, boundaries

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._instance, name)
        if name == "hold":
            return lambda token, attempt: self._hold(found, token, attempt)
        if name == "release":
            return lambda token: self._release(found, token)
        return found

    def _hold(self, method: Callable[[bytes, int], None], token: bytes, attempt: int) -> None:
        method(token, attempt)
        self._boundaries.reach(f"activity {activity.info().activity_type} begun, after")

    def _release(self, method: Callable[[bytes], None], token: bytes) -> None:
        name = f"activity {activity.info().activity_type}"
        self._boundaries.reach(f"{name} done, before")
        method(token)
        self._boundaries.reach(f"{name} done, after")
        asyncio.get_running_loop().call_later(REPORTED_SECONDS, self._boundaries.reach, f"{name} reported, after")
