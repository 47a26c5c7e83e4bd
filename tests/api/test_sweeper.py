import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from adapters.blobs import ObjectBlobs
from adapters.journal.postgres import PostgresJournal
from api.parts import ApiParts, ApiSettings, Word
from api.submission import run_input
from api.sweeper import Sweeper
from domain.errors import WorldError
from domain.event import RunStarted
from domain.ports import Submission
from domain.record import NewEvent
from domain.run import RunInput, RunSpec


class CountingRuns:
    """Counts the starts; refuses the first `refused` of them."""

    def __init__(self, refused: int = 0) -> None:
        self.started: list[str] = []
        self._refused = refused

    async def start(self, run: RunInput) -> None:
        if self._refused:
            self._refused -= 1
            raise WorldError("nobody is there")
        self.started.append(run.run_id)

    async def send(self, run_id: str, word: Word) -> bool:
        return True

    async def check(self) -> None: ...

    async def workers(self) -> Sequence[str]:
        return ()

    async def hindrances(self) -> Mapping[str, str]:
        return dict[str, str]()


async def submit(parts: ApiParts, run_id: str) -> Submission:
    submission = Submission(run_id=run_id, spec=RunSpec(task="t"), model="scripted:demo", owner="ann")
    await parts.journal.submit(submission)
    return submission


async def test_each_waiting_run_is_started_once_however_long_no_worker_takes_it(parts: ApiParts) -> None:
    runs = CountingRuns()
    sweeper = Sweeper(replace(parts, runs=runs), grace_seconds=0)
    for run_id in ("a", "b"):
        await submit(parts, run_id)
    for _ in range(3):
        await sweeper.sweep()
    assert sorted(runs.started) == ["a", "b"]


async def test_a_run_that_a_worker_took_is_left_alone(parts: ApiParts) -> None:
    runs = CountingRuns()
    await submit(parts, "a")
    await parts.journal.record("a", [NewEvent(key="started", event=RunStarted())])
    await Sweeper(replace(parts, runs=runs), grace_seconds=0).sweep()
    assert runs.started == []


async def test_a_run_just_taken_in_is_left_to_the_request_that_brought_it(parts: ApiParts) -> None:
    runs = CountingRuns()
    await submit(parts, "a")
    await Sweeper(replace(parts, runs=runs)).sweep()
    assert runs.started == []


async def test_sweeping_goes_on_after_temporal_was_down(parts: ApiParts) -> None:
    runs = CountingRuns(refused=2)
    await submit(parts, "a")
    sweeping = asyncio.create_task(Sweeper(replace(parts, runs=runs), grace_seconds=0).run())
    for _ in range(100):
        await asyncio.sleep(0.05)
        if runs.started:
            break
    sweeping.cancel()
    assert runs.started == ["a"]


async def test_a_run_that_cannot_be_read_keeps_nobody_back(parts: ApiParts, database_url: str) -> None:
    runs = CountingRuns()
    elsewhere = await PostgresJournal.connect(database_url, ObjectBlobs("memory://"))
    long = RunSpec(task="x" * 20_000)
    await elsewhere.submit(Submission(run_id="a", spec=long, model="scripted:demo", owner="ann"))
    await elsewhere.close()
    await submit(parts, "b")
    await Sweeper(replace(parts, runs=runs), grace_seconds=0).sweep()
    assert runs.started == ["b"]


async def test_the_workflow_is_told_the_decisions_and_the_first_line_of_the_task(parts: ApiParts) -> None:
    submission = await submit(parts, "a")
    submission = submission.model_copy(update={"spec": RunSpec(task="  Mend\tit \nwith care", verify=("pytest",))})
    given = run_input(submission, ApiSettings(signal_decisions=False))
    assert (given.title, given.verify_commands, given.signal_decisions) == ("Mend it", 1, False)
    assert "with care" not in given.model_dump_json()
