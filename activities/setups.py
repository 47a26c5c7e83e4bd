"""A setup command whose effect is known from an earlier run is not run again: its files are taken over."""

from activities.host import Host
from activities.jobs import Job
from domain.dossier import Dossier
from domain.event import ToolReturned
from domain.setup import REUSED_FOR_SECONDS, setup_key
from domain.workspace import WorkspaceLease

SETUP = "setup/call/0"


class Setups:
    """Kept by repository, commit and command, and by what the command sees of its surroundings."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def known(self, job: Job, dossier: Dossier, lease: WorkspaceLease) -> ToolReturned | None:
        """What the call comes to where an earlier run made it on the very same files."""
        key = self._key(job, dossier)
        recorded = await self._host.journal.find_setup(key, REUSED_FOR_SECONDS) if key else None
        returned = recorded.event if recorded else None
        if not isinstance(returned, ToolReturned) or recorded is None or returned.snapshot is None:
            return None
        if lease.snapshot is None or lease.snapshot.pack is not None or returned.snapshot.base != lease.snapshot.base:
            return None
        if returned.result.output_ref:
            await self._host.outputs.restore(dossier.run_id, {job.place: returned.result.output_ref})
        reused = returned.reused_from or recorded.run_id
        result = returned.result.model_copy(update={"seconds": 0.0})
        return returned.model_copy(update={"reused_from": reused, "result": result})

    async def keep(self, job: Job, dossier: Dossier, returned: ToolReturned) -> None:
        key = self._key(job, dossier)
        if key and returned.result.exit_code == 0 and not returned.reused_from:
            await self._host.journal.keep_setup(key, dossier.run_id)

    def _key(self, job: Job, dossier: Dossier) -> str | None:
        if job.call != SETUP or dossier.repository is None or dossier.spec.setup is None:
            return None
        sandbox = self._host.sandbox
        seen = {"environment": dict(sandbox.environment), "enforcement": sandbox.enforcement().model_dump(mode="json")}
        return setup_key(dossier.repository, dossier.spec.setup, dossier.terms, seen)
