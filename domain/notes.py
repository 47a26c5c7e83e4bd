"""What Perdure itself says to the model between turns."""

from collections.abc import Sequence
from typing import Literal

from domain.event import ToolReturned
from domain.value import Value

NoteKind = Literal["no_tool_call", "malformed", "cut_off", "stuck", "wrap_up", "verify_failed", "go_on"]

TEXTS: dict[NoteKind, str] = {
    "no_tool_call": (
        "Your last answer called no tool. Call a tool to go on with the task, `ask_human` if you need a person, "
        "or `finish` when the work is done and checked."
    ),
    "malformed": "Your last tool call could not be used; its result says why. Mend the call and send it again.",
    "cut_off": (
        "Your last answer was cut off at its length limit. Go on in smaller steps: shorter texts, and files "
        "written in several parts."
    ),
    "stuck": (
        "You seem to be going round in circles: {reason}. Stop and think about what the results tell you, then try "
        "something different; if you cannot go on, say why with `ask_human`."
    ),
    "wrap_up": (
        "The limit of this run is nearly reached ({reason}). Bring the work into a state that can be handed over, "
        "then call `finish` with a summary of what is done and what is not."
    ),
    "go_on": "A person has allowed you to go on. Continue with the task.",
    "verify_failed": "",
}


class Note(Value):
    """A note as the workflow asks for it; the text is made where the journal can be read."""

    kind: NoteKind
    reason: str = ""
    round: int = 0
    """For `verify_failed`: which round."""


def note_text(note: Note, failed: Sequence[ToolReturned] = ()) -> str:
    if note.kind != "verify_failed":
        return TEXTS[note.kind].format(reason=note.reason)
    parts = [
        "The work was checked with the commands of this run, and some of them failed. Mend the causes, not the checks."
    ]
    parts += [f"$ {returned.subject}\n{returned.result.text}" for returned in failed]
    return "\n\n".join([*parts, "Then call `finish` again."])


def failed_check(returned: ToolReturned) -> bool:
    return returned.result.is_error or returned.result.exit_code not in (0, None)
