"""`todo`: the state of the plan, for people to see and the model to keep."""

from typing import Literal

from pydantic import Field

from activities.tools.contract import Arguments, Tool, ToolContext, ToolOutcome
from domain.tool import ToolDefinition, ToolResult

MARKS = {"pending": " ", "in_progress": ">", "done": "x"}

DESCRIPTION = """\
Keeps the list of what is to be done, which people watch. Give the whole list each time; one item at most is in \
progress. Use it for work of more than three steps."""


class TodoItem(Arguments):
    text: str = Field(min_length=1, max_length=300)
    """What is to be done, in a few words."""
    status: Literal["pending", "in_progress", "done"] = "pending"


class TodoArguments(Arguments):
    items: tuple[TodoItem, ...] = Field(max_length=50)
    """All items, in order."""


async def run(arguments: TodoArguments, _context: ToolContext) -> ToolOutcome:
    done = sum(item.status == "done" for item in arguments.items)
    lines = [f"[{MARKS[item.status]}] {item.text}" for item in arguments.items]
    text = "\n".join([f"{done} of {len(lines)} done.", *lines])
    return ToolOutcome(ToolResult(text=text), todo=tuple(item.model_dump() for item in arguments.items))


TODO = Tool(
    definition=ToolDefinition(name="todo", tool_class="write"),
    description=DESCRIPTION,
    arguments=TodoArguments,
    run=run,
)
