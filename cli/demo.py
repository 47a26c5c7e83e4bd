"""`perdure demo`: the main job before one's eyes, on a stack and a repository of its own."""

from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Approve the plan unasked.")]
Keep = Annotated[bool, typer.Option("--keep", help="At the end stay up until Ctrl-C, also without a terminal.")]
Model = Annotated[str | None, typer.Option(help="provider:model; none: asks where a key is set.")]
SandboxOption = Annotated[str | None, typer.Option("--sandbox", help="bubblewrap, or none: no containment at all.")]


def demo(yes: Yes = False, keep: Keep = False, model: Model = None, sandbox: SandboxOption = None) -> None:
    """See a failing test suite mended: a stack, a repository and a run of its own, on free ports."""
    from cli.demonstration import Demonstration

    raise typer.Exit(Demonstration(yes=yes, keep=keep, model=model, sandbox=sandbox).play())
