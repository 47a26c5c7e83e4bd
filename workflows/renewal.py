"""What a run takes along when `run/<id>` continues as new."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.approval import ApprovalKind, DecideApproval
    from domain.mailbox import SendMessage, ShowWait
    from domain.run import RunInput
    from domain.value import Value
    from workflows.agent import AgentState

KEPT_MESSAGES = 1000
KEPT_DECISIONS = 500
"""So many ids are known again, should somebody say the same twice. What is older is known by the journal."""


class RunState(Value):
    """What survives: an agent's phase stands at the end of a turn, and goes on from there."""

    agent: AgentState
    plans: int
    works: int
    rounds: int
    failures: int
    pending: dict[str, ApprovalKind] = {}
    decided: tuple[DecideApproval, ...] = ()
    seen_messages: tuple[str, ...] = ()
    wait: ShowWait = ShowWait()
    records: int = 0


class RunGoesOn(RunInput):
    """`RunInput`, and where the run stands if it is not at its beginning."""

    state: RunState | None = None


def kept_decisions(decided: dict[str, DecideApproval]) -> tuple[DecideApproval, ...]:
    """The newest, without their words: what is asked of them is who decided what."""
    return tuple(
        DecideApproval(approval_id=one.approval_id, decision=one.decision, by=one.by)
        for one in list(decided.values())[-KEPT_DECISIONS:]
    )


def kept_messages(seen: dict[str, None]) -> tuple[str, ...]:
    return tuple(seen)[-KEPT_MESSAGES:]


def weight(message: SendMessage) -> int:
    """Bytes of a message where it is handed on."""
    return len(message.model_dump_json().encode())
