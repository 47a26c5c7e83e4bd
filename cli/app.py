"""The command `perdure`. Each command's modules are imported when it runs: a shell should not wait for the others."""

import os
import sys
from typing import Annotated

import typer

from cli.access import Given
from cli.approvals import approve, reject
from cli.delete import delete
from cli.demo import demo
from cli.deploy import deploy
from cli.doctor import doctor
from cli.fork import fork, rewind
from cli.outcome import EXIT_CODES, Outcome, complain, outcome_of
from cli.replay import replay
from cli.run import cancel, pause, resume, run, say, watch
from cli.show import apply, diff, ls, show
from cli.up import up
from domain.errors import PerdureError

app = typer.Typer(
    name="perdure",
    help=f"Coding agents as durable jobs: kill any part at any moment and the run still finishes.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root(
    context: typer.Context,
    api: Annotated[str | None, typer.Option(help="Address of the API [PERDURE_API].", show_default=False)] = None,
    token: Annotated[str | None, typer.Option(help="Its token [PERDURE_API_TOKEN].", show_default=False)] = None,
) -> None:
    context.obj = Given(api=api, token=token)


for command in (
    up,
    run,
    ls,
    show,
    watch,
    diff,
    approve,
    reject,
    say,
    pause,
    resume,
    cancel,
    fork,
    rewind,
    apply,
    delete,
    doctor,
    deploy,
    replay,
    demo,
):
    app.command()(command)


def main() -> int:
    """The exit status, as `perdure --help` lists them."""
    code = outcome()
    sys.stdout.flush()
    sys.stderr.flush()
    if "temporalio" in sys.modules:
        # Temporal's bridge aborts one interpreter in four at its exit.
        os._exit(code)
    return code


def outcome() -> int:
    try:
        app()
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except PerdureError as error:
        complain(error)
        return outcome_of(error)
    except KeyboardInterrupt:
        return Outcome.INTERRUPTED
    return Outcome.DONE


if __name__ == "__main__":
    sys.exit(main())
