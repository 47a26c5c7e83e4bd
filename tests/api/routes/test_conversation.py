from domain.approval import Plan, PlanStep
from domain.event import MessageReceived, PlanAccepted, ToolReturned, TurnAnswered
from domain.model import AssistantMessage, Reasoning, Text, ToolCall, Usage
from domain.run import Phase
from domain.tool import ToolResult
from tests.api.conftest import Api


def answered(turn: int, phase: Phase, model: str = "demo") -> TurnAnswered:
    blocks = (
        Reasoning(provider="p", text="thinking", opaque={"signature": "x"}),
        Text(text=f"turn {turn}"),
        ToolCall(id=f"call_{turn}_0", name="bash", arguments='{"command": "ls"}'),
    )
    return TurnAnswered(
        turn=turn,
        phase=phase,
        message=AssistantMessage(blocks=blocks),
        stop="tool_calls",
        model=model,
        usage=Usage(input_tokens=10, output_tokens=5),
        cost_usd=0.1,
        seconds=2.0,
    )


def returned(turn: int) -> tuple[str, ToolReturned]:
    call = f"turn/{turn}/call/0"
    result = ToolResult(text="a.py", is_error=turn == 2)
    return f"{call}/returned", ToolReturned(call=call, name="bash", subject="ls", attempt=1, result=result)


async def a_run(api: Api) -> str:
    run_id = await api.start("Mend the slug")
    await api.record(
        run_id,
        ("turn/1", answered(1, "plan")),
        returned(1),
        ("plan/1/accepted", PlanAccepted(plan=Plan(summary="Look first", steps=(PlanStep(title="look"),)))),
        ("turn/2", answered(2, "work", "other")),
        returned(2),
        ("message/m", MessageReceived(message_id="m", turn=3, phase="work", text="Hurry", by="ann")),
    )
    return run_id


async def test_the_conversation_is_what_the_model_reads_phase_by_phase(api: Api) -> None:
    run_id = await a_run(api)
    plan, work = (await api.get(f"/v1/runs/{run_id}/conversation")).json()["phases"]
    assert [one["role"] for one in plan["messages"]] == ["user", "assistant", "tool"]
    assert "Mend the slug" in plan["messages"][0]["text"]
    assert (plan["phase"], work["phase"]) == ("plan", "work")
    first, said, result, hurry = work["messages"]
    assert "Look first" in first["text"]
    assert (said["reasoning"], said["text"]) == ("thinking", "turn 2")
    assert said["calls"] == [{"id": "call_2_0", "name": "bash", "arguments": '{"command": "ls"}'}]
    assert (result["call_id"], result["is_error"], hurry["text"]) == ("call_2_0", True, "Hurry")


async def test_usage_adds_up_by_phase_and_model(api: Api) -> None:
    run_id = await a_run(api)
    usage = (await api.get(f"/v1/runs/{run_id}/usage")).json()
    assert usage["total"]["answers"] == 2
    assert usage["total"]["cost_usd"] == 0.2
    assert usage["total"]["usage"]["input_tokens"] == 20
    assert {name: total["answers"] for name, total in usage["by_phase"].items()} == {"plan": 1, "work": 1}
    assert {name: total["seconds"] for name, total in usage["by_model"].items()} == {"demo": 2.0, "other": 2.0}
    assert [line["turn"] for line in usage["turns"]] == [1, 2]


async def test_stats_count_over_all_runs(api: Api) -> None:
    await a_run(api)
    await api.start()
    stats = (await api.get("/v1/stats")).json()
    assert (stats["runs"], stats["tokens"], stats["cost_usd"]) == (2, 30, 0.2)
    assert stats["by_status"][0]["name"] == "queued"
    assert stats["by_model"] == [{"name": "scripted:demo", "runs": 2, "tokens": 30, "cost_usd": 0.2}]
