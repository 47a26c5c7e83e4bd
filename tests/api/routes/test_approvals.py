from urllib.parse import quote

import pytest
from temporalio.client import Client

from adapters.journal.postgres import PostgresJournal
from domain.approval import ApprovalCard, ApprovalKind, DecideApproval
from domain.event import ApprovalDecided, ApprovalRequested, RunEnded
from domain.run import RunResult
from tests.api.conftest import Api
from tests.api.test_app import check_problem

CALL = "turn/12/call/0"
APPROVE = {"decision": "approve", "reason": "looks right"}


async def asks(api: Api, approval_id: str = CALL, kind: ApprovalKind = "tool_call", **more: object) -> str:
    """A run that waits for a word, in the journal and in its workflow's mailbox."""
    run_id = await api.start(f"ask {approval_id}", **more)
    card = ApprovalCard(approval_id=approval_id, kind=kind, title="bash: make", subject={"command": "make"})
    await api.record(run_id, (f"approval/{approval_id}/requested", ApprovalRequested(card=card)))
    return run_id


async def decided(api: Api, run_id: str, decision: str, approval_id: str = CALL) -> None:
    word = DecideApproval.model_validate({"approval_id": approval_id, "decision": decision, "by": "ann"})
    await api.record(run_id, (f"approval/{approval_id}/decided", ApprovalDecided(decision=word)))


async def test_the_inbox_shows_what_waits_over_all_runs(api: Api) -> None:
    first, second = await asks(api), await asks(api, "plan/1", "plan")
    await decided(api, first, "approve")
    [pending] = (await api.get("/v1/approvals?status=pending")).json()["items"]
    assert (pending["run_id"], pending["approval_id"], pending["status"]) == (second, "plan/1", "pending")
    assert pending["subject"] == {"command": "make"}
    [done] = (await api.get("/v1/approvals?status=decided")).json()["items"]
    assert (done["decision"]["decision"], done["decision"]["by"]) == ("approve", "ann")
    assert len((await api.get("/v1/approvals")).json()["items"]) == 2
    of_run = (await api.get(f"/v1/runs/{second}/approvals")).json()["items"]
    assert [one["approval_id"] for one in of_run] == ["plan/1"]
    check_problem(await api.get("/v1/approvals?status=odd"), 422)


@pytest.mark.parametrize("written", [CALL, quote(CALL, safe="")])
async def test_a_decision_reaches_the_run_however_the_id_is_written(
    staffed: Api, temporal_client: Client, written: str
) -> None:
    run_id = await asks(staffed)
    answer = await staffed.post(f"/v1/runs/{run_id}/approvals/{written}", {**APPROVE, "scope": "kind"})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["approval_id"], body["acknowledged"], body["decision"]["by"]) == (CALL, True, "admin")
    decisions = await temporal_client.get_workflow_handle(f"run/{run_id}").query("get_decisions")
    assert decisions[CALL]["scope"] == "kind"
    assert decisions[CALL]["reason"] == "looks right"


async def test_the_url_of_a_card_takes_its_decision(staffed: Api) -> None:
    await asks(staffed)
    [card] = (await staffed.get("/v1/approvals?status=pending")).json()["items"]
    path = card["url"].removeprefix(staffed.parts.settings.public_url)
    assert (await staffed.post(path, APPROVE)).status_code == 200


async def test_deciding_twice_the_same_way_answers_the_same_and_another_way_is_refused(staffed: Api) -> None:
    run_id = await asks(staffed)
    url = f"/v1/runs/{run_id}/approvals/{CALL}"
    first = await staffed.post(url, APPROVE)
    assert (await staffed.post(url, APPROVE)).json() == first.json()
    problem = check_problem(await staffed.post(url, {"decision": "reject"}), 409)
    assert "already" in problem["detail"]
    await decided(staffed, run_id, "approve")
    assert (await staffed.post(url, APPROVE)).json()["decision"]["by"] == "ann"
    problem = check_problem(await staffed.post(url, {"decision": "reject"}), 409)
    assert "approve by ann" in problem["detail"]


