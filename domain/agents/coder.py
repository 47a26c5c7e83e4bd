"""Changes a repository until a task is done."""

from domain.agent import AgentDefinition
from domain.policies import POLICIES

CODER = AgentDefinition(
    name="coder",
    summary="Changes the code until the task is done and checked.",
    instructions="coder",
    tools=(
        "bash",
        "read",
        "search",
        "list",
        "edit",
        "write",
        "apply_patch",
        "todo",
        "ask_human",
        "delegate",
        "finish",
    ),
    tool_policy=POLICIES["default"],
)
