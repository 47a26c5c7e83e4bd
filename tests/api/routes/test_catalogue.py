from tests.api.conftest import MODEL, Api
from tests.api.test_app import check_problem


async def test_agents_are_shown_with_their_whole_prompts(shared_api: Api) -> None:
    agents = {one["name"]: one for one in (await shared_api.get("/v1/agents")).json()["items"]}
    assert {"coder", "planner", "reviewer"} <= set(agents)
    assert len(agents["coder"]["instructions"]) > 500
    assert "bash" in agents["coder"]["tools"]
    assert (await shared_api.get("/v1/agents/coder")).json() == agents["coder"]
    assert "reviewer" in check_problem(await shared_api.get("/v1/agents/wizard"), 404)["next_step"]


async def test_models_say_whether_they_can_be_asked_and_what_to_set(shared_api: Api) -> None:
    models = {one["name"]: one for one in (await shared_api.get("/v1/models")).json()["items"]}
    assert [name for name, one in models.items() if one["default"]] == [MODEL]
    assert models[MODEL]["ready"]
    unready = [one for one in models.values() if not one["ready"]]
    assert unready
    assert all("_KEY" in one["remedy"] for one in unready)


async def test_tools_are_shown_with_the_schemas_that_models_see(shared_api: Api) -> None:
    tools = {one["name"]: one for one in (await shared_api.get("/v1/tools")).json()["items"]}
    assert tools["bash"]["tool_class"] == "write"
    assert "command" in tools["bash"]["arguments"]["properties"]
    agents = (await shared_api.get("/v1/agents")).json()["items"]
    assert {name for agent in agents for name in agent["tools"]} <= set(tools)
