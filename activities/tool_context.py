"""The sandbox as a tool sees it during one call."""

from collections.abc import Sequence
from pathlib import Path

from activities.host import Outputs
from activities.live import LiveStream
from domain.errors import Fenced
from domain.ports import Sandbox
from domain.sandbox import OUTPUTS_PATH, PROXY_ENVIRONMENT, Command, CommandResult, Mount
from domain.secrets import Mask
from domain.terms import Terms


class SandboxContext:
    """Implements activities.tools.contract.ToolContext for one attempt of one call."""

    def __init__(
        self,
        sandbox: Sandbox,
        outputs: Outputs,
        *,
        run_id: str,
        place: str,
        name: str,
        mounts: tuple[Mount, ...],
        terms: Terms,
        cwd: str,
        environment: dict[str, str],
        first_finish: bool,
        base_commit: str,
        mask: Mask,
        proxy: str | None = None,
        live: LiveStream | None = None,
    ) -> None:
        self.mask = mask
        self.cwd = cwd
        self.environment = environment
        self.defaults = sandbox.environment | (PROXY_ENVIRONMENT if proxy else {})
        self.first_finish = first_finish
        self.base_commit = base_commit
        self.longest_seconds = terms.limits.seconds
        self._sandbox = sandbox
        self._outputs = outputs
        self._run_id = run_id
        self._place = place
        self._name = name
        self._mounts = mounts
        self._terms = terms
        self._proxy = proxy
        self._live = live
        self._spooled: Path | None = None

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        cwd: str | None = None,
        environment: dict[str, str] | None = None,
        timeout_seconds: float = 30.0,
        keep_bytes: int = 64 * 1024,
        split_error: bool = False,
        spool: bool = False,
        report: bool = False,
        exact: bool = False,
    ) -> CommandResult:
        scratch = self._outputs.scratch(self._run_id, self._place) if spool else None
        command = Command(
            argv=tuple(argv),
            cwd=cwd or self.cwd,
            environment=self._sandbox.environment | (self.environment if environment is None else environment),
            stdin=stdin,
            timeout_seconds=min(timeout_seconds, self.longest_seconds),
            mounts=self._mounts,
            limits=self._terms.limits,
            run_id=self._run_id,
            image=self._terms.image,
            proxy=self._proxy,
            name=self._name,
            keep_bytes=keep_bytes,
            output_path=str(scratch) if scratch else None,
            split_error=split_error,
            report=report,
        )
        result = await self._sandbox.run(command, self._show if spool else None)
        if result.ended == "cancelled":
            raise Fenced("the command was ended, because a later attempt of its call has begun")
        if scratch is not None:
            return await self._settled(result, scratch, keep_bytes)
        return result if exact else self._masked(result)

    async def _settled(self, result: CommandResult, scratch: Path, keep_bytes: int) -> CommandResult:
        """Head and tail of the masked output: a secret must not show its half where the output was cut."""
        if not result.cut:
            whole = self.mask.content(result.head + result.tail)
            if len(whole) <= keep_bytes:
                _remove(scratch)
                return result.model_copy(update={"head": whole, "tail": b""})
        head, tail, size = await self._outputs.masked(scratch, keep_bytes)
        if tail:
            self._spooled = scratch
        else:
            _remove(scratch)
        return result.model_copy(update={"head": head, "tail": tail, "output_bytes": size, "cut": bool(tail)})

    def _masked(self, result: CommandResult) -> CommandResult:
        if result.cut:
            hidden = {"head": self.mask.content(result.head), "tail": self.mask.content(result.tail)}
        else:
            hidden = {"head": self.mask.content(result.head + result.tail), "tail": b""}
        return result.model_copy(update=hidden | {"error": self.mask.content(result.error)})

    async def output_note(self) -> tuple[str, str] | None:
        if self._spooled is None:
            return None
        address = await self._outputs.keep(self._run_id, self._place, self._spooled)
        self._spooled = None
        return f"{OUTPUTS_PATH}/{self._place}", address

    async def _show(self, chunk: bytes) -> None:
        if self._live is not None:
            await self._live.send("output", chunk.decode(errors="replace"))


def _remove(scratch: Path) -> None:
    scratch.unlink(missing_ok=True)
