"""Tool policies by name: what an agent may do on its own, and what a person is asked about."""

from domain.errors import InvalidRequest
from domain.tool import PolicyRule, ToolPolicy

OUTWARD = (
    "*git push*",
    "*gh pr *",
    "*gh release *",
    "*npm publish*",
    "*twine upload*",
    "*cargo publish*",
    "*docker push*",
    "*kubectl apply*",
    "*kubectl delete*",
    "*terraform apply*",
    "*terraform destroy*",
)
DESTRUCTIVE = (
    "*rm -rf /",
    "*rm -rf / *",
    "*rm -rf /[*]*",
    "*rm -rf ~",
    "*rm -rf ~/",
    "*rm -rf /workspace",
    "*rm -rf /workspace/",
    "*rm -rf .git",
    "*rm -rf .git *",
    "*mkfs*/dev/*",
    "*dd *of=/dev/*",
)

# What moves a run along touches no file: no policy stops it.
_STEERING = tuple(PolicyRule(verdict="allow", tool=tool) for tool in ("todo", "ask_human", "propose_plan", "finish"))
_ASK_EFFECTS = PolicyRule(verdict="ask", tool_class="effect", reason="It reaches beyond the workspace.")


def _bash_rules() -> tuple[PolicyRule, ...]:
    outward = "It would change something outside of the workspace."
    destructive = "It would destroy more than a task asks for."
    return tuple(
        PolicyRule(verdict="ask", tool="bash", pattern=pattern, reason=reason)
        for patterns, reason in ((OUTWARD, outward), (DESTRUCTIVE, destructive))
        for pattern in patterns
    )


POLICIES: dict[str, ToolPolicy] = {
    policy.name: policy
    for policy in (
        ToolPolicy(name="default", rules=(*_bash_rules(), _ASK_EFFECTS)),
        ToolPolicy(
            name="ask_writes",
            rules=(
                *_STEERING,
                PolicyRule(verdict="ask", tool_class="write", reason="It may change files."),
                _ASK_EFFECTS,
            ),
        ),
        ToolPolicy(
            name="read_only",
            rules=(
                *_STEERING,
                PolicyRule(verdict="deny", tool_class="write", reason="This run may only read."),
                PolicyRule(verdict="deny", tool_class="effect", reason="This run may only read."),
            ),
        ),
        ToolPolicy(name="ask_all", rules=_STEERING, otherwise="ask"),
    )
}


def policy(name: str) -> ToolPolicy:
    """Raises InvalidRequest, naming the choices, where there is none of that name."""
    if name not in POLICIES:
        raise InvalidRequest(f"There is no tool policy {name!r}.", f"Choose one of: {', '.join(POLICIES)}.")
    return POLICIES[name]
