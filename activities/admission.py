"""Whether a turn may be asked for: its worst case is reserved before the call, and settled with its answer."""

import asyncio
import random
from collections.abc import Sequence
from time import monotonic
from uuid import uuid4

from temporalio import activity

from activities.dossiers import Dossiers
from activities.turns import CallModelInput
from domain.account import Account, Admission, Amount, Refusal, Wanted, effective, month_of
from domain.dossier import Dossier
from domain.errors import NotAdmitted, WorldError
from domain.event import NoteAdded, PriceUnknown, StatusChanged, TurnAnswered
from domain.model import ModelRequest
from domain.notes import Note, note_text
from domain.ports import Clock, Journal, Models
from domain.record import NewEvent, RecordedEvent
from domain.terms import Site, team_of
from domain.worst_case import has_price, worst_case

LEAVES_SECONDS = 1.0
"""So long after its reservation a question may leave, but where the way to the provider takes longer: less than what a
silent attempt is replaced after, so that who replaces it seldom waits."""
UNDERWAY_SECONDS = 0.5
"""So long it may then be under way to the provider."""
QUIET_SECONDS = 3.0
"""A wait for other runs of the same account that is over so soon is not worth a word."""
HELD_SECONDS = 600.0
"""Then the attempt ends, and the next one waits on."""
PAUSES = {"held": (0.2, 0.8), "asking": (0.05, 0.15)}
"""In seconds, until it is tried again."""


class Answered(Exception):
    """Another attempt had the turn's answer first: `recorded`."""

    def __init__(self, recorded: RecordedEvent) -> None:
        super().__init__("the turn has an answer already")
        self.recorded = recorded


class AskedTurn:
    """One attempt's right to ask for a turn that has no answer, and what is reserved for it.

    A process that is stopped and comes back would else ask for what the attempt that followed it has paid for: while
    the right lasts no other attempt has it, or records an answer."""

    def __init__(self, admissions: "Admissions", input: CallModelInput, wanted: Wanted) -> None:
        self._admissions = admissions
        self._input = input
        self._wanted = wanted
        self._since = 0.0

    async def reserve(self) -> bool:
        """Whether the model was told to wrap up just now. Raises as Admissions.admit does."""
        return await self._admissions.warned(self._input, await self._take(LEAVES_SECONDS))

    async def leaves_by(self, seconds: float) -> float:
        """The time of the monotonic clock until which the question may leave; where little of it is left, it is taken
        anew, for `seconds`."""
        if seconds > LEAVES_SECONDS or monotonic() > self._since + seconds / 2:
            # Without a warning: the request is made already.
            await self._take(seconds)
        return self._since + seconds

    async def settle(self, answered: TurnAnswered) -> Sequence[RecordedEvent]:
        return await self._admissions.settle(self._wanted, answered)

    async def release(self) -> None:
        await self._admissions.release(self._wanted)

    async def _take(self, seconds: float) -> Account:
        self._wanted = self._wanted.model_copy(update={"asking_seconds": seconds + UNDERWAY_SECONDS})
        self._since, account = await self._admissions.admit(self._input, self._wanted)
        return account


