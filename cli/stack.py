"""The embedded stack: which parts it has, what each is told, and where they answer."""

import asyncio
import os
import re
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.embedded.child import Child
from adapters.embedded.ports import LOOPBACK, becomes_free, free_port, holder_of
from cli.home import Home
from cli.parts import ROOT, Part, PostgresPart, ProgramPart, TemporalPart, get_status, listens
from cli.supervisor import Supervisor
from domain.errors import Conflict, InvalidRequest, WorldError

WORKER_READY = "ready: serves"
SCRIPTS = ROOT / "adapters" / "models" / "scripted" / "scripts"


@dataclass(frozen=True)
class StackOptions:
    """A port of 0 takes a free one. `scripted`: a script or a directory of them, or the name of one that ships."""

    port: int = 8080
    temporal_port: int = 7233
    ui_port: int = 8233
    scripted: str | None = None
    sandbox: str | None = None


class Stack:
    def __init__(
        self, home: Home, options: StackOptions, environment: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        self._home = home
        self._options = options
        self._given = environment
        self._say = say
        self._supervisor = Supervisor(say)
        self._for_children: dict[str, str] = {}
        self._port = 0

    async def start(self) -> dict[str, str]:
        """Where everything answers. Conflict for a taken port or home, WorldError for a part that does not start."""
        self._home.make()
        self._home.lock()
        await asyncio.to_thread(self._check_ports)
        self._port = self._options.port or free_port()
        token = self._given.get("PERDURE_API_TOKEN") or self._home.make_token()
        self._for_children = self._environment(token)
        postgres, temporal = self._servers()
        scripted = self._scripted() if self._options.scripted else None
        await self._supervisor.start(*(part for part in (temporal, postgres, scripted) if part is not None))
        if postgres is not None:
            self._for_children["DATABASE_URL"] = postgres.dsn
        if temporal is not None:
            self._for_children |= {"TEMPORAL_ADDRESS": temporal.address, "PERDURE_TEMPORAL_UI_URL": temporal.ui_url}
        await self._migrate()
        await self._supervisor.start(self._worker(), self._api())
        answers = self._answers(token)
        self._home.announce(answers)
        return answers

    async def stop(self) -> None:
        self._home.withdraw()
        await self._supervisor.stop()

    def kill(self) -> None:
        self._supervisor.kill()

    def _check_ports(self) -> None:
        wanted = [("API", "--port", self._options.port)]
        if temporal_elsewhere(self._given) is None:
            wanted += [("Temporal", "--temporal-port", self._options.temporal_port)]
            wanted += [("Temporal Web UI", "--ui-port", self._options.ui_port)]
        for name, flag, port in wanted:
            if port and not becomes_free(port):
                holder = holder_of(port) or "another program"
                raise Conflict(
                    f"Port {port} ({name}) is taken by {holder}",
                    f"End that, or choose another port: `{flag} 0` takes any that is free.",
                )

    def _environment(self, token: str) -> dict[str, str]:
        environment = dict(self._given)
        environment |= {"PERDURE_HOME": str(self._home.path), "PERDURE_API_TOKEN": token}
        environment.setdefault("PERDURE_WORKER_HOME", str(self._home.worker))
        # Here the newest is whatever was started last, after a step back as well.
        environment.setdefault("PERDURE_PROMOTE", "always")
        environment.setdefault("PERDURE_PUBLIC_URL", f"http://{LOOPBACK}:{self._port}")
        if self._options.sandbox:
            environment["PERDURE_SANDBOX"] = self._options.sandbox
        return environment

    def _servers(self) -> tuple[PostgresPart | None, TemporalPart | None]:
        """Those that are not elsewhere."""
        if elsewhere := temporal_elsewhere(self._given):
            self._say(f"Temporal is not started here: its configuration names {elsewhere}")
            temporal = None
        else:
            options, log_path = self._options, self._home.logs / "temporal.log"
            temporal = TemporalPart(self._home.temporal, options.temporal_port, options.ui_port, log_path)
            # Keys and TLS of another server would spoil the connection to this one.
            self._for_children = {
                name: value for name, value in self._for_children.items() if not name.startswith("TEMPORAL_")
            }
            self._for_children |= {"TEMPORAL_NAMESPACE": "default", "TEMPORAL_CONFIG_FILE": os.devnull}
        if self._given.get("DATABASE_URL"):
            self._say("Postgres is not started here: DATABASE_URL names one")
            return None, temporal
        return PostgresPart(self._home.postgres), temporal

    def _scripted(self) -> Part:
        wanted = self._options.scripted or ""
        path = Path(wanted) if Path(wanted).exists() else SCRIPTS / f"{wanted}.yaml"
        if not path.exists():
            raise InvalidRequest(f"There is no script {wanted}", "Name a file, a directory, or a script that ships.")
        port = free_port()
        self._for_children["SCRIPTED_BASE_URL"] = f"http://{LOOPBACK}:{port}"
        if path.is_file():
            self._for_children.setdefault("PERDURE_MODEL", f"scripted:{path.stem}")

        async def ready(_child: Child) -> bool:
            return await listens(f"{LOOPBACK}:{port}")

        arguments = ["-m", "adapters.models.scripted", "--port", str(port), "--script", str(path.absolute())]
        # It shows what a script says: none of the stack's keys is its business.
        return ProgramPart(
            "Scripted model", arguments, self._home.logs / "scripted-model.log", lambda: bare(self._given), ready
        )

    async def _migrate(self) -> None:
        from adapters.journal.migrate import migrate

        await migrate(self._for_children["DATABASE_URL"])
        if (address := temporal_elsewhere(self._given)) and not await listens(address, 5.0):
            raise WorldError(f"Temporal does not answer at {address}", "Start it, or unset TEMPORAL_ADDRESS.")

    def _worker(self) -> Part:
        # Temporal remembers a worker that has died for a while; only its own word tells that this one is up.
        async def ready(child: Child) -> bool:
            return WORKER_READY in child.said()

        return self._program("Worker", ["-m", "worker", "--kept"], ready)

    def _api(self) -> Part:
        async def ready(_child: Child) -> bool:
            status, _ = await get_status(self._port, "/readyz")
            return status == 200

        arguments = ["-m", "uvicorn", "api.app:app", "--host", LOOPBACK, "--port", str(self._port)]
        # Event streams never end by themselves.
        arguments += ["--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "1"]
        return self._program("API", arguments, ready)

    def _program(self, name: str, arguments: list[str], ready: Callable[[Child], Awaitable[bool]]) -> ProgramPart:
        log_path = self._home.logs / f"{name.lower().replace(' ', '-')}.log"
        return ProgramPart(name, arguments, log_path, lambda: self._for_children, ready)

    def _answers(self, token: str) -> dict[str, str]:
        told = self._for_children
        return {
            "api": f"http://{LOOPBACK}:{self._port}",
            "token": token,
            "temporal": told.get("TEMPORAL_ADDRESS") or temporal_elsewhere(told) or "",
            "temporal_ui": told.get("PERDURE_TEMPORAL_UI_URL", ""),
            "postgres": without_password(told["DATABASE_URL"]),
            "home": str(self._home.path),
        }


def temporal_elsewhere(environment: Mapping[str, str]) -> str | None:
    """The address that Temporal's own environment configuration gives: a variable, else the profile in its file."""
    if address := environment.get("TEMPORAL_ADDRESS"):
        return address
    home = environment.get("HOME") or str(Path("~").expanduser())
    base = environment.get("XDG_CONFIG_HOME") or f"{home}/.config"
    file = Path(environment.get("TEMPORAL_CONFIG_FILE") or f"{base}/temporalio/temporal.toml")
    profile = environment.get("TEMPORAL_PROFILE") or "default"
    try:
        found = tomllib.loads(file.read_text())["profile"][profile]["address"]
    except (OSError, KeyError, TypeError, ValueError):
        return None
    return str(found)


def bare(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in ("HOME", "PATH", "LANG", "TZ", "TMPDIR") if name in environment}


def without_password(dsn: str) -> str:
    return re.sub(r"(password=)[^\s&]+", r"\1***", re.sub(r"(://[^:/@]*:)[^@/]*@", r"\1***@", dsn))
