"""Deleting runs from the terminal."""

import sys
from typing import Annotated

import typer

from cli.access import RunArgument, client_of, resolve


def delete(
    context: typer.Context,
    run_id: RunArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
) -> None:
    """Delete an ended run for good: its events, files and conversation. Its branch stays."""
    from cli.render import make_console

    client = client_of(context)
    found = resolve(client, run_id)
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Delete {found} and all that is recorded of it?", abort=True)
    client.delete(f"/v1/runs/{found}")
    make_console().print(f"{found}: deleted", soft_wrap=True)
