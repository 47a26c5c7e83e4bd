"""What the model was shown and what it said, phase by phase."""

from fastapi import APIRouter

from api.auth import ReadableRun
from api.openapi import problems
from api.parts import Parts
from api.schemas.journal import ConversationView, MessageView, PhaseConversation, ToolCallView
from domain.approval import Plan
from domain.conversation import Conversation
from domain.event import MessageReceived, NoteAdded, PlanAccepted, TurnAnswered
from domain.model import AssistantMessage, Message, Reasoning, ToolMessage
from domain.prompt import first_message
from domain.run import Phase

router = APIRouter(prefix="/runs/{run_id}", tags=["journal"], responses=problems(404))
PAGE = 500
TYPES = ("plan_accepted", "message_received", "note_added", "turn_answered", "tool_returned")


@router.get("/conversation", response_model=ConversationView)
async def read_conversation(run: ReadableRun, parts: Parts) -> ConversationView:
    """The messages of each phase in the order in which the model reads them, tool results among them."""
    folded, phases, plan, after = Conversation(), dict[Phase, None](), None, 0
    while page := await parts.journal.read(run.run_id, after, PAGE, TYPES):
        for recorded in page:
            folded.take(recorded)
            if isinstance(recorded.event, MessageReceived | NoteAdded | TurnAnswered):
                phases[recorded.event.phase] = None
            elif isinstance(recorded.event, PlanAccepted):
                plan = recorded.event.plan
        after = page[-1].seq
    shown: list[PhaseConversation] = []
    for phase in phases:
        opening = first_message(run.spec, phase, _plan_for(phase, plan))
        messages = [_view(message) for message in folded.messages(phase, opening)]
        shown.append(PhaseConversation(phase=phase, messages=messages))
    return ConversationView(run_id=run.run_id, phases=shown)


def _plan_for(phase: Phase, plan: Plan | None) -> Plan | None:
    return None if phase == "plan" else plan


def _view(message: Message) -> MessageView:
    match message:
        case AssistantMessage():
            return MessageView(
                role="assistant",
                text=message.text,
                reasoning="".join(block.text for block in message.blocks if isinstance(block, Reasoning)),
                calls=[ToolCallView(id=call.id, name=call.name, arguments=call.arguments) for call in message.calls],
            )
        case ToolMessage():
            return MessageView(
                role="tool",
                text=message.text,
                call_id=message.call_id,
                name=message.name,
                is_error=message.is_error,
            )
    return MessageView(role="user", text=message.text)