async def test_with_no_worker_up_a_decision_is_left_for_later(api: Api, temporal_client: Client) -> None:
    run_id = await asks(api)
    answer = await api.post(f"/v1/runs/{run_id}/approvals/{CALL}", APPROVE)
    assert answer.status_code == 202
    assert answer.json()["acknowledged"] is False
    history = await temporal_client.get_workflow_handle(f"run/{run_id}").fetch_history()
    names = [event.workflow_execution_signaled_event_attributes.signal_name for event in history.events]
    assert "decide_approval" in names


async def test_what_was_never_asked_is_a_404(shared_api: Api) -> None:
    run_id = await asks(shared_api)
    check_problem(await shared_api.post(f"/v1/runs/{run_id}/approvals/turn/13/call/0", APPROVE), 404)
    check_problem(await shared_api.post(f"/v1/runs/{run_id}/approvals/{'x' * 201}", APPROVE), 422)


async def test_a_run_that_ended_needs_no_word_any_more(api: Api) -> None:
    run_id = await asks(api)
    await api.record(run_id, ("ended", RunEnded(result=RunResult(status="cancelled", summary="over"))))
    problem = check_problem(await api.post(f"/v1/runs/{run_id}/approvals/{CALL}", APPROVE), 409)
    assert "cancelled" in problem["detail"]
    assert (await api.get("/v1/approvals?status=pending")).json()["items"] == []


@pytest.mark.parametrize(
    ("approval_id", "kind", "body"),
    [
        ("plan/1", "plan", {"decision": "approve", "edited": {"summary": "x", "steps": []}}),
        ("limit/1", "limit", {"decision": "approve", "edited": {"turns": -1}}),
        ("turn/1/call/0", "question", {"decision": "approve", "edited": {"anser": "42"}}),
        ("plan/1", "plan", {"decision": "perhaps"}),
        ("plan/1", "plan", {"decision": "approve", "scope": "all"}),
    ],
)
async def test_an_edit_that_does_not_fit_is_refused_at_once(
    shared_api: Api, approval_id: str, kind: ApprovalKind, body: dict[str, object]
) -> None:
    run_id = await asks(shared_api, approval_id, kind)
    check_problem(await shared_api.post(f"/v1/runs/{run_id}/approvals/{approval_id}", body), 422)


async def test_only_those_who_may_decide_do(api: Api, staffed: Api, journal: PostgresJournal) -> None:
    tokens = {role: {"Authorization": f"Bearer of-{role}"} for role in ("viewer", "submitter", "approver")}
    for role in tokens:
        await journal.add_token(f"of-{role}", role, role, "test")
    run_id = await asks(staffed)
    for role in ("viewer", "submitter"):
        answer = await staffed.post(f"/v1/runs/{run_id}/approvals/{CALL}", APPROVE, headers=tokens[role])
        check_problem(answer, 403 if role == "viewer" else 404)
    answer = await staffed.post(f"/v1/runs/{run_id}/approvals/{CALL}", APPROVE, headers=tokens["approver"])
    assert answer.json()["decision"]["by"] == "approver"
    assert (await staffed.get("/v1/approvals", headers=tokens["submitter"])).json()["items"] == []


async def test_who_asked_for_a_run_answers_its_questions_but_does_not_approve_it(
    staffed: Api, journal: PostgresJournal
) -> None:
    headers = {"Authorization": "Bearer of-sue"}
    await journal.add_token("of-sue", "sue", "submitter", "test")
    for kind, status in (("question", 200), ("plan", 403)):
        run_id = (await staffed.post("/v1/runs", {"task": "ask q/1"}, headers=headers)).json()["id"]
        card = ApprovalCard.model_validate({"approval_id": "q/1", "kind": kind, "title": "Which?"})
        await staffed.record(run_id, ("approval/q/1/requested", ApprovalRequested(card=card)))
        body = {"decision": "approve", "edited": {"answer": "42"}} if kind == "question" else APPROVE
        answer = await staffed.post(f"/v1/runs/{run_id}/approvals/q/1", body, headers=headers)
        assert answer.status_code == status
