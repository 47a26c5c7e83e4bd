"""The way of a tool to the world outside: through the worker, by its rules of egress and its ledger of effects."""

from collections.abc import Awaitable, Callable
from typing import Any

from activities.effects import Effects
from activities.host import Host
from activities.jobs import Job
from activities.tools.contract import ToolOutcome
from domain.dossier import Dossier
from domain.effect import Effect, Receipt, effect_id, request_hash
from domain.errors import ModelMistake
from domain.event import ConnectionTried, EffectDone
from domain.network import Connection
from domain.record import NewEvent
from domain.tool import ToolResult
from domain.web import WebAnswer, WebRequest


class WorkersReach:
    """Implements activities.tools.contract.Reach for one attempt of one call."""

    def __init__(self, host: Host, job: Job, dossier: Dossier) -> None:
        self.mask = host.mask
        self._host = host
        self._effects = Effects(host.journal, host.dossiers)
        self._run_id = dossier.run_id
        self._key = f"effect/{job.call}"
        self._hosts = dossier.terms.network
        newest = dossier.ledger.newest(self._key)
        self._call, self._attempt = job.call, newest.attempt + 1 if newest else 1
        self._tried: list[Connection] = []

    async def send(self, request: WebRequest) -> WebAnswer:
        return await self._host.web.send(request, self._hosts, self._tried.append)

    async def record_connections(self) -> None:
        """After the receipt: what is known of an effect comes first."""
        place = f"connection/{self._call}/{self._attempt}"
        tried = [ConnectionTried(call=self._call, attempt=self._attempt, connection=one) for one in self._tried]
        events = [NewEvent(key=f"{place}/{number}", event=one) for number, one in enumerate(tried)]
        await self._host.journal.record(self._run_id, events)

    async def perform(
        self, kind: str, target: str, about: str, request: Any, act: Callable[[str], Awaitable[Receipt]]
    ) -> EffectDone:
        masked = {"target": self.mask.text(target), "about": self.mask.text(about)}
        effect = Effect(key=self._key, kind=kind, request=request_hash(request), **masked)
        return await self._effects.perform(self._run_id, effect, lambda: act(effect_id(self._run_id, self._key)))


async def reach_out(host: Host, job: Job, dossier: Dossier) -> ToolOutcome:
    """What the model cannot have is told to it; a change whose answer was lost raises EffectInDoubt."""
    assert job.tool.reach_out is not None
    if not job.keeps and job.tool.defined(job.arguments).tool_class == "effect":
        return ToolOutcome(ToolResult(text="While a plan is made nothing may be changed outside.", is_error=True))
    reach = WorkersReach(host, job, dossier)
    try:
        return await job.tool.reach_out(job.arguments, reach)
    except ModelMistake as mistake:
        return ToolOutcome(ToolResult(text=mistake.message, is_error=True))
    finally:
        await reach.record_connections()
