"""What a fork has to do with other runs: the parent whose place it takes, and the rivals in its race.

There is no referee who could be lost: the journal decides who is first, and the winner cancels the others. Whoever it
cannot reach, because it has not started yet, asks when it starts.
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.race import RaceActivities, StandInRaceInput
    from domain.mailbox import CancelRun
    from domain.run import RunInput
    from workflows.ending import Ending
    from workflows.options import RECORD


async def take_place(run: RunInput) -> None:
    """Cancels the run that this one was made to replace, where it goes on."""
    if run.fork is not None and run.fork.replaces:
        reason = f"It was taken back to {run.fork.at}: run {run.run_id} goes on in its place."
        await _cancel(run.fork.parent, CancelRun(by=run.owner, reason=reason))


async def lost(run: RunInput, claims: bool = False) -> Ending | None:
    """How the run ends where another has won its race. With `claims` it wins where none has, and ends the others."""
    if run.fork is None or run.fork.race is None:
        return None
    standing = await workflow.execute_activity_method(
        RaceActivities.stand_in_race,
        StandInRaceInput(race=run.fork.race, run_id=run.run_id, claims=claims),
        **RECORD,
        summary="is it the first whose checks pass?" if claims else "has another one won?",
    )
    if standing.winner is None:
        return None
    if standing.winner != run.run_id:
        return Ending(status="cancelled", summary=_beaten_by(standing.winner), by=f"run {standing.winner}")
    word = CancelRun(by=f"run {run.run_id}", reason=_beaten_by(run.run_id))
    await asyncio.gather(*(_cancel(rival, word) for rival in standing.rivals))
    return None


def is_beaten(run: RunInput, ending: Ending) -> bool:
    """Whether it ran in a race and did not come first: it tells nobody how it ended."""
    return run.fork is not None and run.fork.race is not None and ending.status != "completed"


def _beaten_by(winner: str) -> str:
    return f"Run {winner} passed its checks first; of this race one run is kept."


async def _cancel(run_id: str, word: CancelRun) -> None:
    try:
        await workflow.get_external_workflow_handle(f"run/{run_id}").signal("cancel", word)
    except FailureError as error:
        workflow.logger.info("run %s was not cancelled, as it has ended or not begun: %s", run_id, error)
