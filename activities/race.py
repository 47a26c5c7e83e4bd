"""How a race between forks stands, and who wins it."""

from temporalio import activity

from domain.event import RaceWon
from domain.ports import Journal, RaceStanding
from domain.record import NewEvent
from domain.value import Value


class StandInRaceInput(Value):
    """With `claims` the run's checks have passed: it wins, unless another run has won already."""

    race: str
    run_id: str
    claims: bool = False


class RaceActivities:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @activity.defn
    async def stand_in_race(self, input: StandInRaceInput) -> RaceStanding:
        """One statement decides; asked again, it answers the same."""
        standing = await self._journal.race(input.race, input.run_id, input.claims)
        if standing.winner == input.run_id:
            await self._journal.record(input.run_id, [NewEvent(key="race", event=RaceWon(race=input.race))])
        return standing
