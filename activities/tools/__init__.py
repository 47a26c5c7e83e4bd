"""The tools by name, and a model's call to one of them, read."""

from activities.tools.apply_patch import APPLY_PATCH
from activities.tools.ask_human import ASK_HUMAN
from activities.tools.bash import BASH
from activities.tools.calls import parse, schema, subject, whole_subject
from activities.tools.contract import Arguments, Tool
from activities.tools.delegate import DELEGATE
from activities.tools.edit import EDIT
from activities.tools.finish import FINISH
from activities.tools.http import HTTP
from activities.tools.list import LIST
from activities.tools.propose_plan import PROPOSE_PLAN
from activities.tools.read import READ
from activities.tools.search import SEARCH_TOOL
from activities.tools.todo import TODO
from activities.tools.write import WRITE_TOOL
from domain.model import ToolCall

__all__ = ["TOOLS", "parse_call", "schema", "subject_of", "whole_subject"]

TOOLS: dict[str, Tool] = {
    tool.definition.name: tool
    for tool in (
        BASH,
        READ,
        SEARCH_TOOL,
        LIST,
        EDIT,
        WRITE_TOOL,
        APPLY_PATCH,
        TODO,
        ASK_HUMAN,
        PROPOSE_PLAN,
        FINISH,
        HTTP,
        DELEGATE,
    )
}


def parse_call(call: ToolCall) -> tuple[Tool, Arguments]:
    """Raises ModelMistake with what the model can do about it."""
    return parse(call, TOOLS)


def subject_of(tool: Tool, arguments: Arguments) -> str:
    """One line of at most 200 characters, for people; policies match `whole_subject`."""
    return subject(tool, arguments)
