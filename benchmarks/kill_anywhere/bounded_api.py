"""Perdure's own API in which journal and Temporal's client are wrapped: it can be killed at its named boundaries."""

import dataclasses
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from api.app import create_app
from api.joined import joined_parts
from api.parts import ApiParts, RunControl
from benchmarks.kill_anywhere.boundaries import DIRECTORY, Boundaries, Bounded
from domain.ports import Journal


@asynccontextmanager
async def joined() -> AsyncGenerator[ApiParts]:
    boundaries = Boundaries(Path(os.environ[DIRECTORY]))
    async with joined_parts() as parts:
        journal = cast("Journal", Bounded(parts.journal, "API's journal", boundaries))
        runs = cast("RunControl", Bounded(parts.runs, "API's words to Temporal:", boundaries))
        yield dataclasses.replace(parts, journal=journal, runs=runs)


app = create_app(joined)
