"""How a command ends: what its exit status means to a program."""

import sys
from enum import IntEnum

from domain.errors import CallerError, InvalidRequest, PerdureError, WorldError


class Outcome(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    WAITING = 4
    REFUSED = 5
    INTERRUPTED = 130


EXIT_CODES = (
    "Exit status: 0 done; 1 the run, or what was asked, failed; 2 the command line is wrong; 3 the API or a part of "
    "the stack cannot be reached or started; 4 the run waits for a person; 5 refused (not allowed, not found, makes "
    "no sense now); 130 interrupted."
)


def outcome_of(error: PerdureError) -> Outcome:
    if isinstance(error, WorldError):
        return Outcome.UNREACHABLE
    if isinstance(error, InvalidRequest):
        return Outcome.USAGE
    return Outcome.REFUSED if isinstance(error, CallerError) else Outcome.FAILED


def complain(error: PerdureError) -> None:
    """On standard error, so that what programs read stays clean."""
    print(f"perdure: {error.message}", file=sys.stderr)
    if error.next_step:
        print(f"         {error.next_step}", file=sys.stderr)
