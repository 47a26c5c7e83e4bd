"""Work sent in, watched, and told things: run, watch, say, pause, resume, cancel."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.access import AsJson, RunArgument, client_of, resolve
from cli.outcome import Outcome
from domain.errors import InvalidRequest

Json = dict[str, Any]
PULL_REQUEST = {
    "pr_title": "title",
    "pr_base": "base",
    "label_pr": "labels",
    "reviewer": "reviewers",
    "team_reviewer": "team_reviewers",
}
"""Options of `run`, and the fields of a request's pull request."""
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Stay, and show what happens until the run has ended.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Approve plans, calls, publishing; implies --follow.")]


def run(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="What is to be done, in plain words; - reads standard input.")],
    repo: Annotated[str | None, typer.Option(help="URL or path of a git repository; none: an empty workspace.")] = None,
    ref: Annotated[str | None, typer.Option(help="Branch, tag or commit; none: the default branch.")] = None,
    agent: Annotated[str | None, typer.Option(help="Kind of agent.")] = None,
    model: Annotated[str | None, typer.Option(help="provider:model; none: the server's default.")] = None,
    fallback_model: Annotated[list[str] | None, typer.Option(help="Who answers while that one cannot; many.")] = None,
    verify: Annotated[list[str] | None, typer.Option(help="A command that must succeed before the end; many.")] = None,
    setup: Annotated[str | None, typer.Option(help="A command run once before the first turn.")] = None,
    plan: Annotated[bool, typer.Option(help="Make a plan before the work.")] = True,
    plan_approval: Annotated[bool, typer.Option("--plan-approval", help="Ask a person for the plan.")] = False,
    publish: Annotated[str | None, typer.Option(help="branch, pull-request, or none: keep the patch there.")] = None,
    publish_approval: Annotated[bool, typer.Option("--publish-approval", help="Ask before pushing.")] = False,
    pr_title: Annotated[str | None, typer.Option(help="Of the pull request; none: the task's first line.")] = None,
    pr_base: Annotated[str | None, typer.Option(help="Branch to merge into; none: the one that it began at.")] = None,
    label_pr: Annotated[list[str] | None, typer.Option(help="Label of the pull request; many.")] = None,
    reviewer: Annotated[list[str] | None, typer.Option(help="User to ask for a review; many.")] = None,
    team_reviewer: Annotated[list[str] | None, typer.Option(help="Team to ask for a review; many.")] = None,
    comment_on: Annotated[int | None, typer.Option(help="Issue or pull request that is told the result.")] = None,
    notify_url: Annotated[str | None, typer.Option(help="Is told, signed, of its end and its waits.")] = None,
    tool_policy: Annotated[str | None, typer.Option(help="What tools may do unasked.")] = None,
    limit: Annotated[list[str] | None, typer.Option(help="turns=N, tokens=N, cost_usd=X or seconds=N; many.")] = None,
    sandbox_limit: Annotated[list[str] | None, typer.Option(help="As memory_bytes=N; only lowers; many.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="name=value; many.")] = None,
    priority: Annotated[int | None, typer.Option(help="1 is the most urgent.", min=1, max=5)] = None,
    follow: Follow = False,
    yes: Yes = False,
    json_output: AsJson = False,
) -> None:
    """Send a task in. With --follow the exit status is the run's."""
    body = _request(locals())
    client = client_of(context)
    started = client.start_run(body)
    if follow or yes:
        raise typer.Exit(_watch(context, started["id"], json_output, decides=True, yes=yes))
    _say_started(started, json_output)


def _say_started(started: Json, json_output: bool) -> None:
    from cli.render import make_console, print_json

    if json_output:
        print_json(started)
        return
    console = make_console()
    console.print(f"{started['id']}  {started['status']}", soft_wrap=True)
    console.print(f"  perdure watch {started['id']}", soft_wrap=True)
    console.print(f"  {started['links']['temporal_ui']}", soft_wrap=True)


def watch(context: typer.Context, run_id: RunArgument = "last", json_output: AsJson = False) -> None:
    """Show a run from its beginning, and as it goes on. The exit status is the run's."""
    raise typer.Exit(_watch(context, run_id, json_output, decides=False, yes=False))


def say(
    context: typer.Context, run_id: RunArgument, text: Annotated[str, typer.Argument()], json_output: AsJson = False
) -> None:
    """Tell a running run something; the model reads it before its next answer."""
    _command(context, run_id, "messages", {"text": text}, json_output)


def pause(context: typer.Context, run_id: RunArgument, json_output: AsJson = False) -> None:
    """Stop a run before its next step."""
    _command(context, run_id, "pause", None, json_output)


def resume(context: typer.Context, run_id: RunArgument, json_output: AsJson = False) -> None:
    """Let a paused run go on."""
    _command(context, run_id, "resume", None, json_output)


def cancel(
    context: typer.Context,
    run_id: RunArgument,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")] = "",
    json_output: AsJson = False,
) -> None:
    """End a run for good; a command that runs dies with it."""
    _command(context, run_id, "cancel", {"reason": reason}, json_output)


def _watch(context: typer.Context, named: str, json_output: bool, decides: bool, yes: bool) -> Outcome:
    from cli import follow as following
    from cli.render import make_console, print_json, words_for

    client = client_of(context)
    run_id = resolve(client, named)
    console = make_console(stderr=json_output)
    show = following.show_json if json_output else following.show_lines(console)
    found = following.follow(client, run_id, show, following.decider(console, yes) if decides else None)
    if json_output:
        print_json(found)
    outcome = following.outcome_of_run(found)
    if outcome is Outcome.WAITING:
        waiting = client.pending(run_id)
        listed = ", ".join(str(one["approval_id"]) for one in waiting)
        console.print(f"The run waits for a person: {listed}. It goes on with", soft_wrap=True)
        for line in (line for one in waiting for line in words_for(run_id, one)):
            console.print(line, soft_wrap=True)
    return outcome


def _command(context: typer.Context, named: str, verb: str, body: Json | None, json_output: bool) -> None:
    from cli.render import make_console, print_json

    client = client_of(context)
    answer = client.post(f"/v1/runs/{resolve(client, named)}/{verb}", body)
    if json_output:
        print_json(answer)
        return
    heard = "heard" if answer["acknowledged"] else "recorded; the run reads it once a worker is up"
    make_console().print(f"{answer['run_id']}: {answer['command'].replace('_', ' ')} {heard}", soft_wrap=True)


def _request(given: Mapping[str, Any]) -> Json:
    """What was given on the command line as the body of a request; the server knows the defaults."""
    plainly = ("agent", "model", "verify", "setup", "plan", "tool_policy", "priority", "comment_on", "notify_url")
    body: Json = {name: given[name] for name in plainly if given[name] not in (None, [])}
    body["task"] = sys.stdin.read() if given["task"] == "-" else given["task"]
    body |= {name: True for name in ("plan_approval", "publish_approval") if given[name]}
    if given["repo"]:
        body["repository"] = {"url": _repository(given["repo"]), "ref": given["ref"]}
    if given["fallback_model"]:
        body["fallback_models"] = given["fallback_model"]
    if given["publish"]:
        body["publish"] = given["publish"].replace("-", "_")
    if asked := {name: given[option] for option, name in PULL_REQUEST.items() if given[option]}:
        body["pull_request"] = asked
    if given["limit"]:
        body["limits"] = numbers(given["limit"], "--limit")
    if given["sandbox_limit"]:
        body["sandbox_limits"] = numbers(given["sandbox_limit"], "--sandbox-limit")
    if given["label"]:
        body["labels"] = _pairs(given["label"], "--label")
    return body


def numbers(given: list[str], option: str) -> dict[str, float | int]:
    return {name: _number(value, option) for name, value in _pairs(given, option).items()}


def _number(text: str, option: str) -> float | int:
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        raise InvalidRequest(f"{option}: {text} is no number", f"Write {option} name=50.") from None


def _repository(given: str) -> str:
    """A path is meant from where the user stands; the server stands elsewhere."""
    return os.path.realpath(given) if Path(given).exists() else given


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    pairs = [one.partition("=") for one in given or []]
    if bad := next((name for name, equals, _ in pairs if not equals), None):
        raise InvalidRequest(f"{option} {bad}: it has no `=`", f"Write {option} name=value.")
    return {name: value for name, _, value in pairs}
