"""Whether a turn may be asked for: its worst case is reserved before the call, and settled with its answer."""

import asyncio
import random
from collections.abc import Sequence
from time import monotonic

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

QUIET_SECONDS = 3.0
"""A wait for other runs of the same account that is over so soon is not worth a word."""
HELD_SECONDS = 600.0
"""Then the attempt ends, and the next one waits on."""


class Admissions:
    def __init__(self, journal: Journal, dossiers: Dossiers, models: Models, clock: Clock, site: Site) -> None:
        self._journal = journal
        self._dossiers = dossiers
        self._models = models
        self._clock = clock
        self._site = site

    async def reserve(
        self, input: CallModelInput, model: str, request: ModelRequest, dossier: Dossier
    ) -> tuple[Wanted, bool]:
        """What is reserved now, and whether the model was told to wrap up, so that the request is another one.

        Raises NotAdmitted where a limit is used up. Waits while others hold what is left, and shows it."""
        wanted = self._wanted(input, model, request, dossier)
        began, shown = monotonic(), False
        while (admission := await self._journal.admit(wanted)).verdict == "held":
            if monotonic() - began > HELD_SECONDS:
                raise WorldError("Other runs of the same account hold what is left.", retry_after_seconds=1.0)
            if monotonic() - began > QUIET_SECONDS:
                shown = True
                await self._show_held(input, admission)
            # So that those who wait do not all ask at the same moment.
            await asyncio.sleep(random.uniform(0.2, 0.8))  # noqa: S311  nothing is guarded by it
        await self._show_let_in(input, shown)
        if admission.verdict == "used_up":
            raise NotAdmitted(self._refusal(wanted, admission))
        return wanted, await self._warned(input, admission.account)

    async def settle(self, wanted: Wanted, answered: TurnAnswered) -> Sequence[RecordedEvent]:
        """Records the answer, in one transaction with what it used; what stands afterwards, the answer first."""
        events = [NewEvent(key=wanted.key, event=answered)]
        if wanted.unpriced is not None:
            unknown = PriceUnknown(turn=answered.turn, model=wanted.unpriced)
            events.append(NewEvent(key=f"price/{wanted.unpriced}", event=unknown))
        used = Amount(turns=1, tokens=answered.usage.counted_tokens, cost_usd=answered.cost_usd)
        return await self._journal.settle(wanted, used, events)

    async def release(self, wanted: Wanted) -> None:
        await self._journal.release(wanted)

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

    async def _warned(self, input: CallModelInput, account: Account) -> bool:
        """Once for what the account is bound to: a raise makes room, and for another warning."""
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
