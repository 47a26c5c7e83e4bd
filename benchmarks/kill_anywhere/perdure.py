"""The stack of `perdure up`, and what its API says of the runs."""

import asyncio
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2

from adapters.embedded.ports import free_port
from adapters.embedded.postgres import EmbeddedPostgres
from adapters.embedded.temporal import EmbeddedTemporal
from adapters.journal.migrate import migrate
from adapters.settings import DEFAULT_AGENT_UID
from benchmarks.kill_anywhere.boundaries import DIRECTORY
from benchmarks.kill_anywhere.kept import Kept, Program, inherited
from benchmarks.kill_anywhere.trace import Trace
from benchmarks.kill_anywhere.work import Work
from benchmarks.kill_anywhere.world import World

TOKEN = "a-token-for-the-benchmark"
WORKER_READY, API_READY = "ready: serves", "Application startup complete"
WORKER_AGAIN = "and is started again"
ENDED = ("completed", "failed", "cancelled")
LOOKS_EVERY_SECONDS = 0.5
Json = dict[str, Any]


class Perdure:
    name = "Perdure"

    def __init__(self, home: Path, world: World) -> None:
        self.home, self._world = home / "perdure", world
        self.worker_home = self.home / "worker-0"
        self.parts: dict[str, Kept] = {}
        self.traces: list[Trace] = []
        self.boundaries = self.home / "boundaries"
        self._port = free_port()
        self._workers = 0
        self._environment: dict[str, str] = {}
        self._seen: dict[str, Json] = {}
        self._shown: dict[str, float] = {}
        """Since when runs are shown as running, by id."""
        self._looking: asyncio.Task[None] | None = None
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self._http = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self._port}", headers=headers, timeout=10)

    async def start(self) -> None:
        self.home.mkdir(mode=0o711)
        self.boundaries.mkdir()
        postgres, temporal = EmbeddedPostgres(self.home / "postgres"), EmbeddedTemporal(self.home / "temporal")
        self.parts = {"Postgres": Kept(postgres), "Temporal": Kept(temporal)}
        for kept in self.parts.values():
            await kept.start()
        await migrate(postgres.dsn)
        self._environment = {
            **inherited(self.home),
            DIRECTORY: str(self.boundaries),
            "PERDURE_HOME": str(self.home),
            "PERDURE_API_TOKEN": TOKEN,
            "PERDURE_AGENT_UID": str(DEFAULT_AGENT_UID),
            "DATABASE_URL": postgres.dsn,
            "TEMPORAL_ADDRESS": temporal.address,
            "SCRIPTED_BASE_URL": self._world.model.base_url,
            "PERDURE_GITHUB_HOSTS": self._world.forge.host,
            "GITHUB_API_URL": self._world.forge.api_url,
            "GITHUB_TOKEN": self._world.token,
        }
        arguments = [
            "-m",
            "uvicorn",
            "benchmarks.kill_anywhere.bounded_api:app",
            "--host",
            "127.0.0.1",
            "--port",
            str(self._port),
        ]
        # Connections for events never end by themselves.
        arguments += ["--timeout-graceful-shutdown", "1", "--no-access-log"]
        self.parts["worker"] = self._worker()
        self.parts["API"] = Kept(Program(arguments, self._environment, self.home / "api.log", API_READY))
        for name in ("worker", "API"):
            await self.parts[name].start()
        for name in ("worker", "API"):
            await self.parts[name].ready()
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        await self._http.aclose()
        for name in ("API", "worker", "Temporal", "Postgres"):
            await self.parts[name].leave()

    def _worker(self) -> Kept:
        environment = {**self._environment, "PERDURE_WORKER_HOME": str(self.worker_home)}
        program = ["-m", "benchmarks.kill_anywhere.bounded_worker"]
        return Kept(Program(program, environment, self.home / "worker.log", WORKER_READY, WORKER_AGAIN))

    def other_worker(self) -> Kept:
        self._workers += 1
        self.worker_home = self.home / f"worker-{self._workers}"
        return self._worker()

    async def submit(self, work: Work, name: str) -> Trace:
        """Asked again until it is acknowledged, with the same key."""
        repository = {"repository": {"url": self._world.url}} if work.repository else {}
        asked = {"task": f"Do {name} now", "model": f"scripted:{work.name}", "plan": False, "publish": work.publish}
        trace = Trace(name, work, began=time.time())
        self.traces.append(trace)
        while not trace.run_id:
            with suppress(httpx2.TransportError):
                headers = {"Idempotency-Key": name}
                spec = {**asked, **repository, **work.spec}
                answer = await self._http.post("/v1/runs", json=spec, headers=headers)
                assert answer.status_code in (200, 201) or answer.status_code >= 500, answer.text
                trace.run_id = answer.json().get("id", "")
            if not trace.run_id:
                await asyncio.sleep(0.3)
        return trace

    def is_over(self, trace: Trace) -> bool:
        return self._seen.get(trace.run_id, {}).get("status") in ENDED

    async def decide(self, older_than_seconds: float) -> None:
        """Approves what is asked; where nobody answers, whoever asks next time does."""
        listed = await self._get("/v1/approvals?status=pending&limit=200")
        for card in listed["items"] if listed else ():
            if time.time() - stamp(card["requested_at"]) < older_than_seconds:
                continue
            with suppress(httpx2.TransportError):
                address = f"/v1/runs/{card['run_id']}/approvals/{card['approval_id']}"
                await self._http.post(address, json={"decision": "approve"})

    async def complete(self) -> list[Trace]:
        """The traces, filled in from the journal, the model's counts and the forge."""
        for trace in self.traces:
            run = await self._get(f"/v1/runs/{trace.run_id}")
            if run is not None:
                self._fill(trace, run, await self._events(trace.run_id))
                for child in run["children"]:
                    # While they work, it is they who resume.
                    trace.progress += [stamp(one["at"]) for one in await self._events(child["id"])]
                trace.progress.sort()
            trace.asked = self._world.asked(trace.name)
        return self.traces

    def _fill(self, trace: Trace, run: Json, events: list[Json]) -> None:
        trace.status = run["status"] if run["status"] in ENDED else "lost"
        trace.why = f"{run['status']} {run['waiting_for'] or ''} {(run['result'] or {}).get('summary', '')}"[:300]
        trace.progress = [stamp(one["at"]) for one in events]
        trace.began = trace.progress[0]
        trace.ended = trace.progress[-1] if trace.status != "lost" else None
        trace.files = (run["result"] or {}).get("content_id") or ""
        trace.snapshot = (run["result"] or {}).get("snapshot_id") or ""
        of = {kind: [one for one in events if one["event"]["type"] == kind] for kind in KINDS}
        for phase in ("plan", "work"):
            answered = [one for one in of["turn_answered"] if one["event"]["phase"] == phase]
            trace.recorded |= {f"{phase}/{turn}": stamp(one["at"]) for turn, one in enumerate(answered)}
        trace.redone = [stamp(one["at"]) for one in of["tool_redone"]]
        trace.writes = len({one["event"]["call"] for one in of["tool_started"]})
        asked = [stamp(one["at"]) for one in of["approval_requested"]]
        decided = [stamp(one["at"]) for one in of["approval_decided"]]
        trace.person = list(zip(asked, [*decided, *([time.time()] * (len(asked) - len(decided)))], strict=True))
        trace.branch = run["branch"] or ""
        if trace.branch:
            trace.updates, trace.pulls = self._world.updates(trace.branch), self._world.pulls(trace.branch)

    async def _events(self, run_id: str) -> list[Json]:
        found: list[Json] = []
        while True:
            after = found[-1]["seq"] if found else 0
            page = await self._get(f"/v1/runs/{run_id}/events?after={after}&limit=500")
            if not page or not page["items"]:
                return found
            found += page["items"]

    async def _look(self) -> None:
        """What a person would see in the list of runs."""
        while True:
            await asyncio.sleep(LOOKS_EVERY_SECONDS)
            listed = await self._get("/v1/runs?limit=200")
            for run in listed["items"] if listed else ():
                self._seen[run["id"]] = run
            if not listed:
                self._shown.clear()
            for trace in self.traces:
                run = self._seen.get(trace.run_id)
                if listed and run:
                    self._judge(trace, run)

    def _judge(self, trace: Trace, run: Json) -> None:
        if run["status"] == "running":
            now = time.time()
            # From this stretch's first look on: what stood there before, a reason or no answer, was no silence.
            since = max(self._shown.setdefault(trace.run_id, now), stamp(run["updated_at"]))
            trace.unexplained = max(trace.unexplained, now - since)
        else:
            self._shown.pop(trace.run_id, None)
        if run["status"] == "waiting" and not run["waiting_for"]:
            trace.unreasoned = run["status"]

    async def _get(self, path: str) -> Json | None:
        """None where the API does not answer, or cannot."""
        with suppress(httpx2.TransportError):
            answer = await self._http.get(path)
            if answer.status_code == 200:
                return answer.json()
        return None


KINDS = ("turn_answered", "tool_redone", "tool_started", "approval_requested", "approval_decided")


def stamp(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
