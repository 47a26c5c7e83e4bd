"""From what a model wrote to a tool and its arguments; what is wrong is said so that the model can mend it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from activities.tools.contract import Arguments, Tool
from domain.errors import ModelMistake
from domain.model import ToolCall, ToolSchema

ARGUMENTS_BYTES = 1024 * 1024
SUBJECT_CHARACTERS = 200
SHOWN_CHARACTERS = 80


def parse(call: ToolCall, tools: Mapping[str, Tool]) -> tuple[Tool, Arguments]:
    tool = tools.get(call.name)
    if tool is None:
        raise ModelMistake(f"There is no tool {call.name[:100]!r}. The tools are: {', '.join(tools)}.")
    fields = ", ".join(tool.arguments.model_fields)
    size = len(call.arguments.encode(errors="surrogatepass"))
    if size > ARGUMENTS_BYTES:
        raise ModelMistake(
            f"The arguments of this call have {size:,} bytes; at most {ARGUMENTS_BYTES:,} are taken. "
            "Do it in several smaller calls."
        )
    try:
        given = json.loads(call.arguments or "{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ModelMistake(_about_json(call.arguments, error)) from None
    if not isinstance(given, dict):
        raise ModelMistake(f"The arguments must be a JSON object with these fields: {fields}.")
    try:
        return tool, tool.arguments.model_validate(given)
    except ValidationError as error:
        faults = "\n".join(f"- {_about_field(fault)}" for fault in error.errors(include_url=False)[:20])
        raise ModelMistake(f"The arguments of {call.name} are wrong:\n{faults}\nIts fields are: {fields}.") from None


def whole_subject(tool: Tool, arguments: Arguments) -> str:
    """In one line, all of it: what is matched must not end where it is shown to."""
    if tool.definition.subject is None:
        return ""
    return " ".join(str(getattr(arguments, tool.definition.subject)).split())


def subject(tool: Tool, arguments: Arguments) -> str:
    line = whole_subject(tool, arguments)
    return line if len(line) <= SUBJECT_CHARACTERS else line[: SUBJECT_CHARACTERS - 1] + "…"


def schema(tool: Tool) -> ToolSchema:
    """JSON schema without references, titles and nulls: the plain form that every provider takes."""
    full = tool.arguments.model_json_schema()
    parameters = _plain(full, full.get("$defs", {}))
    parameters.pop("description", None)
    return ToolSchema(name=tool.definition.name, description=tool.description, parameters=parameters)


def _plain(node: dict[str, Any], definitions: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    if "$ref" in node:
        node = {**definitions[node["$ref"].rpartition("/")[2]], **{k: v for k, v in node.items() if k != "$ref"}}
    options = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        node = {**options[0], **{k: v for k, v in node.items() if k != "anyOf"}}
    plain: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("title", "$defs") or (key == "default" and value is None):
            continue
        if key == "properties":
            plain[key] = {name: _plain(field, definitions) for name, field in value.items()}
        elif isinstance(value, dict):
            plain[key] = _plain(value, definitions)
        else:
            plain[key] = value
    return plain


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _about_json(text: str, error: Exception) -> str:
    if not isinstance(error, json.JSONDecodeError):
        return f"The arguments are not valid JSON: {error}. Send one JSON object."
    near = text[max(0, error.pos - SHOWN_CHARACTERS // 2) : error.pos + SHOWN_CHARACTERS // 2]
    return (
        f"The arguments are not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}, "
        f"near {near!r}. Send one JSON object, with quotes and line breaks in strings escaped."
    )


def _about_field(fault: Mapping[str, Any]) -> str:
    place = _dotted(fault["loc"])
    match fault["type"]:
        case "missing":
            return f"{place}: it is required"
        case "extra_forbidden":
            return f"{place}: there is no such field"
    shown = repr(fault["input"])
    shown = shown if len(shown) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + "…"
    return f"{place}: {fault['msg']}, but it is {shown}"


def _dotted(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location) or "arguments"
