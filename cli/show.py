"""Runs looked at: ls, show, diff, and the patch put into a checkout."""

import subprocess
from typing import Annotated

import typer

from cli.access import AsJson, RunArgument, client_of, resolve
from domain.errors import Conflict, InvalidRequest, PerdureError


def ls(
    context: typer.Context,
    status: Annotated[str | None, typer.Option(help="Only runs of this status.")] = None,
    waiting_for: Annotated[str | None, typer.Option(help="Only runs that wait for this.")] = None,
    repo: Annotated[str | None, typer.Option(help="Only runs on this repository.")] = None,
    parent: Annotated[str | None, typer.Option(help="Only forks and children of this run.")] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=200)] = 20,
    json_output: AsJson = False,
) -> None:
    """List runs, the newest first."""
    from cli.render import make_console, print_json, runs_table

    client = client_of(context)
    of = resolve(client, parent) if parent else None
    wanted = {"status": status, "waiting_for": waiting_for, "repository": repo, "parent": of}
    found = client.get("/v1/runs", **wanted, limit=limit)
    if json_output:
        print_json(found)
    elif found["items"]:
        console = make_console()
        console.print(runs_table(found["items"], console.width))
    else:
        make_console().print('There are no runs. Start one: perdure run "What to do" --repo PATH_OR_URL')


def show(context: typer.Context, run_id: RunArgument = "last", json_output: AsJson = False) -> None:
    """Show a run: status, plan, what it spent, what it waits for, its result."""
    from cli.render import make_console, print_json, run_panel

    client = client_of(context)
    found = client.get(f"/v1/runs/{resolve(client, run_id)}")
    approvals = client.pending(found["id"])
    limits = client.get(f"/v1/runs/{found['id']}/limits")
    if json_output:
        print_json({**found, "approvals": approvals, "limits_of": limits})
    else:
        make_console().print(run_panel(found, approvals, limits), soft_wrap=True)


def diff(context: typer.Context, run_id: RunArgument = "last", json_output: AsJson = False) -> None:
    """Print what a run changed, as a unified diff."""
    from cli.render import make_console, print_diff, print_json

    client = client_of(context)
    path = f"/v1/runs/{resolve(client, run_id)}/diff"
    if json_output:
        print_json(client.get(path))
        return
    print_diff(make_console(), client.text(path, "text/x-diff"))


def apply(
    context: typer.Context,
    run_id: RunArgument = "last",
    three_way: Annotated[bool, typer.Option("--3way", help="Merge; may leave conflicts.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only say whether it fits.")] = False,
) -> None:
    """Put a run's patch into the checkout you stand in, staged and not committed."""
    from cli.render import make_console

    client = client_of(context)
    found = client.get(f"/v1/runs/{resolve(client, run_id)}")
    patch = client.text(f"/v1/runs/{found['id']}/diff", "text/x-diff")
    console = make_console()
    if not patch.strip():
        console.print("The run changed nothing.")
        return
    top = _git("rev-parse", "--show-toplevel")
    if top.returncode != 0:
        raise InvalidRequest("This is no git checkout", "Change to the repository's directory first.")
    options = [*(["--3way"] if three_way else ["--index"]), *(["--check"] if check else [])]
    done = _git("-C", top.stdout.strip(), "apply", *options, patch=patch)
    if done.returncode != 0 and _git("-C", top.stdout.strip(), "apply", "-R", "--check", patch=patch).returncode == 0:
        console.print("What the run changed is here already.")
        return
    if done.returncode != 0:
        raise _does_not_fit(done.stderr.strip(), found["base_commit"], three_way)
    changed = _git("-C", top.stdout.strip(), "apply", "--stat", patch=patch)
    console.print(changed.stdout.rstrip(), markup=False)
    console.print("It fits." if check else "Staged. `git diff --cached` shows it; `git commit` keeps it.")


def _does_not_fit(said: str, base: str | None, three_way: bool) -> PerdureError:
    head = _git("rev-parse", "HEAD").stdout.strip()
    where = f" It was made on {base[:12]}; you are on {head[:12] or 'no commit'}." if base and base != head else ""
    if three_way:
        return PerdureError(f"The patch left conflicts:\n{said}", "Resolve them, or `git checkout HEAD -- .` to undo.")
    return Conflict(
        f"The patch does not fit here; nothing was changed.{where}\n{said}",
        "Commit or stash what you changed, check out the commit it was made on, or merge with --3way.",
    )


def _git(*arguments: str, patch: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["git", *arguments]
    return subprocess.run(command, input=patch, capture_output=True, text=True, check=False, errors="surrogateescape")
