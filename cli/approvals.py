"""A person's word from the terminal: approve, reject."""

import json
from typing import Annotated, Any

import typer

from cli.access import AsJson, RunArgument, client_of, resolve
from domain.errors import Conflict, InvalidRequest

Json = dict[str, Any]
ApprovalArgument = Annotated[
    str | None,
    typer.Argument(metavar="APPROVAL", help="Such as plan/1 or turn/12/call/0; none: the only one that is pending."),
]
Reason = Annotated[str, typer.Option(help="The model reads it.")]


def approve(
    context: typer.Context,
    run_id: RunArgument,
    approval_id: ApprovalArgument = None,
    reason: Reason = "",
    edited: Annotated[str | None, typer.Option(help="The plan, arguments or limits as approved, as JSON.")] = None,
    answer: Annotated[str | None, typer.Option(help="The answer to a question.")] = None,
    always: Annotated[bool, typer.Option("--always", help="This tool needs no further word in this run.")] = False,
    json_output: AsJson = False,
) -> None:
    """Approve what a run waits for, as it stands or as edited; an effect in doubt is made again."""
    body: Json = {"decision": "approve", "reason": reason, "scope": "kind" if always else "call"}
    if edited is not None:
        body["edited"] = _object("edited", edited)
    if answer is not None:
        body["edited"] = {"answer": answer}
    _decide(context, run_id, approval_id, body, json_output)


def reject(
    context: typer.Context,
    run_id: RunArgument,
    approval_id: ApprovalArgument = None,
    reason: Reason = "",
    receipt: Annotated[str | None, typer.Option(help="What came of an effect in doubt, as JSON.")] = None,
    json_output: AsJson = False,
) -> None:
    """Reject what a run waits for; the model reads the reason. An effect in doubt is left as it is."""
    body: Json = {"decision": "reject", "reason": reason}
    if receipt is not None:
        body["edited"] = {"receipt": _object("receipt", receipt)}
    _decide(context, run_id, approval_id, body, json_output)


def _object(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidRequest(f"--{option} is not JSON: {error}", "Write an object, such as {}.") from error


def _decide(context: typer.Context, named: str, approval_id: str | None, body: Json, json_output: bool) -> None:
    from cli.render import make_console, print_json

    client = client_of(context)
    run_id = resolve(client, named)
    if approval_id is None:
        waiting = [str(one["approval_id"]) for one in client.pending(run_id)]
        if len(waiting) != 1:
            found = ", ".join(waiting) or "nothing"
            raise Conflict(f"The run waits for {found}", "Name one of them." if waiting else "`perdure show` it.")
        approval_id = waiting[0]
    answer = client.decide(run_id, approval_id, body)
    if json_output:
        print_json(answer)
        return
    heard = "" if answer["acknowledged"] else "; the run reads it once a worker is up"
    make_console().print(f"{run_id}: {approval_id} {body['decision']}{heard}", soft_wrap=True)
