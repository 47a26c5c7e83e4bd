import json

import pytest

from activities.tools import TOOLS, parse_call, schema, subject_of, whole_subject
from domain.agents import AGENTS
from domain.errors import ModelMistake
from domain.model import ToolCall


def call(name: str, arguments: str) -> ToolCall:
    return ToolCall(id="call_1_0", name=name, arguments=arguments)


def mistake(name: str, arguments: str) -> str:
    with pytest.raises(ModelMistake) as raised:
        parse_call(call(name, arguments))
    return raised.value.message


def test_a_good_call_is_read() -> None:
    tool, arguments = parse_call(call("bash", '{"command": "ls", "timeout_seconds": "5"}'))
    assert tool is TOOLS["bash"]
    assert arguments.model_dump() == {"command": "ls", "timeout_seconds": 5}


def test_no_arguments_are_an_empty_object() -> None:
    assert parse_call(call("list", ""))[1].model_dump() == {"path": ".", "depth": 1}


def test_an_unknown_tool_is_answered_with_those_there_are() -> None:
    assert mistake("run_shell", "{}") == f"There is no tool 'run_shell'. The tools are: {', '.join(TOOLS)}."


def test_broken_json_is_answered_with_its_place() -> None:
    said = mistake("bash", '{"command": "echo "hi""}')
    assert "Expecting ',' delimiter at line 1, column 20" in said and "near" in said


@pytest.mark.parametrize("text", ["[]", "null", "3", '"ls"'])
def test_what_is_no_object_is_refused(text: str) -> None:
    assert mistake("bash", text) == "The arguments must be a JSON object with these fields: command, timeout_seconds."


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"command": NaN}', '{"timeout_seconds": ' + "9" * 5000 + "}", "\ud800"]
)
def test_hostile_json_is_refused(text: str) -> None:
    assert "not valid JSON" in mistake("bash", text)


def test_wrong_fields_are_named_one_by_one() -> None:
    said = mistake("todo", json.dumps({"items": [{"text": "a"}, {"text": "", "status": "maybe"}], "more": 1}))
    assert "- items.1.text: String should have at least 1 character, but it is ''" in said
    assert "- items.1.status: Input should be 'pending', 'in_progress' or 'done', but it is 'maybe'" in said
    assert "- more: there is no such field" in said
    assert "- command: it is required" in mistake("bash", "{}")


def test_overlong_arguments_are_refused() -> None:
    said = mistake("write", json.dumps({"path": "a", "content": "x" * 1024 * 1024}))
    assert "at most 1,048,576 are taken" in said


def test_lone_surrogates_are_a_mistake() -> None:
    assert "command" in mistake("bash", '{"command": "\\ud800"}')


def test_the_subject_is_one_short_line() -> None:
    tool, arguments = parse_call(call("bash", json.dumps({"command": "cd a &&\n\tmake   " + "x" * 300})))
    subject = subject_of(tool, arguments)
    assert subject.startswith("cd a && make xxx") and len(subject) == 200
    assert whole_subject(tool, arguments).endswith("x" * 300)
    patch = "*** Begin Patch\n*** Delete File: a\n*** Add File: b\n+x\n*** End Patch"
    tool, arguments = parse_call(call("apply_patch", json.dumps({"patch": patch})))
    assert subject_of(tool, arguments) == "a, b"
    tool, arguments = parse_call(call("todo", '{"items": []}'))
    assert subject_of(tool, arguments) == ""


@pytest.mark.parametrize("name", TOOLS)
def test_a_schema_is_plain_and_says_what_each_field_is(name: str) -> None:
    told = schema(TOOLS[name])
    text = told.model_dump_json()
    assert told.name == name and told.description
    assert '"$ref"' not in text and '"$defs"' not in text and '"null"' not in text
    assert told.parameters["type"] == "object" and told.parameters["additionalProperties"] is False
    for field in told.parameters["properties"].values():
        assert field["description"] and isinstance(field.get("title"), str | None)
    assert schema(TOOLS[name]).model_dump_json() == text


def test_a_field_named_title_survives() -> None:
    step = schema(TOOLS["propose_plan"]).parameters["properties"]["steps"]["items"]
    assert step["properties"]["title"]["type"] == "string" and "title" not in step["properties"]["title"]


def test_every_agent_kind_has_tools_that_there_are() -> None:
    for agent in AGENTS.values():
        assert set(agent.tools) <= set(TOOLS)
        assert any(TOOLS[name].definition.ends_phase for name in agent.tools)
