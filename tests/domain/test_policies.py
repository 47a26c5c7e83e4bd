import pytest

from domain.errors import InvalidRequest
from domain.policies import POLICIES, policy
from domain.tool import ToolClass, ToolDefinition, Verdict, decide

CLASSES: dict[str, ToolClass] = {"read": "read", "edit": "write", "github": "effect", "ask_human": "human"}


def verdict(name: str, tool: str, tool_class: ToolClass, subject: str = "") -> Verdict:
    return decide(policy(name), ToolDefinition(name=tool, tool_class=tool_class), subject).verdict


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("pytest -q", "allow"),
        ("git commit -m x", "allow"),
        ("rm -rf build /tmp/x", "allow"),
        ("rm -rf /tmp/x", "allow"),
        ("rm -rf .github", "allow"),
        ("git push origin main", "ask"),
        ("make && git push", "ask"),
        ("npm publish", "ask"),
        ("rm -rf /", "ask"),
        ("rm -rf /*", "ask"),
        ("sudo rm -rf / --no-preserve-root", "ask"),
        ("rm -rf .git && git init", "ask"),
    ],
)
def test_the_default_asks_only_about_what_reaches_out_or_destroys(command: str, expected: Verdict) -> None:
    assert verdict("default", "bash", "write", command) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("default", ["allow", "allow", "ask", "allow"]),
        ("ask_writes", ["allow", "ask", "ask", "allow"]),
        ("read_only", ["allow", "deny", "deny", "allow"]),
        ("ask_all", ["ask", "ask", "ask", "allow"]),
    ],
)
def test_each_policy_says_the_same_of_a_whole_class(name: str, expected: list[Verdict]) -> None:
    assert [verdict(name, tool, tool_class) for tool, tool_class in CLASSES.items()] == expected


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("tool", ["todo", "finish", "propose_plan"])
def test_no_policy_keeps_a_run_from_moving_on(name: str, tool: str) -> None:
    assert verdict(name, tool, "write") == "allow"


def test_an_unknown_policy_is_answered_with_those_there_are() -> None:
    with pytest.raises(InvalidRequest) as refused:
        policy("yolo")
    assert refused.value.next_step == "Choose one of: default, ask_writes, read_only, ask_all."
