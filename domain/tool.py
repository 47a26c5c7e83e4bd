"""Tools: how they are classed, what may run, what came out."""

from fnmatch import fnmatchcase
from typing import Literal

from domain.value import Value

ToolClass = Literal["read", "write", "effect", "human"]
Verdict = Literal["allow", "ask", "deny"]
DELEGATE = "delegate"
"""The tool whose calls start children."""


class ToolDefinition(Value):
    """`subject` names the argument that policies match patterns against (a command, a path)."""

    name: str
    tool_class: ToolClass
    subject: str | None = None
    ends_phase: bool = False
    """Its success ends the phase: `finish`, `propose_plan`."""


class PolicyRule(Value):
    """A rule applies where all that it names agrees; `pattern` is a glob over the call's subject."""

    verdict: Verdict
    tool: str | None = None
    tool_class: ToolClass | None = None
    pattern: str | None = None
    reason: str = ""


class ToolPolicy(Value):
    """The first rule that applies decides; where none does, `otherwise`."""

    name: str
    rules: tuple[PolicyRule, ...] = ()
    otherwise: Verdict = "allow"


class Ruling(Value):
    verdict: Verdict
    reason: str = ""


def decide(policy: ToolPolicy, tool: ToolDefinition, subject: str) -> Ruling:
    for rule in policy.rules:
        if rule.tool is not None and not fnmatchcase(tool.name, rule.tool):
            continue
        if rule.tool_class is not None and rule.tool_class != tool.tool_class:
            continue
        if rule.pattern is not None and not fnmatchcase(subject, rule.pattern):
            continue
        return Ruling(verdict=rule.verdict, reason=rule.reason)
    return Ruling(verdict=policy.otherwise)


class ToolResult(Value):
    """What the model reads of a call. `output_ref` is the whole output in the blob store, when it was cut."""

    text: str
    is_error: bool = False
    output_ref: str | None = None
    exit_code: int | None = None
    seconds: float = 0.0