class Admissions:
    def __init__(self, journal: Journal, dossiers: Dossiers, models: Models, clock: Clock, site: Site) -> None:
        self._journal = journal
        self._dossiers = dossiers
        self._models = models
        self._clock = clock
        self._site = site

    def turn(self, input: CallModelInput, model: str, request: ModelRequest, dossier: Dossier) -> "AskedTurn":
        """Nothing is reserved for it yet."""
        return AskedTurn(self, input, self._wanted(input, model, request, dossier))

    async def admit(self, input: CallModelInput, wanted: Wanted) -> tuple[float, Account]:
        """When the reservation that holds now was begun, by the monotonic clock, and its account.

        Raises NotAdmitted where a limit is used up, and Answered where the turn has its answer. Waits while others hold
        what is left, and shows it; and while another attempt's question may be leaving."""
        began, shown = monotonic(), False
        asked_at = began
        while (admission := await self._journal.admit(wanted)).verdict in ("held", "asking"):
            if monotonic() - began > HELD_SECONDS:
                raise WorldError("Other runs of the same account hold what is left.", retry_after_seconds=1.0)
            if admission.verdict == "held" and monotonic() - began > QUIET_SECONDS:
                shown = True
                await self._show_held(input, admission)
            # So that those who wait do not all ask at the same moment.
            await asyncio.sleep(random.uniform(*PAUSES[admission.verdict]))  # noqa: S311  nothing is guarded by it
            asked_at = monotonic()
        await self._show_let_in(input, shown)
        if admission.verdict == "used_up":
            raise NotAdmitted(self._refusal(wanted, admission))
        if admission.verdict == "answered":
            raise Answered(await self._standing(wanted))
        return asked_at, admission.account

    async def settle(self, wanted: Wanted, answered: TurnAnswered) -> Sequence[RecordedEvent]:
        """Records the answer, in one transaction with what it used; what stands afterwards, the answer first."""
        events = [NewEvent(key=wanted.key, event=answered)]
        if wanted.unpriced is not None:
            unknown = PriceUnknown(turn=answered.turn, model=wanted.unpriced)
            events.append(NewEvent(key=f"price/{wanted.unpriced}", event=unknown))
        used = Amount(turns=1, tokens=answered.usage.counted_tokens, cost_usd=answered.cost_usd)
        while True:
            if recorded := await self._journal.settle(wanted, used, events):
                return recorded
            # Another attempt has begun to ask: its answer will stand, or ours once its question has left.
            await asyncio.sleep(random.uniform(*PAUSES["asking"]))  # noqa: S311  nothing is guarded by it

    async def release(self, wanted: Wanted) -> None:
        await self._journal.release(wanted)

    async def _standing(self, wanted: Wanted) -> RecordedEvent:
        recorded = await self._journal.find(wanted.run_id, wanted.key)
        assert recorded is not None, f"{wanted.key} is answered, and is not there"
        return recorded

    def _wanted(self, input: CallModelInput, model: str, request: ModelRequest, dossier: Dossier) -> Wanted:
        price = self._models.price(model)
        before = dossier.answer(input.turn - 1)
        known = before.usage if before is not None and before.phase == input.phase else None
        team, rules = team_of(self._site, dossier.owner)
        return Wanted(
            run_id=input.run_id,
            key=f"turn/{input.turn}",
            attempt=activity.info().attempt,
            amount=worst_case(request, price, known),
            limits=dossier.spec.limits,
            team=team,
            month=month_of(self._clock.now()),
            team_bounds=rules.bounds,
            unpriced=None if has_price(price) else model,
            asker=uuid4().hex,
        )

    def _refusal(self, wanted: Wanted, admission: Admission) -> Refusal:
        account, month = admission.account, admission.month
        if admission.scope == "team":
            return Refusal(
                scope="team",
                limit=admission.limit or "cost_usd",
                bounds=effective(wanted.team_bounds, month.bounds),
                spent=month.spent,
                team=month.team,
                month=month.month,
                until=month.ends,
            )
        return Refusal(scope="run", limit=admission.limit or "turns", bounds=account.bounds, spent=account.spent)

    async def warned(self, input: CallModelInput, account: Account) -> bool:
        """Whether the model was told to wrap up, so that the request is another one: once for what the account is bound
        to, as a raise makes room, and for another warning."""
        if not account.nearly_used_up():
            return False
        text = note_text(Note(kind="wrap_up", reason="one more answer, or a tenth of it, is left"))
        bounds = "/".join(f"{name}={value:g}" for name, value in account.bounds if value is not None)
        note = NewEvent(key=f"wrap_up/{bounds}", event=NoteAdded(turn=input.turn, phase=input.phase, text=text))
        await self._journal.record(input.run_id, [note])
        await self._dossiers.of(input.run_id)
        return True

    async def _show_held(self, input: CallModelInput, admission: Admission) -> None:
        whose = "its team's month" if admission.scope == "team" else "its account"
        reason = f"calls of other runs may use up what {whose} has left of {admission.limit}; it goes on when they end"
        waiting = StatusChanged(status="waiting", waiting_for="capacity", reason=reason)
        await self._journal.record(input.run_id, [NewEvent(key=f"turn/{input.turn}/held", event=waiting)])

    async def _show_let_in(self, input: CallModelInput, was_held: bool) -> None:
        if not was_held and activity.info().attempt > 1:
            was_held = await self._journal.find(input.run_id, f"turn/{input.turn}/held") is not None
        if was_held:
            running = NewEvent(key=f"turn/{input.turn}/let_in", event=StatusChanged(status="running"))
            await self._journal.record(input.run_id, [running])
