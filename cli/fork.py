"""Runs taken back to a point: as another run beside the first, or in its place."""

from typing import Annotated, Any

import typer

from cli.access import AsJson, RunArgument, client_of, resolve
from cli.run import numbers

Json = dict[str, Any]
At = Annotated[str | None, typer.Option(help="turn/12 or turn/12/call/0; none: the newest committed point.")]
Message = Annotated[str | None, typer.Option("--message", "-m", help="What the model reads before its next answer.")]
Model = Annotated[str | None, typer.Option(help="provider:model; none: that of the run.")]
Limit = Annotated[list[str] | None, typer.Option(help="turns=N, tokens=N, cost_usd=X or seconds=N; many.")]


def fork(
    context: typer.Context,
    run_id: RunArgument,
    at: At = None,
    message: Message = None,
    model: Model = None,
    limit: Limit = None,
    count: Annotated[int | None, typer.Option(help="How many.", min=1, max=16)] = None,
    keep: Annotated[str, typer.Option(help="all, or first: the first whose checks pass; cancel the rest.")] = "all",
    json_output: AsJson = False,
) -> None:
    """Start another run where this one stood: files, conversation and what was left of its limits."""
    body = _body(at, message, model, limit) | {"keep": "first_verified" if keep == "first" else keep}
    _send(context, run_id, "fork", body if count is None else body | {"count": count}, json_output)


def rewind(
    context: typer.Context,
    run_id: RunArgument,
    at: At = None,
    message: Message = None,
    model: Model = None,
    limit: Limit = None,
    json_output: AsJson = False,
) -> None:
    """Take a run back to a point: a fork goes on in its place, and the run itself is cancelled."""
    _send(context, run_id, "rewind", _body(at, message, model, limit), json_output)


def _body(at: str | None, message: str | None, model: str | None, limit: list[str] | None) -> Json:
    given: Json = {"at": at, "message": message, "model": model}
    if limit:
        given["limits"] = numbers(limit, "--limit")
    return {name: value for name, value in given.items() if value is not None}


def _send(context: typer.Context, named: str, verb: str, body: Json, json_output: bool) -> None:
    from cli.render import make_console, print_json

    client = client_of(context)
    made = client.start(f"/v1/runs/{resolve(client, named)}/{verb}", body)
    if json_output:
        print_json(made)
        return
    console = make_console()
    console.print(f"from {made['parent']} at {made['at']}", soft_wrap=True)
    for run in made["runs"]:
        console.print(f"{run['id']}  {run['status']}", soft_wrap=True)
        console.print(f"  perdure watch {run['id']}", soft_wrap=True)
