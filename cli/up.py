"""`perdure up`: the stack, from its start to Ctrl-C."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from cli.home import Home
from cli.outcome import Outcome
from cli.stack import Stack, StackOptions

Port = Annotated[int, typer.Option(help="Port of the API; 0 takes a free one.", min=0, max=65535)]
TemporalPort = Annotated[int, typer.Option(help="Port of Temporal; 0 takes a free one.", min=0, max=65535)]
UiPort = Annotated[int, typer.Option(help="Port of the Temporal Web UI; 0 takes a free one.", min=0, max=65535)]
HomeOption = Annotated[str | None, typer.Option("--home", help="Where state lives [PERDURE_HOME].", show_default=False)]
Scripted = Annotated[
    str | None,
    typer.Option(help="Also serve the scripted model: a script, a directory, or one that ships, such as demo."),
]
SandboxOption = Annotated[str | None, typer.Option("--sandbox", help="bubblewrap, or none: no containment at all.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON line for programs.")]


def up(
    port: Port = 8080,
    temporal_port: TemporalPort = 7233,
    ui_port: UiPort = 8233,
    home: HomeOption = None,
    scripted: Scripted = None,
    sandbox: SandboxOption = None,
    json_output: AsJson = False,
) -> None:
    """Start the whole stack here: Temporal and its Web UI, Postgres, worker, API. Ctrl-C ends it, nothing is lost.

    What DATABASE_URL or Temporal's own environment configuration names elsewhere is not started."""
    from adapters.settings import default_home

    options = StackOptions(port, temporal_port, ui_port, scripted, sandbox)
    place = Home(default_home({**os.environ, "PERDURE_HOME": home} if home else os.environ))
    say = _to_stderr if json_output else _to_terminal
    show = _line if json_output else _panel
    raise typer.Exit(asyncio.run(serve(Stack(place, options, os.environ, say), say, show)))


async def serve(stack: Stack, say: Callable[[str], None], show: Callable[[dict[str, str]], None]) -> Outcome:
    """Until the first signal; a second one kills what has not ended yet."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            stack.kill()
            os._exit(Outcome.INTERRUPTED)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    starting = asyncio.create_task(stack.start())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return Outcome.INTERRUPTED
        show(starting.result())
        await stop.wait()
        say("Ending; once more Ctrl-C to kill. Runs go on with the next `perdure up`.")
        return Outcome.DONE
    finally:
        stopping.cancel()
        await stack.stop()


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _to_terminal(text: str) -> None:
    from rich.console import Console

    Console(highlight=False).print(f"[dim]·[/dim] {text.replace('[', chr(92) + '[')}")


def _line(answers: dict[str, str]) -> None:
    print(json.dumps(answers), flush=True)


def _panel(answers: dict[str, str]) -> None:
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table

    rows = Table.grid(padding=(0, 2))
    api = answers["api"]
    rows.add_row("Open", f"[link]{api}/?token={answers['token']}[/link]")
    rows.add_row("API", f"{api}/v1, its documentation {api}/docs")
    rows.add_row("Temporal", f"{answers['temporal']}, Web UI {answers['temporal_ui'] or 'elsewhere'}")
    rows.add_row("Home", answers["home"])
    rows.add_row("Try", 'perdure run "What to do" --repo PATH_OR_URL --follow')
    Console(highlight=False, soft_wrap=True).print(
        Panel(rows, title="Perdure is up", subtitle="Ctrl-C ends it; nothing is lost", expand=False)
    )
