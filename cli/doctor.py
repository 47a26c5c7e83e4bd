"""`perdure doctor`: what is installed, reachable, allowed, in force, and what to do about the rest."""

from typing import Annotated

import typer

from cli.access import AsJson
from cli.outcome import Outcome

HomeOption = Annotated[str | None, typer.Option("--home", help="Where state lives [PERDURE_HOME].", show_default=False)]


def doctor(home: HomeOption = None, json_output: AsJson = False) -> None:
    """Try everything that a stack needs, for real; with a stack up, that one too. Exit status 1: something is amiss."""
    import asyncio
    import os

    from adapters.settings import load_settings
    from cli.checkup import check_up
    from cli.render import make_console, print_json

    settings = load_settings({**os.environ, "PERDURE_HOME": home} if home else os.environ)
    found = asyncio.run(check_up(settings))
    if json_output:
        print_json([check.model_dump() for check in found])
    else:
        console = make_console()
        for check in found:
            sign = "[green]✓[/green]" if check.ok else "[red]✗[/red]"
            console.print(f"{sign} [bold]{check.name}[/bold]", end=" ", soft_wrap=True)
            console.print(check.found, markup=False, soft_wrap=True)
            if check.remedy:
                console.print(f"    {check.remedy}", markup=False, soft_wrap=True, style="" if not check.ok else "dim")
    raise typer.Exit(Outcome.DONE if all(check.ok for check in found) else Outcome.FAILED)
