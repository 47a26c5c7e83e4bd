"""What a call came to: for the journal, and in a few bytes for the workflow."""

import hashlib

from activities.jobs import Job
from activities.tools.contract import ToolOutcome
from domain.dossier import Dossier
from domain.errors import ModelMistake
from domain.event import ToolReturned
from domain.tool import ToolResult
from domain.value import Value


class CallToolResult(Value):
    """`fingerprint` is equal for equal calls with equal results."""

    is_error: bool
    exit_code: int | None
    finished: bool
    fingerprint: str


def returned_of(job: Job, attempt: int, outcome: ToolOutcome) -> ToolReturned:
    return ToolReturned(
        call=job.call,
        name=job.tool.definition.name,
        subject=job.subject,
        attempt=attempt,
        result=outcome.result,
        cwd=outcome.cwd,
        environment=outcome.environment,
        todo=outcome.todo,
        finished=outcome.finished,
        child=outcome.child,
    )


def mistaken(call: str, dossier: Dossier, mistake: ModelMistake) -> ToolReturned:
    said = dossier.said(call)
    return ToolReturned(
        call=call,
        name=said.name if said else "bash",
        subject="",
        attempt=0,
        result=ToolResult(text=mistake.message, is_error=True),
    )


def report(returned: ToolReturned, dossier: Dossier) -> CallToolResult:
    said = dossier.said(returned.call)
    text = "\n".join((returned.name, said.arguments if said else returned.subject, returned.result.text))
    return CallToolResult(
        is_error=returned.result.is_error,
        exit_code=returned.result.exit_code,
        finished=returned.finished,
        fingerprint=hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16],
    )
