"""The ledger of effects: whatever changes something outside the workspace is made by `perform`."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

from activities.dossiers import Dossiers
from domain.approval import DecideApproval
from domain.effect import Effect, EffectWord, Receipt, doubt_id
from domain.errors import EffectInDoubt, EffectTaken, NotSent, PerdureError, WorldError
from domain.event import EffectDone, EffectFailed, EffectIntended, Event
from domain.ports import Journal
from domain.record import NewEvent

Act = Callable[[], Awaitable[Receipt]]
Probe = Callable[[], Awaitable[Receipt | None]]
AGAIN_SECONDS = 1.0


class Effects:
    def __init__(self, journal: Journal, dossiers: Dossiers) -> None:
        self._journal = journal
        self._dossiers = dossiers

    async def perform(self, run_id: str, effect: Effect, act: Act, probe: Probe | None = None) -> EffectDone:
        """Intent, probe, act, receipt. A receipt that stands is the answer, and nobody is asked anything.

        `probe` says what the far side has of it already, or None. Without one, an effect that is not `repeatable` and
        whose attempt left no outcome is not made again: EffectInDoubt, until a person has decided. `act` raises
        NotSent, or what is no WorldError, where it certainly changed nothing. EffectTaken: a newer attempt has it.
        """
        while True:
            taken = await self._take(run_id, effect, probe)
            if isinstance(taken, EffectDone):
                return taken
            if taken is not None:
                return await self._make(run_id, taken, act, probe, effect.repeatable)

    async def _take(self, run_id: str, effect: Effect, probe: Probe | None) -> EffectIntended | EffectDone | None:
        """The receipt that stands, or an intent of our own; None where another attempt was faster."""
        dossier = await self._dossiers.of(run_id)
        if (done := dossier.ledger.done.get(effect.key)) is not None:
            return done
        newest, left = dossier.ledger.newest(effect.key), dossier.ledger.open_intent(effect.key)
        if probe is not None and newest is not None and (seen := await probe()) is not None:
            # Before a number is taken: an outage of a day is one intent, not a thousand.
            return await self._done(run_id, newest, seen, found=True)
        if left is not None and probe is None and not effect.repeatable:
            decision = dossier.decided.get(doubt_id(left))
            if decision is None:
                raise _doubt(left)
            if decision.decision == "reject":
                return await self._settle(run_id, left, decision)
        intended = EffectIntended(
            effect=effect.kind,
            target=effect.target,
            key=effect.key,
            attempt=newest.attempt + 1 if newest else 1,
            holder=uuid4().hex,
            about=effect.about,
            request=effect.request,
        )
        stands = await self._record(run_id, f"{effect.key}/intended/{intended.attempt}", intended)
        mine = isinstance(stands, EffectIntended) and stands.holder == intended.holder
        return intended if mine else None

    async def _make(
        self, run_id: str, intent: EffectIntended, act: Act, probe: Probe | None, repeatable: bool
    ) -> EffectDone:
        blind, acting = probe is None and not repeatable, False
        try:
            if probe is not None and (seen := await probe()) is not None:
                return await self._done(run_id, intent, seen, found=True)
            if (done := await self._held(run_id, intent)) is not None:
                return done
            acting = True
            receipt = await act()
        except EffectTaken:
            raise
        except PerdureError as error:
            if isinstance(error, NotSent) or not isinstance(error, WorldError) or (blind and not acting):
                await self._failed(run_id, intent, error)
            elif blind:
                raise _doubt(intent) from error
            raise
        return await self._done(run_id, intent, receipt)

    async def _held(self, run_id: str, intent: EffectIntended) -> EffectDone | None:
        """Just before the act: an attempt that hung and was given up must not go on where it stopped."""
        ledger = (await self._dossiers.of(run_id)).ledger
        if (done := ledger.done.get(intent.key)) is not None:
            return done
        newest = ledger.newest(intent.key)
        if newest is not None and newest.holder != intent.holder:
            raise EffectTaken(
                f"Attempt {newest.attempt} has taken over from attempt {intent.attempt}: {intent.about}",
                retry_after_seconds=AGAIN_SECONDS,
            )
        return None

    async def _settle(self, run_id: str, intent: EffectIntended, decision: DecideApproval) -> EffectDone:
        """A person leaves it as it is, and may know what came of it."""
        receipt = EffectWord.model_validate(decision.edited).receipt if decision.edited else {}
        told = {"reason": decision.reason} if decision.reason and not receipt else {}
        return await self._done(run_id, intent, {**receipt, **told}, by=decision.by)

    async def _done(
        self, run_id: str, intent: EffectIntended, receipt: Receipt, found: bool = False, by: str = ""
    ) -> EffectDone:
        done = EffectDone(
            effect=intent.effect,
            target=intent.target,
            key=intent.key,
            attempt=intent.attempt,
            receipt=receipt,
            found=found,
            by=by,
        )
        stands = await self._record(run_id, f"{intent.key}/done", done)
        return stands if isinstance(stands, EffectDone) else done

    async def _failed(self, run_id: str, intent: EffectIntended, error: PerdureError) -> None:
        failed = EffectFailed(
            effect=intent.effect,
            target=intent.target,
            key=intent.key,
            attempt=intent.attempt,
            reason=f"{error.message} {error.next_step}".strip()[:2000],
        )
        await self._record(run_id, f"{intent.key}/failed/{intent.attempt}", failed)

    async def _record(self, run_id: str, key: str, event: Event) -> Event:
        (recorded,) = await self._journal.record(run_id, [NewEvent(key=key, event=event)])
        self._dossiers.add(run_id, recorded)
        return recorded.event


def _doubt(intent: EffectIntended) -> EffectInDoubt:
    return EffectInDoubt(
        f"Nobody knows whether attempt {intent.attempt} did this: {intent.about} ({intent.target})", doubt_id(intent)
    )
