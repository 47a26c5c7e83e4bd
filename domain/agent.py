"""An agent kind: its definition as data."""

from domain.limits import Limits
from domain.sandbox import SandboxLimits
from domain.tool import ToolPolicy
from domain.value import Value


class AgentDefinition(Value):
    """`instructions` names a prompt file that stands beside the definition (`domain/agents/<name>.md`)."""

    name: str
    summary: str
    instructions: str
    tools: tuple[str, ...]
    tool_policy: ToolPolicy = ToolPolicy(name="default")
    model: str | None = None
    """`provider:model`; None is the server's default."""
    fallback_models: tuple[str, ...] = ()
    """Who answers while that one cannot, in this order."""
    limits: Limits = Limits()
    sandbox_limits: SandboxLimits = SandboxLimits()
    max_output_tokens: int = 8192


class AgentStance(Value):
    """Where an agent's loop stands between turns; survives continue-as-new."""

    malformed_in_a_row: int = 0
    silent_in_a_row: int = 0
    fingerprints: tuple[str, ...] = ()
    """Hashes of the last call-and-result pairs, oldest first, at most 12."""
    nudged: bool = False
    wrapping_up: bool = False
    """Whether the model was told that its time is nearly over."""


def is_stuck(stance: AgentStance) -> str | None:
    """Why the agent goes nowhere: three malformed turns, four equal calls with equal results, or six alternating."""
    if stance.malformed_in_a_row >= 3:
        return "three answers in a row could not be used"
    if stance.silent_in_a_row >= 3:
        return "three answers in a row called no tool"
    last = stance.fingerprints
    if len(last) >= 4 and len(set(last[-4:])) == 1:
        return "the same call gave the same result four times"
    if len(last) >= 6 and len(set(last[-6::2])) == 1 and len(set(last[-5::2])) == 1 and last[-1] != last[-2]:
        return "two calls alternate with the same results"
    return None
