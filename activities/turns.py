"""A turn: what it begins with, and what it asks for: which calls are to be run, asked about, or are settled at once."""

from collections.abc import Collection
from typing import Literal

from activities.tools import TOOLS, parse_call, subject_of, whole_subject
from activities.tools.summary import summary_of
from domain.account import Refusal
from domain.errors import ModelMistake
from domain.event import ToolReturned, TurnAnswered
from domain.mailbox import SendMessage
from domain.model import ToolCall
from domain.notes import Note
from domain.run import Phase
from domain.tool import Ruling, ToolClass, ToolPolicy, ToolResult, decide
from domain.value import Value


class CallModelInput(Value):
    run_id: str
    turn: int
    phase: Phase
    agent: str
    model: str
    messages: tuple[SendMessage, ...] = ()
    notes: tuple[Note, ...] = ()
    told: int = 0
    """Notes of the same turn that were given before a limit refused it."""


class PlannedCall(Value):
    """A call as the workflow sees it: never its arguments."""

    index: int
    name: str
    tool_class: ToolClass
    summary: str
    ask: bool = False


class CallModelResult(Value):
    """`calls` are those still to be made, in the model's order; the others are answered in the journal."""

    calls: tuple[PlannedCall, ...]
    said: int
    """How many calls the model made in all."""
    malformed: int
    stop: Literal["end", "tool_calls", "length", "refused"]
    refusal: Refusal | None = None
    """The turn was not asked for: a limit is used up."""
    waited_seconds: float = 0.0
    """For the provider: not the run's own time."""


class _Read(Value):
    """One call, understood: what is wrong with it, or what a policy says to it."""

    call: ToolCall
    index: int
    mistake: str | None = None
    subject: str = ""
    tool_class: ToolClass = "read"
    ruling: Ruling = Ruling(verdict="allow")


def refused(refusal: Refusal) -> CallModelResult:
    return CallModelResult(calls=(), said=0, malformed=0, stop="refused", refusal=refusal)


def planned(
    answered: TurnAnswered, offered: Collection[str], policy: ToolPolicy, granted: Collection[str]
) -> CallModelResult:
    calls = [_read(call, index, offered, policy, granted) for index, call in enumerate(answered.message.calls)]
    return CallModelResult(
        calls=tuple(
            PlannedCall(
                index=one.index,
                name=one.call.name,
                tool_class=one.tool_class,
                summary=summary_of(one.call.name, one.subject),
                ask=one.ruling.verdict == "ask",
            )
            for one in calls
            if one.mistake is None and one.ruling.verdict != "deny"
        ),
        said=len(calls),
        malformed=sum(one.mistake is not None for one in calls),
        stop=answered.stop,
    )


def settle(
    answered: TurnAnswered, offered: Collection[str], policy: ToolPolicy, granted: Collection[str]
) -> list[ToolReturned]:
    """Results of the calls that are not to be made: malformed, unknown to this agent, or denied."""
    settled: list[ToolReturned] = []
    for index, call in enumerate(answered.message.calls):
        read = _read(call, index, offered, policy, granted)
        if read.mistake is None and read.ruling.verdict != "deny":
            continue
        reason = read.mistake or f"This call is not allowed here. {read.ruling.reason}".strip()
        settled.append(
            ToolReturned(
                call=f"turn/{answered.turn}/call/{index}",
                name=call.name,
                subject=read.subject,
                attempt=0,
                result=ToolResult(text=reason, is_error=True),
            )
        )
    return settled


def _read(call: ToolCall, index: int, offered: Collection[str], policy: ToolPolicy, granted: Collection[str]) -> _Read:
    if call.name not in offered and call.name in TOOLS:
        mistake = f"The tool {call.name} is not offered to you. Offered are: {', '.join(offered)}."
        return _Read(call=call, index=index, mistake=mistake)
    try:
        tool, arguments = parse_call(call)
    except ModelMistake as mistake:
        return _Read(call=call, index=index, mistake=mistake.message)
    subject = subject_of(tool, arguments)
    definition = tool.defined(arguments)
    ruling = decide(policy, definition, whole_subject(tool, arguments))
    if ruling.verdict == "ask" and call.name in granted:
        ruling = Ruling(verdict="allow")
    return _Read(call=call, index=index, subject=subject, tool_class=definition.tool_class, ruling=ruling)
