"""What a probe is made of. Runs inside a sandbox, and says one line for each probe: PASS or FAIL, number, why."""

import json
import os
import sys
from collections.abc import Callable

FACTS = {str(name): str(value) for name, value in json.loads(os.environ.get("FACTS", "{}")).items()}
"""What the host planted for the probes to look for: paths, ports, process ids."""
PROBES: dict[str, Callable[[], str]] = {}


class Breach(Exception):
    """Something went through a wall."""


def probe(number: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """The function answers what it found to hold, or raises Breach."""

    def add(function: Callable[[], str]) -> Callable[[], str]:
        PROBES[number] = function
        return function

    return add


def refused(what: str, attempt: Callable[[], object], *, but: tuple[int, ...] = ()) -> str:
    """Breach where `attempt` succeeds, or fails for a reason that is no refusal (`but`)."""
    try:
        attempt()
    except OSError as error:
        if error.errno in but:
            raise Breach(f"{what}: {error}") from error
        return f"{what}: {error.strerror or error}"
    raise Breach(f"{what} was possible")


def say(number: str) -> None:
    try:
        line = f"PASS {number} {PROBES[number]()}"
    except Breach as breach:
        line = f"FAIL {number} {breach}"
    except Exception as error:
        line = f"FAIL {number} broke: {error!r}"
    sys.stdout.write(line.replace("\n", " ") + "\n")
    sys.stdout.flush()
