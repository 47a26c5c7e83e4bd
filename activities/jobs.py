"""What a call's key stands for: which tool, with which arguments, and whether its effect is to be kept."""

import json
from dataclasses import dataclass

from activities.tools import TOOLS, parse_call, subject_of
from activities.tools.contract import Tool
from domain.dossier import Dossier
from domain.errors import NotFound
from domain.model import ToolCall
from domain.value import Value

CHECK_SECONDS = 1800
"""How long a verify or setup command may take."""


@dataclass(frozen=True)
class Job:
    call: str
    turn: int
    """0 where no turn of a model asked for it."""
    index: int
    tool: Tool
    arguments: Value
    subject: str
    keeps: bool = True
    """False for checks and for planning: they see the workspace, may write as they like, and leave no trace."""

    @property
    def place(self) -> str:
        """Name of its output under /outputs."""
        return f"{self.turn}-{self.index}" if self.turn else self.call.replace("/call/", "-").replace("/", "-")


def job_of(call: str, dossier: Dossier) -> Job:
    """Raises ModelMistake where the model's arguments are wrong, NotFound where the journal has no such call."""
    match call.split("/"):
        case ["turn", turn, "call", index]:
            tool, arguments = parse_call(_said(dossier, call))
            answered = dossier.answer(int(turn))
            planning = answered is not None and answered.phase == "plan"
            return Job(call, int(turn), int(index), tool, arguments, subject_of(tool, arguments), not planning)
        case ["verify", _, "call", index]:
            return _bash(call, int(index), dossier.spec.verify[int(index)], keeps=False)
        case ["setup", "call", "0"] if dossier.spec.setup is not None:
            return _bash(call, 0, dossier.spec.setup, keeps=True)
        case _:
            raise NotFound(f"no call {call} in run {dossier.run_id}")


def _said(dossier: Dossier, call: str) -> ToolCall:
    said = dossier.said(call)
    if said is None:
        raise NotFound(f"no call {call} in run {dossier.run_id}")
    decided = dossier.decided.get(call)
    if decided is not None and decided.edited is not None:
        return said.model_copy(update={"arguments": json.dumps(decided.edited)})
    return said


def _bash(call: str, index: int, command: str, keeps: bool) -> Job:
    bash = TOOLS["bash"]
    arguments = bash.arguments.model_validate({"command": command, "timeout_seconds": CHECK_SECONDS})
    return Job(call, 0, index, bash, arguments, subject_of(bash, arguments), keeps)
