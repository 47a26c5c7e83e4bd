"""What runs tell others arrives signed, under one id and with the same bytes, however often it is sent."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.dossiers import Dossiers
from activities.notify import DeliverInput, NotifyActivities
from adapters.journal.postgres import PostgresJournal
from adapters.network.web import EgressWeb
from domain.approval import ApprovalCard
from domain.effect import effect_id
from domain.errors import InvalidRequest, RemoteUnavailable
from domain.event import ApprovalRequested, EffectDone, RunEnded
from domain.network import AllowedHost
from domain.notify import Listener, Notify
from domain.ports import Submission
from domain.record import NewEvent
from domain.run import RunResult, RunSpec
from tests.fixtures.receiver import Receiver

SECRET = "a-secret-that-signs"


class Telling:
    """A run that has something to tell, and the activities that do."""

    def __init__(self, journal: PostgresJournal, receiver: Receiver) -> None:
        self.run_id = str(uuid4())
        self.journal = journal
        self.receiver = receiver
        opened = {"host": "hooks.example", "ports": [receiver.port], "networks": ["127.0.0.0/8"]}
        url = f"http://hooks.example:{receiver.port}/all"
        self.site = Notify(url=url, allowed=(AllowedHost.model_validate(opened),))

    async def submit(self) -> None:
        spec = RunSpec(task="Mend add\nwell", notify_url=f"http://hooks.example:{self.receiver.port}/mine?token=hidden")
        await self.journal.submit(Submission(run_id=self.run_id, spec=spec, model="a:b", owner="ada"))

    async def end(self) -> None:
        result = RunResult(status="completed", summary="Done.", verified=True)
        await self.journal.record(self.run_id, [NewEvent(key="ended", event=RunEnded(result=result))])

    async def deliver(self, about: str = "ended", listener: Listener = "site") -> None:
        """One attempt of a worker that knows nothing but the journal."""

        async def resolve(host: str, port: int) -> Sequence[str]:
            return ["127.0.0.1"]

        web, dossiers = EgressWeb(resolve), Dossiers(self.journal)
        activities = NotifyActivities(self.journal, dossiers, web, self.site, SECRET, "https://perdure.example.com/")
        given = DeliverInput(run_id=self.run_id, about=about, listener=listener)
        await ActivityEnvironment().run(activities.deliver, given)


@pytest.fixture
async def telling(journal: PostgresJournal, receiver: Receiver) -> Telling:
    made = Telling(journal, receiver)
    await made.submit()
    return made


async def test_the_end_is_told_once_and_signed(telling: Telling) -> None:
    await telling.end()
    await telling.deliver()
    await telling.deliver()
    (one,) = telling.receiver.at("/all")
    told = json.loads(one.body)
    key = "effect/notify/ended/site"
    assert (told["type"], told["run"]["status"], told["run"]["title"]) == ("run.ended", "completed", "Mend add")
    assert told["run"]["url"] == f"https://perdure.example.com/v1/runs/{telling.run_id}"
    assert one.headers["Perdure-Delivery"] == told["delivery"] == effect_id(telling.run_id, key)
    expected = "sha256=" + hmac.new(SECRET.encode(), one.body, hashlib.sha256).hexdigest()
    assert one.headers["Perdure-Signature"] == expected
    assert one.headers["Content-Type"] == "application/json"


async def test_it_is_told_again_with_the_same_bytes_under_the_same_id(telling: Telling) -> None:
    await telling.end()
    telling.receiver.answers += [(500, {}, b""), (404, {}, b""), (302, {"Location": "http://elsewhere.example/"}, b"")]
    for _ in range(3):
        with pytest.raises(RemoteUnavailable):
            await telling.deliver()
    telling.receiver.drops = 1
    with pytest.raises(RemoteUnavailable):
        await telling.deliver()
    await telling.deliver()
    received = telling.receiver.at("/all")
    assert len(received) == 5
    assert len({(one.body, one.headers["Perdure-Delivery"], one.headers["Perdure-Signature"]) for one in received}) == 1
    (done,) = await telling.journal.read(telling.run_id, types=("effect_done",))
    assert isinstance(done.event, EffectDone)
    assert (done.event.attempt, done.event.receipt["status"]) == (5, 200)


async def test_a_wait_is_told_with_what_it_asks_and_where_to_decide(telling: Telling) -> None:
    card = ApprovalCard(approval_id="plan/1", kind="plan", title="Mend add", subject={"summary": "private"})
    events = [NewEvent(key="approval/plan/1/requested", event=ApprovalRequested(card=card))]
    await telling.journal.record(telling.run_id, events)
    await telling.deliver("plan/1", "request")
    (one,) = telling.receiver.at("/mine?token=hidden")
    told = json.loads(one.body)
    assert (told["type"], told["approval"]["kind"], told["approval"]["title"]) == ("run.waiting", "plan", "Mend add")
    assert told["approval"]["decide"].endswith(f"/v1/runs/{telling.run_id}/approvals/plan/1")
    assert "private" not in one.body.decode()
    recorded = await telling.journal.read(telling.run_id)
    assert not [event for event in recorded[1:] if "hidden" in event.model_dump_json()]
    assert not [event for event in recorded if SECRET in event.model_dump_json()]


async def test_whom_the_operator_does_not_allow_is_not_told(telling: Telling) -> None:
    await telling.end()
    telling.site = Notify(allowed=(AllowedHost(host="other.example"),))
    with pytest.raises(InvalidRequest, match="not among those"):
        await telling.deliver(listener="request")
    assert telling.receiver.received == []


def test_a_worker_that_would_tell_without_a_secret_does_not_start(journal: PostgresJournal) -> None:
    site = Notify(allowed=(AllowedHost(host="hooks.example.com"),))
    with pytest.raises(InvalidRequest) as refused:
        NotifyActivities(journal, Dossiers(journal), EgressWeb(), site, None, "https://perdure.example.com")
    assert "PERDURE_NOTIFY_SECRET" in refused.value.next_step
